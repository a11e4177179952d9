/**
 * JSON from strangers.
 *
 * Owns what is refused before anything looks at it: bytes that are no UTF-8, text that is no JSON, nesting that is too deep, and a name that is there twice in one object (which one counts depends on who reads it). Nothing here depends on what the JSON means.
 */
import { type Buffer, isUtf8 } from "node:buffer"
import { badField } from "./problem.js"

/** Objects and arrays within each other. */
export const jsonDepthMax = 64

const quote = 0x22
const backslash = 0x5c

/**
 * Parses a body.
 *
 * Errors: Problem, with `field` as the place where it went wrong.
 */
export function parseJson(bytes: Buffer, field = "body"): unknown {
  if (bytes.length === 0) throw badField(field, "it is empty", "send a JSON object")
  if (!isUtf8(bytes)) throw badField(field, "it is not UTF-8", "encode the JSON as UTF-8; binary values go as base64")
  const text = bytes.toString("latin1")
  const members = countMembers(text, field)
  let value: unknown
  try {
    value = JSON.parse(isAscii(text) ? text : bytes.toString())
  } catch (error) {
    throw badField(field, `it is not JSON: ${(error as Error).message}`, "send one JSON object, whole")
  }
  if (membersOf(value) !== members)
    throw badField(field, "an object in it has the same name twice", "give each name of an object once")
  return value
}

/** Latin-1 text that is the same in UTF-8. */
const isAscii = (text: string): boolean => !/[\u0080-\u00ff]/.test(text)

/** Each member of an object has one colon outside of strings; `text` has one character for each byte. */
function countMembers(text: string, field: string): number {
  let members = 0
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = endOfString(text, at)
        break
      case 0x3a:
        members++
        break
      case 0x7b:
      case 0x5b:
        if (++depth > jsonDepthMax)
          throw badField(field, `it is nested deeper than ${jsonDepthMax}`, "send flatter JSON, or text")
        break
      case 0x7d:
      case 0x5d:
        depth--
    }
  }
  return members
}

function endOfString(text: string, start: number): number {
  for (let end = start; ; ) {
    end = text.indexOf('"', end + 1)
    if (end < 0) return text.length
    let escapes = 0
    while (text.charCodeAt(end - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return end
  }
}

function membersOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0
  let members = 0
  if (Array.isArray(value)) {
    for (const each of value) members += membersOf(each)
    return members
  }
  for (const name in value) members += 1 + membersOf((value as Record<string, unknown>)[name])
  return members
}
