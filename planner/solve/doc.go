// Package solve finds every plan worth having: the exact cost-latency Pareto frontier of an Instance, from which the
// cheapest plan within an objective and the fastest within a budget are lookups.
//
// An Instance is pure numbers. Its nodes are cuts of a model (each with the transport chosen there), its segments are
// the stages that may lie between two nodes, and a segment's options are the ways to run that stage: a memory size
// with its times and its price. A plan is a path from the first node to the last with one option per segment, of at
// least MinStages and at most MaxStages segments.
//
// Everything is int64 arithmetic without floats, clocks, maps or goroutines, so the same instance gives the same
// frontier and the same plans, to the bit, on every platform.
package solve
