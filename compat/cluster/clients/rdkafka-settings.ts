/**
 * Settings by which librdkafka notices within half a second that a leader is silent, and who follows it.
 *
 * Left alone it would wait for a minute, whatever the cluster does.
 */
export const silenceNoticed = {
  "socket.timeout.ms": 500,
  "socket.connection.setup.timeout.ms": 1000,
  "topic.metadata.refresh.interval.ms": 300,
  "topic.metadata.refresh.fast.interval.ms": 50,
  "reconnect.backoff.ms": 50,
  "reconnect.backoff.max.ms": 200,
  "retry.backoff.ms": 50,
  "retry.backoff.max.ms": 200,
}
