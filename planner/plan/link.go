package plan

import (
	"encoding/base64"
	"fmt"
	"strings"

	"partita/planner/diag"
)

// linkVersion begins every link text; a dot follows it.
const linkVersion = "1"

// MaxLinkBytes bounds the text of a link. Browsers take fragments of this size.
const MaxLinkBytes = 2 << 20

const opening = "opening the link"

// EncodeLink gives the plan as text for a URL's fragment: a version, a dot, and the canonical form as raw DEFLATE in
// base64url without padding. Weights are never part of it.
func (p *Plan) EncodeLink() (string, error) {
	text, err := p.Encode()
	if err != nil {
		return "", err
	}
	link := linkVersion + "." + base64.RawURLEncoding.EncodeToString(deflate(text))
	if len(link) > MaxLinkBytes {
		return "", diag.New(diag.Limit, "plan.link-too-long", "making a link", fmt.Sprintf("the link would have %d characters, the limit is %d", len(link), MaxLinkBytes),
			"share the plan as a file")
	}
	return link, nil
}

// DecodeLink reads what EncodeLink wrote: the same plan with the same hash.
func DecodeLink(link string) (*Plan, error) {
	if len(link) > MaxLinkBytes {
		return nil, diag.New(diag.Limit, "plan.link-too-long", opening, fmt.Sprintf("it has %d characters, the limit is %d", len(link), MaxLinkBytes),
			"ask for the plan as a file")
	}
	version, body, dotted := strings.Cut(link, ".")
	if !dotted || version == "" || strings.Trim(version, "0123456789") != "" {
		return nil, badLink("it does not begin with a version and a dot")
	}
	if version != linkVersion {
		return nil, diag.New(diag.Invalid, "plan.unknown-version", opening, "it is a link of version "+clip(version)+", this version of Partita reads "+linkVersion,
			"use a newer version of Partita")
	}
	packed, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		return nil, badLink("it is not base64url text").Because(err)
	}
	text, err := inflate(packed, MaxDocumentBytes)
	if err != nil {
		return nil, badLink("it does not inflate").Because(err)
	}
	return Decode(text)
}

func badLink(found string) *diag.Error {
	return diag.New(diag.Invalid, "plan.bad-link", opening, found, "copy the whole link again: it seems cut off or changed")
}
