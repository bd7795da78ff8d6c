// Sends the life of one request to Tidegate: go run . BROKER [PREFIX]
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Event has the fields of docs/schemas/RequestEvent.json that most services need.
type Event struct {
	Kind         string  `json:"kind"`  // arrived, finished, rejected, cancelled
	AtUs         int64   `json:"at_us"` // when this is said, microseconds UTC
	Pool         string  `json:"pool"`
	Model        string  `json:"model,omitempty"`
	Tenant       string  `json:"tenant,omitempty"`
	Status       int     `json:"status,omitempty"`
	PromptTokens int     `json:"prompt_tokens,omitempty"`
	OutputTokens int     `json:"output_tokens,omitempty"`
	TTFT         float64 `json:"ttft_s,omitempty"`
	Duration     float64 `json:"duration_s,omitempty"`
}

func main() {
	topic := "tidegate.requests"
	if len(os.Args) > 2 {
		topic = os.Args[2] + "requests"
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(100*time.Millisecond), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	emit := func(event Event) { // never waits: when the buffer is full, the event is dropped
		event.AtUs = time.Now().UnixMicro()
		value, _ := json.Marshal(event)
		client.TryProduce(context.Background(), &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				log.Print("dropped: ", err)
			}
		})
	}
	began := time.Now()
	emit(Event{Kind: "arrived", Pool: "chat", Model: "m", PromptTokens: 12})
	emit(Event{Kind: "finished", Pool: "chat", Model: "m", Status: 200, OutputTokens: 40,
		TTFT: 0.2, Duration: time.Since(began).Seconds()})
	if err := client.Flush(context.Background()); err != nil {
		log.Fatal(err)
	}
}
