package export

import (
	"fmt"
	"strings"

	"partita/planner/cost"
	"partita/planner/report"
)

// The state machine speaks the events of the runtime's wire format ("partita.event/1" in, "partita.reply/1" out). The
// formats are written here as text: the planner knows nothing of the runtime.
const eventFormat = "partita.event/1"

// A state's input and output have at most 262,144 bytes (Step Functions quotas page, 2026). Beside the tensors' text they hold what
// the service adds to an invocation's answer, and a line for every step so far, of which a stage has two where it is woken.
const (
	stateBytes = 262_144
	stateRest  = 2_048
	stepBytes  = 450
)

// tensorBytes is what the tensors of a state may take as text.
func (d *deployment) tensorBytes() int64 {
	return max(stateBytes-stateRest-stepBytes*int64(2*len(d.stages)+1), stateBytes/4)
}

// tensorTextBytes is more than a tensor's name, type and shape take.
const tensorTextBytes = 1024

// An express workflow may run for 300 s (Step Functions quotas page, 2026). Nothing is written for a request after it has run so long,
// and no state waits longer for a function: what is left is for cleaning up.
const (
	lastWriteMs = 280_000
	longestWait = 285 // seconds
)

// initSeconds is what a state waits for a function beyond the function's own timeout: its start is not part of that (AWS Lambda quotas:
// 10 s), and a function that no state waits for any more might write what nobody removes.
const initSeconds = 15

// handOver chooses how a stage hands its tensors on in a state machine: as the plan says, but through S3 when they do
// not fit into a state.
func (d *deployment) handOver(i int) string {
	s := d.stages[i].stage
	if d.driven() { // the plan knows what states hold
		return s.TransportOut
	}
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
	if s.TransportOut != cost.Inline || (bytes+2)/3*4+tensorTextBytes > d.tensorBytes() {
		return cost.S3
	}
	return cost.Inline
}

// retryable are the failures of an invocation that may pass (Step Functions developer guide, Lambda service exceptions), and
// crashed those of a function's environment, which is tried once more. A stage that runs again writes the same objects.
var (
	retryable = texts([]string{"Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.TooManyRequestsException"})
	crashed   = texts([]string{"Runtime.ExitError", "Runtime.OutOfMemory"})
)

// Names of the states around the stages.
const (
	prepareState = "Prepare"
	answerState  = "Answer"
	cleanUpState = "Clean up"
	failedState  = "Failed"
)

// stateMachine writes the Amazon States Language, with JSONata as its query language.
func stateMachine(d *deployment) ([]byte, error) {
	return asJSON(d.machine()), nil
}

func (d *deployment) machine() object {
	steps := len(d.plan.Waves()) - 1
	first := d.stepState(0)
	var chain object
	if d.wake && steps > 1 {
		first, chain = d.overlapped(steps-1, m("Next", answerState), toCleanUp())
	} else {
		for k := range steps {
			then := m("Next", answerState)
			if k+1 < steps {
				then = m("Next", d.stepState(k+1))
			}
			chain = append(chain, d.step(k, then, cleanUpState)...)
		}
	}
	states := object{m(prepareState, d.prepareState(first))}
	states = append(states, chain...)
	states = append(states, m(answerState, d.answerState()), m(cleanUpState, d.cleanUpState()), m(failedState, failState()))
	return object{
		m("Comment", d.machineComment()), m("QueryLanguage", "JSONata"), m("StartAt", prepareState), m("States", states),
	}
}

// stepState names the state of a step: that of its one stage, or one with a branch for each of those that run side by side.
func (d *deployment) stepState(k int) string {
	waves := d.plan.Waves()
	if first, end := waves[k], waves[k+1]; end-first > 1 {
		return fmt.Sprintf("Stages %d to %d", first+1, end)
	}
	return stageState(waves[k])
}

