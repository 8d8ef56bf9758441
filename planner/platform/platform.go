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
	Figures      []Figure

	// Memory sizes on sale, and the grid a plan considers unless told otherwise.
	MinMemoryMB, MaxMemoryMB, MemoryStepMB, PlanningStepMB int64

	// Processor share: memory / MBPerVCPU up to MaxMilliVCPU; above one vCPU only the parallel part of the work gains.
	MBPerVCPU, MaxMilliVCPU, ParallelPermille int64

	// Billing.
	GranularityUs     int64 // durations are billed in whole multiples of it
	InitBilled        bool
	PicoUSDPerGBs     int64 // a GB is 1,024 MB
	RequestPicoUSD    int64
	ObjectPutPicoUSD  int64
	ObjectGetPicoUSD  int64
	PayloadLimitBytes int64 // text of one invocation or answer
	PackageLimitBytes int64 // unzipped
	TemporaryMB       int64
	TimeoutUs         int64
	InitTimeoutUs     int64

	// Hand-over of tensors.
	NetworkBytesPerSecond   int64
	InlineLatencyUs         int64
	InlineBytesPerSecond    int64
	ObjectGetLatencyUs      int64
	ObjectPutLatencyUs      int64
	ObjectGetBytesPerSecond int64
	ObjectPutBytesPerSecond int64
	DispatchUs              int64
	WakeUs                  int64

	// Cold start: boot + fetch x package bytes + load x weight bytes.
	BootUs              int64
	FetchPicosecPerByte int64
	LoadPicosecPerByte  int64

	// The gateway.
	GatewayMemoryMB int64
	GatewayDecodeUs int64 // per input, on one vCPU

	// Speed of one vCPU by kind of operator.
	ConvolutionMFLOPS, DepthwiseMFLOPS, MatrixMFLOPS, RecurrentMFLOPS, ElementwiseMFLOPS int64
	StreamBytesPerSecond                                                                 int64
	OperatorNs                                                                           int64

	// What the runtime itself takes.
	LibraryBytes         int64
	BootstrapBytes       int64
	RuntimeBaseMB        int64
	WeightCopiesPermille int64
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

// Get finds a platform by its name. The caller must not change what it gets.
func Get(name string) (*Platform, error) {
	b := load()
	if p, ok := b.platforms[name]; ok {
		return p, nil
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

// Sells tells whether a memory size can be bought.
func (p *Platform) Sells(memoryMB int64) bool {
	return memoryMB >= p.MinMemoryMB && memoryMB <= p.MaxMemoryMB && (memoryMB-p.MinMemoryMB)%p.MemoryStepMB == 0
}

// NearestMemory gives the size on sale nearest to the one wanted, the larger of two equally near ones.
func (p *Platform) NearestMemory(memoryMB int64) int64 {
	if memoryMB <= p.MinMemoryMB {
		return p.MinMemoryMB
	}
	last := p.MinMemoryMB + (p.MaxMemoryMB-p.MinMemoryMB)/p.MemoryStepMB*p.MemoryStepMB
	if memoryMB >= last {
		return last
	}
	return p.MinMemoryMB + (memoryMB-p.MinMemoryMB+p.MemoryStepMB/2)/p.MemoryStepMB*p.MemoryStepMB
}

// Grid lists the sizes from the smallest to the largest in steps of stepMB; 0 means the planning step.
func (p *Platform) Grid(stepMB int64) []int64 {
	if stepMB <= 0 {
		stepMB = p.PlanningStepMB
	}
	var sizes []int64
	for m := p.MinMemoryMB; m <= p.MaxMemoryMB; m += stepMB {
		sizes = append(sizes, m)
	}
	return sizes
}

// FullSpeedMB is the size from which more memory brings no more speed.
func (p *Platform) FullSpeedMB() int64 {
	return (p.MaxMilliVCPU*p.MBPerVCPU + 999) / 1000
}

// SlowdownBits is the number of fractional bits of Slowdown.
const SlowdownBits = 16

// Slowdown tells how many times longer work takes at a memory size than on one full vCPU, as a fixed-point number
// rounded up. Up to one vCPU it is mbPerVCPU / m. Above, with v = m / mbPerVCPU vCPUs, Amdahl's law (Amdahl 1967) gives
// (1 - p) + p / v for the parallel fraction p.
func (p *Platform) Slowdown(memoryMB int64) int64 {
	if memoryMB <= p.MBPerVCPU {
		return ceilDiv(p.MBPerVCPU<<SlowdownBits, memoryMB)
	}
	if full := p.FullSpeedMB(); memoryMB > full {
		memoryMB = full
	}
	serial := (1000 - p.ParallelPermille) * memoryMB
	parallel := p.ParallelPermille * p.MBPerVCPU
	return ceilDiv((serial+parallel)<<SlowdownBits, 1000*memoryMB)
}

// BilledUs rounds a duration up to the platform's granularity; what runs at all is billed at least once.
func (p *Platform) BilledUs(us int64) int64 {
	if us < 1 {
		us = 1
	}
	return ceilDiv(us, p.GranularityUs) * p.GranularityUs
}

// ComputePicoUSD prices a billed duration at a memory size: milliseconds x MB x (pico-USD per GB-s) / (1,024 MB/GB x
// 1,000 ms/s), rounded half up. With at most 2^21 ms, 2^15 MB and 2^26 pico-USD, which the book is checked for, it stays
// in 63 bits.
func (p *Platform) ComputePicoUSD(billedUs, memoryMB int64) int64 {
	return (billedUs/1000*(memoryMB*p.PicoUSDPerGBs) + msMBPerGBs/2) / msMBPerGBs
}

// PicoUSDPerMs is the price of a millisecond at a memory size, rounded half up: for traces, and for the gateway, which
// the optimiser bills by the millisecond.
func (p *Platform) PicoUSDPerMs(memoryMB int64) int64 { return p.ComputePicoUSD(1000, memoryMB) }

// msMBPerGBs converts: 1 GB-s is 1,024 MB x 1,000 ms.
const msMBPerGBs = 1024 * 1000

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
