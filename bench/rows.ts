/**
 * What is measured, and what it is held against.
 *
 * Owns the list of figures: an id, words, a unit, which direction is better, and targets as ratio to Apache Kafka, as a share of a physical
 * limit, or absolute. `groups/` fill them in; `report.ts` prints them.
 */
export interface Figure {
  readonly id: string
  readonly work: string
  readonly unit:
    | "records/s"
    | "commits/s"
    | "CPU-s/GB"
    | "CPU-s"
    | "CPU-us"
    | "cores"
    | "ms"
    | "MB"
    | "MB/s"
    | "ratio"
    | "records"
  readonly better: "more" | "less"
  /** Ottla divided by Apache Kafka: at least (more is better) or at most (less is better). */
  readonly ratio?: number
  readonly absolute?: number
  /** Share of the physical limit measured in the same run. */
  readonly ofLimit?: number
  /** What the limit is. */
  readonly limit?: string
}

export const groupNames = [
  "limits",
  "stream",
  "small",
  "latency",
  "start",
  "recovery",
  "many-partitions",
  "consumer-groups",
  "replicated",
  "many-replicas",
  "catch-up",
  "fail-over",
] as const
export type GroupName = (typeof groupNames)[number]

const rate = (id: string, work: string, rest: Partial<Figure> = {}): Figure => ({
  id: `${id}/rate`,
  work,
  unit: "records/s",
  better: "more",
  ...rest,
})
const cpu = (id: string, work: string, rest: Partial<Figure> = {}): Figure => ({
  id: `${id}/cpu`,
  work,
  unit: "CPU-s/GB",
  better: "less",
  ...rest,
})

const commits = (id: string, work: string, rest: Partial<Figure> = {}): Figure[] => [
  { id: `${id}/rate`, work, unit: "commits/s", better: "more", ...rest },
  { id: `${id}/cpu`, work: `${work}: broker's CPU for one`, unit: "CPU-us", better: "less" },
]
const idle = (id: string, protocol: string): Figure => ({
  id: `${id}/cores`,
  work: `1,000 ${protocol} groups, 10,000 members, heartbeats every 5 s`,
  unit: "cores",
  better: "less",
  absolute: 0.3,
})

const manyReplicas = (id: string, work: string, unit: "ms" | "MB" | "cores", absolute?: number): Figure => ({
  id: `many-replicas/${id}`,
  work,
  unit,
  better: "less",
  ...(absolute !== undefined && { absolute }),
})

/** `limits`: of the 99th percentile, and of the longest. */
const failOver = (fault: string, work: string, [p99, max]: readonly [number, number?], mayFail = false): Figure[] => [
  { id: `fail-over/${fault}/p50`, work: `${work}: gap in acknowledgements, p50`, unit: "ms", better: "less" },
  { id: `fail-over/${fault}/p99`, work: `${work}: p99`, unit: "ms", better: "less", absolute: p99 },
  {
    id: `fail-over/${fault}/max`,
    work: `${work}: longest`,
    unit: "ms",
    better: "less",
    ...(max !== undefined && { absolute: max }),
  },
  {
    id: `fail-over/${fault}/failed`,
    work: `${work}: records that a producer gave up`,
    unit: "records",
    better: "less",
    ...(!mayFail && { absolute: 0 }),
  },
]

const sink = "a Node process that only reads the socket"
const sendfile = "a loop of sendfile(2) to a reader, in C"
const memory = "a loop of write(2) from memory to a reader, in C"

