package export

import (
	"testing"

	"partita/internal/models"
	"partita/planner/plan"
)

// sample is a plan of three functions for a small model with skip connections. Its figures are made up, so that changes of
// the laws of cost change no golden file here.
func sample(t testing.TB) *plan.Plan {
	t.Helper()
	m := models.Residual(t)
	architecture, err := plan.PackArchitecture(m.Architecture.Format, m.Architecture.Data)
	if err != nil {
		t.Fatal(err)
	}
	p := &plan.Plan{
		Format:    plan.Format,
		Model:     plan.Model{Name: "residual", Source: "keras-json", Digest: m.Digest, Layers: 19, Parameters: 300_000, WeightBytes: 1_200_000, MACs: 9_000_000, Preprocess: "tf", Architecture: architecture},
		Platform:  "aws-lambda-arm64",
		PriceBook: plan.PriceBook{Date: "2026-11-23", Hash: "sha256:00"},
		Request: plan.Request{Objective: "cost", SLOUs: 1_500_000, BudgetPicoUSD: 60_000_000, Scenario: "cold-overlapped", MinStages: 1, MaxStages: 4, MemoryMB: []int64{512, 1024, 2048},
			Batch: 2, Transport: "auto", Packaging: "zip", Quantization: "none", GatewayMemoryMB: 512},
		Status: plan.Optimal, Times: "predicted",
		Stages: []plan.Stage{
			{Index: 1, FirstLayer: 1, LastLayer: 7, Layers: "image .. block0_add", MemoryMB: 512, MemoryNeededMB: 70, WeightBytes: 400_000, PackageBytes: 52_000_000, InputBytes: 602_112,
				OutputBytes: 401_408, TransportIn: "inline", TransportOut: "inline", Packaging: "zip", InitUs: 1_000_000, InputUs: 9_000, ComputeUs: 80_000, OutputUs: 6_000, BilledUs: 1_095_000,
				Invocations: 1, FeesPicoUSD: 200_000, CostPicoUSD: 7_500_000},
			{Index: 2, FirstLayer: 8, LastLayer: 18, Layers: "block1_a .. pool", MemoryMB: 1024, MemoryNeededMB: 71, WeightBytes: 700_000, PackageBytes: 53_000_000, InputBytes: 401_408,
				OutputBytes: 2_048, TransportIn: "inline", TransportOut: "inline", Packaging: "zip", InitUs: 1_100_000, InputUs: 6_000, ComputeUs: 90_000, OutputUs: 100, BilledUs: 1_197_000,
				Invocations: 2, FeesPicoUSD: 400_000, CostPicoUSD: 16_400_000},
			{Index: 3, FirstLayer: 19, LastLayer: 19, Layers: "classes", MemoryMB: 512, MemoryNeededMB: 66, WeightBytes: 100_000, PackageBytes: 51_000_000, InputBytes: 2_048,
				OutputBytes: 4_000, TransportIn: "inline", TransportOut: "inline", Packaging: "zip", InitUs: 900_000, InputUs: 100, ComputeUs: 500, OutputUs: 100, BilledUs: 901_000,
				Invocations: 2, FeesPicoUSD: 400_000, CostPicoUSD: 6_400_000},
		},
		Gateway:     plan.Gateway{MemoryMB: 512, StartUs: 400_000, DispatchUs: 10_000, BilledUs: 1_400_000, FeesPicoUSD: 200_000, CostPicoUSD: 9_533_338},
		LatencyUs:   1_400_000,
		CostPicoUSD: 39_833_338,
		Frontier: []plan.Point{
			{LatencyUs: 1_200_000, CostPicoUSD: 90_000_000, Stages: []plan.Choice{{LastLayer: 7, MemoryMB: 2048}, {LastLayer: 18, MemoryMB: 2048}, {LastLayer: 19, MemoryMB: 512}}},
			{LatencyUs: 1_400_000, CostPicoUSD: 39_833_338, Stages: []plan.Choice{{LastLayer: 7, MemoryMB: 512}, {LastLayer: 18, MemoryMB: 1024}, {LastLayer: 19, MemoryMB: 512}}},
			{LatencyUs: 1_900_000, CostPicoUSD: 31_000_000, Stages: []plan.Choice{{LastLayer: 19, MemoryMB: 512}}},
		},
		Baselines: []plan.Baseline{
			{Name: "one function", Status: "feasible", LatencyUs: 1_900_000, CostPicoUSD: 31_000_000, Stages: []plan.Choice{{LastLayer: 19, MemoryMB: 512}}},
			{Name: "greedy", Status: "infeasible", Stages: []plan.Choice{}},
			{Name: "random", Status: "feasible", LatencyUs: 1_700_000, CostPicoUSD: 120_000_000, Stages: []plan.Choice{{LastLayer: 7, MemoryMB: 2048}, {LastLayer: 19, MemoryMB: 512}}},
		},
	}
	encode(t, p)
	return p
}

func encode(t testing.TB, p *plan.Plan) {
	t.Helper()
	if _, err := p.Encode(); err != nil {
		t.Fatal(err)
	}
}

// whole is the sample in one warm function.
func whole(t testing.TB) *plan.Plan {
	p := sample(t)
	p.Request.Scenario = "warm"
	p.Stages = p.Stages[:1]
	p.Stages[0].LastLayer, p.Stages[0].Layers, p.Stages[0].InitUs, p.Stages[0].OutputBytes = 19, "image .. classes", 0, 4_000
	encode(t, p)
	return p
}
