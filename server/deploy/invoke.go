package deploy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sort"

	"partita/planner/diag"
	"partita/runtime/wire"
	"partita/server/cloud"
)

// InvocationFormat is the format of the answer to an invocation.
const InvocationFormat = "partita.invocation/1"

// maxOutputBytes bounds an output that is read back from the bucket.
const maxOutputBytes = 1 << 30

// Invocation is an input for a deployment.
type Invocation struct {
	Inputs     []InvocationInput
	Preprocess string // "" is what the deployment says
	Top        int    // classes wanted of each item; 0 is the gateway's choice
}

// InvocationInput is one input of the model: its bytes, or the upload that has them.
type InvocationInput struct {
	Name        string
	ContentType string
	Data        []byte
	Upload      string
}

// Invoke sends inputs through a deployment and gives its reply, with the outputs' numbers in it.
func (d *Deployer) Invoke(ctx context.Context, name string, in Invocation) (*wire.GatewayReply, error) {
	one, err := d.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if one.State != Ready {
		return nil, diag.New(diag.Conflict, "deploy.not-ready", "invoking "+name, "the deployment is "+one.State, "wait until it is ready, or deploy it again")
	}
	reply, err := d.send(ctx, one, in)
	if err != nil {
		return nil, d.unlessDestroyed(ctx, name, err)
	}
	return reply, nil
}

// send sends inputs through a deployment's gateway, or its workflow, which reads and writes under its name.
func (d *Deployer) send(ctx context.Context, one *Deployment, in Invocation) (*wire.GatewayReply, error) {
	request, name := newID(), one.Name
	var written []string
	defer func() {
		if len(written) > 0 {
			d.options.Store.Delete(context.WithoutCancel(ctx), written...)
		}
	}()
	event := wire.GatewayEvent{Format: wire.EventFormat, Request: request, Preprocess: in.Preprocess, Top: in.Top}
	for _, input := range in.Inputs {
		w := wire.Input{Name: input.Name, ContentType: input.ContentType, Data: input.Data}
		if input.Upload != "" {
			u, err := d.findUpload(ctx, input.Upload)
			if err != nil {
				return nil, err
			}
			_, size, err := d.options.Store.Read(ctx, u.Key)
			if err != nil {
				return nil, err
			}
			// The gateway may read what is under its own prefix only.
			key := runsOf(name) + request + "/input-" + u.Name
			if err := d.copyObject(ctx, u.Key, key, size); err != nil {
				return nil, err
			}
			written = append(written, key, u.Key)
			w.Data, w.Object = nil, &wire.Object{Bucket: d.options.Store.Bucket(), Key: key, Bytes: size}
		}
		event.Inputs = append(event.Inputs, w)
	}
	room := wire.PayloadLimit
	if one.Workflow != nil {
		room = workflowEventBytes
	}
	objects, err := d.shorten(ctx, name, &event, room)
	written = append(written, objects...)
	if err != nil {
		return nil, err
	}
	reply, err := d.answer(ctx, one, &event)
	if err != nil {
		return nil, err
	}
	for i := range reply.Outputs {
		t := &reply.Outputs[i]
		if t.Object == nil {
			continue
		}
		if t.Data, _, err = d.options.Store.Get(ctx, t.Object.Key, maxOutputBytes); err != nil {
			return nil, err
		}
		written = append(written, t.Object.Key)
		t.Object = nil
	}
	return reply, nil
}

// answer has an event answered.
func (d *Deployer) answer(ctx context.Context, one *Deployment, event *wire.GatewayEvent) (*wire.GatewayReply, error) {
	if one.Workflow != nil {
		return d.execute(ctx, one, event)
	}
	payload, err := wire.Marshal(event)
	if err != nil {
		return nil, err
	}
	answer, err := d.options.Functions.Invoke(ctx, one.Gateway, payload)
	if err == nil && answer.Failed != "" {
		err = wire.ParseFailure(one.Gateway, answer.Payload)
	}
	if err != nil {
		return nil, err
	}
	reply := &wire.GatewayReply{}
	return reply, wire.Unmarshal(answer.Payload, reply)
}

// unlessDestroyed gives the reason why an invocation failed: a deployment that is removed meanwhile fails in ways that
// look like faults of its own.
func (d *Deployer) unlessDestroyed(ctx context.Context, name string, cause error) error {
	j, err := d.loadJournal(ctx, name)
	if cloud.IsNotFound(err) || err == nil && j.doc.State == Destroying {
		return diag.New(diag.Conflict, "deploy.not-ready", "invoking "+name, "the deployment was destroyed meanwhile", "deploy it again")
	}
	return cause
}

// shorten moves inputs, the longest first, into the bucket until the event fits into so many bytes.
func (d *Deployer) shorten(ctx context.Context, name string, event *wire.GatewayEvent, room int) (keys []string, err error) {
	order := make([]int, len(event.Inputs))
	total := 4096 // what is not data
	for i := range order {
		order[i] = i
		total += len(event.Inputs[i].Data)/3*4 + 1024 + 2*len(event.Inputs[i].Name)
	}
	sort.SliceStable(order, func(a, b int) bool {
		return len(event.Inputs[order[a]].Data) > len(event.Inputs[order[b]].Data)
	})
	for _, i := range order {
		input := &event.Inputs[i]
		if total <= room || len(input.Data) == 0 {
			break
		}
		key := fmt.Sprintf("%s%s/input-%d", runsOf(name), event.Request, i+1)
		keys = append(keys, key)
		if err := d.options.Store.Put(ctx, key, bytes.NewReader(input.Data), int64(len(input.Data)), "application/octet-stream"); err != nil {
			return keys, err
		}
		total -= len(input.Data) / 3 * 4
		input.Object = &wire.Object{Bucket: d.options.Store.Bucket(), Key: key, Bytes: int64(len(input.Data))}
		input.Data = nil
	}
	return keys, nil
}

// copyObject copies an object through this process, piece by piece.
func (d *Deployer) copyObject(ctx context.Context, from, to string, size int64) error {
	body, _, err := d.options.Store.Read(ctx, from)
	if err != nil {
		return err
	}
	return d.options.Store.Put(ctx, to, io.NewSectionReader(body, 0, size), size, "application/octet-stream")
}

var (
	_ Store     = (*cloud.Cloud)(nil)
	_ Functions = (*cloud.Cloud)(nil)
	_ Workflows = (*cloud.Cloud)(nil)
)
