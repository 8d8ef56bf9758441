// Package platform holds what Partita knows about the places a plan can run on: limits, prices and speeds.
//
// It is one embedded price book, dated and hashed. Every figure keeps its unit, its source and how far it can be trusted,
// and is read into an integer of the unit its name says; nothing here passes through a floating-point number.
package platform

import (
	"sort"
	"strings"
	"sync"

	"partita/planner/diag"
)

// Platform is one place to run functions. All fields are integers in the unit of their names.
type Platform struct {
	Name         string
	Label        string
	Architecture string // "x86_64" or "arm64"
	PlanningOnly bool   // a plan can be made for it, but nothing here deploys to it
	Figures      []Figure

	// Memory sizes on sale, and the grid a plan considers unless told otherwise. A platform that sells a short list of sizes
	// (Listed) has no steps.
	MinMemoryMB, MaxMemoryMB, MemoryStepMB, PlanningStepMB int64

	// Processor share: memory / MBPerVCPU up to MaxMilliVCPU, or what the list of sizes says; above one vCPU only the parallel
	// part of the work gains.
	MBPerVCPU, MaxMilliVCPU, ParallelPermille int64

	// Billing.
	GranularityUs     int64 // durations are billed in whole multiples of it
	MinBilledUs       int64 // and as no less than this
	InitBilled        bool
	PicoUSDPerGBs     int64 // a GB is 1,024 MB
	PicoUSDPerVCPUs   int64 // 0 where the price of memory contains the processor's
	RequestPicoUSD    int64
	ObjectPutPicoUSD  int64
	ObjectGetPicoUSD  int64
	PayloadLimitBytes int64 // text of one invocation or answer
	PackageLimitBytes int64 // of a zip, unzipped
	ImageLimitBytes   int64 // of a container image, uncompressed; 0 where functions are not made of images
	TemporaryMB       int64 // of temporary storage, included in the price
	MaxTemporaryMB    int64 // that a function can have of it; what is beyond TemporaryMB costs TemporaryPicoUSDPerGBs

	TemporaryPicoUSDPerGBs int64
	TimeoutUs              int64
	InitTimeoutUs          int64
	IdleUs                 int64 // after which an unused environment is ended

	// Hand-over of tensors.
	NetworkBytesPerSecond                         int64
	NetworkBurstBytes, NetworkBurstBytesPerSecond int64 // the first bytes of an environment come faster
	InlineLatencyUs                               int64
	InlineBytesPerSecond                          int64
	ObjectGetLatencyUs                            int64
	ObjectPutLatencyUs                            int64
	ObjectGetBytesPerSecond                       int64
	ObjectPutBytesPerSecond                       int64
	DispatchUs                                    int64
	WakeUs                                        int64

	// Cold start: boot + fetch x package bytes + load x weight bytes. Load differs for weights that are fetched by the function
	// itself, where the fetch of a package contains it. Widen comes on top, for each byte of float32 that is made of less.
	BootUs                    int64
	FetchPicosecPerByte       int64
	ImageBootUs               int64 // boot and fetch of a container image
	ImageFetchPicosecPerByte  int64
	LoadPicosecPerByte        int64
	LoadFetchedPicosecPerByte int64
	WidenPicosecPerByte       int64

	// The gateway.
	GatewayMemoryMB int64
	GatewayDecodeUs int64 // per input, on one vCPU

	// Speed of one vCPU by kind of operator.
	ConvolutionMFLOPS, DepthwiseMFLOPS, MatrixMFLOPS, RecurrentMFLOPS, ElementwiseMFLOPS int64
	StreamBytesPerSecond                                                                 int64
	OperatorNs                                                                           int64

	// What the runtime itself takes.
	LibraryBytes          int64
	BootstrapBytes        int64
	RuntimeBaseMB         int64
	WeightCopiesPermille  int64 // memory for weights of float32
	WidenedCopiesPermille int64 // of what they are as float32, for weights that are widened when loaded
	ProductCopiesPermille int64 // of what is stored, for matrices multiplied in 8 bits

	// Orchestrator drives the stages in the gateway's place; nil where the gateway does. See DrivenBy.
	Orchestrator *Orchestrator

	listed []listedSize // sizes of a platform that sells a list, by rising memory
}

// Book is the price book's identity: plans record it.
type Book struct {
	Date string // "2026-11-23"
	Hash string // "sha256:..." of the embedded file
}

// load reads the embedded book once. A book that cannot be read is a fault of the build, and the tests read it whole.
var load = sync.OnceValue(func() *book {
	b, err := parseBook(bookJSON)
	if err != nil {
		panic("platform: the embedded price book is broken: " + err.Error())
	}
	return b
})

// PriceBook identifies the embedded price book.
func PriceBook() Book { return load().id }

// Names lists the platforms, in the book's order.
func Names() []string { return append([]string(nil), load().names...) }

// Regions lists the regions for which a platform has prices of their own, beside the one whose prices hold unless another is named.
func Regions(name string) []string { return append([]string(nil), load().regions[name]...) }

// Get finds a platform by its name; in another region by NAME@REGION. The caller must not change what it gets.
func Get(name string) (*Platform, error) {
	b := load()
	if p, ok := b.platforms[name]; ok {
		return p, nil
	}
	if base, region, elsewhere := strings.Cut(name, "@"); elsewhere && b.platforms[base] != nil {
		known := "use it without a region"
		if regions := b.regions[base]; len(regions) > 0 {
			known = "use one of " + strings.Join(regions, ", ") + ", or none for the prices of " + b.platforms[base].Label
		}
		return nil, diag.New(diag.Usage, "platform.unknown-region", "choosing a platform", "there are no prices of "+base+" for the region "+quote(region), known)
	}
	known := append([]string(nil), b.names...)
	sort.Strings(known)
	return nil, diag.New(diag.Usage, "platform.unknown", "choosing a platform", "there is no platform "+quote(name),
		"use one of "+strings.Join(known, ", "))
}

// quote shortens and quotes a name that came from outside.
func quote(s string) string {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return `"` + strings.ToValidUTF8(s, "?") + `"`
}

// BilledUs rounds a duration up to the platform's granularity and its minimum; what runs at all is billed at least once.
func (p *Platform) BilledUs(us int64) int64 {
	return ceilDiv(max(us, 1, p.MinBilledUs), p.GranularityUs) * p.GranularityUs
}

// ComputePicoUSD prices a billed duration at a memory size: milliseconds x (pico-USD per 1,024 s) / (1,024 s x 1,000
// ms/s), rounded half up. The book is checked for its product to stay in 63 bits.
func (p *Platform) ComputePicoUSD(billedUs, memoryMB int64) int64 {
	return (billedUs/1000*p.PicoUSDPer1024s(memoryMB) + msPer1024s/2) / msPer1024s
}

// PicoUSDPerMs is the price of a millisecond at a memory size, rounded half up: for traces, and for the gateway, whose
// price the optimiser counts in whole pico-dollars of a millisecond.
func (p *Platform) PicoUSDPerMs(memoryMB int64) int64 { return p.ComputePicoUSD(1000, memoryMB) }

// msPer1024s is 1,024 seconds in milliseconds.
const msPer1024s = 1024 * 1000

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
