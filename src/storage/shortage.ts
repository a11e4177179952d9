/**
 * Errors that pass by themselves and leave the disk as trustworthy as before: no room, no handles.
 *
 * Owns the distinction alone. Whoever meets one refuses new work until there is enough again; every other error of a write or a sync
 * puts the whole directory in doubt.
 */
import { DiskError } from "../env/env.js"

const shortages = new Set(["ENOSPC", "EDQUOT", "EMFILE", "ENFILE"])

export const isShortage = (error: unknown): error is DiskError =>
  error instanceof DiskError && shortages.has(error.code)
