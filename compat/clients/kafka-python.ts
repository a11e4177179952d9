import type { Check } from "../check.js"
import { Skip } from "../work.js"
export const kafkaPython: Check = {
  name: "kafka-python",
  about: "",
  run: async () => {
    throw new Skip("later")
  },
}