// step gives the states of a step, which lead on as then says, and to the state failed when something fails.
func (d *deployment) step(k int, then member, failed string) object {
	waves := d.plan.Waves()
	first, end := waves[k], waves[k+1]
	if end-first == 1 {
		return object{m(stageState(first), d.runState(first, then, d.failing(&d.stages[first], failed)))}
	}
	var branches list
	for i := first; i < end; i++ {
		own := stageState(i) + " failed"
		branches = append(branches, object{m("StartAt", stageState(i)), m("States", object{m(stageState(i), d.besideState(i, own)),
			m(own, object{m("Type", "Pass"), m("Output", object{m("failed", "{% $states.input %}")}), m("End", true)})})})
	}
	tensors := "{% " + d.joined(first) + " %}"
	if k+2 == len(waves) {
		tensors = "{% [$states.result.tensors] %}"
	}
	// Where one fails the others are waited for: what they write can be removed only then.
	name := d.stepState(k)
	judged := "After " + strings.ToLower(name[:1]) + name[1:]
	var done object
	if then.key == "End" {
		then = m("Next", name+" done")
		done = object{m(name+" done", object{m("Type", "Succeed")})}
	}
	return append(object{
		m(name, object{m("Type", "Parallel"), m("Branches", branches),
			m("Output", object{m("tensors", tensors), m("steps", "{% [$append($states.input.steps, $states.result.step)] %}"), m("failed", "{% [$states.result.failed] %}")}),
			m("Catch", list{object{m("ErrorEquals", list{"States.ALL"}), m("Output", failure()), m("Next", failed)}}), m("Next", judged)}),
		m(judged, object{m("Type", "Choice"),
			m("Choices", list{object{m("Condition", "{% $count($states.input.failed) > 0 %}"), m("Output", "{% $states.input.failed[0] %}"), m("Next", failed)}}),
			m("Default", then.value)}),
	}, done...)
}

// overlapped wakes the stages after the first step while those before them run: for each step a state with a branch for the steps up
// to the one before and one for each wake, inside that of the next. So a step waits for its own start alone. It gives the states up to
// step k and which begins; failing is what a state of several branches does that fails, nil inside of others, where it fails them too.
func (d *deployment) overlapped(k int, then member, failing list) (start string, states object) {
	name, failed := d.stepState(k), cleanUpState
	if failing == nil {
		failed = name + " failed"
		states = object{m(failed, failState())}
	}
	states = append(d.step(k, then, failed), states...)
	if k == 0 {
		return name, states
	}
	before, chain := d.overlapped(k-1, m("End", true), nil)
	branches := list{object{m("StartAt", before), m("States", chain)}}
	waves := d.plan.Waves()
	for i := waves[k]; i < waves[k+1]; i++ {
		wake := fmt.Sprintf("Wake stage %d", i+1)
		branches = append(branches, object{m("StartAt", wake), m("States", object{m(wake, d.wakeState(i, wake+" failed")), m(wake+" failed", notWoken())})})
	}
	parallel := object{m("Type", "Parallel"), m("Branches", branches),
		m("Output", object{m("tensors", "{% [$states.result[0].tensors] %}"), m("steps", "{% [$append($states.result[0].steps, $states.result.step)] %}")})}
	if failing != nil {
		parallel = append(parallel, m("Catch", failing))
	}
	start = "Until " + strings.ToLower(name[:1]) + name[1:]
	return start, append(object{m(start, append(parallel, m("Next", name)))}, states...)
}

func stageState(i int) string { return fmt.Sprintf("Stage %d", i+1) }

// execution names the request, and folder is an expression for a folder of its objects.
const execution = "{% $states.context.Execution.Name %}"

func (d *deployment) folder(below string) string {
	return "{% '" + d.runs() + "' & $states.context.Execution.Name & '/" + below + "' %}"
}

// traced is an expression for what a state did, for the trace. result is where its function's answer is.
func traced(kind string, stage int, objects bool) string {
	text := fmt.Sprintf("{'kind': '%s', 'stage': %d, 'enteredMs': $toMillis($states.context.State.EnteredTime), 'leftMs': $millis(), 'retries': $states.context.State.RetryCount, "+
		"'cold': $states.result.Payload.cold, 'times': $states.result.Payload.times", kind, stage)
	if objects {
		text += ", 'objects': [$states.result.Payload.tensors.object]"
	}
	return text + "}"
}

