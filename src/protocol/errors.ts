/**
 * Error codes of the protocol: what a peer is told, and what it may do about it.
 *
 * Owns the table. Errors are values here, per partition or per request, never exceptions. `retriable` and `invalidMetadata` are what
 * Kafka's clients make of the code: try again, and ask for new metadata first. The texts are ours.
 */

interface ErrorRow {
  readonly code: number
  readonly retriable?: true
  readonly invalidMetadata?: true
  readonly message: string
}

const table = {
  UNKNOWN_SERVER_ERROR: { code: -1, message: "The broker failed in a way it did not expect." },
  NONE: { code: 0, message: "No error." },
  OFFSET_OUT_OF_RANGE: { code: 1, message: "The offset is outside the log of the partition." },
  CORRUPT_MESSAGE: {
    code: 2,
    retriable: true,
    message: "The record batch fails its checksum or its structure is broken.",
  },
  UNKNOWN_TOPIC_OR_PARTITION: {
    code: 3,
    retriable: true,
    invalidMetadata: true,
    message: "This broker does not host the topic or partition.",
  },
  INVALID_FETCH_SIZE: { code: 4, message: "The fetch size is invalid." },
  LEADER_NOT_AVAILABLE: {
    code: 5,
    retriable: true,
    invalidMetadata: true,
    message: "The partition has no leader at the moment.",
  },
  NOT_LEADER_OR_FOLLOWER: {
    code: 6,
    retriable: true,
    invalidMetadata: true,
    message: "This broker is not the leader of the partition, or not a replica of it.",
  },
  REQUEST_TIMED_OUT: { code: 7, retriable: true, message: "The request was not completed in the time it allowed." },
  BROKER_NOT_AVAILABLE: { code: 8, message: "The broker is not available." },
  REPLICA_NOT_AVAILABLE: {
    code: 9,
    retriable: true,
    invalidMetadata: true,
    message: "The replica is not available on this broker.",
  },
  MESSAGE_TOO_LARGE: { code: 10, message: "The batch is larger than the largest the topic accepts." },
  STALE_CONTROLLER_EPOCH: { code: 11, message: "The controller has moved to a later epoch." },
  OFFSET_METADATA_TOO_LARGE: { code: 12, message: "The metadata kept with the offset is too long." },
  NETWORK_EXCEPTION: {
    code: 13,
    retriable: true,
    invalidMetadata: true,
    message: "The connection was lost before the answer came.",
  },
  COORDINATOR_LOAD_IN_PROGRESS: { code: 14, retriable: true, message: "The coordinator is still loading its state." },
  COORDINATOR_NOT_AVAILABLE: { code: 15, retriable: true, message: "The coordinator is not available." },
  NOT_COORDINATOR: { code: 16, retriable: true, message: "This broker is not the coordinator." },
  INVALID_TOPIC_EXCEPTION: { code: 17, message: "The topic name is invalid, or the topic is internal." },
  RECORD_LIST_TOO_LARGE: { code: 18, message: "The batches are larger than a segment of the log." },
  NOT_ENOUGH_REPLICAS: { code: 19, retriable: true, message: "Fewer replicas are in sync than the topic requires." },
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: {
    code: 20,
    retriable: true,
    message: "The batch was appended, but fewer replicas are in sync than the topic requires.",
  },
  INVALID_REQUIRED_ACKS: { code: 21, message: "The value of acks is invalid." },
  ILLEGAL_GENERATION: { code: 22, message: "The generation is not the current one of the group." },
  INCONSISTENT_GROUP_PROTOCOL: {
    code: 23,
    message: "The protocols of the member have nothing in common with those of the group.",
  },
  INVALID_GROUP_ID: { code: 24, message: "The group id is invalid." },
  UNKNOWN_MEMBER_ID: { code: 25, message: "The group does not know the member." },
  INVALID_SESSION_TIMEOUT: { code: 26, message: "The session timeout is outside the range that the broker allows." },
  REBALANCE_IN_PROGRESS: { code: 27, message: "The group is rebalancing: join again." },
  INVALID_COMMIT_OFFSET_SIZE: { code: 28, message: "The offsets to commit do not fit into one record." },
  TOPIC_AUTHORIZATION_FAILED: { code: 29, message: "Not authorized for the topic." },
  GROUP_AUTHORIZATION_FAILED: { code: 30, message: "Not authorized for the group." },
  CLUSTER_AUTHORIZATION_FAILED: { code: 31, message: "Not authorized for the cluster." },
  INVALID_TIMESTAMP: { code: 32, message: "The timestamp of a record is outside the range that the topic accepts." },
  UNSUPPORTED_SASL_MECHANISM: { code: 33, message: "The broker does not offer the SASL mechanism." },
  ILLEGAL_SASL_STATE: { code: 34, message: "The request does not belong at this point of the SASL exchange." },
  UNSUPPORTED_VERSION: { code: 35, message: "The version or feature is not supported." },
  TOPIC_ALREADY_EXISTS: { code: 36, message: "A topic of this name exists." },
  INVALID_PARTITIONS: { code: 37, message: "The number of partitions is invalid." },
  INVALID_REPLICATION_FACTOR: {
    code: 38,
    message: "The replication factor is below 1 or above the number of brokers.",
  },
  INVALID_REPLICA_ASSIGNMENT: { code: 39, message: "The replica assignment is invalid." },
  INVALID_CONFIG: { code: 40, message: "The configuration is invalid." },
  NOT_CONTROLLER: { code: 41, retriable: true, message: "This controller is not the active one." },
  INVALID_REQUEST: { code: 42, message: "The request is invalid: the broker's log says why." },
  UNSUPPORTED_FOR_MESSAGE_FORMAT: {
    code: 43,
    message: "The message format of the partition does not support the request.",
  },
  POLICY_VIOLATION: { code: 44, message: "The request does not satisfy a policy." },
  OUT_OF_ORDER_SEQUENCE_NUMBER: {
    code: 45,
    message: "The sequence number does not follow the last one of the producer.",
  },
  DUPLICATE_SEQUENCE_NUMBER: { code: 46, message: "The batch was written before, with the same sequence numbers." },
  INVALID_PRODUCER_EPOCH: { code: 47, message: "The epoch of the producer is older than the current one." },
  INVALID_TXN_STATE: { code: 48, message: "The transaction is in a state that does not allow this." },
  INVALID_PRODUCER_ID_MAPPING: { code: 49, message: "The producer id is not the one of the transactional id." },
  INVALID_TRANSACTION_TIMEOUT: { code: 50, message: "The transaction timeout is longer than the broker allows." },
  CONCURRENT_TRANSACTIONS: {
    code: 51,
    retriable: true,
    message: "An earlier transaction of the transactional id has not completed yet.",
  },
  TRANSACTION_COORDINATOR_FENCED: {
    code: 52,
    message: "The transaction coordinator that sent this has been replaced.",
  },
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: { code: 53, message: "Not authorized for the transactional id." },
  SECURITY_DISABLED: { code: 54, message: "Security is not enabled on the broker." },
  OPERATION_NOT_ATTEMPTED: { code: 55, message: "Not attempted, because another partition of the batch failed." },
  KAFKA_STORAGE_ERROR: {
    code: 56,
    retriable: true,
    invalidMetadata: true,
    message: "The disk of the partition failed.",
  },
  LOG_DIR_NOT_FOUND: { code: 57, message: "The log directory does not exist." },
  SASL_AUTHENTICATION_FAILED: { code: 58, message: "SASL authentication failed." },
  UNKNOWN_PRODUCER_ID: { code: 59, message: "The partition does not know the producer id." },
  REASSIGNMENT_IN_PROGRESS: { code: 60, message: "The partition is being reassigned." },
  DELEGATION_TOKEN_AUTH_DISABLED: { code: 61, message: "Delegation tokens are not enabled." },
  DELEGATION_TOKEN_NOT_FOUND: { code: 62, message: "The delegation token was not found." },
  DELEGATION_TOKEN_OWNER_MISMATCH: { code: 63, message: "The delegation token belongs to somebody else." },
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: {
    code: 64,
    message: "Delegation tokens cannot be requested on this connection.",
  },
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: { code: 65, message: "Not authorized for the delegation token." },
  DELEGATION_TOKEN_EXPIRED: { code: 66, message: "The delegation token has expired." },
  INVALID_PRINCIPAL_TYPE: { code: 67, message: "Principals of this type are not supported." },
  NON_EMPTY_GROUP: { code: 68, message: "The group has members." },
  GROUP_ID_NOT_FOUND: { code: 69, message: "The group does not exist." },
  FETCH_SESSION_ID_NOT_FOUND: { code: 70, retriable: true, message: "The fetch session does not exist." },
  INVALID_FETCH_SESSION_EPOCH: {
    code: 71,
    retriable: true,
    message: "The epoch of the fetch session is not the next one.",
  },
  LISTENER_NOT_FOUND: {
    code: 72,
    retriable: true,
    invalidMetadata: true,
    message: "The leader has no listener of the name the request came in on.",
  },
  TOPIC_DELETION_DISABLED: { code: 73, message: "Topics cannot be deleted on this cluster." },
  FENCED_LEADER_EPOCH: {
    code: 74,
    retriable: true,
    invalidMetadata: true,
    message: "The leader epoch of the request is older than that of the broker.",
  },
  UNKNOWN_LEADER_EPOCH: {
    code: 75,
    retriable: true,
    message: "The leader epoch of the request is newer than that of the broker.",
  },
  UNSUPPORTED_COMPRESSION_TYPE: {
    code: 76,
    message: "The version of the request does not allow the compression of the batch.",
  },
  STALE_BROKER_EPOCH: { code: 77, message: "The epoch of the broker is not the current one." },
  OFFSET_NOT_AVAILABLE: {
    code: 78,
    retriable: true,
    message: "The leader does not know the high watermark of its epoch yet.",
  },
  MEMBER_ID_REQUIRED: { code: 79, message: "The member needs the id in this answer to join." },
  PREFERRED_LEADER_NOT_AVAILABLE: {
    code: 80,
    retriable: true,
    invalidMetadata: true,
    message: "The preferred leader is not available.",
  },
  GROUP_MAX_SIZE_REACHED: { code: 81, message: "The group is full." },
  FENCED_INSTANCE_ID: { code: 82, message: "The instance id belongs to a newer member." },
  ELIGIBLE_LEADERS_NOT_AVAILABLE: {
    code: 83,
    retriable: true,
    invalidMetadata: true,
    message: "No eligible leader is available.",
  },
  ELECTION_NOT_NEEDED: {
    code: 84,
    retriable: true,
    invalidMetadata: true,
    message: "The partition has the leader it should have.",
  },
  NO_REASSIGNMENT_IN_PROGRESS: { code: 85, message: "The partition is not being reassigned." },
  GROUP_SUBSCRIBED_TO_TOPIC: { code: 86, message: "The group is subscribed to the topic." },
  INVALID_RECORD: { code: 87, message: "A record of the batch is invalid." },
  UNSTABLE_OFFSET_COMMIT: {
    code: 88,
    retriable: true,
    message: "Some offsets of the group are in a transaction that has not completed yet.",
  },
  THROTTLING_QUOTA_EXCEEDED: { code: 89, retriable: true, message: "The quota for changes is used up." },
  PRODUCER_FENCED: { code: 90, message: "A newer producer has the transactional id." },
  RESOURCE_NOT_FOUND: { code: 91, message: "The resource does not exist." },
  DUPLICATE_RESOURCE: { code: 92, message: "The resource is named twice." },
  UNACCEPTABLE_CREDENTIAL: { code: 93, message: "The credential does not meet the requirements." },
  INCONSISTENT_VOTER_SET: { code: 94, message: "The voters are not the ones the sender believes in." },
  INVALID_UPDATE_VERSION: { code: 95, message: "The update does not follow the current version." },
  FEATURE_UPDATE_FAILED: { code: 96, message: "The features could not be changed." },
  PRINCIPAL_DESERIALIZATION_FAILURE: { code: 97, message: "The principal of a forwarded request cannot be read." },
  SNAPSHOT_NOT_FOUND: { code: 98, message: "The snapshot does not exist." },
  POSITION_OUT_OF_RANGE: { code: 99, message: "The position is outside the snapshot." },
  UNKNOWN_TOPIC_ID: {
    code: 100,
    retriable: true,
    invalidMetadata: true,
    message: "This broker does not host a topic with the id.",
  },
  DUPLICATE_BROKER_REGISTRATION: { code: 101, message: "A broker with the id is registered already." },
  BROKER_ID_NOT_REGISTERED: { code: 102, message: "The broker is not registered." },
  INCONSISTENT_TOPIC_ID: {
    code: 103,
    retriable: true,
    invalidMetadata: true,
    message: "The topic has another id than the log.",
  },
  INCONSISTENT_CLUSTER_ID: { code: 104, message: "The cluster has another id than the request says." },
  TRANSACTIONAL_ID_NOT_FOUND: { code: 105, message: "The transactional id does not exist." },
  FETCH_SESSION_TOPIC_ID_ERROR: {
    code: 106,
    retriable: true,
    message: "Topic ids and names are mixed in the fetch session.",
  },
  INELIGIBLE_REPLICA: { code: 107, message: "A replica of the new in-sync set is not eligible." },
  NEW_LEADER_ELECTED: { code: 108, message: "The change made another replica the leader." },
  OFFSET_MOVED_TO_TIERED_STORAGE: { code: 109, message: "The offset has moved to remote storage." },
  FENCED_MEMBER_EPOCH: { code: 110, message: "The epoch of the member is not the current one." },
  UNRELEASED_INSTANCE_ID: { code: 111, message: "The instance id is used by a member that has not left." },
  UNSUPPORTED_ASSIGNOR: { code: 112, message: "The group's coordinator does not offer the assignor." },
  STALE_MEMBER_EPOCH: { code: 113, message: "The epoch of the member is old: send a heartbeat first." },
  MISMATCHED_ENDPOINT_TYPE: { code: 114, message: "The request was sent to an endpoint of another kind." },
  UNSUPPORTED_ENDPOINT_TYPE: { code: 115, message: "Endpoints of this kind are not supported." },
  UNKNOWN_CONTROLLER_ID: { code: 116, message: "The controller does not exist." },
  UNKNOWN_SUBSCRIPTION_ID: { code: 117, message: "The telemetry subscription is not the current one." },
  TELEMETRY_TOO_LARGE: { code: 118, message: "The telemetry is larger than the broker accepts." },
  INVALID_REGISTRATION: { code: 119, message: "The registration of the broker is invalid." },
  TRANSACTION_ABORTABLE: { code: 120, message: "The transaction cannot go on, but can be aborted." },
  INVALID_RECORD_STATE: { code: 121, message: "The record is in a state that does not allow the acknowledgement." },
  SHARE_SESSION_NOT_FOUND: { code: 122, retriable: true, message: "The share session does not exist." },
  INVALID_SHARE_SESSION_EPOCH: {
    code: 123,
    retriable: true,
    message: "The epoch of the share session is not the next one.",
  },
  FENCED_STATE_EPOCH: { code: 124, message: "The epoch of the share state is not the current one." },
  INVALID_VOTER_KEY: { code: 125, message: "The voter has another key." },
  DUPLICATE_VOTER: { code: 126, message: "The voter is one already." },
  VOTER_NOT_FOUND: { code: 127, message: "The voter is none." },
  INVALID_REGULAR_EXPRESSION: { code: 128, message: "The regular expression is invalid." },
  REBOOTSTRAP_REQUIRED: { code: 129, message: "The client must start over from its bootstrap servers." },
  STREAMS_INVALID_TOPOLOGY: { code: 130, message: "The topology is invalid." },
  STREAMS_INVALID_TOPOLOGY_EPOCH: { code: 131, message: "The topology epoch is invalid." },
  STREAMS_TOPOLOGY_FENCED: { code: 132, message: "The topology epoch is not the current one." },
  SHARE_SESSION_LIMIT_REACHED: { code: 133, retriable: true, message: "The broker cannot hold more share sessions." },
} as const satisfies { readonly [name: string]: ErrorRow }

