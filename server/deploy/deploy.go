// Package deploy turns a plan and its weights into functions that serve, and takes them away again.
//
// A deployment is a list of steps. Before each step the journal in the bucket names what the step will make, so that
// whatever happens next (an error, a cancellation, a killed server) the same list says what to remove. All state is in
// the bucket; a Deployer only remembers the steps of the deployments it is working on, for those who watch.
package deploy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"partita/planner/diag"
	"partita/planner/hdf5"
	"partita/server/cloud"
	"partita/server/image"
	"partita/server/split"
)

// Store is the bucket as deployments use it. *cloud.Cloud is one.
type Store interface {
	Bucket() string
	Put(ctx context.Context, key string, body io.ReadSeeker, size int64, contentType string) error
	PutIf(ctx context.Context, key string, data []byte, version string) (newVersion string, err error)
	Get(ctx context.Context, key string, limit int64) (data []byte, version string, err error)
	Read(ctx context.Context, key string) (body io.ReaderAt, size int64, err error)
	List(ctx context.Context, prefix string) ([]cloud.ObjectInfo, error)
	Delete(ctx context.Context, keys ...string) error
}

// Functions are the functions of the account. *cloud.Cloud is one.
type Functions interface {
	CreateFunction(ctx context.Context, spec cloud.FunctionSpec) error
	WaitActive(ctx context.Context, name string) error
	Function(ctx context.Context, name string) (*cloud.FunctionInfo, error)
	DeleteFunction(ctx context.Context, name string) error
	Functions(ctx context.Context, prefix string) ([]cloud.FunctionInfo, error)
	Invoke(ctx context.Context, name string, payload []byte) (*cloud.Invoked, error)
}

// Options configure a Deployer.
type Options struct {
	Store     Store
	Functions Functions
	Workflows Workflows    // nil: only gateways drive
	Images    Images       // nil: no stage can be a container image
	BaseImage string       // of the images of stages; "" is image.Scratch
	Native    split.Native // what each package carries beside its stage
	// Foreign is the same for other processors than Native's, by Lambda's names for them, as far as it was built.
	Foreign map[string]split.Native
	Folder  string // for temporary files
	// Exclusive says that no other server uses the bucket, as with the embedded local cloud: whatever is unfinished when
	// the server starts was interrupted.
	Exclusive bool
	// AnyArchitecture lets a plan be deployed on what runs on this machine when there is nothing for the plan's own processor, as on
	// the local cloud.
	AnyArchitecture bool
	// Region is where functions are made; "" on the local cloud, which plays any.
	Region string
	// MeasureErrors says that what lower precision does to the outputs is measured unless a request says otherwise: it takes a second
	// deployment for a while, which costs nothing on the local cloud.
	MeasureErrors bool
	// Concurrency is how many items of a batch a gateway has in the pipeline at the same time.
	Concurrency    int
	MaxUploadBytes int64
	Logger         *slog.Logger
	// SecondReader opens weights that package hdf5 does not support; it may be nil. What it opens ends with the context.
	SecondReader func(ctx context.Context, r io.ReaderAt, size int64) (*hdf5.File, error)
	// Prepare makes the blueprint of a deployment; nil is the real one. Tests of the steps replace it.
	Prepare func(ctx context.Context, r *Request, weights Weights) (*Blueprint, error)
}

// Weights is the uploaded file that a deployment takes its numbers from.
type Weights struct {
	Name   string
	Size   int64
	Reader io.ReaderAt
}

// Deployer makes, lists, invokes and destroys deployments.
type Deployer struct {
	options Options
	owner   string // distinguishes this process in journals

	mu     sync.Mutex
	active map[string]*run // what this process is working on, by deployment
	feeds  map[string]*Feed
	recent []string // names in feeds, oldest first
	closed bool
	work   sync.WaitGroup
}

// run is work under way on one deployment.
type run struct {
	verb   string // "deploying" or "destroying"
	cancel context.CancelFunc
	done   chan struct{}
}

// feedsKept bounds how many deployments' steps are remembered for those who look later.
const feedsKept = 64

// New makes a Deployer.
func New(o Options) *Deployer {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxUploadBytes == 0 {
		o.MaxUploadBytes = DefaultMaxUploadBytes
	}
	d := &Deployer{options: o, owner: newID(), active: map[string]*run{}, feeds: map[string]*Feed{}}
	if d.options.BaseImage == "" {
		d.options.BaseImage = image.Scratch
	}
	if d.options.Prepare == nil {
		d.options.Prepare = d.prepare
	}
	return d
}

// newID gives 128 random bits in hexadecimal.
func newID() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails: see its documentation
	return hex.EncodeToString(raw[:])
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// CheckName refuses what cannot be a deployment's name: it becomes part of the names of functions, which have at most 64
// characters.
func CheckName(name string) error {
	if namePattern.MatchString(name) {
		return nil
	}
	return diag.New(diag.Usage, "deploy.bad-name", "naming a deployment", "the name is "+quote(name),
		"take a name of 1 to 40 characters: a letter, then lower-case letters, digits and hyphens")
}

// begin registers work on a deployment; the error is a conflict when there is some already.
func (d *Deployer) begin(name, verb string, cancel context.CancelFunc) (*run, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, diag.New(diag.Unavailable, "server.stopping", verb+" "+name, "the server is stopping", "try again when it is back")
	}
	if other := d.active[name]; other != nil {
		if other.verb == verb && verb == "deploying" {
			return nil, nameInUse(name, other.verb)
		}
		return nil, diag.New(diag.Conflict, "deploy.busy", verb+" "+name, "the server is "+other.verb+" it at this moment", "wait until that is done")
	}
	r := &run{verb: verb, cancel: cancel, done: make(chan struct{})}
	d.active[name] = r
	d.work.Add(1)
	return r, nil
}

func (d *Deployer) end(name string, r *run) {
	d.mu.Lock()
	delete(d.active, name)
	d.mu.Unlock()
	r.cancel()
	close(r.done)
	d.work.Done()
}

func (d *Deployer) working(name string) *run {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.active[name]
}

// Busy counts the deployments this process is working on.
func (d *Deployer) Busy() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.active)
}

// Close cancels what is under way, which rolls it back, and waits for that until the context ends. What is not rolled
// back by then stays in its journal.
func (d *Deployer) Close(ctx context.Context) error {
	d.mu.Lock()
	d.closed = true
	for _, r := range d.active {
		if r.verb == "deploying" {
			r.cancel()
		}
	}
	d.mu.Unlock()
	done := make(chan struct{})
	go func() { d.work.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return diag.New(diag.Unavailable, "deploy.not-rolled-back", "stopping", "a deployment could not be rolled back in time",
			"destroy it when the server is back").Because(ctx.Err())
	}
}

func nameInUse(name, state string) *diag.Error {
	return diag.New(diag.Conflict, "deploy.name-in-use", "deploying "+name, "there is a deployment "+quote(name)+" already, in state "+state,
		"take another name, or destroy it first: partita destroy "+name)
}

func quote(s string) string {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return `"` + s + `"`
}

// timeNow is the clock of journals.
func timeNow() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
