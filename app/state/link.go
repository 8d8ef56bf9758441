package state

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"partita/planner"
	"partita/planner/diag"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/platform"
)

// A link's fragment is a list of "key=value" with "&" between them. Version 2 says which model (model, and for one that is not
// built in its name, source and architecture), what was asked (the keys of package planner's options, absent at their
// defaults), and which prices and plan it showed (book, hash, us, cost), to tell when the answer is another one now. Version 1 is
// a whole plan document, as package plan writes it: "plan=1.…".
const (
	linkVersion = "2"
	builtInLink = "zoo:"
)

// maxLink bounds the text of a link that is opened.
const maxLink = plan.MaxLinkBytes

// Link is what a link says.
type Link struct {
	Opening *Opening
	Request planner.Request
	Shown   Shown
}

// Shown is what the plan was where the link was made.
type Shown struct {
	Book        string // hash of its price book; "" when the link does not say
	Hash        string // of the plan document, its first digits
	LatencyUs   int64
	CostPicoUSD int64
}

// hashDigits is how many digits of a hash a link holds: enough to see a difference.
const hashDigits = 16

// shortHash takes the first digits of "sha256:...".
func shortHash(hash string) string {
	hash = strings.TrimPrefix(hash, "sha256:")
	return hash[:min(len(hash), hashDigits)]
}

// EncodeLink gives the fragment that opens to a model and a request.
func EncodeLink(o *Opening, m *Model, r planner.Request, p *plan.Plan) string {
	parts := []string{"v=" + linkVersion}
	add := func(key, value string) {
		if value != "" {
			parts = append(parts, key+"="+escape(value))
		}
	}
	if o.BuiltIn != "" {
		add("model", builtInLink+o.BuiltIn)
	} else {
		add("model", m.Format+"."+m.Packed)
		add("name", m.Inspect.Name)
		add("source", m.Inspect.Source)
	}
	if query := r.Query(); query != "" {
		parts = append(parts, query)
	}
	if p != nil {
		add("book", shortHash(p.PriceBook.Hash))
		add("hash", shortHash(p.Hash))
		if p.Status != plan.Infeasible {
			add("us", strconv.FormatInt(p.LatencyUs, 10))
			add("cost", strconv.FormatInt(p.CostPicoUSD, 10))
		}
	}
	return strings.Join(parts, "&")
}

// DecodeLink reads a fragment, also of an earlier version.
func DecodeLink(fragment string) (*Link, error) {
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
			text, err := unescape(value)
			if _, twice := fields[key]; err != nil || !found || twice {
				return nil, badLink(fmt.Sprintf("its part %.20q cannot be read", part))
			}
			fields[key] = text
		default:
			options = append(options, part)
		}
	}
	if v := fields["v"]; v != linkVersion {
		if n, err := strconv.Atoi(v); err == nil && n > 2 {
			return nil, diag.New(diag.Invalid, "link.unknown-version", openingLink, "it is a link of version "+v+", this page reads up to "+linkVersion, "reload the page to get its newest version, then open the link again")
		}
		return nil, badLink("it does not say which version it is of")
	}
	l := &Link{Shown: Shown{Book: fields["book"], Hash: fields["hash"]}}
	var err error
	for key, to := range map[string]*int64{"us": &l.Shown.LatencyUs, "cost": &l.Shown.CostPicoUSD} {
		if text, there := fields[key]; there {
			if *to, err = strconv.ParseInt(text, 10, 64); err != nil || *to < 0 {
				return nil, badLink(fmt.Sprintf("its part %s is %.20q", key, text))
			}
		}
	}
	if l.Request, err = planner.ParseQuery(strings.Join(options, "&")); err != nil {
		return nil, badLink("what it asks cannot be read").Because(err)
	}
	if name, ok := strings.CutPrefix(fields["model"], builtInLink); ok {
		l.Opening = OpenBuiltIn(name)
		return l, nil
	}
	format, packed, ok := strings.Cut(fields["model"], ".")
	if !ok || packed == "" {
		return nil, badLink("it names no model")
	}
	l.Opening = OpenLinked(&Linked{fields["name"], fields["source"], format, packed})
	return l, nil
}

// linkOfPlan reads a link of version 1.
func linkOfPlan(text string) (*Link, error) {
	p, err := plan.DecodeLink(text)
	if err != nil {
		return nil, err
	}
	r := planner.DefaultRequest()
	q := p.Request
	r.Platform, r.Objective, r.SLOUs, r.BudgetPicoUSD, r.Scenario = p.Platform, q.Objective, q.SLOUs, q.BudgetPicoUSD, q.Scenario
	r.MinStages, r.MaxStages, r.MemoryMB, r.Batch, r.GatewayMemoryMB = q.MinStages, q.MaxStages, q.MemoryMB, q.Batch, q.GatewayMemoryMB
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
	return &Link{
		OpenLinked(&Linked{p.Model.Name, p.Model.Source, p.Model.Architecture.Format, toURL(p.Model.Architecture.Deflate)}), r,
		Shown{shortHash(p.PriceBook.Hash), shortHash(p.Hash), p.LatencyUs, p.CostPicoUSD},
	}, nil
}

const openingLink = "opening the link"

func badLink(found string) *diag.Error {
	return diag.New(diag.Invalid, "link.broken", openingLink, found, "copy the whole link again: it seems cut off or changed")
}

// model opens the architecture, under the name and source that the model had.
func (l *Linked) model() (*load.Model, error) {
	data, err := plan.Architecture{Format: l.Format, Deflate: fromURL(l.Packed)}.Unpack()
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

// toURL and fromURL turn base64 into base64url without padding and back.
func toURL(text string) string {
	return strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(text), "=")
}

func fromURL(text string) string {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	return text + strings.Repeat("=", (4-len(text)%4)%4)
}

// escape writes what a fragment cannot hold as it is in percent-encoding.
func escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~:", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func unescape(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", fmt.Errorf("a percent sign begins no code")
		}
		c, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", err
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), nil
}

// SameBook tells whether a plan uses the prices and limits that the link was made with.
func (s Shown) SameBook(p *plan.Plan) bool { return s.Book == shortHash(p.PriceBook.Hash) }
