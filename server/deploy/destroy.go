package deploy

import (
	"context"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"time"

	"partita/planner/diag"
	"partita/server/cloud"
)

// DestroyedFormat is the format of what Destroy reports.
const DestroyedFormat = "partita.destroyed/1"

// Destroyed says what was removed, and that nothing is left.
type Destroyed struct {
	Format     string   `json:"format"`
	Name       string   `json:"name"`
	Workflow   string   `json:"workflow,omitempty" doc:"the state machine that was deleted"`
	Functions  []string `json:"functions" doc:"functions that were deleted"`
	Repository string   `json:"repository,omitempty" doc:"the repository of container images that was deleted with all that was in it"`
	Objects    int      `json:"objects" doc:"objects that were deleted from the bucket"`
	Remaining  []string `json:"remaining" doc:"what is left, listed after the last deletion: nothing"`
}

// destroyPatience is how long a destroy may take once it has begun, whether or not its caller still waits.
const destroyPatience = 10 * time.Minute

// What appears while a deployment is being removed is removed, too.
const (
	removeAttempts = 5
	removePause    = 200 * time.Millisecond
)

// Destroy removes a deployment in whatever state it is: cancels it when it is being deployed, and removes what the
// journal names as well as whatever carries the deployment's name, so that a missing manifest or journal does no harm.
func (d *Deployer) Destroy(ctx context.Context, name string) (*Destroyed, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), destroyPatience)
	defer cancel()
	cancelled := false
	if running := d.working(name); running != nil && running.verb == Deploying {
		running.cancel()
		<-running.done
		cancelled = true
	}
	r, err := d.begin(name, Destroying, cancel)
	if err != nil {
		return nil, err
	}
	defer d.end(name, r)

	j, err := d.loadJournal(ctx, name)
	switch {
	case cloud.IsNotFound(err):
		// Only what its name tells can be removed.
		j = &journal{store: d.options.Store, doc: Journal{Format: JournalFormat, Name: name, State: Destroying, Owner: d.owner, Started: timeNow()}}
		left, err := d.remaining(ctx, j)
		if err != nil {
			return nil, err
		}
		if len(left) == 0 {
			if cancelled { // its roll-back removed everything
				return &Destroyed{Format: DestroyedFormat, Name: name, Functions: []string{}, Remaining: []string{}}, nil
			}
			return nil, unknown("destroying", name)
		}
	case err != nil:
		return nil, err
	case j.doc.State != Ready && d.foreign(&j.doc):
		return nil, diag.New(diag.Conflict, "deploy.busy", "destroying "+name, "another server is "+j.doc.State+" it at this moment", "wait until that is done")
	}
	if err := j.become(ctx, Destroying, d.owner); err != nil {
		return nil, err
	}
	feed := d.watch(name)
	removed, err := d.remove(ctx, j, feed)
	feed.Finish(err)
	if err != nil {
		d.options.Logger.Error("destroying failed", "deployment", name, "error", err)
		return nil, err
	}
	d.options.Logger.Info("destroyed", "deployment", name, "functions", len(removed.Functions), "objects", removed.Objects)
	return removed, nil
}

// foreign tells whether another live server works on what the journal describes.
func (d *Deployer) foreign(doc *Journal) bool {
	return doc.Owner != d.owner && !d.options.Exclusive && time.Since(doc.Updated) < lease
}

func unknown(doing, name string) *diag.Error {
	return diag.New(diag.NotFound, "deploy.unknown", doing+" "+name, "there is no deployment "+quote(name), "partita list shows those there are")
}

// remove deletes what a journal and the deployment's name lead to: the workflow and then the functions first, so that nothing uses what
// goes next; the journal last, so that a second attempt still knows everything.
func (d *Deployer) remove(ctx context.Context, j *journal, feed *Feed) (*Destroyed, error) {
	name := j.doc.Name
	report := &Destroyed{Format: DestroyedFormat, Name: name, Functions: []string{}, Remaining: []string{}}
	for attempt := 1; ; attempt++ {
		if err := d.removeFound(ctx, j, feed, report); err != nil {
			return nil, err
		}
		left, err := d.remaining(ctx, j)
		if err != nil {
			return nil, err
		}
		if len(left) == 0 {
			break
		}
		if attempt == removeAttempts {
			return nil, diag.New(diag.Unavailable, "deploy.not-removed", "destroying "+name, "not everything could be removed", "destroy it again").With(left...)
		}
		select { // a request that was broken off may have been carried out since
		case <-time.After(removePause):
		case <-ctx.Done():
		}
	}
	if err := d.options.Store.Delete(ctx, journalKey(name)); err != nil {
		return nil, err
	}
	report.Objects++
	return report, nil
}

