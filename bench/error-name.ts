/** A protocol error as people read it. Owns nothing else. */
import { errorByCode } from "../src/protocol/errors.js"

export const errorName = (code: number): string => errorByCode(code)?.name ?? `error ${code}`
