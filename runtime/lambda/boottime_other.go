//go:build !linux

package lambda

import "time"

// bootTime is told on Linux only, where functions run; elsewhere the estimate from the processor time stands alone.
func bootTime() (time.Duration, bool) { return 0, false }
