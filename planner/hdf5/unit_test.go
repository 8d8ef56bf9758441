package hdf5

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"partita/planner/diag"
)

// TestChecksum compares with the values that lookup3.c itself prints for its test string ("Four score and seven years ago").
func TestChecksum(t *testing.T) {
	for text, want := range map[string]uint32{"": 0xdeadbeef, "Four score and seven years ago": 0x17770551} {
		if got := checksum([]byte(text)); got != want {
			t.Errorf("%q: %#x, want %#x", text, got, want)
		}
	}
}

// TestFletcher32 compares with sums made word by word.
func TestFletcher32(t *testing.T) {
	for n := range 3000 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		low, high := uint64(0), uint64(0)
		for i := 0; i < n; i += 2 {
			w := uint64(b[i]) << 8
			if i+1 < n {
				w |= uint64(b[i+1])
			}
			low = (low + w) % 65535
			high = (high + low) % 65535
		}
		got := fletcher32(b)
		if uint64(got&0xffff)%65535 != low || uint64(got>>16)%65535 != high {
			t.Fatalf("%d bytes: %#x, want %#x %#x", n, got, high, low)
		}
	}
}

// TestHalf compares all numbers of binary16 with their definition.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		exponent, mantissa := h>>10&31, float64(h&1023)
		want := math.Ldexp(1+mantissa/1024, exponent-15)
		switch {
		case exponent == 0:
			want = math.Ldexp(mantissa, -24)
		case exponent == 31 && mantissa == 0:
			want = math.Inf(1)
		case exponent == 31:
			want = math.NaN()
		}
		if h>>15 == 1 {
			want = -want
		}
		got := float64(halfToFloat32(uint16(h)))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) || math.Signbit(got) != math.Signbit(want) && want == 0 {
			t.Fatalf("%#x is %v, want %v", h, got, want)
		}
	}
}

// TestConversions writes numbers of every format in both orders and reads them back.
func TestConversions(t *testing.T) {
	values := []float64{0, 1, 2, 100, 127}
	for format := Int8; format <= Float64; format++ {
		for _, big := range []bool{false, true} {
			typ := Type{Format: format, BigEndian: big}
			var raw []byte
			for _, v := range values {
				bits, size := uint64(v), 1<<((format-Int8)%4)
				switch format {
				case Float16:
					bits, size = uint64([]uint16{0, 0x3c00, 0x4000, 0x5640, 0x57f0}[index(values, v)]), 2
				case BFloat16:
					bits, size = uint64(math.Float32bits(float32(v))>>16), 2
				case Float32:
					bits, size = uint64(math.Float32bits(float32(v))), 4
				case Float64:
					bits, size = math.Float64bits(v), 8
				}
				typ.Size = int(size)
				b := binary.LittleEndian.AppendUint64(nil, bits)[:size]
				if big {
					b = binary.BigEndian.AppendUint64(nil, bits)[8-size:]
				}
				raw = append(raw, b...)
			}
			single, double := make([]float32, len(values)), make([]float64, len(values))
			decodeFloat32s(single, raw, typ)
			decodeFloat64s(double, raw, typ)
			for i, v := range values {
				if float64(single[i]) != v || double[i] != v {
					t.Errorf("%v: %v and %v, want %v", typ, single[i], double[i], v)
				}
			}
			if format < Float16 {
				whole := make([]int64, len(values))
				decodeInt64s(whole, raw, typ)
				for i, v := range values {
					if whole[i] != int64(v) {
						t.Errorf("%v: %v, want %v", typ, whole[i], v)
					}
				}
			}
		}
	}
}

func index(values []float64, v float64) int {
	for i, x := range values {
		if x == v {
			return i
		}
	}
	return -1
}

