/**
 * Levels of features, raised and lowered by request.
 *
 * Owns what an update must meet; all updates of a request happen, or none. Source: Kafka's FeatureControlManager, Feature.validateVersion; KIP-584, 778, 966, 1022.
 */
import { configOverrides, type MetadataImage, resourceTypes } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors } from "../protocol/errors.js"
import { elrFeature } from "./controller-view.js"
import { minInsyncReplicas } from "./configs.js"
import { type Failure, failure } from "./outcome.js"

export interface SupportedFeature {
  readonly name: string
  readonly minSupportedVersion: number
  readonly maxSupportedVersion: number
}

export interface FeatureRules {
  /** What this controller knows. */
  readonly nodeId: number
  readonly supported: readonly SupportedFeature[]
  /** The level of `metadata.version` that a level of a feature needs; undefined: any. */
  metadataVersionNeeded(feature: string, level: number): number | undefined
  /** `min.insync.replicas` as it stands in this controller's file, or its default. */
  staticMinInsyncReplicas(): string
  /** The level of `kraft.version`, which is in control records of the metadata log. */
  kraftVersion(): number
}

/** 1 upgrade, 2 safe downgrade, 3 unsafe downgrade. */
export const upgradeTypes = { upgrade: 1, safeDowngrade: 2, unsafeDowngrade: 3 } as const

export interface FeatureUpdate {
  readonly feature: string
  readonly maxVersionLevel: number
  readonly upgradeType: number
}

const metadataVersionFeature = "metadata.version"
export const raftVersionFeature = "kraft.version"

/** What is in force, by its name. */
export const finalizedFeatures = (image: MetadataImage, kraftVersion: number): Map<string, number> =>
  kraftVersion > 0 ? new Map(image.features).set(raftVersionFeature, kraftVersion) : new Map(image.features)

/** `upgradesVoters`: kraft.version is to rise, which is no record of these: it comes first. */
export function updateFeatures(
  image: MetadataImage,
  updates: readonly FeatureUpdate[],
  rules: FeatureRules,
): { records: MetadataRecord[]; upgradesVoters: boolean; failure: Failure | undefined } {
  const current = finalizedFeatures(image, rules.kraftVersion())
  const levels = new Map(current)
  for (const { feature, maxVersionLevel } of updates) levels.set(feature, maxVersionLevel)
  const records: MetadataRecord[] = []
  let upgradesVoters = false
  for (const update of updates) {
    const refused = problem(image, update, levels, rules)
    if (refused !== undefined)
      return {
        records: [],
        upgradesVoters: false,
        failure: failure(Errors.INVALID_UPDATE_VERSION, refused).failure,
      }
    const { feature: name, maxVersionLevel: featureLevel } = update
    if (featureLevel === (current.get(name) ?? 0)) continue
    if (name === raftVersionFeature) {
      upgradesVoters = true
      continue
    }
    if (name === elrFeature && featureLevel > 0) records.push(...oneMinimumForAll(image, rules))
    records.push({ type: "FeatureLevelRecord", value: { name, featureLevel } })
  }
  return { records, upgradesVoters, failure: undefined }
}

function problem(
  image: MetadataImage,
  { feature, maxVersionLevel: level, upgradeType }: FeatureUpdate,
  levels: ReadonlyMap<string, number>,
  rules: FeatureRules,
): string | undefined {
  const invalid = (reason: string) => `Invalid update version ${level} for feature ${feature}. ${reason}`
  if (upgradeType < upgradeTypes.upgrade || upgradeType > upgradeTypes.unsafeDowngrade)
    return invalid("The controller does not support the given upgrade type.")
  if (level < 0) return invalid("A feature version cannot be less than 0.")
  const unsupported = unsupportedBy(image, feature, level, rules)
  if (unsupported !== undefined) return invalid(unsupported)
  const current = finalizedFeatures(image, rules.kraftVersion()).get(feature) ?? 0
  if (level < current && upgradeType === upgradeTypes.upgrade)
    return invalid(
      "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.",
    )
  if (level > current && upgradeType !== upgradeTypes.upgrade) return invalid("Can't downgrade to a newer version.")
  if (feature === metadataVersionFeature) return metadataVersionProblem(current, level, upgradeType)
  if (feature === raftVersionFeature && level < current)
    return invalid("Voters that are known by their disks cannot become voters of the configuration again.")
  const needed = rules.metadataVersionNeeded(feature, level)
  return needed !== undefined && (levels.get(metadataVersionFeature) ?? 0) < needed
    ? invalid(`${feature} could not be set to ${level} because it depends on ${metadataVersionFeature} level ${needed}`)
    : undefined
}

function unsupportedBy(
  { brokers, carried }: MetadataImage,
  feature: string,
  level: number,
  { nodeId, supported }: FeatureRules,
): string | undefined {
  const reason = (who: string, features: readonly SupportedFeature[]): string | undefined => {
    const range = features.find(({ name }) => name === feature)
    if (range === undefined) return level === 0 ? undefined : `${who} does not support this feature.`
    return level !== 0 && (level < range.minSupportedVersion || level > range.maxSupportedVersion)
      ? `${who} only supports versions ${range.minSupportedVersion}-${range.maxSupportedVersion}`
      : undefined
  }
  const local = supported.some(({ name }) => name === feature)
    ? reason(`Local controller ${nodeId}`, supported)
    : `Local controller ${nodeId} does not support this feature.`
  if (local !== undefined) return local
  for (const broker of brokers.values()) {
    const found = reason(`Broker ${broker.brokerId}`, broker.features)
    if (found !== undefined) return found
  }
  for (const record of carried.values()) {
    if (record.type !== "RegisterControllerRecord" || record.value.controllerId === nodeId) continue
    const found = reason(`Controller ${record.value.controllerId}`, record.value.features)
    if (found !== undefined) return found
  }
  return undefined
}

/** Records are written in the versions of the newest level, which an older one could not read. */
function metadataVersionProblem(current: number, level: number, upgradeType: number): string | undefined {
  if (level >= current) return undefined
  const reason =
    upgradeType === upgradeTypes.unsafeDowngrade
      ? "Unsafe metadata downgrade is not supported in this version."
      : "Refusing to perform the requested downgrade because it might delete metadata information."
  return `Invalid metadata.version ${level}. ${reason}`
}

/** KIP-966: eligible leaders rest on one minimum that everybody knows, so it becomes a setting of the cluster, and those of single brokers go. */
function oneMinimumForAll(image: MetadataImage, rules: FeatureRules): MetadataRecord[] {
  const set = (resourceName: string, value: string | null): MetadataRecord => ({
    type: "ConfigRecord",
    value: { resourceType: resourceTypes.broker, resourceName, name: minInsyncReplicas, value },
  })
  const records: MetadataRecord[] = []
  if (!configOverrides(image, resourceTypes.broker, "").has(minInsyncReplicas))
    records.push(set("", rules.staticMinInsyncReplicas()))
  for (const brokerId of image.brokers.keys())
    if (configOverrides(image, resourceTypes.broker, String(brokerId)).has(minInsyncReplicas))
      records.push(set(String(brokerId), null))
  return records
}
