package export

import (
	"fmt"
	"slices"

	"partita/planner/cost"
	"partita/planner/report"
)

// The state machine speaks the events of the runtime's wire format ("partita.event/1" in, "partita.reply/1" out). The
// formats are written here as text: the planner knows nothing of the runtime.
const eventFormat = "partita.event/1"

// A state's input and output have at most 262,144 bytes (Step Functions quotas page, 2026). What the invocation's result
// holds beside the tensors' text is far below the rest.
const (
	stateBytes = 262_144
	stateRest  = 16_384
)

// maxExpressUs is how long an express workflow may run (Step Functions quotas page, 2026).
const maxExpressUs = 300_000_000

// handOver chooses how a stage hands its tensors on in a state machine: as the plan says, but through S3 when they do
// not fit into a state.
func (d *deployment) handOver(i int) string {
	s := d.stages[i].stage
	bytes := s.OutputBytes
	if s.Branch > 0 { // the state holds what all of them hand on, beside what they are given
		first := i - (s.Branch - 1)
		bytes = 0
		if first > 0 && d.handOver(first-1) == cost.Inline {
			bytes = d.stages[first-1].stage.OutputBytes
		}
		for k := first; k < len(d.stages) && (k == first || d.stages[k].stage.Branch > 1); k++ {
			if bytes += d.stages[k].stage.OutputBytes; first == 0 {
				bytes += d.stages[k].stage.InputBytes
			}
		}
	}
	if s.TransportOut != cost.Inline || (bytes+2)/3*4+stateRest > stateBytes {
		return cost.S3
	}
	return cost.Inline
}

// machineDeletes tells whether the state machine has objects to remove: those of all hops but the last, whose are the
// answer.
func (d *deployment) machineDeletes() bool {
	for i := range d.stages[:len(d.stages)-1] {
		if d.handOver(i) == cost.S3 && !d.endsWith(i) {
			return true
		}
	}
	return false
}

// endsWith tells whether a stage is of the last step, whose tensors are the answer.
func (d *deployment) endsWith(i int) bool {
	steps := d.plan.Waves()
	return i >= steps[len(steps)-2]
}

// retryable are the failures of an invocation that may pass (Step Functions developer guide, Lambda service exceptions).
// A stage that runs again writes the same objects.
var retryable = texts([]string{"Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.TooManyRequestsException"})

// stateMachine writes the Amazon States Language, with JSONata as its query language.
func stateMachine(d *deployment) ([]byte, error) {
	steps := d.plan.Waves()
	deletes := d.machineDeletes()
	overlap := d.wake && steps[1] < len(d.stages)
	end := func(then string) []member {
		if then == "" {
			return []member{m("End", true)}
		}
		return []member{m("Next", then)}
	}
	stepState := func(k int) string {
		if first, end := steps[k], steps[k+1]; end-first > 1 {
			return fmt.Sprintf("Stages %d to %d", first+1, end)
		}
		return stageState(steps[k])
	}
	after := func(k int) string { // the state after a step
		switch {
		case k+2 < len(steps):
			return stepState(k + 1)
		case deletes:
			return "Objects to remove?"
		}
		return ""
	}

	assign := object{m("prefix", "{% '"+d.runs()+"' & $states.context.Execution.Name & '/' %}")}
	if deletes {
		assign = append(assign, m("objects", list{}))
	}
	first := stepState(0)
	if overlap {
		first = "Start all stages"
	}
	states := object{m("Name the request", object{m("Type", "Pass"), m("Assign", assign), m("Next", first)})}
	keep := func(from string, k int) []member { // remembers the objects that a step has written
		if !deletes || k+2 == len(steps) || !slices.ContainsFunc(d.stages[steps[k]:steps[k+1]], func(f function) bool { return d.handOver(f.stage.Index-1) == cost.S3 }) {
			return nil
		}
		return []member{m("Assign", object{m("objects", "{% [$append($objects, "+from+".tensors.object)] %}")})}
	}
	for k := range steps[:len(steps)-1] {
		begin, until := steps[k], steps[k+1]
		if until-begin == 1 && (k > 0 || !overlap) {
			state := append(d.runState(begin), keep("$states.result.Payload", k)...)
			states = append(states, m(stepState(k), append(state, end(after(k))...)))
			continue
		}
		var branches list
		alone := func(name string, state object) {
			branches = append(branches, object{m("StartAt", name), m("States", object{m(name, append(state, m("End", true)))})})
		}
		for i := begin; i < until; i++ {
			alone(stageState(i), d.runState(i))
		}
		parallel := object{m("Type", "Parallel")}
		name, answers := stepState(k), "$states.result"
		if k == 0 && overlap {
			for w := until; w < len(d.stages); w++ {
				alone(fmt.Sprintf("Wake stage %d", w+1), d.wakeState(w))
			}
			name, answers = first, fmt.Sprintf("$states.result[[0..%d]]", until-1)
			parallel = append(parallel, m("Comment", "The second stage runs when the first has answered and all are awake; the gateway waits only for the stage that it needs next."))
		}
		parallel = append(parallel, m("Branches", branches))
		switch {
		case until-begin == 1:
			answers = "$states.result[0]"
			parallel = append(parallel, m("Output", "{% $states.result[0] %}"))
		case k+2 == len(steps):
			parallel = append(parallel, m("Output", object{m("tensors", "{% ["+answers+".tensors] %}")}))
		default: // what no branch takes is for later stages; each finds its own by name
			parallel = append(parallel, m("Output", object{m("tensors", "{% [$append($states.input.tensors, "+answers+".tensors)] %}")}))
		}
		parallel = append(parallel, keep(answers, k)...)
		states = append(states, m(name, append(parallel, end(after(k))...)))
	}
	if deletes {
		states = append(states,
			m("Objects to remove?", object{m("Type", "Choice"), m("Choices", list{object{m("Condition", "{% $count($objects) > 0 %}"), m("Next", "Remove objects")}}), m("Default", "Answer")}),
			m("Remove objects", object{m("Type", "Task"), m("Resource", "arn:aws:states:::aws-sdk:s3:deleteObjects"),
				m("Arguments", object{m("Bucket", d.bucket), m("Delete", object{m("Quiet", true), m("Objects", "{% [$objects.{'Key': key}] %}")})}),
				m("Output", "{% $states.input %}"),
				m("Catch", list{object{m("ErrorEquals", list{"States.ALL"}), m("Output", "{% $states.input %}"), m("Next", "Answer")}}),
				m("Next", "Answer")}),
			m("Answer", object{m("Type", "Succeed")}))
	}
	return asJSON(object{
		m("Comment", d.machineComment(overlap, deletes)),
		m("QueryLanguage", "JSONata"), m("StartAt", "Name the request"), m("States", states),
	}), nil
}

