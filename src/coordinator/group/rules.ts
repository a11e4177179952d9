/**
 * The rules of both group protocols, as a shard asks for them.
 *
 * Owns who needs whom: the consumer protocol converts classic groups and serves their members, so it has the classic rules at hand. Rules are asked about groups of their own kind only.
 */
import { ClassicGroup } from "./classic/classic-group.js"
import { ClassicProtocol } from "./classic/classic-protocol.js"
import type { GroupRules } from "./group-shard.js"

export const groupRules: GroupRules = (context, groups) => {
  const classic = new ClassicProtocol(context, groups)
  return {
    classic: {
      ofGroup: classic,
      join: (request, client, respond, now) => classic.join(request, client, respond, now),
      sync: (request, _client, respond, now) => classic.sync(request, respond, now),
      heartbeat: (request, _client, respond, now) => classic.heartbeat(request, respond, now),
      leave: (request, _client, respond, now) => classic.leave(request, respond, now),
      replay: (record) => classic.replay(record),
      newGroup: (groupId) => new ClassicGroup(groupId),
    },
  }
}
