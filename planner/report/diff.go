package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"partita/planner/plan"
)

// DiffFormat is the version of the Diff document.
const DiffFormat = "partita.diff/1"

// Diff says what changed from one plan to another.
type Diff struct {
	Format      string        `json:"format"`
	Same        bool          `json:"same"` // the same document, by its hash
	Before      Side          `json:"before"`
	After       Side          `json:"after"`
	LatencyUs   int64         `json:"latencyUs"`          // what the second takes more
	CostPicoUSD int64         `json:"costPicoUSD"`        // what the second costs more
	Request     []Change      `json:"request"`            // what was asked differently
	Basis       []Change      `json:"basis"`              // what else the answers rest on: model, platform, prices, times
	Stages      []StageChange `json:"stages"`             // of every stage that differs
	Batching    []Change      `json:"batching,omitempty"` // of how several inputs are sent
	Gateway     []Change      `json:"gateway"`
	Workflow    []Change      `json:"workflow,omitempty"` // of what drives the stages, where that is not the gateway
}

// Side is one of the two plans in short.
type Side struct {
	Hash        string `json:"hash"`
	Model       string `json:"model"`
	Status      string `json:"status"`
	Reason      string `json:"reason,omitempty"`
	Stages      int    `json:"stages"`
	LatencyUs   int64  `json:"latencyUs"`
	CostPicoUSD int64  `json:"costPicoUSD"`
}

// Change is one field that differs, with its values as they stand in the documents; null where it is absent.
type Change struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// StageChange says how a stage differs.
type StageChange struct {
	Index   int      `json:"index"`
	Kind    string   `json:"kind"` // "changed", "added" or "removed"
	Changes []Change `json:"changes"`
}

// NewDiff compares two plans. It compares the documents field by field, so that a field that is new to plans is new to
// their differences as well.
func NewDiff(before, after *plan.Plan) (*Diff, error) {
	d := &Diff{
		Format: DiffFormat, Same: before.Hash == after.Hash && before.Hash != "", Before: sideOf(before), After: sideOf(after),
		LatencyUs: after.LatencyUs - before.LatencyUs, CostPicoUSD: after.CostPicoUSD - before.CostPicoUSD,
		Stages: []StageChange{},
	}
	var err error
	if d.Request, err = changes(before.Request, after.Request); err != nil {
		return nil, err
	}
	if d.Basis, err = changes(basisOf(before), basisOf(after)); err != nil {
		return nil, err
	}
	if d.Batching, err = changes(batchingOf(before), batchingOf(after)); err != nil {
		return nil, err
	}
	if d.Gateway, err = changes(before.Gateway, after.Gateway); err != nil {
		return nil, err
	}
	if d.Workflow, err = changes(workflowOf(before), workflowOf(after)); err != nil {
		return nil, err
	}
	for i := range max(len(before.Stages), len(after.Stages)) {
		s := StageChange{Index: i + 1, Kind: "changed"}
		var a, b any = struct{}{}, struct{}{}
		if i < len(before.Stages) {
			a = before.Stages[i]
		} else {
			s.Kind = "added"
		}
		if i < len(after.Stages) {
			b = after.Stages[i]
		} else {
			s.Kind = "removed"
		}
		if s.Changes, err = changes(a, b); err != nil {
			return nil, err
		}
		if len(s.Changes) > 0 {
			d.Stages = append(d.Stages, s)
		}
	}
	return d, nil
}

// batchingOf gives how a plan sends its inputs, nothing where it has one.
func batchingOf(p *plan.Plan) any {
	if p.Batching == nil {
		return struct{}{}
	}
	return p.Batching
}

// workflowOf gives what a plan says of its workflow, nothing where it has none.
func workflowOf(p *plan.Plan) any {
	if p.Workflow == nil {
		return struct{}{}
	}
	return p.Workflow
}

func sideOf(p *plan.Plan) Side {
	return Side{Hash: p.Hash, Model: p.Model.Name, Status: string(p.Status), Reason: p.Reason, Stages: len(p.Stages), LatencyUs: p.LatencyUs, CostPicoUSD: p.CostPicoUSD}
}

// basisOf is a plan without what is asked and answered, and without the architecture's text, for which its digest stands.
func basisOf(p *plan.Plan) any {
	model := p.Model
	model.Architecture.Deflate = ""
	return struct {
		Model     plan.Model     `json:"model"`
		Platform  string         `json:"platform"`
		PriceBook plan.PriceBook `json:"priceBook"`
		Times     string         `json:"times"`
	}{model, p.Platform, p.PriceBook, p.Times}
}

// changes lists the fields in which two values differ, by name. Fields of objects within are joined by dots.
func changes(before, after any) ([]Change, error) {
	a, err := fields(before)
	if err != nil {
		return nil, err
	}
	b, err := fields(after)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	list := []Change{}
	for name := range names {
		if !reflect.DeepEqual(a[name], b[name]) {
			list = append(list, Change{name, a[name], b[name]})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Field < list[j].Field })
	return list, nil
}

// fields flattens a value into its JSON fields.
func fields(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	flat := map[string]any{}
	flatten(flat, "", tree)
	return flat, nil
}

