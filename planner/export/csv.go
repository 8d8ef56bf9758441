package export

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"partita/planner/plan"
	"partita/planner/platform"
)

// Figures in tables have the units of the document, so that spreadsheets can calculate with them; costs are also in USD,
// exactly.

const picoDigits = 12

// stagesCSV writes the functions: the stages, the gateway and their sum.
func stagesCSV(p *plan.Plan) ([]byte, error) {
	if err := needsStages(p); err != nil {
		return nil, err
	}
	rows := [][]string{{"function", "firstLayer", "lastLayer", "layers", "memoryMB", "memoryNeededMB", "weightBytes", "packageBytes", "inputBytes", "outputBytes",
		"transportIn", "transportOut", "packaging", "precision", "initUs", "inputUs", "computeUs", "outputUs", "billedUs", "invocations", "feesPicoUSD", "costPicoUSD", "costUSD", "branch"}}
	for _, s := range p.Stages {
		rows = append(rows, []string{"stage-" + strconv.Itoa(s.Index), strconv.Itoa(s.FirstLayer), strconv.Itoa(s.LastLayer), textCell(s.Layers), number(s.MemoryMB), number(s.MemoryNeededMB),
			number(s.WeightBytes), number(s.PackageBytes), number(s.InputBytes), number(s.OutputBytes), s.TransportIn, s.TransportOut, s.Packaging, cmp.Or(s.Precision, "float32"), number(s.InitUs),
			number(s.InputUs), number(s.ComputeUs), number(s.OutputUs), number(s.BilledUs), number(s.Invocations), number(s.FeesPicoUSD), number(s.CostPicoUSD), usd(s.CostPicoUSD), branchCell(s.Branch)})
	}
	g := p.Gateway
	gateway := make([]string, len(rows[0]))
	total := make([]string, len(rows[0]))
	set := func(row []string, column, value string) {
		for i, name := range rows[0] {
			if name == column {
				row[i] = value
				return
			}
		}
		panic("export: there is no column " + column)
	}
	set(gateway, "function", "gateway")
	set(gateway, "memoryMB", number(g.MemoryMB))
	set(gateway, "billedUs", number(g.BilledUs))
	set(gateway, "invocations", "1")
	set(gateway, "feesPicoUSD", number(g.FeesPicoUSD))
	set(gateway, "costPicoUSD", number(g.CostPicoUSD))
	set(gateway, "costUSD", usd(g.CostPicoUSD))
	set(total, "function", "request")
	set(total, "costPicoUSD", number(p.CostPicoUSD))
	set(total, "costUSD", usd(p.CostPicoUSD))
	rows = append(rows, gateway)
	if w := p.Workflow; w != nil {
		set(gateway, "invocations", "2") // before the stages and after them
		workflow := make([]string, len(rows[0]))
		set(workflow, "function", "workflow")
		set(workflow, "billedUs", number(w.BilledUs))
		set(workflow, "invocations", "1")
		set(workflow, "feesPicoUSD", number(w.FeesPicoUSD))
		set(workflow, "costPicoUSD", number(w.CostPicoUSD))
		set(workflow, "costUSD", usd(w.CostPicoUSD))
		rows = append(rows, workflow)
	}
	return table(append(rows, total))
}

// frontierCSV writes the frontier and the baselines.
func frontierCSV(p *plan.Plan) ([]byte, error) {
	rows := [][]string{{"plan", "latencyUs", "costPicoUSD", "costUSD", "stages", "lastLayers", "memoryMB", "packagings", "precisions", "batch", "pipelines"}}
	open, gateways := p.Request.Orchestration == plan.OrchestrationAuto, p.Request.GatewayMemoryMB == 0 // then each entry has its own
	if open {
		rows[0] = append(rows[0], "orchestration")
	}
	if gateways {
		rows[0] = append(rows[0], "gatewayMemoryMB")
	}
	row := func(name string, latencyUs, costPicoUSD, batch, pipelines, gatewayMemoryMB int64, by string, stages []plan.Choice) {
		// Of functions side by side there is a bar between, of others a space.
		list := func(cell func(c *plan.Choice) string) string {
			text := ""
			for k := range stages {
				switch {
				case stages[k].Branch > 1:
					text += "|"
				case k > 0:
					text += " "
				}
				text += cell(&stages[k])
			}
			return text
		}
		rows = append(rows, []string{name, number(latencyUs), number(costPicoUSD), usd(costPicoUSD), strconv.Itoa(len(stages)),
			list(func(c *plan.Choice) string { return strconv.Itoa(c.LastLayer) }), list(func(c *plan.Choice) string { return number(c.MemoryMB) }),
			list(func(c *plan.Choice) string { return cmp.Or(c.Packaging, "zip") }), list(func(c *plan.Choice) string { return cmp.Or(c.Precision, "float32") }),
			number(cmp.Or(batch, p.Request.Batch)), number(max(pipelines, 1))})
		last := &rows[len(rows)-1]
		if open {
			*last = append(*last, cmp.Or(by, "gateway"))
		}
		if gateways {
			*last = append(*last, number(cmp.Or(gatewayMemoryMB, p.Gateway.MemoryMB)))
		}
	}
	for i, point := range p.Frontier {
		name := "frontier " + strconv.Itoa(i+1)
		if len(p.Stages) > 0 && point.LatencyUs == p.LatencyUs && point.CostPicoUSD == p.CostPicoUSD {
			name = "chosen"
		}
		row(name, point.LatencyUs, point.CostPicoUSD, point.Batch, point.Pipelines, point.GatewayMemoryMB, point.Orchestration, point.Stages)
	}
	for _, b := range p.Baselines {
		if b.Status == plan.Feasible {
			row(textCell(b.Name), b.LatencyUs, b.CostPicoUSD, b.Batch, b.Pipelines, b.GatewayMemoryMB, "", b.Stages)
		}
	}
	return table(rows)
}

// branchCell numbers a function that runs beside others.
func branchCell(branch int) string {
	if branch == 0 {
		return ""
	}
	return strconv.Itoa(branch)
}

func number(v int64) string { return strconv.FormatInt(v, 10) }

func usd(picoUSD int64) string { return platform.FormatDecimal(picoUSD, picoDigits) }

// textCell keeps spreadsheets from taking a model's names for formulas, which they do with text that begins with one of
// these characters.
func textCell(text string) string {
	text = oneLine(text)
	if text != "" && strings.ContainsRune("=+-@", rune(text[0])) {
		return "'" + text
	}
	return text
}

func table(rows [][]string) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("writing the table: %w", err)
	}
	return b.Bytes(), nil
}
