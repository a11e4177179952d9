import { logWorkload } from "./log-workload.js"
import { workloadConformance } from "./workload.conformance.js"

workloadConformance("log", logWorkload, { good: 8, lying: 10 })
