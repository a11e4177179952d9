import type { Check } from "../check.js"
import { Skip } from "../work.js"
export const franzGo: Check = {
  name: "franz-go",
  about: "",
  run: async () => {
    throw new Skip("later")
  },
}
