package cli

import (
	"fmt"
	"strconv"
	"strings"

	"partita/planner/diag"
)

// flag is one flag of a command.
type flag struct {
	name     string // without dashes
	value    string // what it takes, for the help; "" when it is a switch
	standard string // default, for the help and the command
	help     string
}

// command is one row of the table of commands.
type command struct {
	name    string
	args    string // its arguments, for the help
	minArgs int
	maxArgs int // -1: any number
	summary string
	detail  string
	flags   []flag
	run     runner
	alone   bool // it only reads and computes: an interruption may end it at any point
}

// arguments are a command's arguments as given.
type arguments struct {
	words    []string
	values   map[string]string // of flags; only those given
	standard map[string]string
	help     bool
}

// parse reads a command's arguments. Flags may come before, between and after the others; -- ends them.
func parse(c *command, args []string) (*arguments, error) {
	a := &arguments{values: map[string]string{}, standard: map[string]string{}}
	known := map[string]*flag{}
	for i := range c.flags {
		f := &c.flags[i]
		known[f.name] = f
		a.standard[f.name] = f.standard
	}
	for i := 0; i < len(args); i++ {
		word := args[i]
		if word == "--" {
			a.words = append(a.words, args[i+1:]...)
			break
		}
		if word == "-h" || word == "--help" {
			return &arguments{help: true}, nil
		}
		if word == "-" || !strings.HasPrefix(word, "-") {
			a.words = append(a.words, word)
			continue
		}
		name, value, inline := strings.Cut(strings.TrimPrefix(word, "--"), "=")
		f := known[name]
		if f == nil || !strings.HasPrefix(word, "--") {
			return nil, usage(c, "there is no flag "+word+nearest(name, c.flags))
		}
		switch {
		case f.value == "":
			if inline {
				return nil, usage(c, "the flag --"+name+" takes no value")
			}
			value = "true"
		case !inline:
			if i+1 >= len(args) {
				return nil, usage(c, "the flag --"+name+" needs a value: "+f.value)
			}
			i++
			value = args[i]
		}
		if before, twice := a.values[name]; twice && before != value {
			return nil, usage(c, "the flag --"+name+" is given twice, as "+before+" and as "+value+"; what takes a list takes it in one, with commas")
		}
		a.values[name] = value
	}
	if len(a.words) < c.minArgs {
		return nil, usage(c, "it needs "+c.args)
	}
	if c.maxArgs >= 0 && len(a.words) > c.maxArgs {
		return nil, usage(c, "there is one argument too many: "+a.words[c.maxArgs])
	}
	return a, nil
}

func usage(c *command, found string) *diag.Error {
	return diag.New(diag.Usage, "usage.bad-arguments", c.name, found, "partita "+c.name+" -h shows how it is used")
}

// nearest suggests the flag that a mistyped one probably means.
func nearest(name string, flags []flag) string {
	best, distance := "", 3
	for _, f := range flags {
		if d := editDistance(name, f.name); d < distance {
			best, distance = f.name, d
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean --" + best + "?)"
}

// editDistance is Levenshtein's distance.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// text gives a flag's value, or its default.
func (a *arguments) text(name string) string {
	if v, ok := a.values[name]; ok {
		return v
	}
	return a.standard[name]
}

func (a *arguments) on(name string) bool { return a.values[name] == "true" }

// number gives a flag's value as a whole number from low to high.
func (a *arguments) number(name string, low, high int64) (int64, error) {
	n, err := strconv.ParseInt(a.text(name), 10, 64)
	if err != nil || n < low || n > high {
		return 0, diag.New(diag.Usage, "usage.bad-value", "reading --"+name, fmt.Sprintf("its value is %q", a.text(name)), fmt.Sprintf("give a whole number from %d to %d", low, high))
	}
	return n, nil
}
