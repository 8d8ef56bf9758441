package export

import (
	"strings"
	"testing"

	"partita/planner/plan"
)

// fetching is the sample with a stage whose weights are not in its package.
func fetching(t testing.TB) *plan.Plan {
	p := sample(t)
	p.Stages[1].Packaging, p.Stages[1].TemporaryMB, p.Stages[1].WeightBytes = "s3", 700, 1<<20
	encode(t, p)
	return p
}

// A stage that fetches its weights is told where they are, may read them and has room for them; the others are as before.
func TestFetchedWeights(t *testing.T) {
	for format, wants := range map[string][]string{
		"cloudformation": {`s3://${Bucket}/${PackagePrefix}/stage-2.weights`, `Sid: FetchWeights`, `arn:${AWS::Partition}:s3:::${Bucket}/${PackagePrefix}/*.weights`, "Size: 700"},
		"sam":            {`s3://${Bucket}/${PackagePrefix}/stage-2.weights`, `Sid: FetchWeights`, "Size: 700"},
		"terraform":      {`PARTITA_WEIGHTS = "s3://${var.bucket}/${var.package_prefix}/${each.key}.weights"`, `:s3:::${var.bucket}/${var.package_prefix}/*.weights"`, "fetches_weights = true", "fetches_weights = false", "temporary_mb    = 700"},
		"iam":            {`arn:aws:s3:::partita-models/deployments/demo/packages/*.weights`},
	} {
		text := string(mustExport(t, fetching(t), format, Options{Name: "demo", Bucket: "partita-models"}))
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s in\n%s", format, want, text)
			}
		}
		if n := strings.Count(text, "stage-1.weights") + strings.Count(text, "stage-3.weights"); n > 0 {
			t.Errorf("%s: a stage whose package holds its weights is told to fetch them", format)
		}
		if plain := string(mustExport(t, sample(t), format, Options{Name: "demo"})); strings.Contains(plain, "eights") && format != "terraform" {
			t.Errorf("%s: weights are fetched where none are", format)
		}
	}
}
