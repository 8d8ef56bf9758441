package wire

import (
	"math"
	"strconv"
	"strings"
)

// Report is what the platform measured of one invocation: the REPORT line of its log. A value that the line lacks is 0.
type Report struct {
	RequestID   string
	DurationUs  int64
	BilledMs    int64
	MemoryMB    int64
	MaxMemoryMB int64
	InitUs      int64
	Status      string // "timeout" or "error"; "" when it went well
	ErrorType   string
}

// ParseReport finds the last REPORT line in a log and reads it. Fields may come in any order, separated by tabs or
// spaces, and any may be absent: AWS has changed both over the years.
func ParseReport(log string) (Report, bool) {
	at := strings.LastIndex(log, "REPORT RequestId:")
	if at < 0 {
		return Report{}, false
	}
	line := log[at+len("REPORT "):]
	if end := strings.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	var r Report
	label := ""
	words := strings.Fields(line)
	for i := 0; i < len(words); i++ {
		if !strings.HasSuffix(words[i], ":") {
			label += words[i] + " "
			continue
		}
		label += strings.TrimSuffix(words[i], ":")
		value := ""
		if i+1 < len(words) && !strings.HasSuffix(words[i+1], ":") {
			i++
			value = words[i]
			if i+1 < len(words) && (words[i+1] == "ms" || words[i+1] == "MB") {
				i++
			}
		}
		switch label {
		case "RequestId":
			r.RequestID = value
		case "Duration":
			r.DurationUs = microseconds(value)
		case "Billed Duration":
			r.BilledMs = (microseconds(value) + 999) / 1000
		case "Init Duration":
			r.InitUs = microseconds(value)
		case "Memory Size":
			r.MemoryMB = microseconds(value) / 1000
		case "Max Memory Used":
			r.MaxMemoryMB = microseconds(value) / 1000
		case "Status":
			r.Status = value
		case "Error Type":
			r.ErrorType = value
		}
		label = ""
	}
	return r, true
}

// microseconds reads a decimal number in thousandths; 0 when it is none or out of range.
func microseconds(text string) int64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v < 1e12) {
		return 0
	}
	return int64(math.Round(v * 1000))
}

// BilledMs is what a step bills, as it has measured itself: its phases, and its init when that came first.
func (s *WorkflowStep) BilledMs() int64 {
	us := s.Times.InputUs + s.Times.ComputeUs + s.Times.OutputUs
	if s.Cold {
		us += s.Times.InitUs
	}
	return max((us+999)/1000, 1)
}
