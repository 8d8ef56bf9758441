package lambda

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processStart is when this process began: earlier than any Go code ran. Linux tells it in ticks of 10 ms; the processor
// time used until now narrows it down within its tick.
var processStart = findStart(time.Now())

// ticksPerSecond is USER_HZ, 100 on every architecture that Linux runs Go on (proc(5), starttime).
const ticksPerSecond = 100

func findStart(now time.Time) time.Time {
	guess := now
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		used := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		guess = now.Add(-min(used, 100*time.Millisecond))
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return guess
	}
	up, ok := bootTime()
	ticks, ok2 := startTicks(string(stat))
	if !ok || !ok2 {
		return guess
	}
	const tick = time.Second / ticksPerSecond
	earliest := now.Add(time.Duration(ticks)*tick - up)
	return clamp(guess, earliest, earliest.Add(tick), now)
}

func clamp(guess, earliest, latest, now time.Time) time.Time {
	if guess.Before(earliest) {
		guess = earliest
	}
	if guess.After(latest) {
		guess = latest
	}
	if guess.After(now) {
		guess = now
	}
	return guess
}

// startTicks reads field 22 of /proc/self/stat; the second field, the program's name in parentheses, may contain spaces.
func startTicks(stat string) (int64, bool) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, false
	}
	n, err := strconv.ParseInt(fields[19], 10, 64)
	return n, err == nil && n >= 0 && n < 1<<53
}

func sinceStart() time.Duration { return time.Since(processStart) }
