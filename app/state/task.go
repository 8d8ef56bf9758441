package state

// Task is what the page asks of its planner in another program, as text. The opening's files travel beside it.
type Task struct {
	Op      string
	Key     int64
	BuiltIn string           `json:",omitempty"`
	Linked  *Linked          `json:",omitempty"`
	Weights int              `json:",omitempty"` // so many of the files, the last, are the weights beside the model
	Dims    map[string]int64 `json:",omitempty"`
	Request Request          `json:",omitempty"`
	Link    string           `json:",omitempty"` // a link's fragment
	Form    string           `json:",omitempty"` // of an export
	Have    int64            `json:",omitempty"` // the frontier that the page has: an answer need not hold it again
}

// The operations.
const (
	OpAbout    = "about"
	OpLink     = "link"
	OpOpen     = "open"
	OpPlan     = "plan"
	OpExplain  = "explain"
	OpDocument = "document"
	OpOutlook  = "outlook"
	OpExport   = "export"
	OpBundle   = "bundle"
	OpWeights  = "weights"
	OpAsk      = "ask"   // what is at an address, which Link holds
	OpFetch    = "fetch" // all that is there; Link holds what the answer to OpAsk was
)

// NewTask writes a task about a model.
func NewTask(op string, o *Opening, r Request) Task {
	weights := len(o.AllFiles()) - len(o.Files)
	return Task{Op: op, Key: o.Key, BuiltIn: o.BuiltIn, Linked: o.Linked, Weights: weights, Dims: o.Dims, Request: r}
}

// WeightsOnly tells whether an opening failed because its file holds only weights, which belong to the model that is open.
func WeightsOnly(err error) bool {
	p, ok := err.(*Problem)
	return ok && p.Code == "model.weights-only"
}
