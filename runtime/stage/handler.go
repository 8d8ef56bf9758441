package stage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"partita/planner/diag"
	"partita/runtime/lambda"
	"partita/runtime/wire"
)

// Handle answers one event of the platform.
func (s *Stage) Handle(ctx context.Context, r *lambda.Request) (lambda.Reply, error) {
	var event wire.StageEvent
	if err := wire.Unmarshal(r.Body, &event); err != nil {
		return lambda.Reply{}, err
	}
	reply := wire.StageReply{Format: wire.ReplyFormat, Environment: s.environment, Cold: r.First}
	if r.First {
		reply.Times.InitUs = r.InitUs
	}
	switch event.Kind {
	case "wake":
		body, err := wire.Marshal(&reply)
		return lambda.Reply{Body: body}, err
	case "run":
	default:
		return lambda.Reply{}, diag.New(diag.Invalid, "stage.unknown-kind", s.doing(), fmt.Sprintf("the event is of kind %q", event.Kind), `send "run" or "wake"`)
	}
	ctx, cancel := wire.Until(ctx, event.UntilMs)
	defer cancel()
	inputs, batch, err := s.arrange(event.Tensors)
	if err != nil {
		return lambda.Reply{}, err
	}
	if err := s.fetch(ctx, inputs, event.TransportOut == wire.S3); err != nil {
		return lambda.Reply{}, cmp.Or(s.tooLate(ctx, &event), err)
	}
	ready := time.Now()
	reply.Times.InputUs = ready.Sub(r.Received).Microseconds()

	reply.Tensors, err = s.compute(inputs, batch)
	if err != nil {
		return lambda.Reply{}, err
	}
	computed := time.Now()
	reply.Times.ComputeUs = computed.Sub(ready).Microseconds()

	if err := s.tooLate(ctx, &event); err != nil {
		return lambda.Reply{}, err
	}
	if err := s.handOver(ctx, &event, reply.Tensors); err != nil {
		return lambda.Reply{}, cmp.Or(s.tooLate(ctx, &event), err)
	}
	body, err := wire.MarshalReply(&reply, func() {
		reply.Times.OutputUs = time.Since(computed).Microseconds()
	})
	return lambda.Reply{Body: body}, err
}

// tooLate says that nothing is written for the request any more, where that is so.
func (s *Stage) tooLate(ctx context.Context, event *wire.StageEvent) error {
	if event.UntilMs == 0 || ctx.Err() == nil {
		return nil
	}
	return diag.New(diag.Limit, "stage.too-late", s.doing(), "the time for this request ran out", "plan with more memory per function").Because(ctx.Err())
}

// fetch gets the tensors that wait in the store, all at once. One that only passes through to a next hop that is in the
// store too need not come here.
func (s *Stage) fetch(ctx context.Context, inputs []*wire.Tensor, forward bool) error {
	var jobs []func() error
	for _, t := range inputs {
		if t.Object == nil || t.Data != nil {
			continue
		}
		if forward && !slices.Contains(s.session.inputs, t.Name) {
			continue
		}
		// The size is checked first: it bounds what is read.
		if want, ok := t.Bytes(-1); !ok || want != t.Object.Bytes {
			return diag.New(diag.Invalid, "tensor.wrong-size", s.doing(), fmt.Sprintf("the object %s of tensor %q has %d bytes, expected %d",
				t.Object.Key, t.Name, t.Object.Bytes, want), "send all of its elements, little-endian in C order")
		}
		jobs = append(jobs, func() (err error) {
			t.Data, err = s.store.Get(ctx, *t.Object)
			return err
		})
	}
	return together(jobs)
}

// handOver puts into the store the tensors that go through it. One that passes through and is there already stays there.
func (s *Stage) handOver(ctx context.Context, event *wire.StageEvent, tensors []wire.Tensor) error {
	var jobs []func() error
	spilled := wire.Spill(tensors, event.TransportOut == wire.S3, event.TensorBytes)
	for i := range tensors {
		if t := &tensors[i]; t.Data != nil && !slices.Contains(spilled, t) {
			t.Object = nil
		}
	}
	for i, t := range spilled {
		data := t.Data
		t.Data = nil
		if t.Object != nil {
			continue
		}
		if event.Bucket == "" {
			return diag.New(diag.Limit, "stage.payload-too-large", s.doing(), fmt.Sprintf("its outputs take more than the %d bytes of a payload, and the event names no bucket", wire.PayloadLimit),
				"name a bucket for large tensors, or send a smaller batch")
		}
		object := wire.Object{Bucket: event.Bucket, Key: event.KeyPrefix + strconv.Itoa(i), Bytes: int64(len(data))}
		t.Object = &object
		jobs = append(jobs, func() error { return s.store.Put(ctx, object, data) })
	}
	return together(jobs)
}

// together runs jobs at once and gives the first error.
func together(jobs []func() error) error {
	switch len(jobs) {
	case 0:
		return nil
	case 1:
		return jobs[0]()
	}
	errs := make([]error, len(jobs))
	var wait sync.WaitGroup
	for i, job := range jobs {
		wait.Add(1)
		go func() {
			defer wait.Done()
			errs[i] = job()
		}()
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
