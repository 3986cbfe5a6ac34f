package main

import (
	"context"
	"encoding/json"
	"fmt"
	"generated/api"
	"os"

	"github.com/go-faster/jx"
	"github.com/ogen-go/ogen/ogenerrors"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// An open store needs no credentials.
type anonymous struct{}

func (anonymous) Bearer(context.Context, api.OperationName) (api.Bearer, error) {
	return api.Bearer{}, ogenerrors.ErrSkipClientSecurity
}

func (anonymous) Session(context.Context, api.OperationName) (api.Session, error) {
	return api.Session{}, ogenerrors.ErrSkipClientSecurity
}

func main() {
	ctx := context.Background()
	client, err := api.NewClient(os.Args[1], anonymous{})
	must(err)

	var events []api.NewEvent
	for _, name := range []string{"A", "B", "C"} {
		events = append(events, api.NewEvent{Type: name, Data: jx.Raw(`{"n":1}`)})
	}
	appended, err := client.Append(ctx, &api.Append{
		Events:          events,
		ExpectedVersion: api.NewOptExpectedVersion(api.NewIntExpectedVersion(0)),
	}, api.AppendParams{Stream: "generated"})
	must(err)

	types := []string{}
	cursor := api.OptString{}
	for {
		answer, err := client.ReadEvents(ctx, api.ReadEventsParams{
			Limit: api.NewOptInt(2), LastEventId: cursor, Type: []string{"A", "B", "C"}})
		must(err)
		page := answer.(*api.ReadEventsOKApplicationCloudeventsBatchJSONHeaders).Response
		if len(page) == 0 {
			break
		}
		for _, event := range page {
			types = append(types, event.Type)
		}
		last := page[len(page)-1]
		cursor = api.NewOptString(last.ID + "-" + last.Logidentity)
	}

	listed, err := client.ListStreams(ctx, api.ListStreamsParams{})
	must(err)
	streams := []string{}
	for _, stream := range listed.(*api.ListStreamsOKHeaders).Response.Streams {
		streams = append(streams, stream.Stream)
	}

	committed, err := client.CommitConsumer(ctx, &api.Committed{Position: 3},
		api.CommitConsumerParams{Consumer: "generated"})
	must(err)

	text, err := json.Marshal(map[string]any{"version": appended.(*api.AppendedHeaders).Response.Version, "types": types,
		"streams": streams, "committed": committed.(*api.ConsumerHeaders).Response.Committed.Value})
	must(err)
	fmt.Println(string(text))
}
