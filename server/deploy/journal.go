package deploy

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"partita/planner/diag"
	"partita/server/cloud"
)

// JournalFormat is the format of journal.json.
const JournalFormat = "partita.journal/1"

// Journal is the list of what a deployment has made or was about to make. It is written before each step.
type Journal struct {
	Format  string     `json:"format"`
	Name    string     `json:"name"`
	State   string     `json:"state"` // "deploying", "ready" or "destroying"
	Owner   string     `json:"owner"` // the process at work
	Started time.Time  `json:"started"`
	Updated time.Time  `json:"updated"` // renewed while the owner lives
	Plan    string     `json:"plan,omitempty"`
	Model   string     `json:"model,omitempty"`
	Entries []Resource `json:"resources"`
}

// Resource is something in the cloud that belongs to a deployment.
type Resource struct {
	Kind string `json:"kind"` // "object", "function", "workflow", "repository" or "prefix" (all objects under it)
	Name string `json:"name"`
}

// Kinds of resources.
const (
	objectKind     = "object"
	functionKind   = "function"
	repositoryKind = "repository"
	prefixKind     = "prefix"
	workflowKind   = "workflow"
)

// A journal's owner renews it every heartbeat while it works; a journal that has not been renewed for a lease belongs to
// a server that is gone.
const (
	heartbeat = 10 * time.Second
	lease     = 45 * time.Second
)

// maxJournalBytes bounds the journal that is read: a thousand stages are far below it.
const maxJournalBytes = 4 << 20

func folderOf(name string) string      { return "deployments/" + name + "/" }
func journalKey(name string) string    { return folderOf(name) + "journal.json" }
func manifestKey(name string) string   { return folderOf(name) + "manifest.json" }
func planKey(name string) string       { return folderOf(name) + "plan.json" }
func packagesOf(name string) string    { return folderOf(name) + "packages/" }
func runsOf(name string) string        { return "runs/" + name + "/" }
func gatewayName(name string) string   { return "partita-" + name + "-gateway" }
func functionsOf(name string) string   { return "partita-" + name + "-" }
func packageKey(name, p string) string { return packagesOf(name) + p + ".zip" }
func weightsKey(name, p string) string { return packagesOf(name) + p + ".weights" }

// journal is a Journal and the version of it that is stored. Nobody else may change it meanwhile.
type journal struct {
	store Store

	mu      sync.Mutex
	doc     Journal
	version string
}

// claim stores a new journal, which takes the name: the bucket lets one of several servers succeed.
func (d *Deployer) claim(ctx context.Context, doc Journal) (*journal, error) {
	j := &journal{store: d.options.Store, doc: doc}
	j.doc.Format, j.doc.Owner, j.doc.Started = JournalFormat, d.owner, timeNow()
	if err := j.save(ctx); err != nil {
		if cloud.IsChanged(err) {
			return nil, nameInUse(doc.Name, d.stateNow(ctx, doc.Name))
		}
		return nil, err
	}
	return j, nil
}

// load reads a deployment's journal; IsNotFound(err) when it has none.
func (d *Deployer) loadJournal(ctx context.Context, name string) (*journal, error) {
	data, version, err := d.options.Store.Get(ctx, journalKey(name), maxJournalBytes)
	if err != nil {
		return nil, err
	}
	j := &journal{store: d.options.Store, version: version}
	if err := json.Unmarshal(data, &j.doc); err != nil || j.doc.Format != JournalFormat || j.doc.Name != name {
		return nil, diag.New(diag.Internal, "deploy.bad-journal", "reading the journal of "+name, "it is not a journal of this version of Partita",
			"destroy the deployment with the version that made it").Because(err)
	}
	return j, nil
}

// save stores the journal; the caller holds the lock or is alone.
func (j *journal) save(ctx context.Context) error {
	j.doc.Updated = timeNow()
	data, err := json.MarshalIndent(&j.doc, "", " ")
	if err != nil {
		panic(err) // it has no type that cannot be written
	}
	version, err := j.store.PutIf(ctx, journalKey(j.doc.Name), data, j.version)
	if err != nil {
		return err
	}
	j.version = version
	return nil
}

// before notes resources that the next step will make. The step may only begin when this has succeeded.
func (j *journal) before(ctx context.Context, resources ...Resource) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := len(j.doc.Entries)
	j.doc.Entries = append(j.doc.Entries, resources...)
	err := j.save(ctx)
	if err != nil {
		j.doc.Entries = j.doc.Entries[:kept]
		if cloud.IsChanged(err) {
			return diag.New(diag.Conflict, "deploy.taken-over", "deploying "+j.doc.Name, "another server took the deployment over", "").Because(err)
		}
	}
	return err
}

// become changes the state.
func (j *journal) become(ctx context.Context, state, owner string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.doc.State, j.doc.Owner = state, owner
	return j.save(ctx)
}

// renew keeps the journal alive until the context ends.
func (j *journal) renew(ctx context.Context) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			j.mu.Lock()
			j.save(ctx) // a step that follows reports what is wrong
			j.mu.Unlock()
		}
	}
}

// resources gives a copy of what the journal lists.
func (j *journal) resources() []Resource {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Resource(nil), j.doc.Entries...)
}

// state is the state of the deployment that a journal describes, as this process sees it: work whose owner is gone was
// interrupted.
func (d *Deployer) state(doc *Journal) string {
	if r := d.working(doc.Name); r != nil {
		return r.verb
	}
	if doc.State == Ready {
		return Ready
	}
	if doc.Owner != d.owner && !d.options.Exclusive && time.Since(doc.Updated) < lease {
		return doc.State
	}
	return Interrupted
}

// stateNow describes why a name is taken.
func (d *Deployer) stateNow(ctx context.Context, name string) string {
	j, err := d.loadJournal(ctx, name)
	if err != nil {
		return "unknown"
	}
	return d.state(&j.doc)
}

// names tells whether the journal lists a resource of a kind.
func (j *journal) names(kind string) bool {
	return slices.ContainsFunc(j.resources(), func(r Resource) bool { return r.Kind == kind })
}
