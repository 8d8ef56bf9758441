package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"partita/runtime/wire"
)

func TestDeal(t *testing.T) {
	for _, c := range []struct {
		passes, pipelines, turns int
		want                     string
	}{
		{1, 1, 1, "[[0]]"}, {3, 2, 1, "[[0] [1] [2]]"}, {5, 2, 3, "[[0 2 4] [1 3]]"}, {4, 4, 1, "[[0] [1] [2] [3]]"},
		{2, 2, 5, "[[0] [1]]"}, {7, 2, 2, "[[0 2] [1 3] [4 6] [5]]"}, {4, 1, 8, "[[0 1 2 3]]"},
	} {
		if got := fmt.Sprint(deal(c.passes, c.pipelines, c.turns)); got != c.want {
			t.Errorf("%d passes over %d pipelines in %d turns: %s, want %s", c.passes, c.pipelines, c.turns, got, c.want)
		}
	}
}

// A pipeline sends all its passes through a stage before the next has its turn, each pipeline has an environment of each stage,
// and outputs come in the order of the inputs, with objects or without.
func TestPassesTakeTurns(t *testing.T) {
	for _, transport := range []string{wire.Inline, wire.S3} {
		g, f := deployment(3, 4, func(m *wire.GatewayManifest) {
			m.Batch, m.Concurrency, m.Turns, m.Wake = 2, 1, 4, true
			for i := range m.Stages[:2] {
				m.Stages[i].TransportOut, m.Stages[i+1].TransportIn = transport, transport
			}
		})
		r, err := send(t, g, request(t, 7, 4))
		if err != nil {
			t.Fatal(err)
		}
		checkReply(t, r, 7, 4, 3)
		runs := slices.DeleteFunc(slices.Clone(f.calls), func(call string) bool { return !strings.HasPrefix(call, "run") })
		if want := "run 0 run 0 run 0 run 0 run 1 run 1 run 1 run 1 run 2 run 2 run 2 run 2"; strings.Join(runs, " ") != want {
			t.Errorf("%s: %v", transport, runs)
		}
		if r.Trace.Passes != 4 || r.Trace.Pipelines != 1 {
			t.Errorf("%d passes, %d pipelines", r.Trace.Passes, r.Trace.Pipelines)
		}
		if keys := f.store.keys(); len(keys) != 0 {
			t.Errorf("left in the store: %q", keys)
		}
		for i := range 3 {
			if n := f.warm[fmt.Sprint("f", i)]; n != 1 {
				t.Errorf("stage %d has %d environments", i, n)
			}
		}
	}
	g, f := deployment(2, 4, func(m *wire.GatewayManifest) { m.Batch, m.Concurrency, m.Turns, m.Wake = 1, 3, 2, true })
	f.delay = 30 * time.Millisecond
	r, err := send(t, g, request(t, 5, 4))
	if err != nil {
		t.Fatal(err)
	}
	checkReply(t, r, 5, 4, 2)
	cold := map[int]int{}
	for _, s := range r.Trace.Stages {
		if s.Cold {
			cold[s.Index]++
		}
	}
	if f.most > 3 || cold[0] != 3 || cold[1] != 3 || r.Trace.Pipelines != 3 {
		t.Errorf("%d at once, cold starts %v, %d pipelines", f.most, cold, r.Trace.Pipelines)
	}
}
