/** Topics that belong to the cluster itself: clients see them marked, and may not write to them. */
const internalTopics: ReadonlySet<string> = new Set([
  "__consumer_offsets",
  "__transaction_state",
  "__share_group_state",
])

/** The metadata log: no topic, and nobody may create one of its name. */
export const clusterMetadataTopic = "__cluster_metadata"

export const isInternalTopic = (name: string): boolean => internalTopics.has(name)
