// Clients for Go as producer or member: the line protocol of ../README.md, after the name of the client.
package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

const (
	sessionTimeout    = 6 * time.Second
	heartbeatInterval = time.Second
	requestTimeout    = 20 * time.Second
)

type record struct{ key, value string }

// A producer sends records and returns when they are acknowledged.
type producer interface {
	send(records []record) error
	close() error
}

// A member tells its holdings what happens to it.
type member interface {
	commit(positions map[int32]int64) error
	close() error
}

type client struct {
	produce func(bootstrap, topic string) (producer, error)
	consume func(bootstrap, topic, group, protocol string, held *holdings) (member, error)
}

var clients = map[string]client{
	"franz-go": {produceFranz, consumeFranz},
	"sarama":   {produceSarama, consumeSarama},
	"kafka-go": {produceSegmentio, consumeSegmentio},
}

var output sync.Mutex

func say(words ...any) {
	output.Lock()
	defer output.Unlock()
	fmt.Print(time.Now().UnixMilli(), " ", fmt.Sprintln(words...))
}

func failed(err error) { say("failed", strings.ReplaceAll(err.Error(), "\n", " ")) }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// holdings are the partitions a member has, and how far it is in each.
type holdings struct {
	sync.Mutex
	next map[int32]int64
}

const nothingSeen = -1

func (held *holdings) gain(partitions []int32) {
	held.Lock()
	defer held.Unlock()
	for _, partition := range sorted(partitions) {
		if _, known := held.next[partition]; !known {
			held.next[partition] = nothingSeen
			say("gained", partition)
		}
	}
}

func (held *holdings) lose(partitions []int32) {
	held.Lock()
	defer held.Unlock()
	for _, partition := range sorted(partitions) {
		if _, known := held.next[partition]; known {
			delete(held.next, partition)
			say("lost", partition)
		}
	}
}

func (held *holdings) see(partition int32, offset int64, key, value []byte) {
	held.Lock()
	defer held.Unlock()
	if _, known := held.next[partition]; known {
		held.next[partition] = offset + 1
	}
	say("seen", partition, offset, string(key), string(value))
}

func (held *holdings) positions() map[int32]int64 {
	held.Lock()
	defer held.Unlock()
	positions := map[int32]int64{}
	for partition, next := range held.next {
		if next != nothingSeen {
			positions[partition] = next
		}
	}
	return positions
}

func sorted(partitions []int32) []int32 {
	sort.Slice(partitions, func(i, j int) bool { return partitions[i] < partitions[j] })
	return partitions
}

func main() {
	name, role, bootstrap, topic, group, protocol := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]
	commands := bufio.NewScanner(os.Stdin)
	if role == "produce" {
		producer, err := clients[name].produce(bootstrap, topic)
		must(err)
		say("ready")
		for commands.Scan() && commands.Text() != "leave" {
			var first, count int
			_, err := fmt.Sscanf(commands.Text(), "produce %d %d", &first, &count)
			must(err)
			records := []record{}
			for value := first; value < first+count; value++ {
				records = append(records, record{fmt.Sprintf("key-%d", value%60), fmt.Sprint(value)})
			}
			if err := producer.send(records); err != nil {
				failed(err)
			} else {
				say("produced", first, count)
			}
		}
		must(producer.close())
	} else {
		held := &holdings{next: map[int32]int64{}}
		member, err := clients[name].consume(bootstrap, topic, group, protocol, held)
		must(err)
		for commands.Scan() && commands.Text() != "leave" {
			positions := held.positions()
			if err := member.commit(positions); err != nil {
				failed(err)
				continue
			}
			words := []any{"committed"}
			for partition, next := range positions {
				words = append(words, fmt.Sprintf("%d:%d", partition, next))
			}
			say(words...)
		}
		must(member.close())
	}
	say("left")
}
