package deploy

import (
	"context"
	"sync"
	"time"
)

// Step is what a watcher is told about one step of a deployment.
type Step struct {
	Resource   string `json:"resource" doc:"what the step works on, as \"package stage-1\" or \"function partita-demo-stage-1\""`
	Action     string `json:"action" enum:"check,package,upload,create,wake,measure,write,delete" doc:"what is done to it"`
	State      string `json:"state" enum:"started,progress,done,failed"`
	Bytes      int64  `json:"bytes,omitempty" doc:"bytes done so far"`
	TotalBytes int64  `json:"totalBytes,omitempty" doc:"bytes in all, when known"`
	ElapsedMs  int64  `json:"elapsedMs" doc:"milliseconds since the step started"`
}

// Entry is one line of a feed: a step, or how the work ended.
type Entry struct {
	Step *Step
	Done bool
	Err  error // why the work failed; set on the last entry only
}

// Feed remembers the steps of a deployment for those who watch, also those who come late.
type Feed struct {
	mu      sync.Mutex
	entries []Entry
	closed  bool
	changed chan struct{} // closed and replaced at every change
}

func NewFeed() *Feed { return &Feed{changed: make(chan struct{})} }

func (f *Feed) add(e Entry, last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.entries = append(f.entries, e)
	f.closed = last
	close(f.changed)
	f.changed = make(chan struct{})
}

// Finish notes how the work ended, which is the last entry.
func (f *Feed) Finish(err error) { f.add(Entry{Done: err == nil, Err: err}, true) }

// Next gives the entries from position on, waiting until there is one. It gives none when the feed has ended before
// position or the context is done.
func (f *Feed) Next(ctx context.Context, position int) []Entry {
	for {
		f.mu.Lock()
		if position < len(f.entries) {
			entries := append([]Entry(nil), f.entries[position:]...)
			f.mu.Unlock()
			return entries
		}
		changed, closed := f.changed, f.closed
		f.mu.Unlock()
		if closed {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Doing is one step being done, as its feed sees it.
type Doing struct {
	feed    *Feed
	what    Step
	began   time.Time
	told    time.Time
	mu      sync.Mutex
	settled bool
}

// progressInterval is the least time between two reports of progress on one step.
const progressInterval = 200 * time.Millisecond

// Start notes that a step begins; totalBytes is 0 when it is not known.
func (f *Feed) Start(action, resource string, totalBytes int64) *Doing {
	s := &Doing{feed: f, what: Step{Resource: resource, Action: action, TotalBytes: totalBytes}, began: time.Now()}
	s.told = s.began
	s.tell("started")
	return s
}

func (s *Doing) tell(state string) {
	if s.feed == nil {
		return
	}
	what := s.what
	what.State = state
	what.ElapsedMs = time.Since(s.began).Milliseconds()
	s.feed.add(Entry{Step: &what}, false)
}

// progress notes how far the step is.
func (s *Doing) progress(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.what.Bytes = bytes
	if now := time.Now(); now.Sub(s.told) >= progressInterval {
		s.told = now
		s.tell("progress")
	}
}

// End notes how the step went, and gives err back.
func (s *Doing) End(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled {
		return err
	}
	s.settled = true
	if err != nil {
		s.tell("failed")
	} else {
		s.tell("done")
	}
	return err
}

// watch makes a new feed for a deployment and forgets the oldest when there are too many.
func (d *Deployer) watch(name string) *Feed {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.feeds[name] == nil {
		d.recent = append(d.recent, name)
	}
	f := NewFeed()
	d.feeds[name] = f
	for len(d.recent) > feedsKept {
		oldest := d.recent[0]
		d.recent = d.recent[1:]
		delete(d.feeds, oldest)
	}
	return f
}

func (d *Deployer) feed(name string) *Feed {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.feeds[name]
}
