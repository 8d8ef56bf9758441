package rewrite_test

import (
	"slices"
	"testing"

	"partita/internal/fixture"
	"partita/internal/models"
	"partita/planner/graph"
	"partita/planner/rewrite"
)

func towers(t *testing.T, m fixture.Towers) *graph.Graph {
	t.Helper()
	return models.Towers(t, m).Graph
}

// flops is a stand-in for the time of each layer.
func flops(g *graph.Graph) []int64 {
	ns := make([]int64, len(g.Layers))
	for i := range g.Nodes {
		ns[g.Nodes[i].Layer] += g.Work(i).FLOPs
	}
	return ns
}

func names(g *graph.Graph, first, last int) (list []string) {
	for _, l := range g.Layers[first:last] {
		list = append(list, l.Name)
	}
	return list
}

// Towers are found whichever way their layers are listed, and each is a range of layers afterwards.
func TestBranchesOfTowers(t *testing.T) {
	for _, c := range []struct {
		name   string
		model  fixture.Towers
		bounds []int
		first  []string // of each branch
	}{
		{"one by one", fixture.Towers{Size: 16, Filters: []int{8, 8}, Depth: 3}, []int{2, 6, 10}, []string{"tower1_conv1", "tower2_conv1"}},
		{"depth by depth", fixture.Towers{Size: 16, Filters: []int{8, 8, 16}, Depth: 3, Level: true}, []int{2, 6, 10, 14}, []string{"tower1_conv1", "tower2_conv1", "tower3_conv1"}},
		{"inputs of their own", fixture.Towers{Size: 16, Filters: []int{8, 8}, Depth: 2, Apart: true, Level: true}, []int{0, 4, 8}, []string{"image1", "image2"}},
		{"outputs of their own", fixture.Towers{Size: 16, Filters: []int{8, 8}, Depth: 2, Apart: true, Separate: true}, []int{0, 5, 10}, []string{"image1", "image2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := towers(t, c.model)
			before := g.Text()
			order, regions := rewrite.Branches(g, flops(g), 1000, nil)
			if len(regions) != 1 || !slices.Equal(regions[0].Bounds, c.bounds) {
				t.Fatalf("regions %v of %v", regions, names(g, 0, len(g.Layers)))
			}
			sorted := g
			if order != nil {
				var err error
				if sorted, err = rewrite.Reorder(g, order); err != nil {
					t.Fatal(err)
				}
			}
			if err := sorted.Validate(); err != nil {
				t.Fatal(err)
			}
			if g.Text() != before {
				t.Error("the graph itself has changed")
			}
			for k, first := range c.first {
				if got := names(sorted, c.bounds[k], c.bounds[k+1]); got[0] != first {
					t.Errorf("branch %d is %v", k+1, got)
				}
			}
			if _, none := rewrite.Branches(g, flops(g), 1<<40, nil); none != nil {
				t.Errorf("branches of too little work: %v", none)
			}
		})
	}
}

// A branch too light to be on its own goes with the lightest of the others.
func TestLightBranches(t *testing.T) {
	g := towers(t, fixture.Towers{Size: 16, Filters: []int{1, 16, 8}, Depth: 2, Level: true})
	ns := flops(g)
	var light int64
	for l, n := range ns {
		if g.Layers[l].Name == "tower1_conv1" || g.Layers[l].Name == "tower1_conv2" || g.Layers[l].Name == "tower1_pool" {
			light += n
		}
	}
	order, regions := rewrite.Branches(g, ns, light+1, nil)
	if len(regions) != 1 || len(regions[0].Bounds) != 3 {
		t.Fatalf("regions %v", regions)
	}
	sorted, err := rewrite.Reorder(g, order)
	if err != nil {
		t.Fatal(err)
	}
	b := regions[0].Bounds
	if got := names(sorted, b[0], b[1]); !slices.Equal(got, []string{"tower1_conv1", "tower3_conv1", "tower1_conv2", "tower3_conv2", "tower1_pool", "tower3_pool"}) {
		t.Errorf("the first branch is %v", got)
	}
}

// No layer of a branch needs one of another, in any architecture, however little a branch may take; and the reordered graph is
// whole.
func TestBranchesOfTheZoo(t *testing.T) {
	found := 0
	for _, name := range []string{"InceptionV3", "NASNetMobile", "ResNet50", "DenseNet121", "VGG16"} {
		m := models.Zoo(t, name)
		g := m.Graph
		order, regions := rewrite.Branches(g, flops(g), 1, nil)
		found += len(regions)
		if order != nil {
			var err error
			if g, err = rewrite.Reorder(g, order); err != nil {
				t.Fatal(err)
			}
			if err := g.Validate(); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range regions {
			of := map[int]int{}
			for k := range r.Bounds[1:] {
				for l := r.Bounds[k]; l < r.Bounds[k+1]; l++ {
					of[l] = k + 1
				}
			}
			for i := range g.Nodes {
				n := &g.Nodes[i]
				for _, v := range n.Inputs {
					if v == graph.None || g.Values[v].Producer < 0 {
						continue
					}
					if from, to := of[g.Nodes[g.Values[v].Producer].Layer], of[n.Layer]; from != 0 && to != 0 && from != to {
						t.Fatalf("%s: branch %d needs %s of branch %d", name, to, g.Values[v].Name, from)
					}
				}
			}
		}
		if name == "VGG16" && len(regions) > 0 {
			t.Errorf("VGG16 has branches: %v", regions)
		}
	}
	if found < 20 {
		t.Errorf("only %d regions", found)
	}
}

// An order that is none is refused.
func TestReorderRefuses(t *testing.T) {
	g := towers(t, fixture.Towers{Size: 8, Filters: []int{4, 4}, Depth: 1})
	identity := make([]int, len(g.Layers))
	for k := range identity {
		identity[k] = k
	}
	swap := slices.Clone(identity)
	swap[1], swap[2] = swap[2], swap[1]
	twice := slices.Clone(identity)
	twice[0] = 1
	for _, order := range [][]int{nil, identity[1:], swap, twice, append([]int{-1}, identity[1:]...)} {
		if _, err := rewrite.Reorder(g, order); err == nil {
			t.Errorf("%v is accepted", order)
		}
	}
	if same, err := rewrite.Reorder(g, identity); err != nil || same.Text() != g.Text() {
		t.Errorf("the order that the layers have gives another graph, %v", err)
	}
}

func BenchmarkBranches(b *testing.B) {
	m := models.Zoo(b, "NASNetLarge")
	ns := flops(m.Graph)
	for b.Loop() {
		rewrite.Branches(m.Graph, ns, 1<<30, nil)
	}
}
