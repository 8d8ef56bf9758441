package lambda

import (
	"testing"
	"time"
)

// TestDropWhileOneIsGivenBack gives an environment back while drop is ending the idle ones, which takes its time.
func TestDropWhileOneIsGivenBack(t *testing.T) {
	f := &function{log: &functionLog{}}
	v := &version{function: f}
	p := newPool(10)
	var two [2]*environment
	for i := range two {
		e, warm, err := p.take(v, nil)
		if err != nil || warm {
			t.Fatal(warm, err)
		}
		two[i] = e
	}
	idle, busy := two[0], two[1]
	p.give(idle)

	idle.mu.Lock() // ending it blocks
	dropped := make(chan struct{})
	go func() {
		p.drop(v, func(other *version) bool { return other == v }, false)
		close(dropped)
	}()
	for _, left := p.count(f); left > 0; _, left = p.count(f) {
		time.Sleep(time.Millisecond)
	}
	p.give(busy)
	idle.mu.Unlock()
	select {
	case <-dropped:
	case <-time.After(10 * time.Second):
		t.Fatal("drop waits for an environment that nobody uses")
	}
	if all, _ := p.count(f); all != 0 {
		t.Errorf("%d environments are left", all)
	}
	if _, _, err := p.take(v, nil); err != errDropped {
		t.Errorf("a dropped version gives %v", err)
	}
}
