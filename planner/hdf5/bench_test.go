package hdf5_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"partita/internal/fixture"
	"partita/planner/hdf5"
)

// resnet unpacks ResNet50's whole-model file (102 MB, 177 layers, 320 tensors).
func resnet(b *testing.B) string {
	packed, err := os.Open(fixture.Shared(b, "models", "k3_ResNet50", "model.h5.gz"))
	if err != nil {
		b.Fatal(err)
	}
	defer packed.Close()
	r, err := gzip.NewReader(packed)
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "resnet50.h5")
	out, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, r); err != nil {
		b.Fatal(err)
	}
	return path
}

// visitAll opens a file and reads all its metadata: every group's attributes, every dataset's header, the configuration.
func visitAll(b *testing.B, r io.ReaderAt, size int64, data func(d *hdf5.Dataset) error) int {
	f, err := hdf5.Open(r, size)
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for _, name := range []string{"model_config", "keras_version"} {
		if a, ok, err := f.Root().Attr(name); err != nil {
			b.Fatal(err)
		} else if ok {
			if _, err := a.Text(); err != nil {
				b.Fatal(err)
			}
		}
	}
	err = f.Root().Walk(func(_ string, g *hdf5.Group, d *hdf5.Dataset) error {
		if g != nil {
			a, ok, err := g.Attr("weight_names")
			if ok {
				_, err = a.Strings()
			}
			return err
		}
		n++
		return data(d)
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// counting counts the reads and bytes that reach a file, as a browser would pay for them.
type counting struct {
	io.ReaderAt
	reads, bytes int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	c.bytes += int64(len(p))
	return c.ReaderAt.ReadAt(p, off)
}

func BenchmarkMetadataResNet50(b *testing.B) {
	path := resnet(b)
	r, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		b.Fatal(err)
	}
	var c counting
	for b.Loop() {
		c = counting{ReaderAt: r}
		if n := visitAll(b, &c, info.Size(), func(*hdf5.Dataset) error { return nil }); n < 320 {
			b.Fatal(n, "tensors")
		}
	}
	b.ReportMetric(float64(c.reads), "reads/op")
	b.ReportMetric(float64(c.bytes)/1e6, "MB-read/op")
}

func BenchmarkReadResNet50(b *testing.B) {
	path := resnet(b)
	r, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	window := make([]float32, 256<<10)
	b.ReportAllocs()
	for b.Loop() {
		visitAll(b, r, info.Size(), func(d *hdf5.Dataset) error { return readInWindows(d, window) })
	}
}

func readInWindows(d *hdf5.Dataset, window []float32) error {
	if d.Type().Format == hdf5.NoNumber {
		return nil
	}
	for at := int64(0); at < d.Elements(); {
		n := min(int64(len(window)), d.Elements()-at)
		if err := d.ReadFloat32s(window[:n], at); err != nil {
			return err
		}
		at += n
	}
	return nil
}

func BenchmarkReadCompressed(b *testing.B) {
	data, err := os.ReadFile(fixture.Shared(b, "models", "hdf5", "files", "compressed.h5"))
	if err != nil {
		b.Fatal(err)
	}
	window := make([]float32, 64<<10)
	for _, path := range []string{"chunk_nofilter", "gzip", "gzip_shuffle", "gzip_shuffle_f32sum"} {
		f, err := hdf5.Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			b.Fatal(err)
		}
		d, err := f.Dataset("/c/" + path)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s/%v", path, d.Shape()), func(b *testing.B) {
			b.SetBytes(d.Elements() * int64(d.Type().Size))
			for b.Loop() { // a new file each time, or its cache would answer
				f, err := hdf5.Open(bytes.NewReader(data), int64(len(data)))
				if err != nil {
					b.Fatal(err)
				}
				d, err := f.Dataset("/c/" + path)
				if err != nil {
					b.Fatal(err)
				}
				if err := readInWindows(d, window); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
