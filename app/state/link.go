package state

import (
	"fmt"
	"strconv"
	"strings"

	"partita/planner/plan"
)

// A link's fragment is a list of "key=value" with "&" between them. Version 2 says which model (model, and for one that is not
// built in its name, source and architecture), what was asked (the keys of package planner's options, absent at their
// defaults), and which prices and plan it showed (book, hash, us, cost), to tell when the answer is another one now. Version 1 is
// a whole plan document, as package plan writes it: "plan=1.…".
const (
	LinkVersion = "2"
	BuiltInLink = "zoo:"
)

// Link is what a link says.
type Link struct {
	Opening *Opening
	Request Request
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

// ShortHash takes the first digits of "sha256:...".
func ShortHash(hash string) string {
	hash = strings.TrimPrefix(hash, "sha256:")
	return hash[:min(len(hash), hashDigits)]
}

// EncodeLink gives the fragment that opens to a model and a request, which is given as the query that an Answer tells.
func EncodeLink(o *Opening, m *Model, query string, p *plan.Plan) string {
	parts := []string{"v=" + LinkVersion}
	add := func(key, value string) {
		if value != "" {
			parts = append(parts, key+"="+Escape(value))
		}
	}
	if o.BuiltIn != "" {
		add("model", BuiltInLink+o.BuiltIn)
	} else {
		add("model", m.Format+"."+m.Packed)
		add("name", m.Inspect.Name)
		add("source", m.Inspect.Source)
	}
	if query != "" {
		parts = append(parts, query)
	}
	if p != nil {
		add("book", ShortHash(p.PriceBook.Hash))
		add("hash", ShortHash(p.Hash))
		if p.Status != plan.Infeasible {
			add("us", strconv.FormatInt(p.LatencyUs, 10))
			add("cost", strconv.FormatInt(p.CostPicoUSD, 10))
		}
	}
	return strings.Join(parts, "&")
}

// ToURL turns base64 into base64url without padding.
func ToURL(text string) string {
	return strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(text), "=")
}

// FromURL is the inverse of ToURL.
func FromURL(text string) string {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	return text + strings.Repeat("=", (4-len(text)%4)%4)
}

// Escape writes what a fragment cannot hold as it is in percent-encoding.
func Escape(text string) string {
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

// SameBook tells whether a plan uses the prices and limits that the link was made with.
func (s Shown) SameBook(p *plan.Plan) bool { return s.Book == ShortHash(p.PriceBook.Hash) }

// Unescape is the inverse of Escape.
func Unescape(text string) (string, error) {
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
