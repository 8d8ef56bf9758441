package planner_test

import (
	"fmt"
	"os"

	"partita/planner"
	"partita/planner/load"
)

// A model file and a request become a plan.
func Example() {
	f, err := os.Open("testdata/residual.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := load.Open(load.File{Name: f.Name(), Size: info.Size(), Reader: f})
	if err != nil {
		fmt.Println(err)
		return
	}
	request, err := planner.ParseQuery("on=local&slo=200ms&mb=512,1024,1792")
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := planner.Make(model, request)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Status, len(plan.Stages), "of at most", plan.Request.MaxStages, "functions")
	for _, s := range plan.Stages {
		fmt.Printf("%d: layers %s at %d MB\n", s.Index, s.Layers, s.MemoryMB)
	}
	// Output:
	// optimal 1 of at most 10 functions
	// 1: layers image .. classes at 512 MB
}
