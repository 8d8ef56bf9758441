package pickle

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/runtime/npy"
)

// files reads testdata/pickles.json, which testdata/make.py writes.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/pickles.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]byte
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, ok := files(t)[name]
	if !ok {
		t.Fatalf("testdata has no %s", name)
	}
	return data
}

// show prints an array in full.
func show(a *npy.Array) string {
	c, err := a.Convert("float64")
	if err != nil {
		return fmt.Sprintf("%s%v%v", a.DType, a.Shape, a.Data)
	}
	return fmt.Sprintf("%s%v%v", a.DType, a.Shape, c.Float64s())
}

func eighths(step func(i int) float64, n int) string {
	var v []float64
	for i := range n {
		v = append(v, step(i))
	}
	return fmt.Sprint(v)
}

func TestDecodeEveryProtocol(t *testing.T) {
	image := "float32[2 3 4]" + eighths(func(i int) float64 { return float64(i) / 8 }, 24)
	want := map[string]string{
		"array": image, "fortran": image, "bigendian": image, "arrays": image,
		"view":   "float32[2 2 4][0 1 2 3 8 9 10 11 12 13 14 15 20 21 22 23]",
		"bool":   "bool[2 3 4]" + eighths(func(i int) float64 { return float64(1 - i%2) }, 24),
		"int64":  "int64[2 3 4]" + eighths(func(i int) float64 { return float64(i - 3) }, 24),
		"empty":  "float32[0 3][]",
		"scalar": "float64[][-2.5]",
		"lists":  "float64[2 3][1 -2 300 4.5 70000 1.099511627776e+12]",
		"tuple":  "bool[2 2][1 0 0 1]",
		"shared": "int64[3 2][1 2 1 2 1 2]",
	}
	for name, text := range want {
		for protocol := range 6 {
			data := file(t, fmt.Sprintf("%s_p%d", name, protocol))
			if !Is(data) {
				t.Errorf("%s, protocol %d: not recognised as a pickle", name, protocol)
			}
			a, err := Decode(data)
			if err != nil {
				t.Errorf("%s, protocol %d: %v", name, protocol, err)
			} else if got := show(a); got != text {
				t.Errorf("%s, protocol %d:\n got %s\nwant %s", name, protocol, got, text)
			}
		}
	}
	for _, name := range []string{"numpy2_p0", "numpy2_p2", "numpy2_p5"} {
		a, err := Decode(file(t, name))
		if err != nil || show(a) != image {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, err := Decode(file(t, "python2_p0")); err != nil || show(a) != "float32[2][1.5 -2]" {
		t.Errorf("Python 2: %v", err)
	}
	ints := []int64{0, 255, 256, -1, 65536, math.MinInt32, 1 << 31, math.MinInt64, math.MaxInt64}
	for protocol := range 6 {
		a, err := Decode(file(t, fmt.Sprintf("ints_p%d", protocol)))
		if err != nil || a.DType != "int64" || len(a.Data) != 8*len(ints) {
			t.Errorf("ints, protocol %d: %v", protocol, err)
			continue
		}
		for i, n := range ints {
			if got := int64(binary.LittleEndian.Uint64(a.Data[8*i:])); got != n {
				t.Errorf("ints, protocol %d: %d, want %d", protocol, got, n)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	codes := map[string]string{
		"refused_complex": "npy.unsupported-dtype", "refused_object": "pickle.unsupported-dtype", "refused_record": "pickle.unsupported-dtype",
		"refused_dict": "pickle.not-an-array", "refused_ragged": "pickle.ragged", "refused_huge": "pickle.malformed",
		"refused_call": "pickle.refused-global", "refused_hidden": "pickle.refused-global",
	}
	for name, code := range codes {
		for protocol := range 6 {
			_, err := Decode(file(t, fmt.Sprintf("%s_p%d", name, protocol)))
			if diag.CodeOf(err) != code {
				t.Errorf("%s, protocol %d: %v, want %s", name, protocol, err, code)
			}
		}
	}
	for _, c := range []struct{ name, data, code string }{
		{"nothing", "", "pickle.truncated"},
		{"no stop", "\x80\x04K\x01", "pickle.truncated"},
		{"an empty stack", ".", "pickle.malformed"},
		{"a later protocol", "\x80\x06K\x01.", "pickle.unsupported-protocol"},
		{"an unknown operation", "\xff.", "pickle.malformed"},
		{"a class", "ccollections\nOrderedDict\n)R.", "pickle.refused-global"},
		{"a new object", "cbuiltins\nobject\n)\x81.", "pickle.refused-object"},
		{"a persistent id", "Px\n.", "pickle.refused-object"},
		{"a buffer elsewhere", "\x97.", "pickle.out-of-band"},
		{"a text", "\x8c\x01x.", "pickle.not-an-array"},
		{"a reference to nothing", "h\x05.", "pickle.malformed"},
		{"an array without content", "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntC\x01btR.", "pickle.malformed"},
		{"a class of array", "cnumpy.core.multiarray\n_reconstruct\n(cevil\nthing\n(I0\ntC\x01btR.", "pickle.refused-global"},
		{"a length beyond the end", "\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "pickle.truncated"},
		{"a list in itself", "]q\x00h\x00a.", "pickle.too-deep"},
		{"too many steps", strings.Repeat("N0", maxOperations), "pickle.too-large"},
	} {
		if _, err := Decode([]byte(c.data)); diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
}

// A pickle of few bytes that doubles its list over and over describes 2^40 numbers.
func TestDecodeBoundsWhatIsMade(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("]K\x01a")
	for i := range 40 {
		fmt.Fprintf(&b, "q%c0]h%ch%c\x86", i, i, i)
		b.WriteString("0(h" + string(rune(i)) + "h" + string(rune(i)) + "l")
	}
	b.WriteString(".")
	if _, err := Decode(b.Bytes()); err == nil {
		t.Error("2^40 numbers are decoded")
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
		var file bytes.Buffer
		if err := a.Write(&file); err != nil {
			t.Fatalf("what was decoded cannot be written: %v", err)
		}
		back, err := npy.Decode(file.Bytes())
		if err != nil || !bytes.Equal(back.Data, a.Data) {
			t.Fatalf("what was decoded does not come back: %v", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := file(b, "array_p5")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
