package solve

// Format names the JSON form of an Instance.
const Format = "partita.instance/1"

// Scenario is the rule by which stage times add up to the latency of a request.
type Scenario string

// The scenarios. With finish = 0 before the first stage, a stage ends at:
const (
	// Warm: finish + dispatch + run. Every environment is up.
	Warm Scenario = "warm"
	// ColdSequential: finish + dispatch + init + run. Each stage starts cold when its turn comes.
	ColdSequential Scenario = "cold-sequential"
	// ColdOverlapped: max(finish + dispatch, init) + run. All stages are woken when the request arrives.
	ColdOverlapped Scenario = "cold-overlapped"
)

// Instance is the numeric problem with every option written out; its JSON form is partita.instance/1.
type Instance struct {
	Format string `json:"format"`
	Terms
	Segments []Segment `json:"segments"`
}

// Terms are what holds for every plan of a problem.
type Terms struct {
	Scenario            Scenario `json:"scenario"`
	MinStages           int      `json:"minStages"`
	MaxStages           int      `json:"maxStages"`
	StartUs             int64    `json:"startUs"`                 // paid once per request, before the first stage
	DispatchUs          int64    `json:"dispatchUs"`              // paid before every stage
	GatewayPicoUSDPerMs int64    `json:"gatewayPicoUSDPerMs"`     // what drives the stages is billed while it does
	GatewayStepUs       int64    `json:"gatewayStepUs,omitempty"` // in whole multiples of this, itself one of a millisecond; 0: by the millisecond
	GatewayMinUs        int64    `json:"gatewayMinUs,omitempty"`  // and as no less than this
	Nodes               []Node   `json:"nodes"`                   // by rising cut; the first is the source, the last the sink
}

// Node is a cut with the transport that tensors crossing it take.
type Node struct {
	Cut       int    `json:"cut"`
	Transport string `json:"transport,omitempty"`
}

// Segment is a stage that may lie between nodes I and J (indices into Instance.Nodes), I before J.
type Segment struct {
	I       int      `json:"i"`
	J       int      `json:"j"`
	Options []Option `json:"options"`
}

// Option is one way to run a segment. In JSON it is the array [memoryMB, initUs, runUs, costPicoUSD]; entries after the
// fourth are allowed and ignored.
type Option struct {
	MemoryMB, InitUs, RunUs, CostPicoUSD int64
}

// Choice is one stage of a plan: indices into Instance.Segments and that segment's Options.
type Choice struct {
	Segment, Option int
}

// Point is a pair of the two objectives.
type Point struct {
	LatencyUs   int64 `json:"latencyUs"`
	CostPicoUSD int64 `json:"costPicoUSD"`
}

// ends gives the finish time after a stage begun when the previous one finished.
func (t *Terms) ends(finish int64, o *Option) int64 {
	begin := finish + t.DispatchUs
	switch t.Scenario {
	case ColdSequential:
		begin += o.InitUs
	case ColdOverlapped:
		begin = max(begin, o.InitUs)
	}
	return begin + o.RunUs
}

// total gives the objectives of a plan from its last stage's finish and the sum of its options' costs.
func (t *Terms) total(finish, cost int64) Point {
	latency := t.StartUs + finish
	return Point{latency, cost + t.GatewayMs(latency)*t.GatewayPicoUSDPerMs}
}

// gatewayStepUs is the step in which the gateway is billed.
func (t *Terms) gatewayStepUs() int64 { return max(t.GatewayStepUs, Millisecond) }

// GatewayMs gives the milliseconds that the gateway is billed for a request of some latency.
func (t *Terms) GatewayMs(latencyUs int64) int64 {
	step := t.gatewayStepUs()
	return (max(latencyUs, t.GatewayMinUs) + step - 1) / step * (step / Millisecond)
}
