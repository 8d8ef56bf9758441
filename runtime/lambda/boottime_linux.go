package lambda

import (
	"syscall"
	"time"
	"unsafe"
)

// bootTime gives the time since the machine booted, the clock of /proc/self/stat.
func bootTime() (time.Duration, bool) {
	const clockBoottime = 7 // clock_gettime(2)
	var ts syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano()), errno == 0
}
