/**
 * InitProducerId: an id and epoch for an idempotent or transactional producer (KIP-98).
 *
 * Versions: 3 continues with the id it has (KIP-360), 4 may answer PRODUCER_FENCED (KIP-588), 5 TRANSACTION_ABORTABLE (KIP-890). 6 is for two-phase
 * commit (KIP-939), which Kafka 4.3 does not offer.
 */
import { bool, int16, int32, int64, string } from "../field.js"
import { api } from "../message.js"

export const initProducerId = api({
  name: "InitProducerId",
  key: 22,
  versions: "0-6",
  latestVersionUnstable: true,
  flexible: "2+",
  request: {
    transactionalId: string({ nullableVersions: "0+" }),
    transactionTimeoutMs: int32(),
    // -1 for a new producer, KIP-360
    producerId: int64({ versions: "3+", default: -1 }),
    producerEpoch: int16({ versions: "3+", default: -1 }),
    enable2Pc: bool({ versions: "6+", default: false }),
    keepPreparedTxn: bool({ versions: "6+", default: false }),
  },
  response: {
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    errorCode: int16(),
    producerId: int64({ default: -1 }),
    producerEpoch: int16(),
    ongoingTxnProducerId: int64({ versions: "6+", default: -1 }),
    ongoingTxnProducerEpoch: int16({ versions: "6+", default: -1 }),
  },
})
