package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"partita/server/deploy"
)

// keepAlive is how often a silent stream of events says that it is still there.
const keepAlive = 15 * time.Second

type eventsInput struct {
	Named
	LastEventID string `header:"Last-Event-ID" doc:"the last event already seen"`
}

// registerEvents registers the stream of a deployment's steps. Whoever comes late sees what has happened before.
func (a *endpoints) registerEvents(h huma.API) {
	schemas := h.OpenAPI().Components.Schemas
	step := huma.SchemaFromType(schemas, stepType)
	problem := huma.SchemaFromType(schemas, problemGoType)
	huma.Register(h, huma.Operation{
		OperationID: "watch-deployment", Method: http.MethodGet, Path: "/api/v1/deployments/{name}/events",
		Summary: "Watch the steps of a deployment or of its removal",
		Description: "Server-sent events: \"step\" for each step as it starts, goes on and ends, then \"done\" or \"failed\" with a problem document. " +
			"The steps so far come first.",
		Responses: map[string]*huma.Response{"200": {Description: "events", Content: map[string]*huma.MediaType{
			"text/event-stream": {Schema: &huma.Schema{Description: "the data of step and of failed events", OneOf: []*huma.Schema{step, problem}}}}}},
	}, a.events)
}

func (a *endpoints) events(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	feed, err := a.o.Deployments.Watch(ctx, in.Name)
	if err != nil {
		return nil, problemOf(err)
	}
	position, _ := strconv.Atoi(in.LastEventID)
	position = max(position, 0)
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		c := humaecho.Unwrap(hc)
		w := c.Response()
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
		w.Flush()
		ctx, cancel := context.WithCancel(c.Request().Context())
		defer cancel()
		defer context.AfterFunc(a.o.Streams, cancel)()
		for ctx.Err() == nil {
			waiting, cancel := context.WithTimeout(ctx, keepAlive)
			entries := feed.Next(waiting, position)
			timedOut := waiting.Err() != nil
			cancel()
			if len(entries) == 0 {
				if !timedOut {
					return // the feed had ended before this position
				}
				fmt.Fprint(w, ": still here\n\n")
				w.Flush()
				continue
			}
			for _, e := range entries {
				position++
				if err := writeEvent(w, position, e); err != nil {
					return
				}
				if e.Done || e.Err != nil {
					w.Flush()
					return
				}
			}
			w.Flush()
		}
	}}, nil
}

// writeEvent writes one entry. JSON has no line breaks of its own, so its data is one line.
func writeEvent(w http.ResponseWriter, id int, e deploy.Entry) error {
	var event string
	var data any
	switch {
	case e.Step != nil:
		event, data = "step", e.Step
	case e.Err != nil:
		event, data = "failed", problemOf(e.Err)
	default:
		event, data = "done", struct{}{}
	}
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", id, event, text)
	return err
}
