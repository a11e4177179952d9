/**
 * `ottla/testing`: a broker in the process of a test, and consumers under faults from a seed.
 *
 * Owns what users of the package see, and the real world under it. Works with any test runner: it uses no globals of theirs, and leaves nothing behind after `close`.
 */
import { prepareCompression } from "../protocol/compression/compression.js"
import type { Broker } from "./broker.js"
import * as creation from "./create-broker.js"
import type { BrokerOptions } from "./create-broker.js"
import { createRealWorld, wantedSeed } from "./real-world.js"
import * as simulation from "./simulate.js"
import type { SimulatedWorld, SimulateOptions } from "./simulate.js"

/**
 * Resolves with a broker that serves, in a few milliseconds. `await using broker = await createBroker()` closes it at the end of the block.
 *
 * Errors: ConfigError, naming the option; StartError; NetworkError for a port that is taken.
 */
export async function createBroker(options: BrokerOptions = {}): Promise<Broker> {
  const prepared = prepareCompression()
  const broker = await creation.createBroker(options, createRealWorld())
  await prepared
  return broker
}

/**
 * Runs a test's own code against brokers under faults, once for each seed, in virtual time; resolves with how many seeds there were. `OTTLA_SEED=n` runs that one alone.
 *
 * Inside, only the world's time passes. `setTimeout`, `setInterval`, `setImmediate`, `Date`, `performance.now` and `Math.random` are the world's there. What must not be used: `node:timers`,
 * `node:timers/promises`, `AbortSignal.timeout`, `node:crypto` for anything that decides, sockets, files, threads, other processes. Waiting for one of these fails; a seed that fails is run twice, and the error says
 * so when the two differ. Not to be run while other tests run in the same process.
 *
 * Errors: SimulationError, with the seed and how to run it alone; ConfigError.
 */
export async function simulate(
  options: SimulateOptions,
  scenario: (world: SimulatedWorld) => Promise<void>,
): Promise<{ readonly seeds: number }> {
  await prepareCompression()
  return simulation.simulate(options, scenario, createRealWorld(), wantedSeed())
}

export { SimulationError } from "./simulate.js"
export type { SimulatedWorld, SimulateOptions } from "./simulate.js"
export type { FaultKinds, Misfortune, WorldFaults } from "./world-faults.js"
export type { BrokerOptions } from "./create-broker.js"
export type { Broker, BrokerClock, BrokerDisk, BrokerState, CrashOptions } from "./broker.js"
export type { Duration } from "./duration.js"
export type { Fault, FaultAction, FaultMatch, FaultMoment, Faults } from "./faults.js"
export type { GroupMemberState, GroupOffset, GroupState } from "./group-look.js"
export type { PartitionState, TopicSpec, TopicState } from "./observer.js"
export type { Until, UntilOptions } from "./until.js"