export type ErrorName = keyof typeof table
export type ErrorCode = (typeof table)[ErrorName]["code"]

export interface ErrorInfo {
  readonly code: ErrorCode
  readonly name: ErrorName
  /** The same request may succeed later. */
  readonly retriable: boolean
  /** The client's view of leaders is wrong: it asks for metadata before it tries again. Implies `retriable`. */
  readonly invalidMetadata: boolean
  readonly message: string
}

/** Ascending by code. */
export const allErrors: readonly ErrorInfo[] = Object.entries<ErrorRow>(table).map(([name, row]) => ({
  code: row.code as ErrorCode,
  name: name as ErrorName,
  retriable: row.retriable ?? false,
  invalidMetadata: row.invalidMetadata ?? false,
  message: row.message,
}))

/** Codes by name: `Errors.NOT_LEADER_OR_FOLLOWER` is 6. */
export const Errors = Object.fromEntries(allErrors.map(({ name, code }) => [name, code])) as {
  readonly [Name in ErrorName]: (typeof table)[Name]["code"]
}

const byCode = new Map<number, ErrorInfo>(allErrors.map((info) => [info.code, info]))

/** Undefined for a code that Kafka 4.3 does not have. */
export const errorByCode = (code: number): ErrorInfo | undefined => byCode.get(code)
