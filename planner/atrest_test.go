package planner

import (
	"testing"

	"partita/planner/plan"
)

// What is stored is priced by what it is: weights beside their package, packages with them, images.
func TestAtRest(t *testing.T) {
	const gb = 1 << 30
	p := &plan.Plan{Platform: "aws-lambda-x86_64", Stages: []plan.Stage{
		{Packaging: plan.PackagingZip, PackageBytes: gb, WeightBytes: gb / 2},
		{Packaging: plan.PackagingS3, PackageBytes: gb, WeightBytes: gb},
		{Packaging: plan.PackagingImage, PackageBytes: 2 * gb, WeightBytes: gb},
	}}
	if month, known := AtRest(p); !known || month != 3*23_000_000_000+2*100_000_000_000 {
		t.Errorf("a month costs %d, %v", month, known)
	}
	p.Platform += "@eu-central-1"
	if month, known := AtRest(p); !known || month != 3*24_500_000_000+2*100_000_000_000 {
		t.Errorf("in Frankfurt a month costs %d, %v", month, known)
	}
	for _, free := range []string{"local", "gcp-cloud-run"} {
		p.Platform = free
		if month, known := AtRest(p); known {
			t.Errorf("on %s a month costs %d", free, month)
		}
	}
}
