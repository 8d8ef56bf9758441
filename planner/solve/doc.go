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
// # How the time grows
//
// Milliseconds of processor time, one core of an Intel server at some 2 GHz, native; WebAssembly takes about twice as long. The
// number of stages is at most ten, the grid that of aws-lambda-x86_64, one variant per stage. Layers count twice, because
// the stages are pairs of cuts; sizes count by the logarithm in the bounds and by what is left of them in the end; K
// counts where its limit binds, as the states are then counted by stages too. Cold-overlapped is dearer because its
// latency is no sum, and its frontier longer.
//
//	model (cuts)        stages   sizes     warm    cold-sequential  cold-overlapped (points)
//	MobileNet (89)       4,095     159      2.0          1.7             25     (98)
//	ResNet50 (175)      15,576     159      3.5          4.2            120    (436)
//	DenseNet169 (595)  177,906     159     34           17              805    (475)
//	NASNetLarge (1,039) 443,624    159     63           99              544  (1,315)
//	ResNet50            15,576      20      1.9          1.9             98    (157)
//	ResNet50            15,576      40      1.9          2.2            119    (238)
//	ResNet50            15,576     633      4.1          4.5            167    (702)
//	ResNet50            15,576   2,529      4.4          5.1            305  (1,013)
//	ResNet50            15,576  10,113     10            8.2            412  (1,235)
//
//	ResNet50, cold-overlapped, 159 sizes, K =   2     3     4     6     8    10
//	                                            8    35    77   165   236   111
//
// Making the problem from a graph takes 1 ms for MobileNet, 2 for ResNet50, 16 for DenseNet169 and 38 for NASNetLarge.
//
// (With 633 sizes and more, warm and cold-sequential are solved to whole milliseconds.)
package solve
