package hdf5_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"

	"partita/planner/diag"
	"partita/planner/hdf5"
)

// catalogJSON describes a group with two names for one dataset, and one that cannot be read.
const catalogJSON = `{"objects":[
	{"kind":1,"attrs":[{"name":"names","type":{"Class":9,"Size":16,"VarString":true},"shape":[2],"texts":["a","b"]},
		{"name":"n","type":{"Class":0,"Size":2,"Format":2},"data":"AgE="}],
	 "links":[{"name":"w","kind":0,"object":1},{"name":"x","kind":0,"object":2},{"name":"same","kind":0,"object":1},{"name":"far","kind":2}]},
	{"kind":2,"type":{"Class":1,"Size":4,"Format":11},"shape":[2,3],"offset":64},
	{"kind":2,"type":{"Class":1,"Size":4,"Format":11},"shape":[2],"unusable":{"kind":4,"code":"hdf5.external","found":"it is elsewhere"}}]}`

// elements gives every element its own place as its value.
type elements struct{ asked []int }

func (e *elements) ReadRaw(object int, dst []byte, offset int64) error {
	e.asked = append(e.asked, object)
	for i := range dst {
		dst[i] = byte(offset)*4 + byte(i)
	}
	return nil
}

func (e *elements) ReadFloat32s(object int, dst []float32, offset int64) error {
	e.asked = append(e.asked, object)
	for i := range dst {
		dst[i] = float32(offset) + float32(i)
	}
	return nil
}

func (e *elements) Strings(int) ([]string, error) { return nil, errors.New("there are none") }

func TestCatalog(t *testing.T) {
	var c hdf5.Catalog
	if err := json.Unmarshal([]byte(catalogJSON), &c); err != nil {
		t.Fatal(err)
	}
	e := &elements{}
	f, err := hdf5.FromCatalog(&c, 1000, e)
	if err != nil {
		t.Fatal(err)
	}
	root := f.Root()
	if names := root.Names(); !slices.Equal(names, []string{"same", "w", "x"}) || root.Has("far") {
		t.Errorf("names %q", names)
	}
	if a, ok, err := root.Attr("names"); err != nil || !ok {
		t.Error(ok, err)
	} else if s, err := a.Strings(); err != nil || !slices.Equal(s, []string{"a", "b"}) {
		t.Error(s, err)
	}
	if a, ok, err := root.Attr("n"); err != nil || !ok {
		t.Error(ok, err)
	} else if n, err := a.Int64s(); err != nil || !slices.Equal(n, []int64{0x0102}) {
		t.Error(n, err)
	}
	d, err := f.Dataset("w")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 2)
	if err := d.ReadFloat32s(got, 4); err != nil || got[0] != 4 || got[1] != 5 || !slices.Equal(e.asked, []int{1}) {
		t.Error(got, e.asked, err)
	}
	if err := d.ReadFloat32s(got, 5); diag.CodeOf(err) != "hdf5.range" {
		t.Errorf("beyond the end: %v", err)
	}
	if at, ok := d.Offset(); at != 64 || !ok || d.Elements() != 6 {
		t.Error(at, ok, d.Elements())
	}
	if x, err := f.Dataset("x"); err != nil || diag.CodeOf(x.Readable()) != "hdf5.external" || diag.CodeOf(x.ReadRaw(make([]byte, 4), 0)) != "hdf5.external" {
		t.Error(err)
	}
	if _, err := f.Dataset("far"); diag.CodeOf(err) != "hdf5.external" {
		t.Errorf("a link to another file: %v", err)
	}
	visited := 0
	if err := root.Walk(func(string, *hdf5.Group, *hdf5.Dataset) error { visited++; return nil }); err != nil || visited != 2 {
		t.Error(visited, err)
	}
}

