package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

type segmentioProducer struct{ writer *kafka.Writer }

func produceSegmentio(bootstrap, topic string) (producer, error) {
	return segmentioProducer{&kafka.Writer{
		Addr: kafka.TCP(bootstrap), Topic: topic, Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: 5 * time.Millisecond,
	}}, nil
}

func (one segmentioProducer) send(records []record) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	messages := []kafka.Message{}
	for _, record := range records {
		messages = append(messages, kafka.Message{Key: []byte(record.key), Value: []byte(record.value)})
	}
	return one.writer.WriteMessages(ctx, messages...)
}

func (one segmentioProducer) close() error { return one.writer.Close() }

// The group beneath its Reader, which alone tells the assignment.
type segmentioMember struct {
	bootstrap, topic string
	held             *holdings
	group            *kafka.ConsumerGroup
	stopped          chan struct{}
	lock             sync.Mutex
	generation       *kafka.Generation
}

func consumeSegmentio(bootstrap, topic, group, _ string, held *holdings) (member, error) {
	joined, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: group, Brokers: []string{bootstrap}, Topics: []string{topic}, StartOffset: kafka.FirstOffset,
		HeartbeatInterval: heartbeatInterval, SessionTimeout: sessionTimeout, RebalanceTimeout: sessionTimeout,
		JoinGroupBackoff: 500 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	one := &segmentioMember{bootstrap: bootstrap, topic: topic, held: held, group: joined, stopped: make(chan struct{})}
	go one.live()
	return one, nil
}

func (one *segmentioMember) live() {
	defer close(one.stopped)
	for {
		generation, err := one.group.Next(context.Background())
		if errors.Is(err, kafka.ErrGroupClosed) {
			return
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		one.become(generation)
		for _, assignment := range generation.Assignments[one.topic] {
			one.held.gain([]int32{int32(assignment.ID)})
			generation.Start(func(ctx context.Context) { one.read(ctx, assignment) })
		}
		// The group waits for all functions of a generation before it joins the next.
		generation.Start(func(ctx context.Context) {
			<-ctx.Done()
			one.become(nil)
		})
	}
}

func (one *segmentioMember) become(generation *kafka.Generation) {
	one.lock.Lock()
	defer one.lock.Unlock()
	one.generation = generation
}

func (one *segmentioMember) read(ctx context.Context, assignment kafka.PartitionAssignment) {
	defer one.held.lose([]int32{int32(assignment.ID)})
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{one.bootstrap}, Topic: one.topic, Partition: assignment.ID, MaxWait: 500 * time.Millisecond,
	})
	defer reader.Close()
	must(reader.SetOffset(assignment.Offset))
	for {
		message, err := reader.ReadMessage(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		one.held.see(int32(message.Partition), message.Offset, message.Key, message.Value)
	}
}

func (one *segmentioMember) commit(positions map[int32]int64) error {
	one.lock.Lock()
	generation := one.generation
	one.lock.Unlock()
	if generation == nil {
		return errors.New("between two generations")
	}
	offsets := map[int]int64{}
	for partition, next := range positions {
		offsets[int(partition)] = next
	}
	return generation.CommitOffsets(map[string]map[int]int64{one.topic: offsets})
}

func (one *segmentioMember) close() error {
	err := one.group.Close()
	<-one.stopped
	return err
}