func stageState(i int) string { return fmt.Sprintf("Stage %d", i+1) }

// runState runs a stage on the tensors of its input.
func (d *deployment) runState(i int) object {
	f := &d.stages[i]
	return object{
		m("Type", "Task"), m("Comment", oneLine(f.stage.Layers)), m("Resource", "arn:aws:states:::lambda:invoke"),
		m("Arguments", object{m("FunctionName", f.name), m("Payload", object{
			m("format", eventFormat), m("kind", "run"), m("request", "{% $states.context.Execution.Name %}"), m("transportOut", d.handOver(i)), m("bucket", d.bucket),
			m("keyPrefix", fmt.Sprintf("{%% $prefix & 'p0/s%d/' %%}", i)), m("tensors", "{% [$states.input.tensors] %}")})}),
		m("TimeoutSeconds", f.timeoutSeconds), m("Retry", retry()),
		m("Output", object{m("tensors", "{% [$states.result.Payload.tensors] %}")}),
	}
}

// wakeState starts a stage, which loads its weights, and gives nothing.
func (d *deployment) wakeState(i int) object {
	f := &d.stages[i]
	return object{
		m("Type", "Task"), m("Resource", "arn:aws:states:::lambda:invoke"),
		m("Arguments", object{m("FunctionName", f.name), m("Payload", object{
			m("format", eventFormat), m("kind", "wake"), m("request", "{% $states.context.Execution.Name %}"), m("transportOut", cost.Inline), m("bucket", d.bucket),
			m("keyPrefix", fmt.Sprintf("{%% $prefix & 'p0/s%d/' %%}", i))})}),
		m("TimeoutSeconds", f.timeoutSeconds), m("Retry", retry()), m("Output", object{}),
	}
}

func retry() list {
	return list{object{m("ErrorEquals", retryable), m("IntervalSeconds", int64(1)), m("MaxAttempts", int64(3)), m("BackoffRate", int64(2)), m("JitterStrategy", "FULL")}}
}

// machineComment says what the state machine does, and what it cannot do that the gateway does.
func (d *deployment) machineComment(overlap, deletes bool) string {
	kind := "an express workflow"
	if d.plan.LatencyUs > maxExpressUs {
		kind = "a standard workflow"
	}
	comment := fmt.Sprintf("%s in %s (plan %s). Create it as %s. ", oneLine(d.plan.Model.Name), report.Count(len(d.stages), "stage"), d.plan.Hash, kind) +
		`Its input is {"tensors":[{"name","dtype","shape","data" or "object"}]} as the first stage takes them: it decodes and preprocesses nothing. ` +
		"Its answer is the last stage's tensors: it ranks no classes, and reports neither times nor costs. " +
		fmt.Sprintf("One execution is one pass of at most %d inputs; it does not split batches. ", max(d.plan.Request.Batch, 1)) +
		"States hold at most 262,144 bytes, so larger tensors go through S3 where the plan may say inline. " +
		"The plan's latency and cost are those of the gateway; Step Functions has its own fees and delays. "
	if overlap {
		comment += "All stages are woken at the start. "
	}
	if deletes {
		comment += "It removes what stages hand over, but not after a failure. "
	}
	return comment + "Inputs and answers in S3 are the caller's to remove; let objects under " + d.runs() + " expire after a day."
}
