package cli

import (
	"fmt"
	"io"
	"time"

	"partita/planner/report"
	"partita/server/deploy"
)

// progress tells a person at a terminal what is going on; elsewhere it is silent.
type progress struct {
	env     *environment
	silent  bool
	plain   bool // the terminal cannot replace a line: only ends are told
	partial bool // the last line is not ended
}

func newProgress(env *environment, _ bool) *progress {
	return &progress{env: env, silent: !env.terminal, plain: env.getenv("TERM") == "dumb"}
}

// line replaces the line that is being written.
func (p *progress) line(final bool, format string, args ...any) {
	if p.silent || p.plain && !final {
		return
	}
	if p.partial {
		fmt.Fprint(p.env.errors, "\r\x1b[K")
	}
	fmt.Fprintf(p.env.errors, format, args...)
	p.partial = !final
	if final {
		fmt.Fprintln(p.env.errors)
	}
}

// end ends an unfinished line.
func (p *progress) end() {
	if p.partial && !p.silent {
		fmt.Fprintln(p.env.errors)
		p.partial = false
	}
}

// step shows a step of a deployment. Several may be under way at once: the last line shows the latest news, and those
// that have ended stay.
func (p *progress) step(s *deploy.Step) {
	seconds := float64(s.ElapsedMs) / 1000
	switch s.State {
	case "started":
		p.line(false, "  %-8s %s ...", s.Action, s.Resource)
	case "progress":
		p.line(false, "  %-8s %s %s", s.Action, s.Resource, amount(s.Bytes, s.TotalBytes))
	case "done":
		size := ""
		if s.Bytes > 0 {
			size = report.Bytes(s.Bytes) + ", "
		}
		p.line(true, "✓ %-8s %s (%s%.1f s)", s.Action, s.Resource, size, seconds)
	case "failed":
		p.line(true, "✗ %-8s %s (%.1f s)", s.Action, s.Resource, seconds)
	}
}

// reader shows how far a file has been read.
func (p *progress) reader(r io.Reader, total int64, what string) io.Reader {
	if p.silent {
		return r
	}
	return &progressReader{r: r, p: p, total: total, what: what, began: time.Now()}
}

type progressReader struct {
	r     io.Reader
	p     *progress
	n     int64
	total int64
	what  string
	began time.Time
	told  time.Time
}

func (r *progressReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.n += int64(n)
	if now := time.Now(); now.Sub(r.told) > 100*time.Millisecond {
		r.told = now
		r.p.line(false, "  %s %s", r.what, amount(r.n, r.total))
	}
	if err == io.EOF {
		r.p.line(true, "✓ %s (%s, %.1f s)", r.what, report.Bytes(r.n), time.Since(r.began).Seconds())
	}
	return n, err
}

func amount(done, total int64) string {
	if total <= 0 {
		return report.Bytes(done)
	}
	return fmt.Sprintf("%s of %s (%d %%)", report.Bytes(done), report.Bytes(total), min(100, done*100/total))
}
