/**
 * Every metric there is.
 *
 * Owns their names, kinds, labels and what they say. Whoever counts something hands in samples of these; a name that is not here is a mistake of ours. Dashboards are compared with this list by test.
 */
export type MetricKind = "counter" | "gauge" | "histogram"

export interface Metric {
  readonly kind: MetricKind
  readonly labels: readonly string[]
  readonly help: string
}

const metric = (kind: MetricKind, labels: readonly string[], help: string): Metric => ({ kind, labels, help })

export const metrics = {
  ottla_requests_total: metric("counter", ["node", "api"], "Requests of Kafka's protocol that were answered."),
  ottla_request_duration_seconds: metric(
    "histogram",
    ["node", "api"],
    "From a whole request to its answer; a Fetch waits for records in it.",
  ),
  ottla_request_bytes_total: metric("counter", ["node", "api"], "Bytes of requests."),
  ottla_response_bytes_total: metric("counter", ["node", "api"], "Bytes of answers."),
  ottla_connections: metric("gauge", ["node"], "Open connections of Kafka's protocol."),
  ottla_topic_bytes_in_total: metric(
    "counter",
    ["node", "topic"],
    "Bytes of record batches that were appended here as the leader.",
  ),
  ottla_topic_records_in_total: metric("counter", ["node", "topic"], "Records that were appended here as the leader."),
  ottla_topic_bytes_out_total: metric("counter", ["node", "topic"], "Bytes of record batches handed to consumers."),
  ottla_partitions: metric("gauge", ["node"], "Replicas of partitions on this broker."),
  ottla_leader_partitions: metric("gauge", ["node"], "Partitions this broker leads."),
  ottla_under_replicated_partitions: metric(
    "gauge",
    ["node"],
    "Partitions led here of which a replica is not in sync.",
  ),
  ottla_under_min_isr_partitions: metric(
    "gauge",
    ["node"],
    "Partitions led here with fewer replicas in sync than min.insync.replicas.",
  ),
  ottla_offline_partitions: metric(
    "gauge",
    ["node"],
    "Partitions of the cluster that nobody leads, as this broker knows it.",
  ),
  ottla_log_size_bytes: metric("gauge", ["node", "topic", "partition"], "Bytes of a partition's files on this broker."),
  ottla_log_start_offset: metric("gauge", ["node", "topic", "partition"], "The earliest offset that can be read."),
  ottla_log_end_offset: metric("gauge", ["node", "topic", "partition"], "The offset that is written next."),
  ottla_log_directory_online: metric(
    "gauge",
    ["node", "directory"],
    "1 while a log directory can be read and written.",
  ),
  ottla_sync_duration_seconds: metric(
    "histogram",
    ["node", "directory"],
    "A round of syncs of a log directory, until everything in it is on the medium.",
  ),
  ottla_active_controller: metric("gauge", ["node"], "1 on the active controller."),
  ottla_raft_epoch: metric("gauge", ["node"], "Epoch of the metadata quorum."),
  ottla_raft_high_watermark: metric("gauge", ["node"], "Committed end of the metadata log, as this node knows it."),
  ottla_metadata_applied_offset: metric("gauge", ["node"], "End of the metadata that this broker acts on."),
  ottla_broker_fenced: metric("gauge", ["node"], "1 while the controller does not let this broker serve."),
  ottla_group_lag_records: metric(
    "gauge",
    ["node", "group", "topic", "partition"],
    "Records a group has not committed yet; told by its coordinator, of partitions that it leads as well.",
  ),
  ottla_group_lag_seconds: metric(
    "gauge",
    ["node", "group", "topic", "partition"],
    "Age of the first record a group has not committed yet.",
  ),
  ottla_http_requests_total: metric(
    "counter",
    ["route", "status"],
    "HTTP requests that were answered, by route and class of status.",
  ),
  ottla_http_request_duration_seconds: metric(
    "histogram",
    ["route"],
    "From an HTTP request to its answer; a poll waits for records in it.",
  ),
  ottla_http_requests_in_flight: metric("gauge", [], "HTTP requests being served."),
  ottla_http_body_bytes: metric("gauge", [], "Bytes of bodies of HTTP requests being served."),
  ottla_http_streams: metric("gauge", [], "Open event streams."),
  ottla_http_group_consumers: metric("gauge", [], "Consumers of groups that HTTP callers hold."),
  ottla_event_loop_delay_seconds: metric(
    "gauge",
    ["quantile"],
    "How late the event loop is, of the time since the last look.",
  ),
  ottla_process_cpu_seconds_total: metric("counter", [], "Processor time of the process."),
  ottla_process_resident_memory_bytes: metric("gauge", [], "Memory of the process."),
  ottla_series_dropped: metric("gauge", ["metric"], "Series that were left out because a metric had too many."),
} as const satisfies Readonly<Record<string, Metric>>

export type MetricName = keyof typeof metrics
