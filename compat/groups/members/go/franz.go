package main

import (
	"context"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type franzProducer struct{ client *kgo.Client }

func produceFranz(bootstrap, topic string) (producer, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return nil, err
	}
	return franzProducer{client}, client.Ping(context.Background())
}

func (one franzProducer) send(records []record) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	all := []*kgo.Record{}
	for _, record := range records {
		all = append(all, &kgo.Record{Key: []byte(record.key), Value: []byte(record.value)})
	}
	return one.client.ProduceSync(ctx, all...).FirstErr()
}

func (one franzProducer) close() error {
	one.client.Close()
	return nil
}

type franzMember struct {
	client *kgo.Client
	topic  string
}

func consumeFranz(bootstrap, topic, group, protocol string, held *holdings) (member, error) {
	lose := func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { held.lose(lost[topic]) }
	options := []kgo.Opt{
		kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, gained map[string][]int32) { held.gain(gained[topic]) }),
		kgo.OnPartitionsRevoked(lose), kgo.OnPartitionsLost(lose),
	}
	session := []kgo.Opt{kgo.SessionTimeout(sessionTimeout), kgo.HeartbeatInterval(heartbeatInterval)}
	switch protocol {
	case "classic":
		options = append(options, append(session, kgo.Balancers(kgo.RangeBalancer()))...)
	case "classic cooperative":
		options = append(options, append(session, kgo.Balancers(kgo.CooperativeStickyBalancer()))...)
	case "consumer":
		options = append(options, kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer())
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			fetches := client.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			fetches.EachError(func(_ string, partition int32, err error) { fmt.Fprintln(os.Stderr, partition, err) })
			fetches.EachRecord(func(one *kgo.Record) { held.see(one.Partition, one.Offset, one.Key, one.Value) })
			client.AllowRebalance()
		}
	}()
	return franzMember{client, topic}, nil
}

func (one franzMember) commit(positions map[int32]int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	offsets := map[int32]kgo.EpochOffset{}
	for partition, next := range positions {
		offsets[partition] = kgo.EpochOffset{Epoch: -1, Offset: next}
	}
	var failure error
	one.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{one.topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
			failure = err
			if response == nil {
				return
			}
			for _, topic := range response.Topics {
				for _, partition := range topic.Partitions {
					if failure == nil {
						failure = kerr.ErrorForCode(partition.ErrorCode)
					}
				}
			}
		})
	return failure
}

func (one franzMember) close() error {
	one.client.CloseAllowingRebalance()
	return nil
}
