package hdf5_test

import (
	"slices"
	"sync"
	"testing"
)

// TestConcurrent reads one file from several goroutines.
func TestConcurrent(t *testing.T) {
	f := open(t, "testdata/chunks.h5")
	objects := open(t, "testdata/objects.h5")
	read := func(path string) ([]float32, error) {
		d, err := f.Dataset(path)
		if err != nil {
			return nil, err
		}
		all := make([]float32, d.Elements())
		return all, d.ReadFloat32s(all, 0)
	}
	paths := []string{"/extensible/filtered", "/fixed/filtered", "/tree/filtered", "/cut/columns", "/implicit"}
	want := map[string][]float32{}
	for _, path := range paths {
		all, err := read(path)
		if err != nil {
			t.Fatal(err)
		}
		want[path] = all
	}
	f = open(t, "testdata/chunks.h5") // with nothing remembered
	shared, err := f.Dataset("/cut/columns")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 20 {
				path := paths[(i+n)%len(paths)]
				if got, err := read(path); err != nil || !slices.Equal(got, want[path]) {
					t.Errorf("%s: wrong, %v", path, err)
				}
				row := make([]float32, 30)
				if err := shared.ReadFloat32s(row, int64(n)*30); err != nil || !slices.Equal(row, want["/cut/columns"][n*30:n*30+30]) {
					t.Errorf("row %d: wrong, %v", n, err)
				}
				g, err := objects.Group("g")
				if err != nil {
					t.Error(err)
					return
				}
				a, ok, err := g.Attr("text")
				if text, errText := a.Text(); !ok || err != nil || errText != nil || text != "näme" {
					t.Errorf("%q %v %v", text, err, errText)
				}
			}
		})
	}
	group.Wait()
}
