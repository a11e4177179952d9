/**
 * Requests that a browser sends on behalf of a page from elsewhere.
 *
 * Owns which are refused: those of another origin (no page may use this API unless it came from here), those that reached a loopback address under a foreign name (DNS rebinding), and paths that could be read in two ways.
 */
import { Problem } from "./problem.js"

const loopbackNames = new Set(["localhost", "127.0.0.1", "[::1]"])

/** By a name that only this machine has. */
export const isNameOfThisMachine = (host: string): boolean => loopbackNames.has(host.replace(/:\d+$/, "").toLowerCase())

const refused = (field: string, detail: string, remedy: string, status = 403): Problem =>
  new Problem({ status, slug: "refused-origin", title: "The request is refused", field, detail, remedy })

/** Errors: Problem 400, 403. `isOnLoopback`: it is only reachable from this machine. */
export function checkOrigin(request: Request, isOnLoopback: boolean): void {
  const { url, headers } = request
  const pathStart = url.indexOf("/", url.indexOf("://") + 3)
  const path = pathStart < 0 ? "/" : url.slice(pathStart, endOfPath(url))
  if (path.includes("//") || (path.includes("%") && /%(2f|5c|00|2e)/i.test(path)))
    throw refused("path", "the path has an empty part, or an encoded separator", "write the path plainly", 400)
  const host = headers.get("host")
  if (isOnLoopback && host !== null && !isNameOfThisMachine(host))
    throw refused("header Host", `${host} is no name of this machine`, "use localhost or 127.0.0.1")
  const origin = headers.get("origin")
  if (origin !== null && origin !== `http://${host}` && origin !== `https://${host}`)
    throw refused(
      "header Origin",
      `pages of ${origin} may not use this API`,
      "call it from a program, or from a page that is served from here",
    )
  const site = headers.get("sec-fetch-site")
  if (site === "cross-site" || site === "same-site")
    throw refused("header Sec-Fetch-Site", "pages of other sites may not use this API", "call it from a program")
}

function endOfPath(url: string): number {
  const query = url.indexOf("?")
  return query < 0 ? url.length : query
}
