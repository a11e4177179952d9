package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Consumer.Return.Errors = true
	config.Consumer.MaxWaitTime = 500 * time.Millisecond
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Group.Session.Timeout = sessionTimeout
	config.Consumer.Group.Heartbeat.Interval = heartbeatInterval
	return config
}

type saramaProducer struct {
	sync  sarama.SyncProducer
	topic string
}

func produceSarama(bootstrap, topic string) (producer, error) {
	sync, err := sarama.NewSyncProducer([]string{bootstrap}, saramaConfig())
	return saramaProducer{sync, topic}, err
}

func (one saramaProducer) send(records []record) error {
	messages := []*sarama.ProducerMessage{}
	for _, record := range records {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: one.topic, Key: sarama.StringEncoder(record.key), Value: sarama.StringEncoder(record.value),
		})
	}
	return one.sync.SendMessages(messages)
}

func (one saramaProducer) close() error { return one.sync.Close() }

type saramaMember struct {
	group   sarama.ConsumerGroup
	topic   string
	held    *holdings
	cancel  context.CancelFunc
	stopped chan struct{}
	lock    sync.Mutex
	session sarama.ConsumerGroupSession
	failure error
}

func consumeSarama(bootstrap, topic, group, _ string, held *holdings) (member, error) {
	joined, err := sarama.NewConsumerGroup([]string{bootstrap}, group, saramaConfig())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	one := &saramaMember{group: joined, topic: topic, held: held, cancel: cancel, stopped: make(chan struct{})}
	go func() {
		for err := range joined.Errors() {
			fmt.Fprintln(os.Stderr, err)
			one.lock.Lock()
			one.failure = err
			one.lock.Unlock()
		}
	}()
	go func() {
		defer close(one.stopped)
		for ctx.Err() == nil {
			if err := joined.Consume(ctx, []string{topic}, one); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}()
	return one, nil
}

func (one *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	one.lock.Lock()
	defer one.lock.Unlock()
	one.session = session
	one.held.gain(session.Claims()[one.topic])
	return nil
}

func (one *saramaMember) Cleanup(session sarama.ConsumerGroupSession) error {
	one.lock.Lock()
	defer one.lock.Unlock()
	one.session = nil
	one.held.lose(session.Claims()[one.topic])
	return nil
}

func (one *saramaMember) ConsumeClaim(_ sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		one.held.see(message.Partition, message.Offset, message.Key, message.Value)
	}
	return nil
}

func (one *saramaMember) commit(positions map[int32]int64) error {
	one.lock.Lock()
	session := one.session
	one.failure = nil
	one.lock.Unlock()
	if session == nil {
		return fmt.Errorf("between two generations")
	}
	for partition, next := range positions {
		session.MarkOffset(one.topic, partition, next, "")
	}
	session.Commit()
	one.lock.Lock()
	defer one.lock.Unlock()
	return one.failure
}

func (one *saramaMember) close() error {
	one.cancel()
	<-one.stopped
	return one.group.Close()
}
