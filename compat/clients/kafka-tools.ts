import type { Check } from "../check.js"
export const kafkaToolChecks: readonly Check[] = []
