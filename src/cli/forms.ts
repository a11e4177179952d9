/** The forms in which a list is printed. */
export const outputForms = ["table", "json", "jsonl", "name"] as const
export type OutputForm = (typeof outputForms)[number]
