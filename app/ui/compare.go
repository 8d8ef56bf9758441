package ui

import (
	"context"
	"slices"
	"strconv"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/plan"
	"partita/planner/report"
)

// keeper is the button that keeps the plan on the screen to hold others against.
func (p *Page) keeper() app.UI {
	text := "Keep to compare"
	if p.keptPlan() != nil {
		text = "Keep this instead"
	}
	return app.Button().Type("button").ID("keep").Text(text).Disabled(p.session.Answer.Plan.Status == plan.Infeasible).OnClick(func(app.Context, app.Event) {
		p.session.Keep()
		p.keep()
		p.notice = "This plan is kept. Change anything, and see both side by side."
	})
}

// keptPlan gives the plan that is kept; nil: none is, or it is not made anew yet.
func (p *Page) keptPlan() *plan.Plan {
	if p.session == nil || p.session.Kept == nil || p.session.Kept.Answer == nil {
		return nil
	}
	return p.session.Kept.Answer.Plan
}

// answerKept plans what was kept before the page was loaded anew.
func (p *Page) answerKept() {
	kept := p.session.Kept
	if kept == nil || kept.Answer != nil {
		return
	}
	view := *kept
	p.ctx.Async(func() {
		var err error
		if view.Model, err = p.host.Open(context.Background(), view.Opening, nil); err == nil {
			view.Answer, err = p.host.Plan(context.Background(), view.Opening, view.Request)
		}
		p.dispatch(func() {
			switch {
			case p.session == nil || p.session.Kept != kept: // dropped meanwhile
			case err != nil:
				p.session.Kept = nil
				p.notice = "The plan that was kept to compare cannot be shown: " + explained(err)
			default:
				view.Request = view.Answer.Request
				view = view.Answered(view.Answer)
				p.session.Kept = &view
			}
		})
	})
}

// compared is a row of the comparison: what it is about, and what it is before and now.
type compared struct{ what, kept, now, difference string }

// comparison holds the plan on the screen against the one kept: every figure, what was asked differently, and function by function.
func (p *Page) comparison() app.UI {
	kept := p.session.Kept
	if kept == nil || kept.Answer == nil {
		return app.Div()
	}
	diff, err := report.NewDiff(kept.Answer.Plan, p.session.Answer.Plan)
	if err != nil {
		panic("ui: two plans cannot be compared: " + err.Error())
	}
	same := len(diff.Request)+len(diff.Basis)+len(diff.Batching)+len(diff.Stages)+len(diff.Gateway)+len(diff.Workflow) == 0
	return app.Section().Class("card").ID("compare").Body(
		app.H2().Text("Compared with the plan kept"),
		app.P().ID("compare-sentence").Class("lead").Text(keptWords(kept.Answer.Plan, p.session.Answer.Plan, same)),
		app.Div().Class("actions").Body(
			app.Button().Type("button").ID("swap").Class("small").Text("Swap").Title("Go back to the plan kept, and keep this one").Disabled(same).OnClick(func(app.Context, app.Event) {
				p.abandon()
				p.session.Exchange()
				p.keep()
				p.problem, p.notice = "", ""
				p.settled()
			}),
			app.Button().Type("button").ID("drop").Class("small").Text("Drop the plan kept").OnClick(func(app.Context, app.Event) {
				p.session.Kept = nil
				p.keep()
			}),
		),
		app.If(!same, func() app.UI {
			return scrolled("Comparison").Body(app.Table().ID("compared").Body(
				app.THead().Body(app.Tr().Body(
					app.Td(), app.Th().Text("kept"), app.Th().Text("this plan"), app.Th().Text("difference"),
				)),
				comparedBody("Figures", figures(kept.Answer, p.session.Answer)),
				comparedBody("Asked", changedFields(diff.Request, nil)),
				comparedBody("Rests on", changedFields(diff.Basis, nil)),
				comparedBody("Inputs", changedFields(diff.Batching, nil)),
				app.Range(diff.Stages).Slice(func(i int) app.UI { return stageBody(&diff.Stages[i]) }),
				comparedBody("Gateway", changedFields(diff.Gateway, nil)),
				comparedBody("Workflow", changedFields(diff.Workflow, nil)),
			))
		}),
	)
}

// againstKept says how the plan on the screen differs from the one kept; "" when none is.
func (p *Page) againstKept() string {
	kept := p.keptPlan()
	if kept == nil || kept == p.session.Answer.Plan {
		return ""
	}
	return keptWords(kept, p.session.Answer.Plan, false)
}

