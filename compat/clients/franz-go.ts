/** franz-go: idempotent producer with every codec it has, and a consumer of partitions assigned by hand. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Check } from "../check.js"
import { expect, onPath, run, runOk, Skip, tail, workDirectory } from "../work.js"

const version = "v1.18.1"

const program = `package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	bootstrap, topic := os.Args[1], os.Args[2]
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	admin, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	check(err)
	create := kmsg.NewPtrCreateTopicsRequest()
	one := kmsg.NewCreateTopicsRequestTopic()
	one.Topic, one.NumPartitions, one.ReplicationFactor = topic, 1, 1
	create.Topics = append(create.Topics, one)
	created, err := create.RequestWith(ctx, admin)
	check(err)
	if created.Topics[0].ErrorCode != 0 {
		check(fmt.Errorf("create topic: error %d", created.Topics[0].ErrorCode))
	}
	next := 0
	for index, codec := range codecs {
		producer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(codec))
		check(err)
		records := []*kgo.Record{}
		for i := 0; i < 300; i++ {
			records = append(records, &kgo.Record{
				Key:     []byte(fmt.Sprint(i)),
				Value:   []byte(fmt.Sprint(next)),
				Headers: []kgo.RecordHeader{{Key: "codec", Value: []byte(fmt.Sprint(index))}},
			})
			next++
		}
		check(producer.ProduceSync(ctx, records...).FirstErr())
		producer.Close()
	}
	partitions := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumePartitions(partitions))
	check(err)
	seen := 0
	for seen < next {
		fetches := consumer.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			if record.Offset != int64(seen) || string(record.Value) != fmt.Sprint(seen) || string(record.Headers[0].Value) != fmt.Sprint(seen/300) {
				check(fmt.Errorf("offset %d holds %s where %d was due", record.Offset, record.Value, seen))
			}
			seen++
		})
	}
	consumer.Close()
	fmt.Println("fine", seen)
}
`

export const franzGo: Check = {
  name: "franz-go",
  about: `franz-go ${version}`,
  async run({ bootstrap, topic }) {
    if (!onPath("go")) throw new Skip("go is missing")
    const home = join(workDirectory, "franz-go")
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, "main.go"), program)
    writeFileSync(join(home, "go.mod"), `module compat\n\ngo 1.21\n\nrequire github.com/twmb/franz-go ${version}\n`)
    const options = { cwd: home, timeoutMs: 300_000 }
    const tidied = await run("go", ["mod", "tidy"], options)
    if (tidied.code !== 0) throw new Skip(`go could not fetch franz-go: ${tail(tidied.stderr, 1)}`)
    await runOk("go", ["build", "-o", "compat", "."], options)
    const output = await runOk(join(home, "compat"), [bootstrap, topic("franz-go")])
    expect(output.includes("fine"), output)
    return undefined
  },
}
