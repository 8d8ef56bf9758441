package lambda

import (
	"slices"
	"sync"
	"time"
)

// pool holds all environments: the idle ones to be used again, and the number of all, which is bounded.
type pool struct {
	max int

	mu     sync.Mutex
	all    map[*environment]struct{}
	idle   map[*version][]*environment // the last given back is the first taken
	closed bool
}

func newPool(max int) *pool {
	return &pool{max: max, all: map[*environment]struct{}{}, idle: map[*version][]*environment{}}
}

// take gives an idle environment of a version, or a new one that is not started.
func (p *pool) take(v *version, reserved *int64) (e *environment, warm bool, err error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, false, errClosed
	}
	if v.dropped {
		p.mu.Unlock()
		return nil, false, errDropped
	}
	if reserved != nil && p.busyLocked(v.function) >= *reserved {
		p.mu.Unlock()
		return nil, false, throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
	}
	if idle := p.idle[v]; len(idle) > 0 {
		e = idle[len(idle)-1]
		p.idle[v] = idle[:len(idle)-1]
		p.mu.Unlock()
		return e, true, nil
	}
	var evicted *environment
	if len(p.all) >= p.max {
		evicted = p.oldestIdleLocked()
		if evicted == nil {
			p.mu.Unlock()
			return nil, false, throttled("ConcurrentInvocationLimitExceeded")
		}
	}
	e = newEnvironment(v)
	p.all[e] = struct{}{}
	p.mu.Unlock()
	if evicted != nil {
		p.discard(evicted)
	}
	return e, false, nil
}

func newEnvironment(v *version) *environment {
	id := newHex(16)
	return &environment{version: v, id: id, sink: &sink{log: v.function.log}, gone: make(chan struct{}),
		stream: time.Now().UTC().Format("2006/01/02") + "/[" + latest + "]" + id}
}

// renew puts a fresh environment in the place of one whose initialisation has failed.
func (p *pool) renew(old *environment) *environment {
	e := newEnvironment(old.version)
	e.sink = old.sink // the invocation that waits for it gets both's output
	p.mu.Lock()
	p.all[e] = struct{}{}
	e.stale = old.stale
	p.mu.Unlock()
	p.discard(old)
	return e
}

// busyLocked counts the environments of a function that are at work.
func (p *pool) busyLocked(f *function) (n int64) {
	for e := range p.all {
		if e.version.function == f {
			n++
		}
	}
	for v, idle := range p.idle {
		if v.function == f {
			n -= int64(len(idle))
		}
	}
	return n
}

// oldestIdleLocked takes the environment that has been idle for longest out of the idle ones.
func (p *pool) oldestIdleLocked() *environment {
	var oldest *environment
	for _, idle := range p.idle {
		if len(idle) > 0 && (oldest == nil || idle[0].idleAt.Before(oldest.idleAt)) {
			oldest = idle[0]
		}
	}
	if oldest != nil {
		p.removeIdleLocked(oldest)
	}
	return oldest
}

func (p *pool) removeIdleLocked(e *environment) {
	idle := p.idle[e.version]
	for i, other := range idle {
		if other == e {
			idle = append(idle[:i:i], idle[i+1:]...)
			break
		}
	}
	if len(idle) == 0 {
		delete(p.idle, e.version)
	} else {
		p.idle[e.version] = idle
	}
}

// give returns an environment that may be used again.
func (p *pool) give(e *environment) {
	p.mu.Lock()
	if e.stale || p.closed {
		p.mu.Unlock()
		p.discard(e)
		return
	}
	e.idleAt = time.Now()
	p.idle[e.version] = append(p.idle[e.version], e)
	p.mu.Unlock()
}

// discard ends an environment that is not idle (any more). It returns when the process is gone.
func (p *pool) discard(e *environment) {
	e.end()
	p.mu.Lock()
	delete(p.all, e)
	p.mu.Unlock()
	close(e.gone)
}

// drop ends the environments of the versions that match: idle ones now, busy ones now too or when they are done. It
// returns when all are gone. There will be no new ones of the version last.
func (p *pool) drop(last *version, match func(*version) bool, busyToo bool) {
	for { // one whose initialisation fails may be renewed in between
		var idle, busy []*environment
		p.mu.Lock()
		if last != nil {
			last.dropped = true
		}
		for v, list := range p.idle {
			if match(v) {
				idle = append(idle, list...)
				delete(p.idle, v)
			}
		}
		// Those at work are marked under the same lock, so that none is given back as idle behind our back.
		for e := range p.all {
			if match(e.version) && !slices.Contains(idle, e) {
				e.stale = true
				busy = append(busy, e)
			}
		}
		p.mu.Unlock()
		if len(idle)+len(busy) == 0 {
			return
		}
		for _, e := range busy {
			if busyToo {
				e.kill() // whoever uses it discards it
			}
		}
		for _, e := range idle {
			p.discard(e)
		}
		for _, e := range busy {
			<-e.gone
		}
	}
}

// expire ends environments that have been idle since before a time.
func (p *pool) expire(before time.Time) {
	p.mu.Lock()
	var old []*environment
	for _, list := range p.idle {
		for _, e := range list {
			if e.idleAt.Before(before) {
				old = append(old, e)
			}
		}
	}
	for _, e := range old {
		p.removeIdleLocked(e)
	}
	p.mu.Unlock()
	for _, e := range old {
		p.discard(e)
	}
}

// close ends all environments.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.drop(nil, func(*version) bool { return true }, true)
}

// count tells how many environments there are and how many of them are idle.
func (p *pool) count(f *function) (all, idle int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := range p.all {
		if e.version.function == f {
			all++
		}
	}
	for v, list := range p.idle {
		if v.function == f {
			idle += len(list)
		}
	}
	return all, idle
}