// startedMs is an expression for when the execution began, in Unix milliseconds.
const startedMs = "$toMillis($states.context.Execution.StartTime)"

// untilMs is an expression for when nothing is written any more for the request.
var untilMs = fmt.Sprintf("%s + %d", startedMs, lastWriteMs)

// patience is how many seconds a state waits for a function: until it has ended, or writes nothing any more.
func patience(f *function) int64 { return min(f.timeoutSeconds+initSeconds, longestWait) }

// invoke is a state that invokes a function.
func invoke(f *function, comment string, payload any, retry list, rest ...member) object {
	state := object{m("Type", "Task")}
	if comment != "" {
		state = append(state, m("Comment", comment))
	}
	state = append(state, m("Resource", "arn:aws:states:::lambda:invoke"),
		m("Arguments", object{m("FunctionName", f.name), m("Payload", payload)}),
		m("TimeoutSeconds", patience(f)), m("Retry", retry))
	return append(state, rest...)
}

// prepareState has the gateway's function make the first stage's tensors of the execution's input.
func (d *deployment) prepareState(next string) object {
	payload := fmt.Sprintf("{%% $merge([$states.input, {'kind': 'prepare', 'request': $states.context.Execution.Name, "+
		"'keyPrefix': '%s' & $states.context.Execution.Name & '/', 'tensorBytes': %d, 'untilMs': %s}]) %%}", d.runs(), d.tensorBytes(), untilMs)
	return invoke(&d.gateway, "The gateway's function decodes and preprocesses the input.", payload, again(),
		m("Assign", object{m("top", "{% $states.result.Payload.top %}")}),
		m("Output", object{m("tensors", "{% [$states.result.Payload.tensors] %}"), m("steps", "{% ["+traced("prepare", 0, true)+"] %}")}),
		m("Catch", d.failing(&d.gateway, cleanUpState)), m("Next", next))
}

// runState runs a stage on the tensors of its input.
func (d *deployment) runState(i int, then member, failing list) object {
	f := &d.stages[i]
	return invoke(f, aside(f.stage.Layers), d.runEvent(i), again(),
		m("Output", object{m("tensors", "{% [$states.result.Payload.tensors] %}"), m("steps", "{% [$append($states.input.steps, "+traced("run", i, true)+")] %}")}),
		m("Catch", failing), then)
}

func (d *deployment) runEvent(i int) object {
	return object{
		m("format", eventFormat), m("kind", "run"), m("request", execution), m("transportOut", d.handOver(i)), m("bucket", d.bucket),
		m("keyPrefix", d.folder(fmt.Sprintf("p0/s%d/", i))), m("tensorBytes", d.tensorBytes()), m("untilMs", "{% "+untilMs+" %}"), m("tensors", "{% ["+d.given(i)+"] %}")}
}

// besideState runs a stage beside others, each on the tensors that it takes.
func (d *deployment) besideState(i int, failed string) object {
	f := &d.stages[i]
	return invoke(f, aside(f.stage.Layers), d.runEvent(i), again(),
		m("Output", object{m("tensors", "{% [$states.result.Payload.tensors] %}"), m("step", "{% "+traced("run", i, true)+" %}")}),
		m("Catch", d.failing(f, failed)), m("End", true))
}

// wakeState starts a stage, which loads its weights. What a wake fails of, the stage's own run tells: were it to fail the execution, that
// would be cleaned up while a stage before runs, which then writes what nobody removes.
func (d *deployment) wakeState(i int, failed string) object {
	f := &d.stages[i]
	return invoke(f, "", object{m("format", eventFormat), m("kind", "wake"), m("request", execution)}, list{busy()},
		m("Output", object{m("step", "{% "+traced("wake", i, false)+" %}")}), m("Catch", list{object{m("ErrorEquals", list{"States.ALL"}), m("Next", failed)}}), m("End", true))
}

