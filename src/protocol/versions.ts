/**
 * Ranges of message versions in Kafka's notation: "3-13", "9+", "4", "none".
 *
 * Owns the notation; what a range means for a field is in `field.ts` and `codec.ts`. A range is inclusive on both ends and `none` is empty.
 */
import { invariant } from "../base/assert.js"

export interface VersionRange {
  readonly min: number
  readonly max: number
}

/** Versions travel as int16. */
export const versionMax = 0x7fff

export const noVersions: VersionRange = { min: 0, max: -1 }
export const allVersions: VersionRange = { min: 0, max: versionMax }

const notation = /^(\d+)(?:(\+)|-(\d+))?$/

export function parseVersions(text: string): VersionRange {
  if (text === "none") return noVersions
  const match = notation.exec(text)
  invariant(match, `"${text}" is no range of versions`)
  const min = Number(match[1])
  const max = match[2] ? versionMax : match[3] === undefined ? min : Number(match[3])
  invariant(min <= max && max <= versionMax, `"${text}" is not a range of versions that can travel`)
  return { min, max }
}

export const includesVersion = (range: VersionRange, version: number): boolean =>
  version >= range.min && version <= range.max
