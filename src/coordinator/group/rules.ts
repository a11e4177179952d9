/**
 * The rules of both group protocols, as a shard asks for them.
 *
 * Owns who needs whom: the consumer protocol converts classic groups and serves their members, so it has the classic rules at hand. Rules are asked about groups of their own kind only.
 */
import { ClassicGroup } from "./classic/classic-group.js"
import { ClassicProtocol } from "./classic/classic-protocol.js"
import { ConsumerGroup } from "./consumer/consumer-group.js"
import { ConsumerProtocol } from "./consumer/consumer-protocol.js"
import type { GroupRules } from "./group-shard.js"

export const groupRules: GroupRules = (context, groups) => {
  const classic = new ClassicProtocol(context, groups)
  const consumer = new ConsumerProtocol(context, groups, classic)
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
    consumer: {
      ofGroup: consumer,
      classic: {
        join: (request, client, respond, now) => consumer.classicJoin(request, client, respond, now),
        sync: (request, _client, respond, now) => consumer.classicSync(request, respond, now),
        heartbeat: (request, _client, respond, now) => consumer.classicHeartbeat(request, respond, now),
        leave: (request, _client, respond, now) => consumer.classicLeave(request, respond, now),
      },
      heartbeat: (request, client, respond, now) => consumer.heartbeat(request, client, respond, now),
      describeConsumer: (group) => (group instanceof ConsumerGroup ? consumer.describeConsumer(group) : undefined),
      replay: (record) => consumer.replay(record),
      onTopicsChanged: (names, now) => consumer.onTopicsChanged(names, now),
    },
  }
}
