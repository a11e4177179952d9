/**
 * DescribeConfigs: settings of topics, brokers and their like, with sources.
 *
 * Versions: 1 has the source and synonyms (KIP-226), 3 the type and documentation (KIP-569).
 */
import { array, bool, int16, int32, int8, string } from "../field.js"
import { api } from "../message.js"

export const describeConfigs = api({
  name: "DescribeConfigs",
  key: 32,
  versions: "1-4",
  flexible: "4+",
  listeners: ["broker", "controller"],
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      // null: all
      configurationKeys: array(string(), { nullableVersions: "1+" }),
    }),
    includeSynonyms: bool({ default: false }),
    includeDocumentation: bool({ versions: "3+", default: false }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "1+" }),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string({ nullableVersions: "1+" }),
        readOnly: bool(),
        // see KIP-226: 1 topic, 2 broker, 3 default broker, 4 static, 5 default
        configSource: int8({ default: -1, ignorable: true }),
        isSensitive: bool(),
        synonyms: array(
          {
            name: string(),
            value: string({ nullableVersions: "1+" }),
            source: int8(),
          },
          { ignorable: true },
        ),
        configType: int8({ versions: "3+", default: 0, ignorable: true }),
        documentation: string({ versions: "3+", nullableVersions: "1+", ignorable: true }),
      }),
    }),
  },
})
