package cli

import (
	"testing"

	"partita/server/deploy"
)

func TestStoredAs(t *testing.T) {
	for want, s := range map[string]deploy.DeployedStage{
		"":       {},
		" in S3": {Packaging: "s3"},
		" as int8 (its numbers measured to be 0.7 % off; answers may be further)":           {Precision: "int8", WeightError: 0.00745},
		" in S3 as float16 (its numbers measured to be 0.02 % off; answers may be further)": {Packaging: "s3", Precision: "float16", WeightError: 0.000203},
	} {
		if got := storedAs(&s); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
}
