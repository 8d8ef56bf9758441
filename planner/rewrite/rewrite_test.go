package rewrite_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"partita/internal/models"
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/rewrite"
)

func layer(t *testing.T, g *graph.Graph, name string) int {
	t.Helper()
	i := slices.IndexFunc(g.Layers, func(l graph.Layer) bool { return l.Name == name })
	if i < 0 {
		t.Fatalf("no layer %s", name)
	}
	return i
}

// VGG16's first dense layer in three parts: every part has its range of the stored kernel, nothing else changes.
func TestDenseOfVGG16(t *testing.T) {
	g := models.Zoo(t, "VGG16").Graph
	before := g.Text()
	at := layer(t, g, "fc1")
	c, ok := rewrite.Find(g, at)
	if !ok || c.Channels != 4096 || c.Bytes != 25088*4096*4 || c.Layer != at {
		t.Fatalf("%+v, %v", c, ok)
	}
	got, err := rewrite.Apply(g, []rewrite.Split{{Layer: "fc1", Parts: 3}})
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Fatal(err)
	}
	if g.Text() != before {
		t.Error("the graph itself has changed")
	}
	if len(got.Layers) != len(g.Layers)+3 || got.WeightBytes() != g.WeightBytes() || got.Parameters != g.Parameters || got.LayerCount != g.LayerCount {
		t.Errorf("%d layers, %d bytes of weights", len(got.Layers), got.WeightBytes())
	}
	var sum int64
	edge := int64(0)
	for k := range 3 {
		l := got.Layers[at+k]
		if l.Name != fmt.Sprintf("fc1 (%d of 3)", k+1) || l.Class != "Dense" {
			t.Errorf("part %d is %s of class %s", k, l.Name, l.Class)
		}
		sum += l.Parameters
		kernel := got.Value(got.Nodes[l.FirstNode].Inputs[1]).Weight
		if kernel.Key != g.Value(g.Nodes[g.Layers[at].FirstNode].Inputs[1]).Weight.Key || kernel.Part.Axis != 1 || kernel.Part.From != edge || kernel.Part.From%16 != 0 {
			t.Errorf("part %d takes %s", k, kernel.ID())
		}
		edge = kernel.Part.To
		if w := edge - kernel.Part.From; w < 1344 || w > 1376 || l.Output[1] != w {
			t.Errorf("part %d has %d channels and shows %v", k, w, l.Output)
		}
	}
	if edge != 4096 || sum != g.Layers[at].Parameters {
		t.Errorf("the parts end at %d and have %d parameters", edge, sum)
	}
	joined := got.Layers[at+3]
	if joined.Name != "fc1" || !joined.Output.Equal(g.Layers[at].Output) || joined.LastNode-joined.FirstNode != g.Layers[at].LastNode-g.Layers[at].FirstNode {
		t.Errorf("the last step is %+v", joined)
	}
	for i := at + 1; i < len(g.Layers); i++ {
		if l := got.Layers[i+3]; l.Name != g.Layers[i].Name || l.Inputs[0] != g.Layers[i].Inputs[0]+3 {
			t.Errorf("layer %s reads %v", l.Name, l.Inputs)
		}
	}
	// Between the parts, the input and the parts so far are live, and a cut may fall.
	live := got.Live()
	for k := range 3 {
		if n := len(live[at+1+k]); n != k+2 && k < 2 || k == 2 && n != 3 {
			t.Errorf("%d tensors are live after part %d", n, k+1)
		}
		if !slices.Contains(got.Cuts(), at+1+k) {
			t.Errorf("no cut after part %d", k+1)
		}
	}
}

// Every layer of every network of the zoo that can be computed in parts gives a valid graph with as many weights and as much work.
func TestEveryLayerOfTheZoo(t *testing.T) {
	for _, name := range []string{"VGG16", "ResNet50", "MobileNetV2", "InceptionV3", "DenseNet121", "EfficientNetB0"} {
		g := models.Zoo(t, name).Graph
		found := 0
		for i := range g.Layers {
			c, ok := rewrite.Find(g, i)
			if !ok {
				continue
			}
			found++
			if found%7 != 1 {
				continue
			}
			for _, parts := range []int{2, 3, min(rewrite.MaxParts, int(c.Channels))} {
				got, err := rewrite.Apply(g, []rewrite.Split{{Layer: g.Layers[i].Name, Parts: parts}})
				if err != nil {
					t.Fatal(err)
				}
				if err := got.Validate(); err != nil {
					t.Fatalf("%s, %s in %d: %v", name, g.Layers[i].Name, parts, err)
				}
				if got.WeightBytes() != g.WeightBytes() || got.TotalWork().MACs != g.TotalWork().MACs {
					t.Errorf("%s, %s in %d: %d bytes, %d MACs, want %d and %d", name, g.Layers[i].Name, parts, got.WeightBytes(), got.TotalWork().MACs, g.WeightBytes(), g.TotalWork().MACs)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s has no layer that can be computed in parts", name)
		}
	}
}

func TestSources(t *testing.T) {
	g := models.Zoo(t, "VGG16").Graph
	names := func(g *graph.Graph) (all []string) {
		for _, l := range g.Layers {
			all = append(all, l.Name)
		}
		return all
	}
	splits := []rewrite.Split{{Layer: "fc1", Parts: 3}, {Layer: "block1_conv1", Parts: 2}, {Layer: "absent", Parts: 4}}
	inParts, err := rewrite.Apply(g, splits[:2])
	if err != nil {
		t.Fatal(err)
	}
	sources := rewrite.Sources(names(g), splits)
	if len(sources) != len(inParts.Layers) {
		t.Fatalf("%d layers, want %d", len(sources), len(inParts.Layers))
	}
	for i, name := range names(inParts) {
		if from := g.Layers[sources[i]].Name; name != from && !strings.HasPrefix(name, from+" (") {
			t.Errorf("%s comes from %s", name, from)
		}
	}
}

func TestRefuses(t *testing.T) {
	g := models.Zoo(t, "MobileNet").Graph
	for _, c := range []struct {
		split rewrite.Split
		found string
	}{
		{rewrite.Split{Layer: "nowhere", Parts: 2}, "no layer of that name"},
		{rewrite.Split{Layer: "conv_dw_1", Parts: 2}, "cannot be computed in parts"},
		{rewrite.Split{Layer: "conv1_relu", Parts: 2}, "cannot be computed in parts"},
		{rewrite.Split{Layer: "conv1", Parts: 1}, "2 to 64 parts"},
		{rewrite.Split{Layer: "conv1", Parts: 33}, "32 output channels"},
		{rewrite.Split{Layer: "conv_pw_13", Parts: 65}, "2 to 64 parts"},
	} {
		_, err := rewrite.Apply(g, []rewrite.Split{c.split})
		if diag.CodeOf(err) != "rewrite.split" || !strings.Contains(err.Error(), c.found) {
			t.Errorf("%+v: %v", c.split, err)
		}
	}
}
