/**
 * What the benchmark needs and does not bring: Kafka's jars, librdkafka's load generator, the compiled floors.
 *
 * Owns `bench/.work`, where they are built once. Whatever cannot be made is answered with a reason, never with a failure.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import type { Processes } from "./processes.js"

export type Tool = { readonly path: string } | { readonly missing: string }

const kafkaVersion = "4.3.1"
const librdkafkaPackage = "node-rdkafka@3.6.1"

const reason = (error: unknown) => (error as Error).message.split("\n")[0]!.slice(0, 200)

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`

/** Folder with the jars of Apache Kafka: below `given`, or fetched by Maven. */
export async function kafkaJars(
  processes: Processes,
  work: string,
  given: string | undefined,
  say: (line: string) => void,
): Promise<Tool> {
  if (given === "none") return { missing: "not asked for" }
  if (given !== undefined) {
    const path = join(resolve(given), "libs")
    return existsSync(path) ? { path } : { missing: "the folder given as peer has no libs" }
  }
  const directory = join(work, "kafka")
  const path = join(directory, "libs")
  try {
    await processes.run("java", ["-version"])
    if (!existsSync(path)) {
      say(`fetching the jars of Apache Kafka ${kafkaVersion} (once)`)
      mkdirSync(directory, { recursive: true })
      writeFileSync(join(directory, "pom.xml"), pom)
      const goal = ["-q", "-f", "pom.xml", "dependency:copy-dependencies", `-DoutputDirectory=${path}.unfinished`]
      await processes.run("mvn", goal, { cwd: directory })
      renameSync(`${path}.unfinished`, path)
    }
    return { path }
  } catch (error) {
    return { missing: reason(error) }
  }
}

/** Path of librdkafka's own benchmark program: `given`, or built from the sources in an npm package. */
export async function rdkafkaProgram(
  processes: Processes,
  work: string,
  given: string | undefined,
  say: (line: string) => void,
): Promise<Tool> {
  if (given === "typescript") return { missing: "not asked for" }
  if (given !== undefined)
    return existsSync(given) ? { path: resolve(given) } : { missing: "the generator given is not there" }
  const directory = join(work, "librdkafka")
  const path = join(directory, "rdkafka_performance")
  if (existsSync(path)) return { path }
  try {
    await processes.run("make", ["--version"])
    await processes.run("cc", ["--version"])
    say("building rdkafka_performance from librdkafka's sources (once, about a minute)")
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory, { recursive: true })
    await processes.run("npm", ["pack", "--silent", librdkafkaPackage], { cwd: directory })
    const archive = readdirSync(directory).find((name) => name.endsWith(".tgz"))!
    await processes.run("tar", ["xzf", archive], { cwd: directory })
    const sources = join(directory, "package", "deps", "librdkafka")
    await processes.run("sh", ["-c", "chmod +x configure *.sh *.py mklove/modules/* 2>/dev/null; ./configure"], {
      cwd: sources,
    })
    await processes.run("make", ["libs"], { cwd: sources })
    await processes.run("make", ["-C", "examples", "rdkafka_performance"], { cwd: sources })
    renameSync(join(sources, "examples", "rdkafka_performance"), path)
    return { path }
  } catch (error) {
    return { missing: reason(error) }
  }
}

/** The floors written in C, compiled. */
export async function limitsProgram(processes: Processes, work: string, source: string): Promise<Tool> {
  const path = join(work, "limits")
  try {
    if (!existsSync(path) || statSync(path).mtimeMs < statSync(source).mtimeMs) {
      await processes.run("cc", ["-O2", "-o", path, source])
    }
    return { path }
  } catch (error) {
    return { missing: reason(error) }
  }
}