// TestCatalogRefused gives catalogs that no honest reader makes.
func TestCatalogRefused(t *testing.T) {
	number := hdf5.Type{Class: hdf5.Float, Size: 4, Format: hdf5.Float32}
	group := func(links ...hdf5.CatalogLink) hdf5.CatalogObject {
		return hdf5.CatalogObject{Kind: hdf5.GroupObject, Links: links}
	}
	dataset := func(o hdf5.CatalogObject) []hdf5.CatalogObject {
		o.Kind = hdf5.DatasetObject
		return []hdf5.CatalogObject{group(hdf5.CatalogLink{Name: "d", Object: 1}), o}
	}
	attribute := func(a hdf5.CatalogAttr) []hdf5.CatalogObject {
		return []hdf5.CatalogObject{{Kind: hdf5.GroupObject, Attrs: []hdf5.CatalogAttr{a}}}
	}
	for name, c := range map[string]struct {
		objects []hdf5.CatalogObject
		code    string
	}{
		"empty":           {nil, "hdf5.damaged"},
		"no group":        {[]hdf5.CatalogObject{{Kind: hdf5.DatasetObject}}, "hdf5.damaged"},
		"far link":        {[]hdf5.CatalogObject{group(hdf5.CatalogLink{Name: "d", Object: 1})}, "hdf5.damaged"},
		"negative link":   {[]hdf5.CatalogObject{group(hdf5.CatalogLink{Name: "d", Object: -1})}, "hdf5.damaged"},
		"odd link":        {[]hdf5.CatalogObject{group(hdf5.CatalogLink{Name: "d", Kind: 99})}, "hdf5.damaged"},
		"no size":         {dataset(hdf5.CatalogObject{}), "hdf5.damaged"},
		"huge element":    {dataset(hdf5.CatalogObject{Type: hdf5.Type{Size: 1 << 30}}), "hdf5.damaged"},
		"wrong width":     {dataset(hdf5.CatalogObject{Type: hdf5.Type{Size: 3, Format: hdf5.Float32}}), "hdf5.damaged"},
		"odd format":      {dataset(hdf5.CatalogObject{Type: hdf5.Type{Size: 4, Format: 99}}), "hdf5.damaged"},
		"negative shape":  {dataset(hdf5.CatalogObject{Type: number, Shape: []int64{-1}}), "hdf5.limit"},
		"overflow":        {dataset(hdf5.CatalogObject{Type: number, Shape: []int64{math.MaxInt64, math.MaxInt64}}), "hdf5.limit"},
		"rank":            {dataset(hdf5.CatalogObject{Type: number, Shape: make([]int64, 33)}), "hdf5.damaged"},
		"larger than all": {dataset(hdf5.CatalogObject{Type: number, Shape: []int64{1 << 40}}), "hdf5.limit"},
		"short value":     {attribute(hdf5.CatalogAttr{Name: "a", Type: number, Shape: []int64{2}, Data: []byte{1, 2, 3, 4}}), "hdf5.damaged"},
		"no text":         {attribute(hdf5.CatalogAttr{Name: "a", Type: hdf5.Type{Class: hdf5.VarLen, Size: 16, VarString: true}}), "hdf5.damaged"},
		"huge value":      {attribute(hdf5.CatalogAttr{Name: "a", Type: number, Shape: []int64{1 << 40}}), "hdf5.limit"},
	} {
		t.Run(name, func(t *testing.T) {
			err := readCatalog(&hdf5.Catalog{Objects: c.objects})
			if diag.CodeOf(err) != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
}

// readCatalog reads all there is in a catalog, and gives the first error.
func readCatalog(c *hdf5.Catalog) error {
	f, err := hdf5.FromCatalog(c, 1000, &elements{})
	if err != nil {
		return err
	}
	attributes := func(all []hdf5.Attr, err error) error {
		for _, a := range all {
			a.Strings()
			a.Float64s()
			a.Int64s()
			a.Text()
		}
		return err
	}
	if err := attributes(f.Root().Attrs()); err != nil {
		return err
	}
	return f.Root().Walk(func(_ string, g *hdf5.Group, d *hdf5.Dataset) error {
		if g != nil {
			return attributes(g.Attrs())
		}
		if err := attributes(d.Attrs()); err != nil {
			return err
		}
		d.Offset()
		if n := min(d.Elements(), 10); d.Type().Size <= 1<<10 {
			d.ReadFloat32s(make([]float32, n), 0)
			d.ReadRaw(make([]byte, n*int64(d.Type().Size)), 0)
		}
		return d.Readable()
	})
}

// FuzzCatalog takes whatever a process that has gone wrong may send.
func FuzzCatalog(f *testing.F) {
	f.Add([]byte(catalogJSON))
	f.Add([]byte(`{"objects":[{"kind":1,"links":[{"name":"a","object":0}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c hdf5.Catalog
		if json.Unmarshal(text, &c) == nil {
			readCatalog(&c)
		}
	})
}