// answerState has the gateway's function make the answer: the outputs, a ranking of classes and the trace.
func (d *deployment) answerState() object {
	return invoke(&d.gateway, "The gateway's function ranks the classes, and accounts for the stages.", object{
		m("format", eventFormat), m("kind", "answer"), m("request", execution), m("keyPrefix", d.folder("")), m("tensorBytes", d.tensorBytes()),
		m("untilMs", "{% "+untilMs+" %}"), m("startedMs", "{% "+startedMs+" %}"), m("top", "{% $top %}"),
		m("tensors", "{% [$states.input.tensors] %}"), m("steps", "{% [$states.input.steps] %}")}, again(),
		m("Output", "{% $states.result.Payload %}"), m("Catch", d.failing(&d.gateway, cleanUpState)), m("End", true))
}

// cleanUpState removes what a failed execution has written.
func (d *deployment) cleanUpState() object {
	return invoke(&d.gateway, "What a failed request has written is removed.", object{
		m("format", eventFormat), m("kind", "abandon"), m("request", execution), m("keyPrefix", d.folder(""))}, again(),
		m("Output", "{% $states.input %}"), m("Catch", list{object{m("ErrorEquals", list{"States.ALL"}), m("Output", "{% $states.input %}"), m("Next", failedState)}}), m("Next", failedState))
}

// failing leads from a state that invokes a function to another: the cause begins with the function's name, which a failure does not
// tell otherwise.
func (d *deployment) failing(f *function, next string) list {
	return list{object{m("ErrorEquals", list{"States.ALL"}),
		m("Output", object{m("Error", "{% $states.errorOutput.Error %}"), m("Cause", "{% '"+f.name+" ' & $states.errorOutput.Cause %}")}), m("Next", next)}}
}

// failure is what a state of several branches has to say of the one that failed.
func failure() object {
	return object{m("Error", "{% $states.errorOutput.Error %}"), m("Cause", "{% '' & $states.errorOutput.Cause %}")}
}

func toCleanUp() list {
	return list{object{m("ErrorEquals", list{"States.ALL"}), m("Output", failure()), m("Next", cleanUpState)}}
}

func failState() object {
	return object{m("Type", "Fail"), m("Error", "{% $states.input.Error %}"), m("Cause", "{% $states.input.Cause %}")}
}

// notWoken is where a wake that failed ends.
func notWoken() object {
	return object{m("Type", "Pass"), m("Comment", "The stage's own run tells why."), m("Output", object{}), m("End", true)}
}

// again tries an invocation again, and busy only where the service could not take it.
func again() list {
	return list{busy(), object{m("ErrorEquals", crashed), m("IntervalSeconds", int64(1)), m("MaxAttempts", int64(1))}}
}

func busy() object {
	return object{m("ErrorEquals", retryable), m("IntervalSeconds", int64(1)), m("MaxAttempts", int64(3)), m("BackoffRate", int64(2)), m("JitterStrategy", "FULL")}
}

// aside makes text from a model fit for a comment of a definition, in which templates may replace ${...}.
func aside(text string) string { return strings.ReplaceAll(oneLine(text), "${", "$ {") }

// machineComment says what the state machine does, and what it cannot do that the gateway does.
func (d *deployment) machineComment() string {
	comment := fmt.Sprintf("%s in %s (plan %s). Create it as an express workflow and start it synchronously. ", aside(d.plan.Model.Name), report.Count(len(d.stages), "stage"), d.plan.Hash) +
		"Its input is what the gateway takes, an event of " + eventFormat + " with the inputs; its output is the gateway's answer. " +
		fmt.Sprintf("One execution is one pass of at most %d inputs; it does not divide a batch. ", d.plan.Sending().Inputs) +
		"States hold at most 262,144 bytes, so larger inputs come as objects under " + d.runs() + ", and larger tensors go through S3. "
	if d.plan.Workflow == nil {
		comment += "The plan's latency and cost are those of the gateway; plan with orchestration step-functions for those of a workflow. "
	}
	return comment + "What a request writes is removed, but for outputs that are too large for an answer, and what an execution leaves that the service ends after 300 s: let objects under " + d.runs() + " expire after a day."
}
