package export

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"partita/planner/plan"
)

// drivenBy has a workflow drive a plan's stages.
func drivenBy(p *plan.Plan) *plan.Plan {
	p.Request.Orchestration = plan.StepFunctions
	p.Workflow = &plan.Workflow{EndUs: 20_000, BilledUs: 3_000_000, FeesPicoUSD: 1_000_000, CostPicoUSD: 4_126_000}
	return p
}

func driven(t testing.TB) *plan.Plan { return drivenBy(sample(t)) }

// The templates hold the state machine of the form asl, and so what the server would create.
func TestTemplatesHoldTheStateMachine(t *testing.T) {
	var want any
	if err := json.Unmarshal(mustExport(t, driven(t), "asl", Options{Name: "demo"}), &want); err != nil {
		t.Fatal(err)
	}
	for format, name := range map[string]string{"cloudformation": "StateMachineName", "sam": "Name"} {
		resources := parsed(t, format, mustExport(t, driven(t), format, Options{Name: "demo"}))["Resources"].(map[string]any)
		workflow := resources["Workflow"].(map[string]any)["Properties"].(map[string]any)
		text, err := json.Marshal(workflow["Definition"])
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) || workflow[name] != "partita-demo-workflow" || resources["WorkflowRole"] == nil {
			t.Errorf("%s: the workflow is another one", format)
		}
		if plain := parsed(t, format, mustExport(t, sample(t), format, Options{Name: "demo"})); plain["Resources"].(map[string]any)["Workflow"] != nil {
			t.Errorf("%s: a gateway's plan has a workflow", format)
		}
	}
	terraform := string(mustExport(t, driven(t), "terraform", Options{Name: "demo"}))
	_, definition, found := strings.Cut(terraform, "definition = <<-JSON\n")
	definition, _, ended := strings.Cut(definition, "\n  JSON\n")
	var got any
	if err := json.Unmarshal([]byte(definition), &got); err != nil || !found || !ended || !reflect.DeepEqual(got, want) {
		t.Errorf("terraform: %v", err)
	}
	iam := string(mustExport(t, driven(t), "iam", Options{Name: "demo"}))
	for _, action := range []string{"states:CreateStateMachine", "states:DeleteStateMachine", "states:StartSyncExecution", "states:ListStateMachines"} {
		if !strings.Contains(iam, action) || strings.Contains(string(mustExport(t, sample(t), "iam", Options{Name: "demo"})), action) {
			t.Errorf("%s is not in the policy, or in that of a gateway's plan", action)
		}
	}
}
