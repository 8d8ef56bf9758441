package plan

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
