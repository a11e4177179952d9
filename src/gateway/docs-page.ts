/**
 * `/docs`: the API as a page to read.
 *
 * Owns its HTML, made from the same document as `/openapi.json`. One file without scripts and without anything from elsewhere; the policy says so. Everything that is shown is escaped.
 */
import type { JsonSchema } from "./json-schema.js"

export const docsPolicy =
  "default-src 'none'; style-src 'sha256-STYLE'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export const docsStyle = `
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:3rem;border-bottom:1px solid #8884}
article{margin:2rem 0}
h3{font:600 1rem/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
pre{background:#8881;padding:.75rem;overflow:auto;font-size:.85rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
td{border-top:1px solid #8884;padding:.3rem .6rem;vertical-align:top}
td:first-child{white-space:nowrap;font-family:ui-monospace,monospace}
`

interface Operation {
  readonly tags: readonly string[]
  readonly summary: string
  readonly description?: string
  readonly parameters: readonly { name: string; in: string; description?: string; schema: JsonSchema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> }
  readonly responses: Readonly<Record<string, { readonly description: string }>>
}

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
}
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (each) => escapes[each]!)

export function docsPage(document: JsonSchema): string {
  const info = document.info as { title: string; version: string; description: string }
  const paths = document.paths as Readonly<Record<string, Readonly<Record<string, Operation>>>>
  const byTag = new Map<string, string[]>()
  for (const [path, methods] of Object.entries(paths))
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0]!
      if (!byTag.has(tag)) byTag.set(tag, [])
      byTag.get(tag)!.push(article(method.toUpperCase(), path, operation))
    }
  const sections = [...byTag].map(([tag, articles]) => `<h2>${escapeHtml(tag)}</h2>${articles.join("")}`)
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(info.title)}</title><style>${docsStyle}</style></head><body><h1>${escapeHtml(info.title)} ${escapeHtml(info.version)}</h1><p>${escapeHtml(info.description)}</p><p><a href="openapi.json">openapi.json</a></p>${sections.join("")}</body></html>`
}

function article(method: string, path: string, operation: Operation): string {
  const { summary, description, parameters, requestBody, responses } = operation
  const rows = parameters.map(({ name, in: place, description: text, schema }) =>
    row(`${name} (${place})`, [text, typeText(schema)].filter((each) => each !== undefined && each !== "").join(" · ")),
  )
  const answers = Object.entries(responses).map(([status, each]) => row(status, each.description))
  const bodies = Object.entries(requestBody?.content ?? {}).map(
    ([type, { schema }]) => `<p>Body: ${escapeHtml(type)}</p><pre>${escapeHtml(JSON.stringify(schema, null, 2))}</pre>`,
  )
  return `<article><h3>${method} ${escapeHtml(path)}</h3><p>${escapeHtml(summary)}. ${escapeHtml(description ?? "")}</p>${table(rows)}${bodies.join("")}${table(answers)}</article>`
}

const table = (rows: readonly string[]): string => (rows.length === 0 ? "" : `<table>${rows.join("")}</table>`)
const row = (name: string, text: string): string => `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(text)}</td></tr>`

function typeText({ type, enum: values, minimum, maximum, default: fallback }: JsonSchema): string {
  const parts = [
    Array.isArray(values) ? values.join(" | ") : typeof type === "string" ? type : undefined,
    minimum === undefined ? undefined : `from ${String(minimum)}`,
    maximum === undefined ? undefined : `to ${String(maximum)}`,
    fallback === undefined ? undefined : `default ${String(fallback)}`,
  ]
  return parts.filter((each) => each !== undefined).join(" ")
}
