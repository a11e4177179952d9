/**
 * The house: which folder of `src/` may import which.
 *
 * Owns the list of layers. A folder imports itself and the folders on rows below its own; folders of one row do not import
 * each other. `layers.test.ts` checks it, and that nothing outside `env/node/` touches the real world.
 */
export const layers: readonly (readonly string[])[] = [
  ["cli", "testing"],
  ["sim"],
  ["gateway"],
  ["broker", "kafkajs"],
  ["coordinator", "client"],
  ["replication", "controller"],
  ["metadata"],
  ["rsm", "raft"],
  ["storage"],
  ["net", "assignment"],
  ["config", "observe"],
  ["protocol"],
  ["env"],
  ["base"],
]

/** Imports between folders of one row that are part of the design, each with its reason. */
export const sameRowImports: readonly { from: string; to: string; reason: string }[] = [
  { from: "rsm", to: "raft", reason: "a replicated state machine appends to and replays from a raft log" },
]
