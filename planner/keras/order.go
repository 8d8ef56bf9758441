package keras

import (
	"container/heap"
	"fmt"
)

// step is one call of a layer.
type step struct {
	layer  int // index into modelConfig.layers
	call   int // which of the layer's calls
	inputs []int
}

// order lists the calls in the order of the configuration where that is a topological order, else in the topological
// order nearest to it: of the calls that are ready the one first in the configuration. Calls that no output depends on
// are left out, as Keras leaves them out when it builds the model. A Sequential's input is not a step.
func (m *modelConfig) order() ([]step, map[tensorRef]int, error) {
	index := map[tensorRef]int{} // by layer and node, tensor 0
	var steps []step
	for li, l := range m.layers {
		if l.class == "InputLayer" {
			index[tensorRef{layer: l.name}] = len(steps)
			steps = append(steps, step{layer: li})
			continue
		}
		for ci := range l.calls {
			index[tensorRef{layer: l.name, node: ci}] = len(steps)
			steps = append(steps, step{layer: li, call: ci})
		}
	}
	find := func(r tensorRef, where string) (int, error) {
		if i, ok := index[tensorRef{layer: r.layer, node: r.node}]; ok {
			return i, nil
		}
		return 0, badConfig("%s refers to output %d of call %d of layer %q, which is not there", where, r.tensor, r.node, r.layer)
	}
	users := make([][]int, len(steps))
	for i := range steps {
		l := m.layers[steps[i].layer]
		if l.class == "InputLayer" {
			continue
		}
		var err error
		l.calls[steps[i].call].references(func(r *tensorRef) {
			if err != nil || m.input != nil && r.layer == m.input.name {
				return
			}
			var from int
			if from, err = find(*r, fmt.Sprintf("%s (%s)", l.path, l.name)); err == nil {
				steps[i].inputs = append(steps[i].inputs, from)
				users[from] = append(users[from], i)
			}
		})
		if err != nil {
			return nil, nil, err
		}
	}
	needed := make([]bool, len(steps))
	var stack []int
	for _, ports := range [][]tensorRef{m.outputs, m.inputs} {
		for _, r := range ports {
			i, err := find(r, "the list of the model's inputs and outputs")
			if err != nil {
				return nil, nil, err
			}
			stack = append(stack, i)
		}
	}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !needed[i] {
			needed[i] = true
			stack = append(stack, steps[i].inputs...)
		}
	}
	waiting := make([]int, len(steps))
	var ready intHeap
	count := 0
	for i := range steps {
		waiting[i] = len(steps[i].inputs)
		if needed[i] {
			count++
			if waiting[i] == 0 {
				ready = append(ready, i) // rising, so already a heap
			}
		}
	}
	sorted := make([]step, 0, count)
	position := make([]int, len(steps))
	for len(ready) > 0 {
		i := heap.Pop(&ready).(int)
		position[i] = len(sorted)
		s := steps[i]
		inputs := make([]int, len(s.inputs))
		for k, in := range s.inputs {
			inputs[k] = position[in]
		}
		s.inputs = inputs
		sorted = append(sorted, s)
		for _, u := range users[i] {
			if waiting[u]--; waiting[u] == 0 && needed[u] {
				heap.Push(&ready, u)
			}
		}
	}
	if len(sorted) < count {
		for i := range steps {
			if needed[i] && waiting[i] > 0 {
				l := m.layers[steps[i].layer]
				return nil, nil, badConfig("%s (%s) depends on its own output", l.path, l.name)
			}
		}
	}
	for r, i := range index {
		if needed[i] {
			index[r] = position[i]
		} else {
			delete(index, r)
		}
	}
	return sorted, index, nil
}

type intHeap []int

func (h intHeap) Len() int           { return len(h) }
func (h intHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h intHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *intHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *intHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