export const rows: readonly { readonly row: string; readonly group: GroupName; readonly figures: readonly Figure[] }[] =
  [
    {
      row: "produce-1k",
      group: "stream",
      figures: [
        rate("produce-1k", "produce 1 KB, acks=1; Ottla syncs before every ack, Kafka never", {
          ratio: 1.5,
          limit: sink,
        }),
        cpu("produce-1k", "produce 1 KB, acks=1", { ratio: 0.6, limit: sink }),
      ],
    },
    {
      row: "produce-1k-synced",
      group: "stream",
      figures: [
        rate("produce-1k-synced", "the same, Kafka with flush.messages=1", { ratio: 4 }),
        cpu("produce-1k-synced", "the same, Kafka with flush.messages=1"),
      ],
    },
    {
      row: "consume-recent",
      group: "stream",
      figures: [
        rate("consume-recent", "read 1 KB, written last (16 MB of each partition over and over), headers only", {
          ratio: 1,
          limit: memory,
        }),
        cpu("consume-recent", "read 1 KB, written last", { ratio: 0.8, limit: memory }),
      ],
    },
    {
      row: "consume-cached",
      group: "stream",
      figures: [
        rate("consume-cached", "consume 1 KB, old data in the page cache", { ratio: 1 }),
        cpu("consume-cached", "consume 1 KB, old data in the page cache", { ratio: 1.1 }),
      ],
    },
    {
      row: "drain-cached",
      group: "stream",
      figures: [
        rate("drain-cached", "read 1 KB, old data in the page cache, headers only", {
          ratio: 1,
          ofLimit: 0.8,
          limit: sendfile,
        }),
        cpu("drain-cached", "read 1 KB, old data in the page cache, headers only", { ratio: 1.1, limit: sendfile }),
      ],
    },
    {
      row: "consume-cold",
      group: "stream",
      figures: [
        rate("consume-cold", "consume 1 KB, page cache dropped", { ratio: 1 }),
        cpu("consume-cold", "consume 1 KB, page cache dropped", { ratio: 1.1 }),
      ],
    },
    {
      row: "produce-100",
      group: "small",
      figures: [
        rate("produce-100", "produce 100 B, acks=1; Ottla synced, Kafka not", { ratio: 1.2 }),
        cpu("produce-100", "produce 100 B, acks=1", { ratio: 0.6 }),
      ],
    },
    {
      row: "latency",
      group: "latency",
      figures: [
        {
          id: "latency/p50",
          work: "one record at a time, acks=all, produce to consume: p50",
          unit: "ms",
          better: "less",
        },
        {
          id: "latency/p99",
          work: "one record at a time, acks=all, produce to consume: p99",
          unit: "ms",
          better: "less",
          ratio: 0.5,
          absolute: 2,
        },
      ],
    },
    {
      row: "start",
      group: "start",
      figures: [
        { id: "start/time", work: "start to first metadata answer", unit: "ms", better: "less", absolute: 300 },
        { id: "start/resident", work: "resident memory then", unit: "MB", better: "less", absolute: 90 },
      ],
    },
    {
      row: "recovery",
      group: "recovery",
      figures: [
        {
          id: "recovery/time",
          work: "1,000 partitions x 100 segments, start after kill -9 until every partition answers",
          unit: "ms",
          better: "less",
          absolute: 5000,
        },
      ],
    },
    {
      row: "many-partitions",
      group: "many-partitions",
      figures: [
        rate("many-partitions/4", "4 partitions, 10 producers, 1 KB"),
        rate("many-partitions/1000", "1,000 partitions written in turn by 10 producers, 1 KB"),
        { id: "many-partitions/ratio", work: "1,000 partitions to 4", unit: "ratio", better: "more", absolute: 0.7 },
      ],
    },
    {
      row: "heartbeats-classic",
      group: "consumer-groups",
      figures: [idle("heartbeats-classic", "classic")],
    },
    {
      row: "heartbeats-consumer",
      group: "consumer-groups",
      figures: [idle("heartbeats-consumer", "consumer protocol")],
    },
    {
      row: "group-settles",
      group: "consumer-groups",
      figures: [
        {
          id: "group-settles/first",
          work: "999 members join at once, 1,000 partitions, consumer protocol: until stable",
          unit: "ms",
          better: "less",
        },
        {
          id: "group-settles/time",
          work: "one more member joins them: until all have the new assignment, and the group is stable",
          unit: "ms",
          better: "less",
          absolute: 1000,
        },
      ],
    },
    {
      row: "commits-1",
      group: "consumer-groups",
      figures: commits("commits-1", "commits of one partition; Ottla syncs before every answer, Kafka never", {
        absolute: 50_000,
      }),
    },
    {
      row: "commits-10",
      group: "consumer-groups",
      figures: commits("commits-10", "commits of ten partitions each"),
    },
    {
      row: "load-offsets",
      group: "consumer-groups",
      figures: [
        {
          id: "load-offsets/time",
          work: "start with 1,000,000 stored offsets, until every partition of them answers",
          unit: "ms",
          better: "less",
          absolute: 3000,
        },
        { id: "load-offsets/cpu", work: "the broker's CPU until then", unit: "CPU-s", better: "less" },
        { id: "load-offsets/resident", work: "resident memory then", unit: "MB", better: "less" },
      ],
    },
    {
      row: "replicated",
      group: "replicated",
      figures: [
        rate(
          "replicated",
          "three brokers, 6 partitions x 3 replicas, 1 KB, acks=all; Ottla synced on every replica, Kafka not",
          {
            ratio: 2,
          },
        ),
        cpu("replicated", "the same, all three brokers", { ratio: 0.5 }),
      ],
    },
    {
      row: "many-replicas",
      group: "many-replicas",
      figures: [
        manyReplicas("create", "10,000 partitions x 3 replicas on three brokers: made, led, in sync", "ms", 10_000),
        manyReplicas("resident", "they are idle: resident memory of a broker", "MB", 400),
        manyReplicas("cores", "they are idle: cores of a broker", "cores", 0.02),
        rate("many-replicas/alone", "the load of `replicated` without them"),
        rate("many-replicas/among", "the load of `replicated` beside them"),
        { id: "many-replicas/rate", work: "beside them to without", unit: "ratio", better: "more", absolute: 0.9 },
        manyReplicas("stop", "clean stop of all three", "ms"),
        manyReplicas("start", "start of all three, page cache dropped, until all are led and in sync", "ms", 15_000),
        manyReplicas("start-killed", "the same after kill -9 of all three", "ms", 15_000),
      ],
    },
    {
      row: "catch-up",
      group: "catch-up",
      figures: [
        {
          id: "catch-up/rate",
          work: "a broker comes back and is behind by 10 GB (quick: 2 GB): until it is in sync everywhere",
          unit: "MB/s",
          better: "more",
          ofLimit: 0.7,
          limit:
            "the slowest of a socket read by Node, appends of 8 MiB with fdatasync, and both at once in C (sendfile to a process that writes, while a third syncs)",
        },
        {
          id: "catch-up/alone/p99",
          work: "one record at a time, acks=all, without it: p99",
          unit: "ms",
          better: "less",
        },
        {
          id: "catch-up/beside/p99",
          work: "one record at a time, acks=all, meanwhile: p99",
          unit: "ms",
          better: "less",
          limit: "one fdatasync of 1 KB while another file gets 8 MiB and an fdatasync at a time",
        },
        { id: "catch-up/p99", work: "meanwhile to without", unit: "ratio", better: "less", absolute: 2 },
      ],
    },
    {
      row: "fail-over",
      group: "fail-over",
      figures: [
        ...failOver("leader", "leader killed -9 under load", [800, 2000], true),
        ...failOver("silent", "leader stops without a sound", [2500], true),
        ...failOver("controller", "active controller killed -9", [1500]),
        ...failOver("planned", "planned restart of one broker after the other", [150]),
      ],
    },
    {
      row: "limits",
      group: "limits",
      figures: [
        { id: "limits/sink-node/rate", work: "socket, read by Node: rate", unit: "MB/s", better: "more" },
        { id: "limits/sink-node/cpu", work: "socket, read by Node: reader", unit: "CPU-s/GB", better: "less" },
        { id: "limits/write/rate", work: "socket, written from memory in C: rate", unit: "MB/s", better: "more" },
        { id: "limits/write/cpu", work: "socket, written from memory in C: writer", unit: "CPU-s/GB", better: "less" },
        { id: "limits/sendfile/rate", work: "sendfile loop in C: rate", unit: "MB/s", better: "more" },
        { id: "limits/sendfile/cpu", work: "sendfile loop in C: sender", unit: "CPU-s/GB", better: "less" },
        {
          id: "limits/copy/rate",
          work: "sendfile loop to a writer that is synced, in C: rate",
          unit: "MB/s",
          better: "more",
        },
        { id: "limits/sync-16k/p50", work: "append 16 KiB + fdatasync: the sync, p50", unit: "ms", better: "less" },
        { id: "limits/sync-16k/p99", work: "append 16 KiB + fdatasync: the sync, p99", unit: "ms", better: "less" },
        { id: "limits/sync-1m/rate", work: "append 1 MiB + fdatasync: rate", unit: "MB/s", better: "more" },
        { id: "limits/sync-8m/rate", work: "append 8 MiB + fdatasync: rate", unit: "MB/s", better: "more" },
        {
          id: "limits/sync-beside/p99",
          work: "append 1 KB + fdatasync while another file gets 8 MiB each: the sync, p99",
          unit: "ms",
          better: "less",
        },
      ],
    },
  ]

export const figures: readonly Figure[] = rows.flatMap((row) => row.figures)

/** Rows asked for by row or group name, with the limits where one of them is held against them. `unknown`: names that are neither. */
export function selectRows(names: readonly string[]): {
  readonly rows: ReadonlySet<string>
  readonly unknown: readonly string[]
} {
  const selected = rows.filter(({ row, group }) => names.length === 0 || names.includes(row) || names.includes(group))
  if (selected.some((row) => row.figures.some(({ limit }) => limit !== undefined))) {
    selected.push(...rows.filter(({ row }) => row === "limits" && !selected.some((each) => each.row === row)))
  }
  const known = new Set<string>(rows.flatMap(({ row, group }) => [row, group]))
  return { rows: new Set(selected.map(({ row }) => row)), unknown: names.filter((name) => !known.has(name)) }
}
