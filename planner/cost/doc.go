// Package cost is the law of work, time and money: what a stage of a model takes and costs on a platform.
//
// A Table holds what the law needs to know about one graph on one platform at one batch size. From it come the numeric
// problem for the optimiser (Instance) and the account of a single stage (Stage), by two separate pieces of code that
// the tests hold against each other.
//
// # The law
//
// All times are microseconds, all sizes bytes, all money pico-dollars, all int64; there is no floating-point number in
// it, so every architecture computes the same. For a stage of layers [i, j) at memory m:
//
//	run1    = sum over nodes of FLOPs / rate(kind) + bytes / memory rate + time per operator, on one vCPU,
//	          or the measured times of a Calibration
//	compute = run1 x slowdown(m), rounded up           (platform.Slowdown: linear to one vCPU, Amdahl above)
//	input   = latency + bytes / rate of the transport on the reading side, output the same on the writing side
//	init    = boot + fetch x package bytes + load x weight bytes          (in cold scenarios; 0 when warm)
//	run     = input + compute + output
//	billed  = run when warm, init + run when cold, each rounded up to the platform's granularity and its least billed time
//	cost    = billed x price of the size + request fee + fees of the S3 objects read and written
//
// The price of a size is its memory's and, where processors are priced apart, that of its share of them.
//
// # Arrivals
//
// With a rate of requests and an idle timeout some requests find every function cold and the others find all warm (see ColdPpm for
// the share p and what it assumes). The scenario still says which latency counts, and so what the SLO holds for: with
// cold-overlapped or cold-sequential every request, with warm the share 1 - p. Costs are expectations:
//
//	cost    = p x (what a cold request is billed) + (1 - p) x (what a warm one is)
//
// where functions start as they do in the scenario, and in their turn when it is warm. The gateway drives for either latency;
// the one that is not the scenario's is a sum over the stages, so each option carries its part of it.
//
// # Variants
//
// A stage may be packaged and its weights stored in several ways (Variant); of each stage those are offered that no other
// beats or equals at every size. In packaging "s3" the package lacks the weights w, which the function fetches itself:
//
//	init = boot + fetch x package bytes + first byte + min(w, burst) / burst rate + rest / network rate + load x w
//
// with no rate beyond that of the ranges it is fetched in (one per 8 MiB, 16 at most), each of which is a request that every
// cold start pays. Weights in float16 or 8 bits are smaller (package precision); making float32 of them again adds
// WidenPicosecPerByte of what they are then, to either way of packaging. Running takes what it takes in float32.
//
// # Side by side
//
// Layers that fall into branches, none of which needs anything of another (Settings.Regions), may be computed by functions side by
// side: each takes one branch or some neighbouring ones. The gateway calls them at the same time, so such a wave ends at
//
//	warm                   finish + dispatch + max(run)
//	cold, in their turn    finish + dispatch + max(init + run)
//	cold, overlapped       max(finish + dispatch + max(run), max(init + run))
//
// and costs the sum of its functions. That is the law of one stage with run = max(run) and init = max(init + run) - run: for the
// optimiser a wave is a stage of one size. Each function is given only the tensors that its layers read and hands on what they
// make; what no branch takes stays with the gateway, or where it is in S3, so a wave is offered only where that need not change from
// the one to the other. Functions called first are not woken, be they one or several.
//
// The options of a wave are these: at each pace that one of its functions can set, the others are the cheapest that keep it. A pace is
// a longest run and, beside, a longest start with its run. One of the two decides in every scenario but the overlapped one,
// and there too when the wave comes first; so no plan is missed. Behind other stages, where both may decide, plans that
// trade the one for the other within a wave are not looked at.
//
// Waves count as one of the stages allowed, and have no more functions than are. Several passes of a request go through one
// stage after another.
//
// # Milliseconds
//
// In the scenario cold-overlapped a stage's init and run are each rounded up to whole milliseconds, in which they are billed
// anyway; compute is what carries the rounding of the run. Starts take seconds there, and the choice of cuts and sizes for
// a dozen stages that wait for each other has far more combinations by the microsecond than anyone can tell apart: see
// RATIONALE.md. The other scenarios count microseconds.
//
// # Waking
//
// In the scenario cold-overlapped the gateway wakes the stages after the first by an invocation of their own. Such a
// stage is billed twice: for the wake (init, if the platform bills it, + platform.WakeUs) and for its run, each rounded
// up, with two request fees.
//
// # Several inputs
//
// A request of several inputs goes through the pipeline in passes of a batch each, the last of which may have fewer inputs, shared
// among pipelines that run at the same time with environments of their own (Batching). Pass n is pipeline n mod c's, and a pipeline
// sends all its passes through a stage before the next stage has its turn. With q passes of the whole batch and q' (0 or 1) of the
// rest on the pipeline that ends last, a stage there takes
//
//	run     = q x run(batch) + q' x run(rest) + (q + q' - 1) x dispatch
//
// which takes the run's place in the rule of every scenario: stages that are woken at once have the passes of all stages before them to
// start in. The first pass of each pipeline may be cold, the others are warm; billed are the passes of all pipelines, each rounded
// up, and a wake and the fetching of weights for every pipeline. The gateway decodes all inputs first, holds what is on its way in
// messages in a third of its memory, and reads and leaves objects where inputs or outputs are too long for one message. What travels
// through S3 between it and the outer stages it writes, before it calls the first, and reads, after the last, for all passes at once:
// that is part of StartUs and of its fees.
//
// Temporary storage beyond what the price includes, for weights that are fetched, adds to the price of every second billed.
//
// # The gateway
//
// Every deployment has a gateway, a function that decodes the input, drives the stages and is billed while it waits for
// them. The optimiser's instance carries it in three places. StartUs is what it takes before the first stage: decoding
// at its own memory size and, when cold, its own boot. GatewayPicoUSDPerMs is its price while it drives, over the whole
// latency of the request, rounded up in the platform's steps and no less than its least. In the requests of a rate that are not the
// scenario's, its time is a sum over the stages, and half a step for rounding it. Its request fee is part of every option of a segment that begins at the source, so each plan
// pays it once.
//
// Decoding takes the platform's GatewayDecodeUs for each input, on one vCPU, of which the gateway has the share that its memory buys.
// That stands for a picture of usual size and for all else that the gateway does for a request. Where it is said how large the
// pictures are that are sent, each megapixel takes 2.75 times as long beside (megapixelPermille says by which measurement).
//
// # The gateway's size
//
// A gateway of another size takes another time to decode and has another price, and the stages behind it are what they are. So one search
// finds what is best over all sizes (solve.Outline.SolveThrough), but where a size shares in every stage: with arrivals, in whose other
// requests its time is a sum over the stages, and where it decides which tensors travel in messages, with several passes. A size is
// considered when it is on the platform's grid, has no more than a vCPU (one thread does the gateway's work) and holds, by the rule
// by which the gateway itself refuses, the inputs as arrays in a third of its memory and a picture while it is decoded in three quarters: of
// the size that is sent, else of twelve megapixels.
//
// What the law leaves out is what the gateway works for each message that it hands on: 2.5 ms of a vCPU for a megabyte of text on the
// local cloud, so 23 ms in 192 MB and 9 in 512. Transfers are counted by their rate, the same at every size.
//
// # A workflow
//
// Where an orchestrator drives (platform.Orchestrator) the gateway's function is invoked twice, to prepare the input and to make the
// answer, and billed for that alone; the orchestrator is billed for the whole latency, in steps of its own, and a fee for its start.
// Every state takes the orchestrator's dispatch in the place of the platform's:
//
//	StartUs = start + dispatch + boot of the gateway (cold) + decoding + writing the inputs, where they go through S3
//	EndUs   = dispatch + reading the outputs, where they come through S3; the instance's startUs holds both
//	cost    = start fee + ceil(latency / step) x step x price + what the gateway's two invocations cost
//
// The last is paid once with the first stage's options, whatever the stages. A message may hold what a state may, less the rest of a
// state's input. With arrivals, the rounding to the step of the latency that is not the scenario's counts as half a step.
//
// # Transports
//
// Tensors cross a cut inside payloads ("inline", as base64 text, while every message fits the platform's limit) or as
// S3 objects, one per tensor. A transport that is no better than the other in time, fees and memory is not offered. The
// model's inputs and outputs travel between gateway and stages inline, or through S3 when they do not fit.
//
// # Pins
//
// Places where a stage must or must not end, memory sizes and precisions of the stages that hold some layers, and a most number
// of layers in a stage are kept by offering no segment that breaks them.
//
// # Limits
//
// An option exists when the unzipped package fits the platform's limit, the memory needed fits m (the runtime, the
// weights and their packed copies, the peak of the activations that are live at once, the text of the messages in and
// out), init and run stay within their timeouts. Packages run from their read-only folder; only weights that are fetched
// need temporary storage, no more than functions can have.
package cost
