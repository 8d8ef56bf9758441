package npy

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"partita/planner/diag"
)

// files reads testdata/arrays.json, which runtime/pickle/testdata/make.py writes with NumPy.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/arrays.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]byte
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDecodeWhatNumPyWrites(t *testing.T) {
	names := map[string]string{"f4": "float32", "f8": "float64", "f2": "float16", "i1": "int8", "i2": "int16", "i4": "int32",
		"i8": "int64", "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64", "b1": "bool"}
	all := files(t)
	for code, name := range names {
		for _, order := range []string{"c_le_", "c_be_", "f_le_", "f_be_"} {
			a, err := Decode(all[order+code])
			if err != nil {
				t.Errorf("%s%s: %v", order, code, err)
				continue
			}
			wide := a
			if wide, err = a.Convert("float64"); err != nil {
				t.Errorf("%s%s: %v", order, code, err)
				continue
			}
			want := make([]float64, 24)
			for i := range want {
				switch {
				case code == "b1":
					want[i] = min(float64(i), 1)
				case code[0] == 'f':
					want[i] = float64(i-3) / 8
				case code[0] == 'i':
					want[i] = float64(i - 3)
				default:
					want[i] = float64(i)
				}
			}
			if a.DType != name || !slices.Equal(a.Shape, []int64{2, 3, 4}) || !slices.Equal(wide.Float64s(), want) {
				t.Errorf("%s%s: %s %v %v, want %v", order, code, a.DType, a.Shape, wide.Float64s(), want)
			}
			// NumPy's own bytes come out again, for C order and little-endian.
			var b bytes.Buffer
			if err := a.Write(&b); err != nil || !bytes.Equal(headless(b.Bytes()), headless(all["c_le_"+code])) {
				t.Errorf("%s%s: other bytes are written: %v", order, code, err)
			}
		}
	}
	for name, shape := range map[string][]int64{"scalar": {}, "empty": {0, 3}, "vector": {5}, "version2": {2, 3, 4}, "version3": {2, 3, 4}} {
		if a, err := Decode(all[name]); err != nil || !slices.Equal(a.Shape, shape) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// headless leaves out the padding of the header, whose width NumPy has changed over its versions.
func headless(file []byte) []byte {
	header, data, _ := bytes.Cut(file[10:], []byte("\n"))
	return append(bytes.Clone(bytes.TrimRight(header, " ")), data...)
}

func TestDecodeRefuses(t *testing.T) {
	all := files(t)
	good := all["vector"]
	header := func(text string) []byte {
		return append(append([]byte("\x93NUMPY\x01\x00"), byte(len(text)), byte(len(text)>>8)), text...)
	}
	for _, c := range []struct {
		name string
		data []byte
		code string
	}{
		{"nothing", nil, "npy.not-npy"},
		{"another file", []byte("PK\x03\x04 and more"), "npy.not-npy"},
		{"version 4", append([]byte("\x93NUMPY\x04\x00"), good[8:]...), "npy.unsupported-version"},
		{"cut in the header", good[:20], "npy.truncated"},
		{"cut in version 2", []byte("\x93NUMPY\x02\x00\x01\x00"), "npy.truncated"},
		{"a header of 4 GB", []byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), "npy.bad-header"},
		{"cut in the numbers", good[:len(good)-1], "npy.wrong-size"},
		{"more than an array", append(slices.Clone(good), 0), "npy.wrong-size"},
		{"objects", all["refused_object"], "npy.unsupported-dtype"},
		{"records", all["refused_record"], "npy.bad-header"},
		{"complex numbers", all["refused_complex"], "npy.unsupported-dtype"},
		{"no dictionary", header("[1, 2]\n"), "npy.bad-header"},
		{"a key too few", header("{'descr': '<f4', 'shape': (0,)}\n"), "npy.bad-header"},
		{"a key twice", header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (0,)}\n"), "npy.bad-header"},
		{"an unknown key", header("{'descr': '<f4', 'fortran_order': False, 'shape': (0,), 'x': 1}\n"), "npy.bad-header"},
		{"text after it", header("{'descr': '<f4', 'fortran_order': False, 'shape': (0,)} import os\n"), "npy.bad-header"},
		{"a negative dimension", header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}\n"), "npy.bad-header"},
		{"2^64 elements", header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}\n"), "npy.wrong-size"},
		{"65 dimensions", header("{'descr': '<f4', 'fortran_order': False, 'shape': (" + strings.Repeat("1,", 65) + ")}\n"), "npy.bad-header"},
	} {
		if _, err := Decode(c.data); diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	// Any key order, double quotes, Python 2's longs and unicode strings are NumPy's too.
	if a, err := Decode(append(header("{\"shape\": (2L, 1), 'fortran_order': False , u'descr': u'|u1'}"), 7, 8)); err != nil || !slices.Equal(a.Shape, []int64{2, 1}) {
		t.Error(err)
	}
}

func TestConvert(t *testing.T) {
	floats := FromFloat64s([]int64{3}, []float64{0, 1, 255})
	for _, d := range append(slices.Clone(dtypes), bfloat16) {
		if d.name == "bool" || d.name == "int8" {
			continue
		}
		there, err := floats.Convert(d.name)
		if err != nil {
			t.Errorf("to %s: %v", d.name, err)
			continue
		}
		back, err := there.Convert("float64")
		if err != nil || !slices.Equal(back.Float64s(), floats.Float64s()) {
			t.Errorf("%s does not come back: %v", d.name, err)
		}
	}
	long := &Array{DType: "int64", Shape: []int64{1}, Data: []byte{1, 0, 0, 0, 0, 0, 0, 0x70}}
	if c, err := long.Convert("uint64"); err != nil || !bytes.Equal(c.Data, long.Data) {
		t.Errorf("a 63-bit number changes on the way from int64 to uint64: %v", err)
	}
	negative := &Array{DType: "int64", Shape: []int64{1}, Data: bytes.Repeat([]byte{255}, 8)}
	large := &Array{DType: "uint64", Shape: []int64{1}, Data: bytes.Repeat([]byte{255}, 8)}
	for _, c := range []struct {
		a    *Array
		to   string
		code string
	}{
		{FromFloat64s([]int64{1}, []float64{1.5}), "int32", "npy.lossy-conversion"},
		{FromFloat64s([]int64{1}, []float64{math.NaN()}), "int64", "npy.lossy-conversion"},
		{FromFloat64s([]int64{1}, []float64{256}), "uint8", "npy.lossy-conversion"},
		{FromFloat64s([]int64{1}, []float64{-1}), "uint64", "npy.lossy-conversion"},
		{FromFloat64s([]int64{1}, []float64{2}), "bool", "npy.lossy-conversion"},
		{negative, "uint64", "npy.lossy-conversion"}, {negative, "uint8", "npy.lossy-conversion"}, {large, "int64", "npy.lossy-conversion"},
		{negative, "int8", ""}, {negative, "float32", ""},
		{floats, "complex64", "npy.unsupported-dtype"},
	} {
		if _, err := c.a.Convert(c.to); diag.CodeOf(err) != c.code {
			t.Errorf("%s %v to %s: %v", c.a.DType, c.a.Data, c.to, err)
		}
	}
}

// Every half-precision number widens and narrows to itself; rounding agrees with the definition at every midpoint.
func TestFloat16IsExact(t *testing.T) {
	for h := range 1 << 16 {
		f := Float16(uint16(h))
		back := ToFloat16(f)
		if math.IsNaN(float64(f)) {
			if back&0x7c00 != 0x7c00 || back&0x3ff == 0 {
				t.Fatalf("%04x: NaN becomes %04x", h, back)
			}
			continue
		}
		if back != uint16(h) {
			t.Fatalf("%04x: %v becomes %04x", h, f, back)
		}
		if h&0x7fff >= 0x7bff { // the largest finite number: its upper neighbour is infinity
			continue
		}
		next := Float16(uint16(h) + 1)
		middle := (f + next) / 2 // exact in float32
		even := uint16(h) + uint16(h)&1
		if got := ToFloat16(middle); got != even {
			t.Fatalf("the middle of %04x and its neighbour becomes %04x, want %04x", h, got, even)
		}
		if got := ToFloat16(math.Nextafter32(middle, f)); got != uint16(h) {
			t.Fatalf("just below the middle above %04x becomes %04x", h, got)
		}
	}
	if ToFloat16(65519.996) != 0x7bff || ToFloat16(65520) != 0x7c00 || ToFloat16(-1e30) != 0xfc00 {
		t.Error("large numbers round wrongly")
	}
}

func FuzzDecode(f *testing.F) {
	for _, data := range files(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Decode(data)
		if err != nil {
			if diag.As(err) == nil {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		var b bytes.Buffer
		if err := a.Write(&b); err != nil {
			t.Fatal(err)
		}
		back, err := Decode(b.Bytes())
		if err != nil || back.DType != a.DType || !slices.Equal(back.Shape, a.Shape) || !bytes.Equal(back.Data, a.Data) {
			t.Fatalf("what was decoded does not come back: %v", err)
		}
	})
}

func BenchmarkFortranToC(b *testing.B) {
	data := make([]byte, 4*224*224*3*8)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := New("<f4", []int64{8, 224, 224, 3}, true, data); err != nil {
			b.Fatal(err)
		}
	}
}
