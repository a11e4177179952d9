/**
 * The verdict on a recorded run.
 *
 * Owns that the judge is tried on planted anomalies first: a verdict of one who sees nothing is none.
 */
import { judgeHistory } from "../../src/sim/checkers/history/judge-history.js"
import type { SeededRandom } from "../random.js"
import { expect } from "../work.js"
import { auditor } from "./auditor.js"
import { anomalies, plant } from "./anomalies.js"
import type { Recorder } from "./recorder.js"

export const judge = (recorder: Recorder, topic: string, partitions: number): string[] => [
  ...judgeHistory(recorder.history(topic, partitions)),
  ...recorder.missing(auditor).map((what) => `acknowledged, though not where, and not there: ${what}`),
]

/** Throws when an anomaly, planted into what was recorded, would go unseen. */
export function proveJudge(recorder: Recorder, topic: string, partitions: number, random: SeededRandom): void {
  for (const anomaly of anomalies) {
    const planted = plant(anomaly, recorder, random)
    expect(planted !== undefined, `what was recorded has no place for what is ${anomaly}`)
    expect(judge(planted, topic, partitions).length > 0, `the judge does not see what is ${anomaly}`)
  }
}
