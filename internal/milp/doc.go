// Package milp has the optimum of package solve checked by a solver that shares nothing with it: it writes a
// solve.Instance at one SLO as a mixed integer linear program and lets CBC (Debian: coinor-cbc) solve it. Only tests and
// benchmarks use it.
//
// # The program
//
// Variables: x(a) in {0, 1} for every option a of every segment; G, how many steps (of a millisecond, unless the instance says otherwise) the gateway is billed;
// cold-overlapped, also F, the finish of the last stage, and P(v) for every node v but the last. With i(a), j(a) the nodes an
// option leaves and enters:
//
//	minimise    sum cost(a) x(a) + price of a step G
//	subject to  sum of x leaving v - sum of x entering v = 1 at the source, 0 at every node between
//	            minStages <= sum x(a) <= maxStages
//	            start + finish <= SLO
//	            step G >= start + finish, and what is billed at least
//
// Warm and cold-sequential, finish = sum (dispatch + [init(a) +] run(a)) x(a). Cold-overlapped,
// finish = max(finish + dispatch, init) + run needs no big constant, because exactly one stage of a plan crosses the place between
// the nodes v and v+1. When that stage ends, at least least(a) = max(init(a), earliest(i(a)) + dispatch) + run(a) have passed, with
// earliest(i) the earliest that any plan comes to a node; every later stage adds dispatch and run:
//
//	F >= P(v) = sum over a crossing of least(a) x(a) + sum over a leaving a node after v of (dispatch + run(a)) x(a)
//
// for every v but the last. The row is exact where the crossing stage is the last that waits for its init. From one
// place to the next only the options that enter or leave the node between them change, which keeps the rows short:
//
//	P(v-1) = P(v) + sum over a entering v of least(a) x(a) - sum over a leaving v of (least(a) - dispatch - run(a)) x(a)
//
// # Exact integers through floating point
//
// CBC computes in float64 with tolerances; money here has 12 decimals. Some things make its answer exact. Potentials from
// shortest paths are added to the costs, and to the times where they add up: every plan changes by the same constant, so
// the coefficients tell only how much worse an option is than the best way round it. Times are counted in the largest unit
// that divides them all (overlapped starts: milliseconds). Bounds on whole numbers lie half a unit from the last allowed. And CBC's answer is only a path: it is evaluated in int64 by this package's own rule, and
// should it pass the SLO by less than a tolerance, it is forbidden and the program solved again.
//
// CBC's integer preprocessing is off: version 2.10.8 with it calls a dearer plan optimal in about one of a thousand
// overlapped programs, and finds the cheaper one without.
package milp
