/**
 * A member one step further towards its target, written down.
 *
 * Owns how the pure step (reconcile.ts) meets the group: subscriptions by name and expression, and who has what.
 */
import { type MetadataImage, topicById } from "../../../metadata/image.js"
import type { ConsumerMember } from "./consumer-member.js"
import type { GroupDraft } from "./group-draft.js"
import type { ReportedPartitions } from "./owned-partitions.js"
import { reconcile } from "./reconcile.js"

/** The same object if nothing changes. */
export function advanceMember(
  draft: GroupDraft,
  image: MetadataImage,
  member: ConsumerMember,
  reported: ReportedPartitions | null,
  hasSubscriptionChanged: boolean,
): ConsumerMember {
  const position = reconcile({
    position: member,
    targetEpoch: draft.assignmentEpoch,
    target: draft.target(member.memberId),
    reported,
    isSubscribedTo: (topicId) => {
      const topic = topicById(image, topicId)
      return topic !== undefined && draft.isSubscribedTo(member, topic.name)
    },
    hasSubscriptionChanged,
    isTaken: (topicId, partition) => draft.isTaken(member.memberId, topicId, partition),
  })
  return position === member ? member : draft.moveMember(member, position)
}