// keptWords says in a sentence how the plan differs from the one kept.
func keptWords(kept, now *plan.Plan, same bool) string {
	switch {
	case same:
		return "This is the plan kept. Change anything to see the difference."
	case now.Status == plan.Infeasible:
		return "What is asked now has no plan."
	case kept.Status == plan.Infeasible:
		return "The plan kept was none."
	}
	return capital(report.Versus(now.CostPicoUSD, now.LatencyUs, kept.CostPicoUSD, kept.LatencyUs, "the plan kept")) + "."
}

// comparedBody is a part of the table with a heading; nothing where nothing differs.
func comparedBody(title string, rows []compared) app.UI {
	return app.TBody().Body(
		app.If(len(rows) > 0, func() app.UI {
			return app.Tr().Class("heading").Body(app.Th().ColSpan(4).Class("words").Scope("rowgroup").Text(title))
		}),
		app.Range(rows).Slice(func(i int) app.UI {
			r := rows[i]
			return app.Tr().Body(app.Td().Class("words").Text(r.what), app.Td().Text(r.kept), app.Td().Text(r.now), app.Td().Text(r.difference))
		}),
	)
}

// figures compares what plans come to.
func figures(kept, now *state.Answer) []compared {
	if kept.Plan.Status == plan.Infeasible || now.Plan.Status == plan.Infeasible {
		return nil
	}
	row := func(what string, before, after int64, print func(int64) string) compared {
		r := compared{what, print(before), print(after), ""}
		if before != after {
			if r.difference = "+" + print(after-before); after < before {
				r.difference = "-" + print(before-after)
			}
			if report.Percent(before, after) != "" {
				r.difference += " (" + report.Percent(before, after) + ")"
			}
		}
		return r
	}
	count := func(n int64) string { return report.Grouped(n) }
	sum := func(a *state.Answer, of func(s *plan.Stage) int64) (total int64) {
		for i := range a.Plan.Stages {
			total += of(&a.Plan.Stages[i])
		}
		return total
	}
	memory, weights := func(s *plan.Stage) int64 { return s.MemoryMB }, func(s *plan.Stage) int64 { return s.WeightBytes }
	return []compared{
		row("$ per 100,000 requests", kept.Plan.CostPicoUSD, now.Plan.CostPicoUSD, report.Price),
		row("latency", kept.Plan.LatencyUs, now.Plan.LatencyUs, report.Duration),
		row("latency, all cold", kept.Cold.LatencyUs, now.Cold.LatencyUs, report.Duration),
		row("latency, all warm", kept.Warm.LatencyUs, now.Warm.LatencyUs, report.Duration),
		row("$ per 100,000, all cold", kept.Cold.CostPicoUSD, now.Cold.CostPicoUSD, report.Price),
		row("$ per 100,000, all warm", kept.Warm.CostPicoUSD, now.Warm.CostPicoUSD, report.Price),
		row("functions", int64(len(kept.Plan.Stages)), int64(len(now.Plan.Stages)), count),
		row("memory of all functions", sum(kept, memory), sum(now, memory), report.Memory),
		row("weights as they are stored", sum(kept, weights), sum(now, weights), report.Bytes),
	}
}

// stageFields are the fields of a function that are compared, in this order; the others follow from them.
var stageFields = []string{"layers", "branch", "memoryMB", "weightBytes", "precision", "packaging", "inputBytes", "transportIn", "initUs", "computeUs", "billedUs", "costPicoUSD"}

// stageBody compares one function.
func stageBody(s *report.StageChange) app.UI {
	title := "Function " + strconv.Itoa(s.Index)
	switch s.Kind {
	case "added":
		title += ", only in this plan"
	case "removed":
		title += ", only in the plan kept"
	}
	return comparedBody(title, changedFields(s.Changes, stageFields))
}

// changedFields gives the changes of some fields in their order; of nil, of all.
func changedFields(changes []report.Change, only []string) []compared {
	var rows []compared
	add := func(c *report.Change) {
		before, after := c.Texts()
		rows = append(rows, compared{report.FieldName(c.Field), before, after, c.Percent()})
	}
	if only == nil {
		for i := range changes {
			add(&changes[i])
		}
		return rows
	}
	for _, field := range only {
		if i := slices.IndexFunc(changes, func(c report.Change) bool { return c.Field == field }); i >= 0 {
			add(&changes[i])
		}
	}
	return rows
}
