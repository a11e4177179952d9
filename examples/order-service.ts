/**
 * An order service: takes orders, and marks them paid when their payments come.
 *
 * Owns which orders are paid. Orders of one customer stay in order, since the customer is the key. What was processed is committed, and a restart goes on behind it; a payment may come twice, and marking twice changes
 * nothing.
 */
import { type Client, json, type Producer, string, topic } from "ottla/client"

export interface Order {
  readonly id: string
  readonly customer: string
  readonly cents: number
}

export interface Payment {
  readonly orderId: string
}

export const orders = topic("orders", { key: string, value: json<Order>() })
export const payments = topic("payments", { key: string, value: json<Payment>() })

export class OrderService {
  readonly #paid = new Set<string>()
  readonly #producer: Producer

  constructor(private readonly client: Client) {
    this.#producer = client.producer()
  }

  /** Resolves when the order is stored. */
  async place(order: Order): Promise<void> {
    await orders.send(this.#producer, { key: order.customer, value: order })
  }

  isPaid(orderId: string): boolean {
    return this.#paid.has(orderId)
  }

  /** Runs until `signal` aborts. */
  async followPayments(signal: AbortSignal): Promise<void> {
    await using consumer = this.client.consumer({ groupId: "order-service", topics: [payments.name], from: "earliest" })
    await consumer.run(
      async (record) => {
        const { value } = await payments.decode(record)
        if (value !== null) this.#paid.add(value.orderId)
      },
      { concurrency: 8, order: "key", signal },
    )
  }
}
