package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"partita/planner/diag"
)

const introduction = `Partita finds the cheapest way to serve a neural network on serverless functions within a response time, and deploys it.

usage: partita COMMAND [arguments]

`

// help answers partita help [COMMAND].
func help(args []string, env *environment) error {
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" {
		writeHelp(env.out)
		return nil
	}
	c := find(args[0])
	if c == nil {
		return diag.New(diag.Usage, "usage.unknown-command", "", "there is no command "+args[0], "partita help lists the commands")
	}
	writeCommandHelp(env.out, c)
	return nil
}

func writeHelp(w io.Writer) {
	io.WriteString(w, introduction)
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(table, "  %s\t%s\n", strings.TrimSpace(c.name+" "+c.args), c.summary)
	}
	table.Flush()
	io.WriteString(w, `
partita COMMAND -h shows the flags of a command. "-" as a file is standard input.
Exit codes: 0 done, 1 error, 2 usage, 3 infeasible, 4 a limit or policy, 130 interrupted.
`)
}

func writeCommandHelp(w io.Writer, c *command) {
	fmt.Fprintf(w, "usage: partita %s", c.name)
	if c.args != "" {
		fmt.Fprintf(w, " %s", c.args)
	}
	if len(c.flags) > 0 {
		io.WriteString(w, " [flags]")
	}
	fmt.Fprintf(w, "\n\n%s.\n", strings.ToUpper(c.summary[:1])+c.summary[1:])
	if c.detail != "" {
		fmt.Fprintf(w, "%s\n", c.detail)
	}
	if len(c.flags) == 0 {
		return
	}
	io.WriteString(w, "\n")
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, f := range c.flags {
		name := "--" + f.name
		if f.value != "" {
			name += " " + f.value
		}
		text := f.help
		if f.standard != "" {
			text += " (default " + f.standard + ")"
		}
		fmt.Fprintf(table, "  %s\t%s\n", name, text)
	}
	table.Flush()
}
