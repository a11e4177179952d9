/**
 * Where the HTTP API listens: `ottla.http.listeners`.
 *
 * Owns the grammar `http://host:port` and which hosts only this machine can reach.
 */
export interface HttpListener {
  /** Without brackets. */
  readonly host: string
  /** 0: a free one. */
  readonly port: number
}

const pattern = /^http:\/\/(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]/\s]+)):(\d{1,5})\/?$/
const loopback = /^(localhost|127(\.\d{1,3}){3}|::1)$/

export const isLoopbackHost = (host: string): boolean => loopback.test(host)

/** What is wrong goes to `errors` as a sentence that names the setting. */
export function resolveHttpListeners(texts: readonly string[], errors: string[]): HttpListener[] {
  const found: HttpListener[] = []
  for (const text of texts) {
    const match = pattern.exec(text)
    const port = Number(match?.[3])
    if (match === null || port > 65535)
      errors.push(`ottla.http.listeners: ${text} is not http://host:port, for example http://127.0.0.1:8082`)
    else found.push({ host: match[1] ?? match[2]!, port })
  }
  return found
}
