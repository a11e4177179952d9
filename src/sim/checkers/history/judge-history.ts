/**
 * The verdict on a history of clients: history in, violations out.
 *
 * Owns the list of rules. Anything that fills a `ClientHistory` can be judged: simulated clients, real ones, a file.
 */
import { acknowledgedIsKept } from "./acknowledged-is-kept.js"
import { batchesNeverChange } from "./batches-never-change.js"
import type { ClientHistory } from "./client-history.js"
import { deletedStaysDeleted } from "./deleted-stays-deleted.js"
import { type HistoryRule, IndexedHistory } from "./indexed-history.js"
import { nothingFromNowhere } from "./nothing-from-nowhere.js"
import { oneLeaderPerEpoch } from "./one-leader-per-epoch.js"
import { oneOffsetPerValue } from "./one-offset-per-value.js"
import { oneValuePerOffset } from "./one-value-per-offset.js"
import { readsGoForward } from "./reads-go-forward.js"
import { sendsStayInOrder } from "./sends-stay-in-order.js"
import { watermarksNeverGoBack } from "./watermarks-never-go-back.js"

export const historyRules: readonly HistoryRule[] = [
  acknowledgedIsKept,
  oneValuePerOffset,
  oneOffsetPerValue,
  sendsStayInOrder,
  nothingFromNowhere,
  readsGoForward,
  watermarksNeverGoBack,
  oneLeaderPerEpoch,
  batchesNeverChange,
  deletedStaysDeleted,
]

/** Of one rule; the rest is counted only. */
const violationsPerRuleMax = 5

/** Sentences, each with the rule and the invariants it stands for. Empty: nothing is wrong. */
export function judgeHistory(history: ClientHistory, rules: readonly HistoryRule[] = historyRules): string[] {
  const indexed = new IndexedHistory(history)
  const found: string[] = []
  for (const rule of rules) {
    let count = 0
    rule.judge(indexed, (what) => {
      count += 1
      if (count <= violationsPerRuleMax) found.push(`${rule.name} (${rule.ids}): ${what}`)
    })
    if (count > violationsPerRuleMax) found.push(`${rule.name} (${rule.ids}): and ${count - violationsPerRuleMax} more`)
  }
  return found
}
