package lambda

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// report is what is told at the end of an invocation.
type report struct {
	requestID   string
	duration    time.Duration
	init        time.Duration // 0 when the environment was warm
	memoryMB    int64
	peakBytes   int64
	status      string // "", "timeout" or "error"
	errorType   string // with status "error"
	hasInitTime bool
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// billedMs is the time that is paid for: duration and initialisation, rounded up to a millisecond (since 2025-08-01 the
// initialisation is billed for every kind of function: AWS compute blog, 2025-04-29).
func (r report) billedMs() int64 {
	total := r.duration
	if r.hasInitTime {
		total += r.init
	}
	return int64(math.Ceil(milliseconds(total)))
}

// line gives the REPORT line. Its fields are separated, and ended, by tabs, as on AWS.
func (r report) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t",
		r.requestID, milliseconds(r.duration), r.billedMs(), r.memoryMB, (r.peakBytes+1<<20-1)>>20)
	if r.hasInitTime {
		fmt.Fprintf(&b, "Init Duration: %.2f ms\t", milliseconds(r.init))
	}
	switch r.status {
	case "timeout":
		b.WriteString("Status: timeout\t")
	case "error":
		fmt.Fprintf(&b, "Status: error\tError Type: %s\t", r.errorType)
	}
	return b.String()
}

// initLine gives the INIT_REPORT line, which is written when an initialisation has failed.
func initLine(duration time.Duration, phase, status, errorType string) string {
	line := fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s\t", milliseconds(duration), phase, status)
	if errorType != "" {
		line += "Error Type: " + errorType + "\t"
	}
	return line
}

// errorPayload gives the body of a failure that the service itself reports.
func errorPayload(kind, message string) []byte {
	raw, err := json.Marshal(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{kind, message})
	if err != nil {
		panic(err) // two strings always encode
	}
	return raw
}
