// Package solve finds every plan worth having: the exact cost-latency Pareto frontier of a numeric problem, from which the
// cheapest plan within an objective and the fastest within a budget are lookups.
//
// The problem is pure numbers. Its nodes are cuts of a model (each with the transport chosen there), its segments are
// the stages that may lie between two nodes, and a segment's options are the ways to run that stage: a memory size
// with its times and its price. A plan is a path from the first node to the last with one option per segment, of at
// least MinStages and at most MaxStages segments.
//
// It comes in two forms with the same frontier. An Instance has every option written out, in JSON for other solvers. A
// Problem has of every stage the numbers of its law, and one table of sizes for all of them: an option is computed when
// the search looks at it, so ten thousand sizes cost little more than fifty.
//
// The same problem gives the same frontier and the same plans, to the bit, on every platform. There are no clocks, maps or
// goroutines; times and costs are int64. Only the bounds that leave options out are computed in floating point, from
// operations that IEEE 754 rounds the same everywhere and that are never fused, and stay on the safe side of the truth.
//
// A third form, Outline, makes a Problem's stages as they are asked for. Most never are: bounds over places of many nodes set them aside
// before (see sieve), so that a model of a thousand layers is solved in the time that its million stages would take to be
// written down. Outline.Solve finds the frontier, Outline.Best the answer to one SLO or one budget without it.
//
// # How the time grows
//
// Milliseconds of processor time from an Outline to the frontier, the making of stages included and garbage collection left out, on
// one core of a server of 2024, native; WebAssembly takes about two and a half times as long. The number of stages is at most ten, the
// grid that of aws-lambda-x86_64. Stages are counted in one variant, and beside them those of all variants that are left for the last
// search in cold-overlapped. Layers count little: the places that the bounds begin with are one in sixteen nodes. Sizes count by the
// logarithm in the bounds and by what is left of them in the end. Few sizes are no easier than many: from one size to the next the
// frontier falls by steps, in whose corners bounds see plans that no size makes. K counts where its limit binds, as the bounds do not
// know it and the states are counted by stages too. Cold-overlapped is dearer because its latency is no sum, and its frontier longer.
//
//	model (nodes)        stages (left)   sizes     warm    cold-sequential  cold-overlapped (points)
//	MobileNet (91)        4,095    (40)    159      0.8          0.5              1.5    (60)
//	ResNet50 (177)       15,576   (474)    159      0.4          0.6              6.7   (197)
//	DenseNet169 (597)   177,906 (1,505)    159      1.1          1.5             26     (207)
//	NASNetLarge (1,041) 541,320   (470)    159      2.6          3.2             16     (659)
//	ResNet50             15,576 (5,894)     20      0.3         15               32      (82)
//	ResNet50             15,576   (621)     40      0.3          0.4              8.0   (128)
//	ResNet50             15,576   (425)    633      0.6          1.7             10     (393)
//	ResNet50             15,576   (735)  2,529      1.0          1.8             19     (561)
//	ResNet50             15,576   (733) 10,113      2.4          5.0             22     (726)
//
//	ResNet50, cold-overlapped, 159 sizes, K =   2     3     4     6     8    10
//	                                           20     6.7   6.7   6.7   6.7   6.7
//
// (With 2,529 sizes and more, warm and cold-sequential are solved to whole milliseconds.)
package solve
