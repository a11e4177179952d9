import { before } from "node:test"
import { prepareCompression } from "../../protocol/compression/compression.js"
import { groupWorkload } from "./group-workload.js"
import { workloadConformance } from "./workload.conformance.js"

before(() => prepareCompression())

workloadConformance("groups", groupWorkload, { good: 6, lying: 24 })
