// Package sandbox runs one process per execution environment of the local cloud and holds it to the limits of the
// function it serves: processor share, memory, number of processes, temporary storage, and life no longer than the
// server's own.
//
// Where the machine permits it, an environment gets its own root file system (the function's code read-only at
// /var/task, a sized tmpfs at /tmp, the host's system folders, and nothing else), a user of its own, and a control
// group. Where the machine does not permit one of these, the environment runs without it, and Host.Limits says so
// in words: a limit that is not enforced is never silently claimed.
package sandbox

import (
	"io"
	"time"
)

// MBPerVCPU is the memory size at which an AWS Lambda function gets one full virtual processor (AWS Lambda developer
// guide, "Configure Lambda function memory"); the share is linear in memory below and above it.
const MBPerVCPU = 1769

// Limits that are the same for every function (AWS Lambda quotas page, 2026).
const (
	maxProcesses       = 1024
	maxFileDescriptors = 1024
	initVCPUs          = 2
)

// cpuPeriodUs is the period over which the processor quota is handed out.
const cpuPeriodUs = 20_000

// watchInterval is the time between two looks at the memory of an environment that is at work.
const watchInterval = 25 * time.Millisecond

// Options configure a Host.
type Options struct {
	// Dir is the folder in which environments keep their state and, without a mount namespace, their temporary files.
	Dir string
	// Log receives what an operator should know: leftovers removed, limits that could not be set.
	Log func(message string, args ...any)
}

// Spec says what one environment runs and within which limits.
type Spec struct {
	ID      string   // unique among the environments of a host; letters, digits, hyphens
	TaskDir string   // the function's code
	RootDir string   // the files of a container image; the code is then its var/task. Empty: the host's system folders and the code
	Entry   string   // the program to run, relative to the code: "bootstrap"; of an image, relative to its root, or a name to look for in PATH
	Args    []string // of the program
	Dir     string   // to run it in, with an image; empty: the folder of the code
	Env     []string // the environment, less what Paths decides
	// Architecture of the entry program, "x86_64" or "arm64"; "" is this machine's. Another's runs in an emulator.
	Architecture string
	MemoryMB     int64
	EphemeralMB  int64 // size of /tmp
	Output       io.Writer
}

// Paths are the places as the environment's process sees them.
type Paths struct {
	TaskRoot string // the function's code: /var/task where a mount namespace permits it
	TempDir  string // where temporary files may be written: /tmp where a mount namespace permits it
}

// Limit tells what is done about one limit.
type Limit struct {
	Name     string `json:"name"`     // "cpu", "memory", "tmp", "processes", "files", "isolation", "processor", "lifetime"
	Enforced bool   `json:"enforced"` // whether the limit holds
	How      string `json:"how"`      // by which means, or why not
}

// StartError is a failure to run the entry program at all: it is absent, not executable, or of another architecture.
type StartError struct {
	Stage string // "exec" when the program itself was refused, else the step of preparing the sandbox
	Text  string
}

func (e *StartError) Error() string { return e.Stage + ": " + e.Text }

// cpuQuotaUs gives the processor time per period of a function with that much memory.
func cpuQuotaUs(memoryMB int64) int64 {
	quota := memoryMB * cpuPeriodUs / MBPerVCPU
	if quota < 1000 { // the kernel refuses less than a millisecond
		quota = 1000
	}
	return quota
}

// initQuotaUs gives the processor time per period in the init phase: about two virtual processors whatever the
// memory, as measured on AWS Lambda (bitesizedserverless.com, 2022), and never less than the function's own share.
func initQuotaUs(memoryMB int64) int64 {
	return max(initVCPUs*cpuPeriodUs, cpuQuotaUs(memoryMB))
}
