/**
 * How attackers talk to a broker: bytes out, whole frames in, and in the end answered, closed or silent.
 *
 * Owns one exchange on one connection, and what all attacks are made of. Judges nothing.
 */
import { connect } from "node:net"
import type { NextInt } from "../protocol/generate.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { fetch } from "../protocol/messages/fetch.js"
import { encodeRequest } from "../protocol/request-header.js"

/** How long an attacker waits for an answer or the end. Requests that may wait by right are not held to it. */
const answerMs = 10_000
/** Answers that may come late because the request said so. */
const patientApis = new Set([fetch.key])
const lastCorrelationId = 0x7ffffff1

export interface Address {
  readonly host: string
  readonly port: number
  /** Where the same node listens for controllers and brokers; undefined: nobody knows. */
  readonly controllerPort?: number
}

export type Outcome = "answered" | "closed" | "silent"

export interface Exchange {
  readonly outcome: Outcome
  /** Frames without their lengths. */
  readonly answers: readonly Buffer[]
}

/** Sends bytes, then waits until `frames` answers have come, the connection has ended, or `waitMs` are over. */
export function exchange(
  address: Address,
  chunks: readonly Buffer[],
  frames: number,
  waitMs = answerMs,
): Promise<Exchange> {
  return new Promise((resolve) => {
    const socket = connect({ ...address })
    let received = Buffer.alloc(0)
    const answers: Buffer[] = []
    const done = (outcome: Outcome) => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ outcome, answers })
    }
    const timer = setTimeout(() => done("silent"), waitMs)
    socket.on("error", () => {})
    socket.on("close", () => done("closed"))
    socket.on("connect", () => {
      for (const chunk of chunks) socket.write(chunk)
    })
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const end = 4 + received.readInt32BE(0)
        answers.push(received.subarray(4, end))
        received = received.subarray(end)
        if (answers.length >= frames) return done("answered")
      }
    })
  })
}

export const frameOf = (parts: readonly unknown[]): Buffer => Buffer.concat(parts as Buffer[])

export function prefixed(bytes: Buffer): Buffer {
  const frame = Buffer.alloc(4 + bytes.length)
  frame.writeInt32BE(bytes.length)
  bytes.copy(frame, 4)
  return frame
}

export const ping = (): Buffer =>
  frameOf(
    encodeRequest(apiVersions, 0, lastCorrelationId, "fuzz", { clientSoftwareName: "", clientSoftwareVersion: "" }),
  )

export const randomBytes = (length: number, nextInt: NextInt): Buffer =>
  Buffer.from(Array.from({ length }, () => nextInt(256)))

export const oneOf = <T>(values: readonly T[], nextInt: NextInt): T => values[nextInt(values.length)]!

/** Resolves with what was wrong, or undefined. */
export type Attack = (address: Address, nextInt: NextInt) => Promise<string | undefined>

export const isPatient = (frame: Buffer): boolean => patientApis.has(frame.readInt16BE(4))
export const patientMs = (frame: Buffer): number => (isPatient(frame) ? 300 : answerMs)
