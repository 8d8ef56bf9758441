package deploy

import (
	"fmt"

	"partita/planner/report"
	"partita/runtime/npy"
	"partita/runtime/wire"
)

// compareReplies adds the answers of both deployments to one sample.
func compareReplies(e *report.OutputError, exact, lowered *wire.GatewayReply) error {
	if len(exact.Outputs) != len(lowered.Outputs) {
		return fmt.Errorf("%d outputs in float32, %d as deployed", len(exact.Outputs), len(lowered.Outputs))
	}
	for i := range exact.Outputs {
		want, err := numbers(&exact.Outputs[i])
		if err != nil {
			return err
		}
		got, err := numbers(&lowered.Outputs[i])
		if err != nil {
			return err
		}
		if len(got) != len(want) {
			return fmt.Errorf("output %s has %d numbers in float32, %d as deployed", exact.Outputs[i].Name, len(want), len(got))
		}
		e.Compare(want, got)
	}
	for i := range exact.Top {
		if i >= len(lowered.Top) || len(exact.Top[i]) == 0 {
			continue
		}
		e.Ranked++
		if len(lowered.Top[i]) == 0 || lowered.Top[i][0].Index != exact.Top[i][0].Index {
			e.TopChanged++
		}
	}
	e.Samples++
	return nil
}

func numbers(t *wire.Tensor) ([]float64, error) {
	a, err := (&npy.Array{DType: t.DType, Shape: t.Shape, Data: t.Data}).Convert("float64")
	if err != nil {
		return nil, err
	}
	return a.Float64s(), nil
}
