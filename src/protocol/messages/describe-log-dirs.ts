/**
 * DescribeLogDirs: what each log directory holds.
 *
 * Versions: 3 top-level error, 4 size of the volume (KIP-827), 5 whether the directory is cordoned (KIP-1066).
 */
import { array, bool, int16, int32, int64, string } from "../field.js"
import { api } from "../message.js"

export const describeLogDirs = api({
  name: "DescribeLogDirs",
  key: 35,
  versions: "1-5",
  flexible: "2+",
  request: {
    // null: all
    topics: array(
      {
        topic: string({ mapKey: true }),
        partitions: array(int32()),
      },
      { nullableVersions: "1+" },
    ),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16({ versions: "3+", ignorable: true }),
    results: array({
      errorCode: int16(),
      logDir: string(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          partitionSize: int64(),
          offsetLag: int64(),
          // a copy on its way from another directory, KIP-113
          isFutureKey: bool(),
        }),
      }),
      totalBytes: int64({ versions: "4+", default: -1, ignorable: true }),
      usableBytes: int64({ versions: "4+", default: -1, ignorable: true }),
      isCordoned: bool({ versions: "5+", default: false, ignorable: true }),
    }),
  },
})
