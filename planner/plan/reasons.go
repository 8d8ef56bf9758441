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

// Traffic is what a rate of requests means: how many find the functions cold, and what each kind takes and costs.
type Traffic struct {
	MicroRequestsPerHour int64 `json:"microRequestsPerHour"`
	IdleUs               int64 `json:"idleUs"`
	ColdPpm              int64 `json:"coldPpm"`
	ColdLatencyUs        int64 `json:"coldLatencyUs"`
	ColdCostPicoUSD      int64 `json:"coldCostPicoUSD"`
	WarmLatencyUs        int64 `json:"warmLatencyUs"`
	WarmCostPicoUSD      int64 `json:"warmCostPicoUSD"`
}

// MemoryPin is a memory size fixed for every stage that holds one of some layers.
type MemoryPin struct {
	FirstLayer int   `json:"firstLayer"` // from 1
	LastLayer  int   `json:"lastLayer"`  // inclusive
	MemoryMB   int64 `json:"memoryMB"`
}
