package platform

import (
	"fmt"
	"sort"
	"strings"
)

// Size is a memory size with what a function of it gets and costs.
type Size struct {
	MemoryMB        int64
	MilliVCPU       int64 // its share of processors, rounded down
	Slowdown        int64 // see Platform.Slowdown
	PicoUSDPer1024s int64 // see Platform.PicoUSDPer1024s
}

// listedSize is an entry of the list of a platform that ties no processor share to the megabyte.
type listedSize struct {
	MemoryMB  int64 `json:"memoryMB"`
	MilliVCPU int64 `json:"milliVCPU"`
}

// Listed tells whether the platform sells a short list of sizes and no range of them.
func (p *Platform) Listed() bool { return p.listed != nil }

// Size tells what a function of a memory size gets and costs.
func (p *Platform) Size(memoryMB int64) Size {
	return Size{memoryMB, p.MilliVCPU(memoryMB), p.Slowdown(memoryMB), p.PicoUSDPer1024s(memoryMB)}
}

// Grid lists the memory sizes from the smallest to the largest in steps of stepMB; 0 means the planning step. Of a list,
// it gives every size.
func (p *Platform) Grid(stepMB int64) []int64 {
	var sizes []int64
	if p.Listed() {
		for _, s := range p.listed {
			sizes = append(sizes, s.MemoryMB)
		}
		return sizes
	}
	if stepMB <= 0 {
		stepMB = p.PlanningStepMB
	}
	for m := p.MinMemoryMB; m <= p.MaxMemoryMB; m += stepMB {
		sizes = append(sizes, m)
	}
	return sizes
}

// Sells tells whether a memory size can be bought.
func (p *Platform) Sells(memoryMB int64) bool {
	if p.Listed() {
		return p.listed[p.entry(memoryMB)].MemoryMB == memoryMB
	}
	return memoryMB >= p.MinMemoryMB && memoryMB <= p.MaxMemoryMB && (memoryMB-p.MinMemoryMB)%p.MemoryStepMB == 0
}

// Assortment says in words which sizes are on sale.
func (p *Platform) Assortment() string {
	if !p.Listed() {
		return fmt.Sprintf("%d to %d MB in steps of %d MB", p.MinMemoryMB, p.MaxMemoryMB, p.MemoryStepMB)
	}
	names := make([]string, len(p.listed))
	for i, s := range p.listed {
		names[i] = fmt.Sprint(s.MemoryMB)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last] + " MB"
}

// NearestMemory gives the size on sale nearest to the one wanted, the larger of two equally near ones.
func (p *Platform) NearestMemory(memoryMB int64) int64 {
	up, ok := p.MemoryFrom(memoryMB)
	if !ok || up == memoryMB {
		return up
	}
	down := p.MinMemoryMB
	if p.Listed() {
		down = p.listed[p.entry(memoryMB)].MemoryMB
	} else if memoryMB > down {
		down += (memoryMB - down) / p.MemoryStepMB * p.MemoryStepMB
	}
	if memoryMB-down < up-memoryMB {
		return down
	}
	return up
}

// MemoryFrom gives the smallest size on sale of at least memoryMB; the largest on sale, and false, when none is.
func (p *Platform) MemoryFrom(memoryMB int64) (int64, bool) {
	if p.Listed() {
		k := sort.Search(len(p.listed), func(k int) bool { return p.listed[k].MemoryMB >= memoryMB })
		if k == len(p.listed) {
			return p.MaxMemoryMB, false
		}
		return p.listed[k].MemoryMB, true
	}
	steps := (p.MaxMemoryMB - p.MinMemoryMB) / p.MemoryStepMB
	wanted := ceilDiv(max(memoryMB-p.MinMemoryMB, 0), p.MemoryStepMB)
	return p.MinMemoryMB + min(wanted, steps)*p.MemoryStepMB, wanted <= steps
}

// entry finds the largest size of the list that is not above memoryMB, or the smallest size.
func (p *Platform) entry(memoryMB int64) int {
	return max(sort.Search(len(p.listed), func(k int) bool { return p.listed[k].MemoryMB > memoryMB })-1, 0)
}

// MilliVCPU is the share of processors at a memory size, in thousandths of one, rounded down.
func (p *Platform) MilliVCPU(memoryMB int64) int64 {
	if p.Listed() {
		return p.listed[p.entry(memoryMB)].MilliVCPU
	}
	return min(memoryMB*1000/p.MBPerVCPU, p.MaxMilliVCPU)
}

// FullSpeedMB is the size from which more memory brings no more speed.
func (p *Platform) FullSpeedMB() int64 {
	if p.Listed() {
		return p.listed[sort.Search(len(p.listed), func(k int) bool { return p.listed[k].MilliVCPU >= p.MaxMilliVCPU })].MemoryMB
	}
	return (p.MaxMilliVCPU*p.MBPerVCPU + 999) / 1000
}

// SlowdownBits is the number of fractional bits of Slowdown.
const SlowdownBits = 16

// Slowdown tells how many times longer work takes at a memory size than on one full vCPU, as a fixed-point number
// rounded up. With v vCPUs it is 1/v up to one vCPU; above, Amdahl's law (Amdahl 1967) gives (1 - p) + p / v for the
// parallel fraction p. v is memory / mbPerVCPU, or what the list of sizes says.
func (p *Platform) Slowdown(memoryMB int64) int64 {
	share, whole := min(memoryMB, p.FullSpeedMB()), p.MBPerVCPU // v = share / whole
	if p.Listed() {
		share, whole = p.MilliVCPU(memoryMB), 1000
	}
	if share <= whole {
		return ceilDiv(whole<<SlowdownBits, share)
	}
	serial := (1000 - p.ParallelPermille) * share
	parallel := p.ParallelPermille * whole
	return ceilDiv((serial+parallel)<<SlowdownBits, 1000*share)
}

// PicoUSDPer1024s is the price of 1,024 seconds of a function of a memory size: its megabytes times the price of a
// GB-second, and where processors are priced apart its share of them times the price of a vCPU-second.
func (p *Platform) PicoUSDPer1024s(memoryMB int64) int64 {
	price := memoryMB * p.PicoUSDPerGBs
	if p.PicoUSDPerVCPUs > 0 {
		price += p.MilliVCPU(memoryMB) * (p.PicoUSDPerVCPUs / 1000 * 1024) // the book is checked for whole thousandths
	}
	return price
}
