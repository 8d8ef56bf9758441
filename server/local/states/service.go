package states

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"partita/server/local/awsjson"
	"partita/server/local/document"
)

// Functions runs functions by name or ARN. An error of the service itself comes with its kind, as in ResourceNotFoundException; a
// function that fails has failed set and its failure as the answer.
type Functions interface {
	Call(ctx context.Context, function string, payload []byte) (answer []byte, failed bool, kind string, err error)
}

// Options configure a Service.
type Options struct {
	Dir       string // where state machines are kept
	Region    string
	Account   string
	Functions Functions
	Logger    *slog.Logger
}

// Service is the local AWS Step Functions. Its methods may be called concurrently.
type Service struct {
	options Options

	mu       sync.RWMutex
	machines map[string]*record
	closing  chan struct{}
	once     sync.Once
}

// record is a state machine as it is kept.
type record struct {
	Name       string            `json:"name"`
	Definition string            `json:"definition"`
	RoleARN    string            `json:"roleArn"`
	Type       string            `json:"type"`
	Revision   string            `json:"revision"`
	Created    time.Time         `json:"created"`
	Tags       map[string]string `json:"tags,omitempty"`

	machine *machine
}

// Bounds of the service.
const (
	maxMachines = 10_000 // state machines of an account (quotas page, 2026)
	maxTags     = 50
)

// namePattern is what names of state machines and executions may hold: the characters that the API reference does not exclude, of
// those in ASCII.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_.+=@!()'-]{1,80}$`)

// Open opens the service on its folder, with the state machines that are there.
func Open(o Options) (*Service, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{options: o, machines: map[string]*record{}, closing: make(chan struct{})}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(o.Dir, e.Name())
		if strings.HasSuffix(e.Name(), document.Unfinished) { // a write that was broken off
			_ = os.Remove(path)
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		r := &record{}
		if err := json.Unmarshal(text, r); err == nil && r.Name+".json" == e.Name() && namePattern.MatchString(r.Name) {
			r.machine, err = parseDefinition(r.Definition)
			if err == nil {
				s.machines[r.Name] = r
				continue
			}
		}
		o.Logger.Error("a state machine cannot be read and is left out", "file", path)
	}
	return s, nil
}

// Close ends the executions under way.
func (s *Service) Close() error {
	s.once.Do(func() { close(s.closing) })
	return nil
}

// save writes a state machine: as a whole or not at all.
func (s *Service) save(r *record) error {
	return document.WriteJSON(s.path(r.Name), r)
}

func (s *Service) path(name string) string { return filepath.Join(s.options.Dir, name+".json") }

func (s *Service) arn(name string) string {
	return "arn:aws:states:" + s.options.Region + ":" + s.options.Account + ":stateMachine:" + name
}

// find gives the state machine of an ARN.
func (s *Service) find(arn string) (*record, error) {
	name, ours := strings.CutPrefix(arn, s.arn(""))
	if !ours {
		return nil, awsjson.Errorf("InvalidArn", "Invalid Arn: '%.200s' is no state machine of the local cloud", arn)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.machines[name]; r != nil {
		return r, nil
	}
	return nil, awsjson.Errorf("StateMachineDoesNotExist", "State Machine Does Not Exist: '%s'", arn)
}

// put creates a state machine, or gives the one that is there when it is the same.
func (s *Service) put(r *record) (*record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.machines[r.Name]; old != nil {
		if old.Definition == r.Definition && old.RoleARN == r.RoleARN && old.Type == r.Type && maps.Equal(old.Tags, r.Tags) {
			return old, nil
		}
		return nil, awsjson.Errorf("StateMachineAlreadyExists", "State Machine Already Exists: '%s'", s.arn(r.Name))
	}
	if len(s.machines) >= maxMachines {
		return nil, awsjson.Errorf("StateMachineLimitExceeded", "there are %d state machines already", maxMachines)
	}
	if err := s.save(r); err != nil {
		return nil, err
	}
	s.machines[r.Name] = r
	return r, nil
}

// change replaces a state machine by what a function makes of a copy of it.
func (s *Service) change(arn string, make func(r *record) error) (*record, error) {
	old, err := s.find(arn)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old = s.machines[old.Name]; old == nil {
		return nil, awsjson.Errorf("StateMachineDoesNotExist", "State Machine Does Not Exist: '%s'", arn)
	}
	changed := *old
	changed.Tags = maps.Clone(old.Tags)
	if err := make(&changed); err != nil {
		return nil, err
	}
	if err := s.save(&changed); err != nil {
		return nil, err
	}
	s.machines[changed.Name] = &changed
	return &changed, nil
}

// remove deletes a state machine; one that is absent is no error.
func (s *Service) remove(arn string) error {
	name, ours := strings.CutPrefix(arn, s.arn(""))
	if !ours {
		return awsjson.Errorf("InvalidArn", "Invalid Arn: '%.200s'", arn)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.machines[name] == nil {
		return nil
	}
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	delete(s.machines, name)
	return nil
}

// list gives the state machines by name.
func (s *Service) list() []*record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*record
	for _, name := range slices.Sorted(maps.Keys(s.machines)) {
		all = append(all, s.machines[name])
	}
	return all
}

// What an execution is billed in (Step Functions pricing page). The service bills the memory that an execution uses in steps of 64 MB;
// how much that is, it does not say beyond the size of definition and data, which here are far below a step.
const (
	billedStepMs   = 100
	billedMemoryMB = 64
)

// execute runs a state machine to its end.
func (s *Service) execute(ctx context.Context, r *record, name string, input any) (output any, failed *failure, began, ended time.Time) {
	limit := maxExecution
	if t := time.Duration(r.machine.timeoutSeconds) * time.Second; t > 0 && t < limit {
		limit = t
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	go func() {
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	began = time.Now()
	x := newExecution(ctx, map[string]any{
		"Execution":    map[string]any{"Id": s.executionARN(r.Name, name), "Input": input, "Name": name, "RoleArn": r.RoleARN, "StartTime": began.UTC().Format(moment)},
		"StateMachine": map[string]any{"Id": s.arn(r.Name), "Name": r.Name},
	}, s.invoke)
	output, failed = x.run(ctx, r.machine, input, map[string]any{})
	return output, failed, began, time.Now()
}

func (s *Service) executionARN(machine, execution string) string {
	return "arn:aws:states:" + s.options.Region + ":" + s.options.Account + ":express:" + machine + ":" + execution
}

// invoke calls a function for a task.
func (s *Service) invoke(ctx context.Context, function string, payload []byte) ([]byte, *failure) {
	answer, bad, kind, err := s.options.Functions.Call(ctx, function, payload)
	if err != nil {
		if kind == "" {
			kind = "ServiceException"
		}
		return nil, &failure{name: "Lambda." + kind, cause: err.Error()}
	}
	if !bad {
		return answer, nil
	}
	var told struct {
		ErrorType string `json:"errorType"`
	}
	if json.Unmarshal(answer, &told) != nil || told.ErrorType == "" {
		told.ErrorType = "Lambda.Unknown"
	}
	const mostCause = 32_768 // characters of a cause (API reference, StartSyncExecution)
	return nil, &failure{name: told.ErrorType, cause: strings.ToValidUTF8(string(answer[:min(len(answer), mostCause)]), "?")}
}
