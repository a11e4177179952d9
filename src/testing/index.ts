/**
 * `ottla/testing`: a broker in the process of a test, and consumers under faults from a seed.
 *
 * Owns what users of the package see, and the real world under it. Works with any test runner: it uses no globals of theirs, and leaves nothing behind after `close`.
 */
import { prepareCompression } from "../protocol/compression/compression.js"
import type { Broker } from "./broker.js"
import * as creation from "./create-broker.js"
import type { BrokerOptions } from "./create-broker.js"
import { createRealWorld } from "./real-world.js"

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

export type { BrokerOptions } from "./create-broker.js"
export type { Broker, BrokerClock, BrokerDisk, BrokerState, CrashOptions } from "./broker.js"
export type { Duration } from "./duration.js"
export type { Fault, FaultAction, FaultMatch, FaultMoment, Faults } from "./faults.js"
export type { GroupMemberState, GroupOffset, GroupState, PartitionState, TopicSpec, TopicState } from "./observer.js"
export type { Until, UntilOptions } from "./until.js"
