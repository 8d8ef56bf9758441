package state

import "maps"

// Request is what is asked of the planner: options of its one table, by their names, as text. An absent one is at its default.
type Request map[string]string

// With gives a request that differs in an option.
func (r Request) With(name, text string) Request {
	changed := Request{}
	maps.Copy(changed, r)
	changed[name] = text
	return changed
}

// Without gives a request with an option at its default.
func (r Request) Without(name string) Request {
	changed := Request{}
	maps.Copy(changed, r)
	delete(changed, name)
	return changed
}

// Option is one knob of a request, from the planner's table.
type Option struct {
	Name, Default, Help string
	Choices             []Choice // none: it is text
}

// Choice is a value of an option and what people call it.
type Choice struct{ Value, Label string }

// Value gives the text of an option in a request.
func (o *Option) Value(r Request) string {
	if text, there := r[o.Name]; there {
		return text
	}
	return o.Default
}

// About says what the planner offers.
type About struct {
	Options []Option // the most important first
	BuiltIn []BuiltIn
	Apart   []string // platforms that plans can be made for and that nothing is deployed to
	Forms   []Form
}

// Option finds an option by its name.
func (a *About) Option(name string) (*Option, bool) {
	for i := range a.Options {
		if a.Options[i].Name == name {
			return &a.Options[i], true
		}
	}
	return nil, false
}

// BuiltIn is an architecture that needs no file.
type BuiltIn struct {
	Name, Description string
	InputSize         int
}

// Bundle is what to send to a server that deploys a model.
type Bundle struct {
	Name  string
	Parts []BundlePart
}

// BundlePart is bytes, or else one of the opening's files.
type BundlePart struct {
	Bytes []byte `json:",omitempty"`
	File  int    // its place among them; -1: bytes
}

// Upload gives a bundle as it is sent.
func (b *Bundle) Upload(o *Opening) *Upload {
	files, upload := o.AllFiles(), &Upload{Name: b.Name}
	for _, part := range b.Parts {
		if part.File < 0 || part.File >= len(files) {
			upload.Parts = append(upload.Parts, Part{Bytes: part.Bytes})
		} else {
			upload.Parts = append(upload.Parts, Part{File: files[part.File]})
		}
	}
	return upload
}
