package milp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"partita/planner/solve"
)

// Answer is what CBC found. A program that nothing satisfies has no path.
type Answer struct {
	Path   []solve.Choice
	Total  solve.Point   // of Path, in exact integers
	Rounds int           // programs solved: 1, and 1 for each path that passed the SLO by less than a tolerance
	Took   time.Duration // by CBC's own process, reading the program included
}

// Feasible reports whether there is a path.
func (a *Answer) Feasible() bool { return len(a.Path) > 0 }

// CBC is the solver's program.
type CBC struct {
	Path string
	// Preprocess leaves CBC's integer preprocessing on. That makes it some times faster, and now and then wrong: see the
	// package's documentation.
	Preprocess bool
}

// FindCBC finds it; an error says how to install it.
func FindCBC() (CBC, error) {
	path, err := exec.LookPath("cbc")
	if err != nil {
		return CBC{}, errors.New("CBC is not installed: make test-tools, or sudo apt-get install coinor-cbc")
	}
	return CBC{Path: path}, nil
}

// NoSLO asks for the cheapest plan of all.
const NoSLO = -1

// rounds bounds how often a path may be forbidden.
const rounds = 50

// Solve finds the cheapest plan of an instance with a latency of at most sloUs. Its files go into dir.
func (c CBC) Solve(ctx context.Context, dir string, in *solve.Instance, sloUs int64) (*Answer, error) {
	answer := &Answer{}
	p := newProgram(in, sloUs)
	if p == nil {
		return answer, nil
	}
	for answer.Rounds < rounds {
		answer.Rounds++
		path, spent, err := c.run(ctx, dir, p)
		answer.Took += spent
		if err != nil || path == nil {
			return answer, err
		}
		var steps []step
		for _, choice := range path {
			steps = append(steps, stepOf(in, choice))
		}
		total, err := evaluate(&in.Terms, steps)
		if err != nil {
			return nil, fmt.Errorf("CBC's path %v: %w", path, err)
		}
		if sloUs < 0 || total.LatencyUs <= sloUs {
			answer.Path, answer.Total = path, total
			return answer, nil
		}
		p.forbidden = append(p.forbidden, path)
	}
	return nil, fmt.Errorf("CBC answered with %d paths that are too slow", rounds)
}

// run solves a program once; without a path it is infeasible.
func (c CBC) run(ctx context.Context, dir string, p *program) ([]solve.Choice, time.Duration, error) {
	program, solution := filepath.Join(dir, "program.mps"), filepath.Join(dir, "solution.txt")
	f, err := os.Create(program)
	if err != nil {
		return nil, 0, err
	}
	if err := errors.Join(p.write(f), f.Close()); err != nil {
		return nil, 0, err
	}
	preprocess := "off"
	if c.Preprocess {
		preprocess = "sos" // its default
	}
	start := time.Now()
	command := exec.CommandContext(ctx, c.Path, program, "-ratioGap", "0", "-allowableGap", "0", "-integerTolerance", "1e-8",
		"-primalTolerance", "1e-9", "-dualTolerance", "1e-9", "-preprocess", preprocess, "-printingOptions", "normal", "-solve", "-solution", solution)
	out, err := command.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		return nil, took, fmt.Errorf("running CBC: %w\n%s", err, out)
	}
	path, err := p.read(solution)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, took, err
}

// read takes the path out of a file of CBC's: a line with the status, then a line for every column that is not zero.
func (p *program) read(name string) ([]solve.Choice, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	if !lines.Scan() {
		return nil, errors.New("CBC's solution is empty")
	}
	status := lines.Text()
	switch {
	case strings.HasPrefix(status, "Infeasible") || strings.HasPrefix(status, "Integer infeasible"):
		return nil, nil
	case !strings.HasPrefix(status, "Optimal"):
		return nil, fmt.Errorf("CBC's status is %q", status)
	}
	var path []solve.Choice
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || !strings.HasPrefix(fields[1], "x") {
			continue
		}
		value, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return nil, err
		}
		if value < 0.5 {
			continue
		}
		var choice solve.Choice
		if _, err := fmt.Sscanf(fields[1], "x%d_%d", &choice.Segment, &choice.Option); err != nil {
			return nil, fmt.Errorf("CBC's column %q: %w", fields[1], err)
		}
		path = append(path, choice)
	}
	sort.Slice(path, func(a, b int) bool { return p.in.Segments[path[a].Segment].I < p.in.Segments[path[b].Segment].I })
	if path == nil {
		return nil, errors.New("CBC's solution has no stage")
	}
	return path, lines.Err()
}