// TestUnfilter undoes pipelines that the test itself applied, and refuses what they cannot have made.
func TestUnfilter(t *testing.T) {
	data := make([]byte, 4003)
	for i := range data {
		data[i] = byte(i / 7)
	}
	shuffled := make([]byte, 0, len(data))
	for j := range 4 {
		for i := j; i < 4000; i += 4 {
			shuffled = append(shuffled, data[i])
		}
	}
	shuffled = append(shuffled, data[4000:]...)
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	w.Write(shuffled)
	w.Close()
	stored := binary.LittleEndian.AppendUint32(packed.Bytes(), fletcher32(packed.Bytes()))
	pipeline := []filter{{filterShuffle, []uint32{4}}, {filterDeflate, nil}, {filterFletcher32, nil}}
	got, err := unfilter(stored, pipeline, 0, len(data))
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("it does not come back: %v", err)
	}
	if got, err = unfilter(packed.Bytes(), pipeline, 1<<2, len(data)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("without the checksum, as the mask says: %v", err)
	}
	changed := bytes.Clone(stored)
	changed[100]++
	for name, c := range map[string]struct {
		stored []byte
		size   int
		code   string
	}{
		"changed":    {changed, len(data), "hdf5.checksum"},
		"too short":  {stored[:3], len(data), "hdf5.damaged"},
		"cut off":    {stored[:len(stored)/2], len(data), "hdf5.checksum"},
		"longer":     {stored, len(data) - 100, "hdf5.damaged"},
		"shorter":    {stored, len(data) + 100, "hdf5.damaged"},
		"impossible": {stored, 64 << 20, "hdf5.damaged"},
	} {
		if _, err := unfilter(c.stored, pipeline, 0, c.size); diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if _, err := unfilter(packed.Bytes()[:packed.Len()/2], pipeline[:2], 0, len(data)); diag.CodeOf(err) != "hdf5.damaged" {
		t.Errorf("a stream that is cut off: %v", err)
	}
}

// counted is a reader that counts its reads.
type counted struct {
	*bytes.Reader
	reads int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.Reader.ReadAt(p, off)
}

// TestPaged compares reads through pages with direct ones, and counts how many reach the source.
func TestPaged(t *testing.T) {
	data := make([]byte, (pageCount+40)*pageBytes+77)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	size := int64(len(data))
	source := &counted{Reader: bytes.NewReader(data)}
	p := Paged(source, size)
	for range 3000 {
		off := random.Int64N(size + 10)
		buf := make([]byte, random.IntN(6*pageBytes))
		n, err := p.ReadAt(buf, off)
		want := max(0, min(int64(len(buf)), size-off))
		if int64(n) != want || (err != nil) != (want < int64(len(buf))) {
			t.Fatalf("%d bytes at %d of %d: %d, %v", len(buf), off, size, n, err)
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if n > 0 && !bytes.Equal(buf[:n], data[off:off+int64(n)]) {
			t.Fatalf("%d bytes at %d are wrong", n, off)
		}
	}
	if n := len(p.(*pagedReader).pages); n != pageCount {
		t.Errorf("%d pages are held, not %d", n, pageCount)
	}
	source = &counted{Reader: bytes.NewReader(data)}
	p = Paged(source, size)
	for off := int64(0); off < 10*pageBytes; off += 100 {
		if _, err := p.ReadAt(make([]byte, 50), off); err != nil {
			t.Fatal(err)
		}
	}
	if source.reads != 10 {
		t.Errorf("ten pages took %d reads", source.reads)
	}
}

// TestErrors checks that every error says what was being done, once.
func TestErrors(t *testing.T) {
	err := while("outer", while("inner", damaged("it is %s", "bent")))
	e := diag.As(err)
	if e == nil || e.Doing != "inner" || e.Found != "it is bent" || e.Fix == "" || e.Code != "hdf5.damaged" {
		t.Errorf("%#v", err)
	}
	if while("x", nil) != nil {
		t.Error("an error of nothing")
	}
	if _, err := Open(bytes.NewReader([]byte("PK\x03\x04 not at all")), 15); diag.CodeOf(err) != "hdf5.not-hdf5" {
		t.Error(err)
	}
	if _, err := Open(bytes.NewReader(nil), 0); diag.CodeOf(err) != "hdf5.not-hdf5" {
		t.Error(err)
	}
}
