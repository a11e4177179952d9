/**
 * The APIs of the metadata quorum: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch of the metadata log, FetchSnapshot, DescribeQuorum, and the changes of its voters.
 *
 * Behaviour and errors are the quorum's own (raft/). Source: KIP-595, KIP-630, KIP-853, KIP-996.
 */
import type { Api } from "../../protocol/message.js"
import { addRaftVoter } from "../../protocol/messages/add-raft-voter.js"
import { beginQuorumEpoch } from "../../protocol/messages/begin-quorum-epoch.js"
import { describeQuorum } from "../../protocol/messages/describe-quorum.js"
import { endQuorumEpoch } from "../../protocol/messages/end-quorum-epoch.js"
import { fetch } from "../../protocol/messages/fetch.js"
import { fetchSnapshot } from "../../protocol/messages/fetch-snapshot.js"
import { removeRaftVoter } from "../../protocol/messages/remove-raft-voter.js"
import { updateRaftVoter } from "../../protocol/messages/update-raft-voter.js"
import { vote } from "../../protocol/messages/vote.js"
import { type ApiHandler, controllerHandler, type ControllerServices } from "../services.js"

const quorumApis: readonly Api[] = [
  fetch,
  vote,
  beginQuorumEpoch,
  endQuorumEpoch,
  fetchSnapshot,
  describeQuorum,
  addRaftVoter,
  removeRaftVoter,
  updateRaftVoter,
]

export const quorumHandlers: readonly ApiHandler<Api, ControllerServices>[] = quorumApis.map((api) =>
  // What comes next on the connection does not wait for the answer: a vote waits for the disk, and a leader that says it is one must be heard meanwhile.
  controllerHandler(api, (services, request, { version }) => ({
    accepted: true,
    reply: services.quorum.handle(api, request, version),
  })),
)
