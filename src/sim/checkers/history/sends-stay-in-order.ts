/**
 * Records of one producer lie in a partition in the order they were sent (L3, L7).
 *
 * Owns nothing: values are numbered in the order of sending, so along the offsets those of one producer rise.
 */
import type { HistoryRule } from "./indexed-history.js"
import { noValue } from "./indexed-history.js"

export const sendsStayInOrder: HistoryRule = {
  name: "sends stay in order",
  ids: "L3 L7",
  judge(indexed, report) {
    const { partitions, producers, valueProducer } = indexed.history
    const latest = new Int32Array(producers.length)
    for (const [partition, name] of partitions.entries()) {
      latest.fill(noValue)
      const order = indexed.orders[partition]!
      for (let offset = order.base; offset < order.end; offset++) {
        const value = order.at(offset)
        if (value === noValue) continue
        const producer = valueProducer[value]!
        if (producers[producer]!.mayReorder) continue
        if (value < latest[producer]!)
          report(
            `${name} offset ${offset}: ${value} of ${producers[producer]!.name} comes after ${latest[producer]}, sent later`,
          )
        latest[producer] = value
      }
    }
  },
}
