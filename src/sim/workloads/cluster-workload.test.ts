import { before } from "node:test"
import { prepareCompression } from "../../protocol/compression/compression.js"
import { clusterWorkload } from "./cluster-workload.js"
import { workloadConformance } from "./workload.conformance.js"

before(() => prepareCompression())

workloadConformance("cluster", clusterWorkload, { good: 4, lying: 8 })