func flatten(into map[string]any, prefix string, tree map[string]any) {
	for name, v := range tree {
		if inner, ok := v.(map[string]any); ok {
			flatten(into, prefix+name+".", inner)
			continue
		}
		into[prefix+name] = v
	}
}

// WriteDiff shows a difference to people.
func WriteDiff(w io.Writer, d *Diff) error {
	page := NewPage(w)
	if d.Same {
		page.Line("the same plan: %s", d.Before.Hash)
		return page.Err()
	}
	page.Line("from %s", d.Before.Hash)
	page.Line("to   %s", d.After.Hash)
	for _, s := range []struct {
		label string
		side  Side
	}{{"first", d.Before}, {"second", d.After}} {
		if s.side.Status == string(plan.Infeasible) {
			page.Line("the %s plan is infeasible: %s", s.label, s.side.Reason)
		}
	}
	page.Line("")
	if d.Before.Stages > 0 && d.After.Stages > 0 {
		page.Table([][]string{
			{"", "before", "after", ""},
			{"cost/100k", Price(d.Before.CostPicoUSD), Price(d.After.CostPicoUSD), Percent(d.Before.CostPicoUSD, d.After.CostPicoUSD)},
			{"latency", Duration(d.Before.LatencyUs), Duration(d.After.LatencyUs), Percent(d.Before.LatencyUs, d.After.LatencyUs)},
			{"functions", strconv.Itoa(d.Before.Stages), strconv.Itoa(d.After.Stages), ""},
		})
	}
	writeChanges(page, "request", d.Request)
	writeChanges(page, "basis", d.Basis)
	for _, s := range d.Stages {
		title := fmt.Sprintf("stage %d", s.Index)
		if s.Kind != "changed" {
			title += " " + s.Kind
		}
		writeChanges(page, title, s.Changes)
	}
	writeChanges(page, "inputs", d.Batching)
	writeChanges(page, "gateway", d.Gateway)
	writeChanges(page, "workflow", d.Workflow)
	return page.Err()
}

// Percent says by how much a figure has changed: "+1.5 %"; nothing where it has not, or there is nothing to compare with.
func Percent(before, after int64) string {
	if before <= 0 || before == after {
		return ""
	}
	return fmt.Sprintf("%+.1f %%", 100*(float64(after)-float64(before))/float64(before))
}

func writeChanges(page *Page, title string, list []Change) {
	if len(list) == 0 {
		return
	}
	page.Line("")
	page.Line("%s", title)
	width := 0
	for _, c := range list {
		width = max(width, len(c.Field))
	}
	for _, c := range list {
		page.Line("  %-*s  %s -> %s", width, c.Field, valueText(c.Field, c.Before), valueText(c.Field, c.After))
	}
}

// names of fields that their own words do not tell.
var fieldNames = map[string]string{
	"sloUs": "response time at most (SLO)", "budgetPicoUSD": "cost at most", "quantization": "precision of weights", "memoryMB": "memory", "microRequestsPerHour": "rate of requests",
	"scenario": "starts", "objective": "aim", "minStages": "functions, at least", "maxStages": "functions, at most", "transportIn": "arrives", "initUs": "start", "weightBytes": "weights", "inputBytes": "bytes in",
}

// FieldName says for people what a field of a plan is: "memory needed" of memoryNeededMB.
func FieldName(field string) string {
	if name := fieldNames[field]; name != "" {
		return name
	}
	for _, unit := range []string{"PicoUSD", "Us", "MB", "Bytes"} {
		field = strings.TrimSuffix(field, unit)
	}
	var b strings.Builder
	for i, r := range field {
		switch {
		case r == '.':
			r = ' '
		case r >= 'A' && r <= 'Z':
			if i > 0 {
				b.WriteByte(' ')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Texts shows the values of a change for people.
func (c *Change) Texts() (before, after string) {
	return valueText(c.Field, c.Before), valueText(c.Field, c.After)
}

// Percent says by how much a figure has changed: "+1.5 %".
func (c *Change) Percent() string {
	before, a := c.Before.(json.Number)
	after, b := c.After.(json.Number)
	if !a || !b {
		return ""
	}
	x, errX := before.Int64()
	y, errY := after.Int64()
	if errX != nil || errY != nil {
		return ""
	}
	return Percent(x, y)
}

// longestValue bounds what is shown of one value.
const longestValue = 60

// valueText shows a value with the unit that its field's name says.
func valueText(field string, v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		if field == "scenario" {
			return Scenario(v)
		}
		return clip(v)
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return clip(v.String())
		}
		switch {
		case strings.HasSuffix(field, "microRequestsPerHour"):
			return Rate(n)
		case strings.HasSuffix(field, "PicoUSD"):
			return Price(n) + "/100k"
		case strings.HasSuffix(field, "Us"):
			return Duration(n)
		case strings.HasSuffix(field, "Bytes"):
			return Bytes(n)
		case strings.HasSuffix(field, "MB"):
			return Memory(n)
		}
		return Grouped(n)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return clip(string(text))
}

func clip(text string) string {
	if runes := []rune(text); len(runes) > longestValue {
		return string(runes[:longestValue-3]) + "..."
	}
	return text
}
