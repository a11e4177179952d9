/**
 * Writes to partitions as fast as the answers come, until the broker goes away.
 *
 * Owns the connections of a round. What was sent and acknowledged is the ledgers'.
 */
import { type Address, WireClient } from "./client.js"
import { type Findings, noFindings, PartitionLedger, type VerifiedUpTo } from "./ledger.js"
import { expect } from "./work.js"

export interface LoadOptions {
  readonly topic: string
  /** Batches of one partition on the way at once. Kafka's bound for idempotent producers is 5. */
  readonly batchesInFlight: number
  readonly recordsPerBatchMax: number
}

const outOfOrderSequenceNumber = 45
const duplicateSequenceNumber = 46

export class Load {
  errorAnswers = 0
  readonly #clients: WireClient[] = []
  readonly #writers: Promise<void>[] = []
  #stopped = false

  private constructor(private readonly options: LoadOptions) {}

  /** Resolves when the first batch of every partition is on its way. */
  static async start(address: Address, ledgers: readonly PartitionLedger[], options: LoadOptions): Promise<Load> {
    const load = new Load(options)
    for (const ledger of ledgers) {
      const client = await WireClient.connect(address)
      load.#clients.push(client)
      load.#writers.push(load.#write(client, ledger))
    }
    return load
  }

  async #write(client: WireClient, ledger: PartitionLedger): Promise<void> {
    const { topic, batchesInFlight, recordsPerBatchMax } = this.options
    const send = async (batch: ReturnType<PartitionLedger["nextBatch"]>, isAgain: boolean) => {
      const { errorCode, baseOffset } = await client.produce(topic, ledger.partition, ledger.encode(batch))
      if (errorCode === 0) ledger.acknowledge(batch, baseOffset)
      else if (isAgain && (errorCode === outOfOrderSequenceNumber || errorCode === duplicateSequenceNumber)) {
        // A broker that lost its memory of the last five batches cannot say which this was.
        ledger.alreadyThere(batch)
      } else {
        this.errorAnswers += 1
        throw new Error(`error ${errorCode}`)
      }
    }
    try {
      await Promise.all(ledger.resend().map((batch) => send(batch, true)))
      let batches = 0
      const keepSending = async () => {
        while (!this.#stopped) await send(ledger.nextBatch(1 + (batches++ % recordsPerBatchMax)), false)
      }
      await Promise.all(Array.from({ length: batchesInFlight }, keepSending))
    } catch {
      // The connection is gone or the broker refuses: what it had not acknowledged stays open in the ledger.
      client.close()
    }
  }

  /** Stops sending and waits for what is outstanding: answers, or the end of the connection. */
  async finish(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#writers)
    for (const client of this.#clients) client.close()
  }
}

/** A topic and a ledger per partition; every other partition has an idempotent producer. */
export async function createLedgers(
  address: Address,
  topic: string,
  partitions: number,
  valueBytes: number,
): Promise<PartitionLedger[]> {
  const client = await WireClient.connect(address)
  try {
    await client.createTopic(topic, partitions, { "segment.bytes": "4194304" })
    const ledgers: PartitionLedger[] = []
    for (let partition = 0; partition < partitions; partition++) {
      const producer = partition % 2 === 1 ? await client.producerId() : undefined
      ledgers.push(new PartitionLedger(partition, producer, valueBytes))
    }
    return ledgers
  } finally {
    client.close()
  }
}

/** Reads every partition from where `upTo` stands; fresh positions read everything. */
export async function verifyAll(
  address: Address,
  topic: string,
  ledgers: readonly PartitionLedger[],
  upTo: readonly VerifiedUpTo[],
  findings: Findings = noFindings(),
): Promise<Findings> {
  const client = await WireClient.connect(address)
  try {
    for (const [index, ledger] of ledgers.entries()) {
      const at = upTo[index]!
      const start = (await client.listOffset(topic, ledger.partition, -2)).offset
      expect(start === 0, `partition ${ledger.partition} starts at ${start}`)
      await ledger.verify(client.readPartition(topic, ledger.partition, at.offset), at, findings)
    }
    return findings
  } finally {
    client.close()
  }
}
