import type { Message } from "../message.js"
import { requestHeader, responseHeader } from "../messages/headers.js"
import { apis } from "../messages/index.js"

/** Every message that is declared, of whatever kind. */
export const allMessages: readonly Message[] = [
  ...apis.flatMap((api) => [api.request, api.response]),
  requestHeader,
  responseHeader,
]
