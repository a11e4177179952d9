/**
 * What programs can rely on in `-o json` and `-o jsonl`: the keys of each row, by command.
 *
 * Owns the promise: keys are only ever added. `json` prints an array of rows, `jsonl` a row on each line. Offsets, sizes and times are numbers, times are milliseconds since 1970; what is not known is null.
 */
export const jsonKeys = {
  "topic list": ["name", "topicId", "isInternal", "partitions", "replicationFactor"],
  "topic describe": ["name", "topicId", "isInternal", "partitions", "configs"],
  /** Each of `partitions` of `topic describe`. */
  "topic describe partition": [
    "partition",
    "leader",
    "leaderEpoch",
    "replicas",
    "isr",
    "eligibleLeaders",
    "lastKnownEligibleLeaders",
    "offline",
    "startOffset",
    "endOffset",
  ],
  "topic create": ["name", "partitions", "replicationFactor", "dryRun", "error", "message"],
  "topic alter": ["name", "partitions", "configs", "dryRun", "error", "message"],
  "topic delete": ["name", "dryRun", "error", "message"],
  "topic trim": ["name", "topic", "partition", "before", "records", "dryRun", "error", "message"],
  "group list": ["groupId", "type", "state", "protocolType", "coordinator"],
  "group describe": ["groupId", "type", "state", "assignor", "epoch", "coordinator", "members"],
  /** Each of `members` of `group describe`. */
  "group describe member": [
    "memberId",
    "groupInstanceId",
    "clientId",
    "clientHost",
    "epoch",
    "assignment",
    "targetAssignment",
  ],
  "group lag": ["groupId", "topic", "partition", "committed", "end", "lag", "memberId", "clientId", "clientHost"],
  "group seek": ["name", "topic", "partition", "before", "after", "dryRun", "error", "message"],
  "group delete": ["name", "dryRun", "error", "message"],
  "config get": ["resource", "name", "value", "source", "isDefault", "isSensitive", "isReadOnly", "type"],
  "config set": ["name", "setting", "before", "after", "dryRun", "error", "message"],
  /** `consume -f json`, one on each line. */
  consume: ["topic", "partition", "offset", "timestamp", "key", "keyEncoding", "value", "valueEncoding", "headers"],
  /** `produce -o jsonl`, one for each record that was stored. */
  produce: ["topic", "partition", "offset", "timestamp"],
} as const satisfies Record<string, readonly string[]>
