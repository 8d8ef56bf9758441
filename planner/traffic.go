package planner

import (
	"slices"

	"partita/planner/cost"
	"partita/planner/plan"
	"partita/planner/solve"
)

// traffic says what a rate means for a plan: how many requests are cold, and what each kind takes and costs.
func (p *Problem) traffic(document *plan.Plan) *plan.Traffic {
	if p.table.Arrivals == nil || len(document.Stages) == 0 {
		return nil
	}
	t := &plan.Traffic{MicroRequestsPerHour: p.request.MicroRequestsPH, IdleUs: p.request.idleUs(p.platform), ColdPpm: p.table.Arrivals.ColdPpm}
	t.ColdLatencyUs, t.ColdCostPicoUSD = p.pure(document, true)
	t.WarmLatencyUs, t.WarmCostPicoUSD = p.pure(document, false)
	return t
}

// coldScenario is how functions start in a cold request.
func (p *Problem) coldScenario() solve.Scenario {
	if p.table.Cold() {
		return p.table.Scenario
	}
	return solve.ColdSequential
}

// pureTable gives the law for requests that find everything cold, or warm, made once: a plan at another SLO needs it again at once.
func (p *Problem) pureTable(cold bool) *cost.Table {
	if known := p.pureTables[cold]; known != nil {
		return known
	}
	settings := p.table.Settings
	settings.Arrivals, settings.Scenario = &cost.Arrivals{}, solve.Warm
	switch {
	case cold:
		settings.Arrivals.ColdPpm, settings.Scenario = 1_000_000, p.coldScenario()
	case p.table.Scenario == solve.ColdOverlapped:
		settings.Scenario = solve.ColdOverlapped // the wakes of what is warm cost as well
	}
	table, err := cost.NewTable(p.model.graph, p.platform, settings)
	if err != nil {
		panic("planner: the settings of a plan no longer make sense: " + err.Error())
	}
	if p.pureTables == nil {
		p.pureTables = map[bool]*cost.Table{}
	}
	p.pureTables[cold] = table
	return table
}

// pure tells what a request takes and costs when it finds everything cold, or warm.
func (p *Problem) pure(document *plan.Plan, cold bool) (latencyUs, picoUSD int64) {
	table := p.pureTable(cold)
	finish := int64(0)
	for k := range document.Stages {
		s := &document.Stages[k]
		i, j := p.nodeOf(s.FirstLayer-1, s.TransportIn), p.nodeOf(s.LastLayer, s.TransportOut)
		account := table.StageAs(p.variantOf(s), i, j, s.MemoryMB)
		o := account.Option()
		picoUSD += o.CostPicoUSD
		begin := finish + p.platform.DispatchUs
		if cold {
			if begin += o.InitUs; p.coldScenario() == solve.ColdOverlapped {
				begin = max(finish+p.platform.DispatchUs, o.InitUs)
			}
		}
		finish = begin + o.RunUs
	}
	latencyUs = table.StartUsWhen(cold) + finish
	return latencyUs, picoUSD + (latencyUs+999)/1000*table.GatewayPicoUSDPerMs()
}

// nodeOf finds the node of a cut with a transport.
func (p *Problem) nodeOf(cut int, transport string) int {
	last := len(p.numbers.Nodes) - 1
	for i, n := range p.numbers.Nodes {
		if n.Cut == cut && (n.Transport == transport || i == 0 || i == last) {
			return i
		}
	}
	panic("planner: a stage of the plan ends at no node")
}

// variantOf finds the variant of a stage of a plan for this problem.
func (p *Problem) variantOf(s *plan.Stage) int {
	k := slices.IndexFunc(p.table.Variants, func(v cost.Variant) bool { return v.Packaging == s.Packaging && stored(v) == s.Precision })
	if k < 0 {
		panic("planner: a stage of the plan is of no variant")
	}
	return k
}
