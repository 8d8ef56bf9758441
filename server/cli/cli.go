// Package cli is the command line. Each command is parsed from one table, acts, and is shown in one of two views: for
// people, or as a versioned JSON document. Standard output carries data only; talk and progress go to standard error.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"partita/planner/diag"
)

// buildVersion is set by the build.
var buildVersion = "unversioned"

// environment is what a command has around it.
type environment struct {
	in       io.Reader
	out      io.Writer
	errors   io.Writer
	terminal bool // errors is a terminal that a person looks at
	getenv   func(string) string
}

// Main runs the command line of this process and gives its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who interrupts a second time does not want to wait for what the first one undoes
	return run(ctx, os.Args[1:], &environment{in: os.Stdin, out: os.Stdout, errors: os.Stderr, terminal: isTerminal(os.Stderr), getenv: os.Getenv})
}

// run parses, acts and reports.
func run(ctx context.Context, args []string, env *environment) int {
	out := &output{to: env.out}
	env.in, env.out = &input{ctx, env.in}, out
	err := dispatch(ctx, args, env)
	if out.err != nil && diag.CodeOf(err) != "interrupted" {
		err = fileError("writing standard output", out.err)
	}
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && diag.As(err) == nil || errors.Is(err, context.Canceled) {
		err = diag.New(diag.Interrupted, "interrupted", "", "interrupted", "")
	}
	tell(env, err, wantsJSON(args))
	return diag.ExitCode(err)
}

func dispatch(ctx context.Context, args []string, env *environment) error {
	if len(args) == 0 {
		writeHelp(env.errors)
		return diag.New(diag.Usage, "usage.no-command", "", "no command is given", "partita help lists the commands")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "-h", "--help":
		return help(rest, env)
	case "--version":
		name = "version"
	}
	c := find(name)
	if c == nil {
		return diag.New(diag.Usage, "usage.unknown-command", "", "there is no command "+name, "partita help lists the commands")
	}
	parsed, err := parse(c, rest)
	if err != nil {
		return err
	}
	if parsed.help {
		writeCommandHelp(env.out, c)
		return nil
	}
	if !c.alone {
		return c.run(ctx, parsed, env)
	}
	done := make(chan error, 1)
	go func() { done <- c.run(ctx, parsed, env) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errorDocument is an error as --json shows it.
type errorDocument struct {
	Format  string   `json:"format"`
	Code    string   `json:"code"`
	Kind    string   `json:"kind"`
	Doing   string   `json:"doing,omitempty"`
	Found   string   `json:"found"`
	Fix     string   `json:"fix,omitempty"`
	Details []string `json:"details,omitempty"`
}

// tell says what went wrong, on standard error: one sentence for people, a document for programs.
func tell(env *environment, err error, asJSON bool) {
	if !asJSON {
		fmt.Fprintln(env.errors, "partita: "+err.Error())
		return
	}
	d := errorDocument{Format: "partita.error/1", Code: diag.CodeOf(err), Kind: diag.Internal.String(), Found: err.Error()}
	if e := diag.As(err); e != nil {
		d.Kind, d.Doing, d.Found, d.Fix, d.Details = e.Kind.String(), e.Doing, e.Found, e.Fix, e.Details
		if e.Err != nil {
			d.Found += ": " + e.Err.Error()
		}
	}
	writeJSON(env.errors, d)
}

func wantsJSON(args []string) bool {
	for _, a := range args {
		if a == "--" {
			return false
		}
		if a == "--json" {
			return true
		}
	}
	return false
}

// writeJSON writes a document and a line break.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// say tells the user something that is not data.
func (env *environment) say(format string, args ...any) {
	fmt.Fprintf(env.errors, format+"\n", args...)
}