// removeFound deletes what a journal and the deployment's name lead to at this moment, and adds it to the report.
func (d *Deployer) removeFound(ctx context.Context, j *journal, feed *Feed, report *Destroyed) error {
	workflow, err := d.ownWorkflow(ctx, j.doc.Name, j.names(workflowKind))
	if err != nil {
		return err
	}
	if workflow != "" {
		step := feed.Start("delete", "workflow "+workflow, 0)
		if err := step.End(d.options.Workflows.DeleteWorkflow(ctx, workflow)); err != nil {
			return err
		}
		report.Workflow = workflow
	}
	functions, err := d.ownFunctions(ctx, j.doc.Name, j.resources())
	if err != nil {
		return err
	}
	for _, f := range functions {
		step := feed.Start("delete", "function "+f, 0)
		if err := step.End(d.options.Functions.DeleteFunction(ctx, f)); err != nil {
			return err
		}
		report.Functions = append(report.Functions, f)
	}
	repository, err := d.ownRepository(ctx, j.doc.Name, j.names(repositoryKind))
	if err != nil {
		return err
	}
	if repository != "" {
		step := feed.Start("delete", "image repository "+repository, 0)
		if err := step.End(d.options.Images.DeleteRepository(ctx, repository)); err != nil {
			return err
		}
		report.Repository = repository
	}
	keys, err := d.ownObjects(ctx, j.doc.Name, j.resources())
	if err != nil || len(keys) == 0 {
		return err
	}
	step := feed.Start("delete", fmt.Sprintf("%d objects", len(keys)), 0)
	if err := step.End(d.options.Store.Delete(ctx, keys...)); err != nil {
		return err
	}
	report.Objects += len(keys)
	return nil
}

// ownFunctions gives the functions that belong to a deployment: those with its names and its tag, the gateway first.
func (d *Deployer) ownFunctions(ctx context.Context, name string, journaled []Resource) ([]string, error) {
	found := map[string]bool{}
	listed, err := d.options.Functions.Functions(ctx, strings.TrimSuffix(functionsOf(name), "-"))
	if err != nil {
		return nil, err
	}
	own := regexp.MustCompile(`^` + regexp.QuoteMeta(strings.TrimSuffix(functionsOf(name), "-")) + `(?:` + exactSuffix + `)?-(gateway|stage-[0-9]+)$`)
	for _, f := range listed {
		if own.MatchString(f.Name) {
			found[f.Name] = true
		}
	}
	for _, r := range journaled {
		if r.Kind == functionKind {
			found[r.Name] = true
		}
	}
	var names []string
	for f := range found {
		info, err := d.options.Functions.Function(ctx, f)
		if cloud.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.Tags[tagDeployment] == name {
			names = append(names, f)
		}
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := names[i] == gatewayName(name), names[j] == gatewayName(name)
		if a != b {
			return a
		}
		return names[i] < names[j]
	})
	return names, nil
}

// ownObjects gives the keys that belong to a deployment, other than the journal's.
func (d *Deployer) ownObjects(ctx context.Context, name string, journaled []Resource) ([]string, error) {
	found := map[string]bool{}
	prefixes := []string{folderOf(name), runsOf(name), folderOf(name + exactSuffix), runsOf(name + exactSuffix)}
	for _, r := range journaled {
		switch {
		case r.Kind == prefixKind:
			prefixes = append(prefixes, r.Name)
		case r.Kind == objectKind && !strings.HasPrefix(r.Name, folderOf(name)):
			found[r.Name] = true // elsewhere, so that no listing here shows it
		}
	}
	for _, p := range prefixes {
		objects, err := d.options.Store.List(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			found[o.Key] = true
		}
	}
	delete(found, journalKey(name))
	keys := make([]string, 0, len(found))
	for k := range found {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys, nil
}

// unlessAbsent is the error of looking for a resource; nil when that is absent, or nobody may look and nothing says that there ever was one.
func unlessAbsent(err error, journaled bool) error {
	if cloud.IsNotFound(err) || !journaled && diag.CodeOf(err) == cloud.CodeDenied {
		return nil
	}
	return err
}

// remaining lists, afresh, what carries the name of the journal's deployment, other than the journal.
func (d *Deployer) remaining(ctx context.Context, j *journal) ([]string, error) {
	name := j.doc.Name
	functions, err := d.ownFunctions(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	left := make([]string, 0, len(functions))
	for _, f := range functions {
		left = append(left, "function "+f)
	}
	workflow, err := d.ownWorkflow(ctx, name, j.names(workflowKind))
	if err != nil {
		return nil, err
	}
	if workflow != "" {
		left = append(left, "workflow "+workflow)
	}
	repository, err := d.ownRepository(ctx, name, j.names(repositoryKind))
	if err != nil {
		return nil, err
	}
	if repository != "" {
		left = append(left, "image repository "+repository)
	}
	keys, err := d.ownObjects(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		left = append(left, "object "+k)
	}
	return left, nil
}
