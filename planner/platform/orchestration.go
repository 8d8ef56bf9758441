package platform

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the figures
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"partita/planner/diag"
)

//go:embed orchestration.json
var orchestrationJSON []byte

// StepFunctions names the orchestrator of AWS.
const StepFunctions = "step-functions"

// Orchestrator is a service that drives the stages of a deployment in the gateway's place. Its figures stand apart from the
// price book: plans that a gateway drives do not depend on them.
type Orchestrator struct {
	Name      string
	Label     string
	Platforms []string // where it can drive functions
	Figures   []Figure

	RequestPicoUSD    int64
	PicoUSDPerGBs     int64
	GranularityUs     int64
	MemoryMB          int64 // that an execution is billed for
	PayloadLimitBytes int64 // text of the input and the output of a state
	TimeoutUs         int64
	StartUs           int64 // before the first state
	DispatchUs        int64 // of a state, beyond what its function takes
}

// PicoUSDPerMs is the price of a millisecond of an execution, rounded half up. Executions are billed for whole multiples of
// GranularityUs.
func (o *Orchestrator) PicoUSDPerMs() int64 {
	return (o.PicoUSDPerGBs*o.MemoryMB + msPer1024s/2) / msPer1024s
}

type orchestrations struct {
	hash string
	list []Orchestrator
}

var loadOrchestrations = sync.OnceValue(func() *orchestrations {
	o, err := parseOrchestrations(orchestrationJSON)
	if err != nil {
		panic("platform: the embedded list of orchestrators is broken: " + err.Error())
	}
	return o
})

// OrchestrationHash identifies the figures: "sha256:..." of the embedded file.
func OrchestrationHash() string { return loadOrchestrations().hash }

// Orchestration finds the figures of an orchestrator on a platform.
func Orchestration(name, platform string) (*Orchestrator, error) {
	var where []string
	list := loadOrchestrations().list
	for i := range list {
		if list[i].Name != name {
			continue
		}
		if slices.Contains(list[i].Platforms, platform) {
			return &list[i], nil
		}
		where = append(where, list[i].Platforms...)
	}
	if where == nil {
		return nil, diag.New(diag.Usage, "platform.unknown-orchestrator", "choosing what drives the stages", "there is no orchestrator "+quote(name), "use "+StepFunctions)
	}
	return nil, diag.New(diag.Usage, "platform.no-orchestrator", "choosing what drives the stages", name+" drives no functions of "+platform,
		"let the gateway drive them, or plan for one of "+strings.Join(where, ", "))
}

var orchestratorFields = []struct {
	name   string
	unit   string
	digits int
	into   func(o *Orchestrator) *int64
}{
	{"price.request", "USD", 12, func(o *Orchestrator) *int64 { return &o.RequestPicoUSD }},
	{"price.duration", "USD/GB-s", 12, func(o *Orchestrator) *int64 { return &o.PicoUSDPerGBs }},
	{"billing.granularity", "ms", 3, func(o *Orchestrator) *int64 { return &o.GranularityUs }},
	{"billing.memoryMB", "MB", 0, func(o *Orchestrator) *int64 { return &o.MemoryMB }},
	{"limit.payload", "B", 0, func(o *Orchestrator) *int64 { return &o.PayloadLimitBytes }},
	{"limit.timeout", "s", 6, func(o *Orchestrator) *int64 { return &o.TimeoutUs }},
	{"start.time", "ms", 3, func(o *Orchestrator) *int64 { return &o.StartUs }},
	{"dispatch.time", "ms", 3, func(o *Orchestrator) *int64 { return &o.DispatchUs }},
}

func parseOrchestrations(data []byte) (*orchestrations, error) {
	var file struct {
		Format, Date, Currency string
		Sources                map[string]string
		Orchestrators          []struct {
			Name, Label string
			Platforms   []string
			Base        string // a platform of an earlier entry, whose figures hold unless stated
			Figures     map[string]figureJSON
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, err
	}
	if file.Format != "partita.orchestration/1" || file.Currency != "USD" || len(file.Date) != len("2006-01-02") {
		return nil, fmt.Errorf("format %q, currency %q, date %q", file.Format, file.Currency, file.Date)
	}
	sum := sha256.Sum256(data)
	all := &orchestrations{hash: "sha256:" + hex.EncodeToString(sum[:])}
	figures := map[string]map[string]figureJSON{} // by platform
	for _, entry := range file.Orchestrators {
		own := map[string]figureJSON{}
		for name, figure := range figures[entry.Base] {
			own[name] = figure
		}
		for name, figure := range entry.Figures {
			own[name] = figure
		}
		for _, p := range entry.Platforms {
			figures[p] = own
		}
		o := Orchestrator{Name: entry.Name, Label: entry.Label, Platforms: entry.Platforms}
		if err := o.fill(own, file.Sources); err != nil {
			return nil, fmt.Errorf("orchestrator %q on %v: %w", entry.Name, entry.Platforms, err)
		}
		all.list = append(all.list, o)
	}
	return all, nil
}

func (o *Orchestrator) fill(figures map[string]figureJSON, sources map[string]string) error {
	if len(figures) != len(orchestratorFields) || o.Name == "" || o.Label == "" || len(o.Platforms) == 0 {
		return fmt.Errorf("%d figures for %d places, or it has no name or platform", len(figures), len(orchestratorFields))
	}
	for _, place := range orchestratorFields {
		figure, ok := figures[place.name]
		if !ok || figure.Unit != place.unit || sources[figure.Source] == "" || !slices.Contains(confidences, figure.Confidence) {
			return fmt.Errorf("%s is absent, is in %q and not in %q, or has no source", place.name, figure.Unit, place.unit)
		}
		v, err := ParseDecimal(figure.Value, place.digits)
		if err != nil {
			return fmt.Errorf("%s: %w", place.name, err)
		}
		*place.into(o) = v
		o.Figures = append(o.Figures, Figure{place.name, figure.Value, figure.Unit, sources[figure.Source], figure.Confidence, figure.Note})
	}
	switch {
	case o.GranularityUs < 1000 || o.GranularityUs%1000 != 0 || o.GranularityUs > 60_000_000:
		return errors.New("billing.granularity is not in whole milliseconds, or over a minute")
	case o.PicoUSDPerGBs > 1<<26 || o.MemoryMB < 1 || o.MemoryMB > 1<<15 || o.PayloadLimitBytes < 1<<16 || o.TimeoutUs < 1 || o.TimeoutUs > maxTimeoutUs || o.StartUs > maxTimeoutUs || o.DispatchUs > maxTimeoutUs:
		return errors.New("a figure is out of range")
	}
	return nil
}

// stateRestBytes is what a state's input and output hold beside a stage's tensors: the trace so far, and what the service adds to an
// invocation's answer.
const stateRestBytes = 16_384

// DrivenBy gives the platform as it is for stages that an orchestrator drives: what it takes to call one, what a message may hold.
func (p *Platform) DrivenBy(o *Orchestrator) *Platform {
	driven := *p
	driven.Orchestrator = o
	driven.DispatchUs = o.DispatchUs
	driven.PayloadLimitBytes = min(p.PayloadLimitBytes, o.PayloadLimitBytes-stateRestBytes)
	return &driven
}

// RequestTimeoutUs is how long a request may take: as long as what drives the stages runs.
func (p *Platform) RequestTimeoutUs() int64 {
	if p.Orchestrator != nil {
		return min(p.TimeoutUs, p.Orchestrator.TimeoutUs)
	}
	return p.TimeoutUs
}
