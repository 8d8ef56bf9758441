package planner

import (
	"partita/planner/plan"
	"partita/planner/platform"
)

// AtRest tells what a deployment of a plan costs a month while nobody asks: what it keeps stored, at most, for packages are compressed and
// images share what they have in common. known is false on platforms whose price is not.
func AtRest(p *plan.Plan) (monthPicoUSD int64, known bool) {
	prices := platform.StorageOf(p.Platform)
	if prices == nil {
		return 0, false
	}
	var objects, images int64
	for i := range p.Stages {
		s := &p.Stages[i]
		switch s.Packaging {
		case plan.PackagingImage:
			images += s.PackageBytes
		case plan.PackagingS3:
			objects += s.PackageBytes + s.WeightBytes
		default:
			objects += s.PackageBytes
		}
	}
	return prices.MonthPicoUSD(objects, images), true
}
