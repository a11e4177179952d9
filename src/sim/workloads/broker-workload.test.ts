import { before } from "node:test"
import { prepareCompression } from "../../protocol/compression/compression.js"
import { brokerWorkload } from "./broker-workload.js"
import { workloadConformance } from "./workload.conformance.js"

before(() => prepareCompression())

workloadConformance("broker", brokerWorkload, { good: 4, lying: 6 })
