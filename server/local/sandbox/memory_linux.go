package sandbox

import "time"

// memoryLimit gives the limit of the control group when so much is in /tmp.
//
// On AWS Lambda /tmp is a disk and costs no memory. A tmpfs is charged to the group that writes to it, so the limit
// stands above the function's memory by what is there and by some slack, and watch ends the function when what it
// holds besides exceeds its memory. Without a tmpfs the limit is the function's memory itself.
func (p *Process) memoryLimit(tempBytes int64) int64 {
	limit := p.allowedBytes()
	if p.namespace {
		temp := min(tempBytes+tempSlack, p.spec.EphemeralMB<<20)
		limit += temp
	}
	return limit
}

// watch looks at the environment's memory while it is at work.
func (p *Process) watch() {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	set := p.memoryLimit(0)
	for {
		if !p.active.Load() {
			select {
			case <-p.done:
				return
			case <-p.wake:
			}
		}
		select {
		case <-p.done:
			return
		case <-ticker.C:
		}
		temp := int64(0)
		if p.namespace {
			temp = tempUse(p.process.Pid)
		}
		if p.group != nil && p.namespace {
			if want := p.memoryLimit(temp); want > set {
				if err := p.group.setMemory(want); err == nil {
					set = want
				}
			}
		}
		if p.held(temp) > p.allowedBytes() {
			p.oom.Store(true)
			p.Kill()
		}
	}
}

// allowedBytes is the function's memory, and that of the emulator where one runs it.
func (p *Process) allowedBytes() int64 {
	if p.emulated {
		return (p.spec.MemoryMB + emulatorMemoryMB) << 20
	}
	return p.spec.MemoryMB << 20
}

// held gives the memory that counts: everything that cannot be given back, less files in /tmp.
func (p *Process) held(tempBytes int64) int64 {
	if p.group == nil {
		return residentAnonymous(p.process.Pid)
	}
	use, err := p.group.memory()
	if err != nil {
		return 0
	}
	return use.anonymous + max(0, use.shared-tempBytes)
}
