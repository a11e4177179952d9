import type { Check } from "../check.js"
import { Skip } from "../work.js"
export const nodeRdkafka: Check = {
  name: "node-rdkafka",
  about: "",
  run: async () => {
    throw new Skip("later")
  },
}
