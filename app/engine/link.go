package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"partita/app/state"
	"partita/planner"
	"partita/planner/diag"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/platform"
)

// maxLink bounds the text of a link that is opened.
const maxLink = plan.MaxLinkBytes

// DecodeLink reads a fragment, also of an earlier version.
func DecodeLink(fragment string) (*state.Link, error) {
	fragment = strings.TrimPrefix(fragment, "#")
	if len(fragment) > maxLink {
		return nil, badLink(fmt.Sprintf("it has %d characters, the limit is %d", len(fragment), maxLink))
	}
	if document, ok := strings.CutPrefix(fragment, "plan="); ok {
		return linkOfPlan(document)
	}
	fields := map[string]string{}
	var options []string
	for _, part := range strings.Split(fragment, "&") {
		key, value, found := strings.Cut(part, "=")
		switch key {
		case "v", "model", "name", "source", "book", "hash", "us", "cost":
			text, err := state.Unescape(value)
			if _, twice := fields[key]; err != nil || !found || twice {
				return nil, badLink(fmt.Sprintf("its part %.20q cannot be read", part))
			}
			fields[key] = text
		default:
			options = append(options, part)
		}
	}
	if v := fields["v"]; v != state.LinkVersion {
		if n, err := strconv.Atoi(v); err == nil && n > 2 {
			return nil, diag.New(diag.Invalid, "link.unknown-version", openingLink, "it is a link of version "+v+", this page reads up to "+state.LinkVersion, "reload the page to get its newest version, then open the link again")
		}
		return nil, badLink("it does not say which version it is of")
	}
	l := &state.Link{Shown: state.Shown{Book: fields["book"], Hash: fields["hash"]}}
	var err error
	for key, to := range map[string]*int64{"us": &l.Shown.LatencyUs, "cost": &l.Shown.CostPicoUSD} {
		if text, there := fields[key]; there {
			if *to, err = strconv.ParseInt(text, 10, 64); err != nil || *to < 0 {
				return nil, badLink(fmt.Sprintf("its part %s is %.20q", key, text))
			}
		}
	}
	asked, err := planner.ParseQuery(strings.Join(options, "&"))
	if err != nil {
		return nil, badLink("what it asks cannot be read").Because(err)
	}
	l.Request = requestOf(asked)
	if name, ok := strings.CutPrefix(fields["model"], state.BuiltInLink); ok {
		l.Opening = state.OpenBuiltIn(name)
		return l, nil
	}
	format, packed, ok := strings.Cut(fields["model"], ".")
	if !ok || packed == "" {
		return nil, badLink("it names no model")
	}
	l.Opening = state.OpenLinked(&state.Linked{Name: fields["name"], Source: fields["source"], Format: format, Packed: packed})
	return l, nil
}

// linkOfPlan reads a link of version 1.
func linkOfPlan(text string) (*state.Link, error) {
	p, err := plan.DecodeLink(text)
	if err != nil {
		return nil, err
	}
	r := planner.DefaultRequest()
	q := p.Request
	r.Platform, r.Objective, r.SLOUs, r.BudgetPicoUSD, r.Scenario = p.Platform, q.Objective, q.SLOUs, q.BudgetPicoUSD, q.Scenario
	r.MinStages, r.MaxStages, r.MemoryMB, r.Batch, r.GatewayMemoryMB = q.MinStages, q.MaxStages, q.MemoryMB, q.Batch, q.GatewayMemoryMB
	r.PicturePixels = q.PicturePixels
	if r.GatewayMemoryMB == 0 {
		r.GatewayMemoryMB = planner.AutoGateway
	}
	r.Orchestration, r.SplitLayers, r.Branches, r.Temporary = q.Orchestration, q.SplitLayers, q.Branches, q.Temporary
	r.Inputs, r.Pipelines, r.LayerCap = max(q.Inputs, 1), q.Pipelines, q.LayerCap
	if q.EvenLayers {
		r.LayerCap = planner.EvenLayers
	}
	if q.Inputs == 0 && r.Batch == 1 {
		r.Batch = 0 // one input has no other
	}
	if r.Transport = q.Transport; r.Transport == "auto" {
		r.Transport = ""
	}
	// A document lists what a request leaves to the platform.
	if on, err := platform.Get(r.Platform); err == nil {
		if slices.Equal(r.MemoryMB, on.Grid(0)) {
			r.MemoryMB = nil
		}
		if r.GatewayMemoryMB == on.GatewayMemoryMB {
			r.GatewayMemoryMB = 0
		}
	}
	return &state.Link{
		Opening: state.OpenLinked(&state.Linked{
			Name: p.Model.Name, Source: p.Model.Source, Format: p.Model.Architecture.Format, Packed: state.ToURL(p.Model.Architecture.Deflate),
		}),
		Request: requestOf(r),
		Shown:   state.Shown{Book: state.ShortHash(p.PriceBook.Hash), Hash: state.ShortHash(p.Hash), LatencyUs: p.LatencyUs, CostPicoUSD: p.CostPicoUSD},
	}, nil
}

const openingLink = "opening the link"

func badLink(found string) *diag.Error {
	return diag.New(diag.Invalid, "link.broken", openingLink, found, "copy the whole link again: it seems cut off or changed")
}

// model opens the architecture, under the name and source that the model had.
func linkedModel(l *state.Linked) (*load.Model, error) {
	data, err := plan.Architecture{Format: l.Format, Deflate: state.FromURL(l.Packed)}.Unpack()
	if err != nil {
		return nil, badLink("the model in it cannot be read").Because(err)
	}
	m, err := load.FromArchitecture(load.Architecture{Format: l.Format, Data: data})
	if err != nil {
		return nil, err
	}
	if l.Name != "" {
		m.Name = l.Name
	}
	switch l.Source {
	case load.SourceKerasJSON, load.SourceKerasYAML, load.SourceKerasH5, load.SourceKerasV3, load.SourceTFJS:
		if m.Source != load.SourceONNX {
			m.Source = l.Source
		}
	}
	return m, nil
}
