/**
 * Producer ids are handed out to brokers in blocks, so that few of them need a record (KIP-730).
 */
import type { BrokerId, ProducerId } from "../base/ids.js"
import type { MetadataImage } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"

export const producerIdBlockSize = 1000

export function allocateProducerIds(
  image: MetadataImage,
  brokerId: BrokerId,
  brokerEpoch: number,
): { records: MetadataRecord[]; response: { firstProducerId: ProducerId; count: number } } {
  const firstProducerId = image.nextProducerId
  return {
    records: [
      {
        type: "ProducerIdsRecord",
        value: { brokerId, brokerEpoch, nextProducerId: firstProducerId + producerIdBlockSize },
      },
    ],
    response: { firstProducerId, count: producerIdBlockSize },
  }
}
