import type { Check } from "../check.js"
export const dataDirectoryChecks: readonly Check[] = []
