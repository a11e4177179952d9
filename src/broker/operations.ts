/**
 * The operations a caller may perform, as bit sets over Kafka's AclOperation codes.
 *
 * Without an authorizer everybody may do everything that a resource knows. Source: Kafka's AclEntry.supportedOperations; KIP-430.
 */
const bit = (...operations: number[]): number => operations.reduce((set, operation) => set | (1 << operation), 0)

const read = 3
const write = 4
const create = 5
const remove = 6
const alter = 7
const describe = 8
const clusterAction = 9
const describeConfigs = 10
const alterConfigs = 11
const idempotentWrite = 12

export const topicOperations = bit(read, write, create, remove, alter, describe, describeConfigs, alterConfigs)
export const clusterOperations = bit(
  create,
  alter,
  describe,
  clusterAction,
  describeConfigs,
  alterConfigs,
  idempotentWrite,
)
export const groupOperations = bit(read, remove, describe, describeConfigs, alterConfigs)
