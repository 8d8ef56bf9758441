package ui

import "partita/planner/report"

// perHundredThousand prints what 100,000 requests at a cost each come to.
func perHundredThousand(costPicoUSD int64) string {
	return report.Dollars(costPicoUSD, report.Requests)
}
