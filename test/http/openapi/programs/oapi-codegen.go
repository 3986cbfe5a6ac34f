package main

import (
	"context"
	"encoding/json"
	"fmt"
	"generated/api"
	"os"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	ctx := context.Background()
	client, err := api.NewClientWithResponses(os.Args[1])
	must(err)

	var absent api.ExpectedVersion
	must(absent.FromExpectedVersion0(0))
	var events []api.NewEvent
	for _, name := range []string{"A", "B", "C"} {
		var data interface{} = map[string]int{"n": 1}
		events = append(events, api.NewEvent{Type: name, Data: &data})
	}
	appended, err := client.AppendWithResponse(ctx, "generated", nil,
		api.AppendJSONRequestBody{Events: events, ExpectedVersion: &absent})
	must(err)

	types, limit := []string{}, 2
	var cursor *string
	for {
		page, err := client.ReadEventsWithResponse(ctx, &api.ReadEventsParams{
			Limit: &limit, LastEventId: cursor, Type: &[]string{"A", "B", "C"}})
		must(err)
		found := *page.ApplicationcloudeventsBatchJSON200
		if len(found) == 0 {
			break
		}
		for _, event := range found {
			types = append(types, event.Type)
		}
		last := found[len(found)-1]
		next := last.Id + "-" + last.Logidentity
		cursor = &next
	}

	listed, err := client.ListStreamsWithResponse(ctx, nil)
	must(err)
	streams := []string{}
	for _, stream := range listed.JSON200.Streams {
		streams = append(streams, stream.Stream)
	}

	committed, err := client.CommitConsumerWithResponse(ctx, "generated", nil, api.Committed{Position: 3})
	must(err)

	text, err := json.Marshal(map[string]any{"version": appended.JSON201.Version, "types": types,
		"streams": streams, "committed": committed.JSON200.Committed})
	must(err)
	fmt.Println(string(text))
}
