/** What a record of the load carries: who sent it, its number with that sender, and filler that follows from both. */
export const payloadBytes = 100

export function payloadOf(sender: string, number: number): string {
  const head = `${sender}:${number}:`
  const letter = String.fromCharCode(97 + (number % 26))
  return head + letter.repeat(Math.max(0, payloadBytes - head.length))
}

/** Undefined: nobody wrote this, as it stands. */
export function parsePayload(text: string): { readonly sender: string; readonly number: number } | undefined {
  const [sender, digits] = text.split(":", 2)
  const number = Number(digits)
  if (sender === undefined || !Number.isSafeInteger(number) || text !== payloadOf(sender, number)) return undefined
  return { sender, number }
}
