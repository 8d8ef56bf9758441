package platform

import (
	"strings"
	"testing"

	"partita/planner/diag"
)

func TestOrchestration(t *testing.T) {
	for _, on := range []string{"aws-lambda-x86_64", "aws-lambda-arm64", "local"} {
		o, err := Orchestration(StepFunctions, on)
		if err != nil {
			t.Fatal(err)
		}
		// 1.00 USD per million requests, 0.060012 USD per GB-hour in steps of 64 MB and 100 ms.
		if o.RequestPicoUSD != 1_000_000 || o.PicoUSDPerMs() != 1042 || o.GranularityUs != 100_000 || o.PayloadLimitBytes != 262_144 || o.TimeoutUs != 300_000_000 {
			t.Errorf("%s: %+v", on, o)
		}
		if len(o.Figures) != len(orchestratorFields) {
			t.Errorf("%s: %d figures", on, len(o.Figures))
		}
		for _, f := range o.Figures {
			if f.Source == "" {
				t.Errorf("%s: %s has no source", on, f.Name)
			}
		}
	}
	for name, c := range map[string][2]string{"platform.no-orchestrator": {StepFunctions, "gcp-cloud-run"}, "platform.unknown-orchestrator": {"airflow", "local"}} {
		if _, err := Orchestration(c[0], c[1]); diag.CodeOf(err) != name {
			t.Errorf("%v: %v", c, err)
		}
	}
	if !strings.HasPrefix(OrchestrationHash(), "sha256:") {
		t.Error(OrchestrationHash())
	}
}

func TestBrokenOrchestrations(t *testing.T) {
	good := string(orchestrationJSON)
	for _, c := range [][2]string{
		{`"value": "100", "unit": "ms"`, `"value": "100", "unit": "s"`}, {`"value": "100"`, `"value": "0.5"`}, {`"price.request"`, `"price.requests"`},
		{`"value": "64"`, `"value": "0"`}, {`"source": "SFNQ"`, `"source": "X"`}, {`"USD"`, `"EUR"`}, {`{`, `[`},
	} {
		if _, err := parseOrchestrations([]byte(strings.Replace(good, c[0], c[1], 1))); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
}
