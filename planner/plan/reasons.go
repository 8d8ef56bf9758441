package plan

// Reason is one change of the request, or of a limit, and what it would bring: it was planned with.
type Reason struct {
	Constraint   string `json:"constraint"`       // what is in the way: an option of the request, or a limit of the platform
	Change       string `json:"change"`           // in words
	Option       string `json:"option,omitempty"` // name of the option to change, as on the command line without dashes
	Value        string `json:"value,omitempty"`
	LatencyUs    int64  `json:"latencyUs"` // of the plan with the change
	CostPicoUSD  int64  `json:"costPicoUSD"`
	SavesPicoUSD int64  `json:"savesPicoUSD,omitempty"` // against this plan
	SavesUs      int64  `json:"savesUs,omitempty"`
}

// maxReasons bounds the reasons of a document.
const maxReasons = 1000

// Lever is something out of the ordinary that a plan does, and what it is worth: the best plan without it was looked for.
type Lever struct {
	Lever        string `json:"lever"` // name of the option that switches it off, as on the command line without dashes
	Use          string `json:"use"`   // in words
	Needed       bool   `json:"needed,omitempty"`
	SavesPicoUSD int64  `json:"savesPicoUSD,omitempty"` // against the best plan without it; absent when there is none
	SavesUs      int64  `json:"savesUs,omitempty"`
}

// maxLevers bounds the levers of a document.
const maxLevers = 100
