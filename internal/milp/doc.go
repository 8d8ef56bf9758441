// Package milp has the optimum of package solve checked by a solver that shares nothing with it: it writes a
// solve.Instance at one SLO as a mixed integer linear program and lets CBC (Debian: coinor-cbc) solve it. Only tests and
// benchmarks use it.
//
// # The program
//
// Variables: x(a) in {0, 1} for every option a of every segment; G, a whole number of milliseconds the gateway is billed;
// cold-overlapped, also F, the finish of the last stage, and U(v) for every node v. With i(a), j(a) the nodes an option
// leaves and enters:
//
//	minimise    sum cost(a) x(a) + gateway G
//	subject to  sum of x leaving v - sum of x entering v = 1 at the source, 0 at every node between
//	            minStages <= sum x(a) <= maxStages
//	            start + finish <= SLO
//	            1000 G >= start + finish
//
// Warm and cold-sequential, finish = sum (dispatch + [init(a) +] run(a)) x(a). Cold-overlapped, the recursion
// finish = max(finish + dispatch, init) + run unrolls to a maximum: either nobody waits for an init, or the last to do so
// is stage t, whose init and run are then followed by the dispatch and run of every later stage. Nodes are in
// topological order, so the stages after a node v of the path are those that enter a node greater than v, and what
// they take is linear without a big constant:
//
//	U(v) = U(v+1) + sum over a entering v+1 of (dispatch + run(a)) x(a), U(last) = 0
//	F >= U(0)
//	F >= U(v) + sum over a entering v of (init(a) + run(a)) x(a)     for every v after the source
//
// At a node that the path does not touch the last sum is 0 and U(v) is at most U(0), so the row holds for nothing.
//
// # Exact integers through floating point
//
// CBC computes in float64 with tolerances; money here has 12 decimals. Three things make its answer exact. Potentials
// from shortest paths are added to the costs, and to the times where they add up: every path changes by the same constant, so
// that the coefficients tell only how much worse an option is than the best way round it. Bounds on whole numbers lie half a unit away from the last number
// allowed. And what CBC answers is only a path: it is evaluated in int64 by this package's own rule, and should it pass
// the SLO by less than a tolerance, it is forbidden and the program solved again.
package milp
