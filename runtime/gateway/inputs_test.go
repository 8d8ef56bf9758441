package gateway

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/runtime/npy"
	"partita/runtime/wire"
)

// testImages are written by testdata/make.py, with what Pillow makes of each.
type testImage struct {
	File                       []byte
	Width, Height              int
	RGB, RGBSmall, RGBLarge    []byte
	Grey, GreySmall, GreyLarge []byte
}

func testImages(t testing.TB) map[string]testImage {
	t.Helper()
	text, err := os.ReadFile("testdata/images.json")
	if err != nil {
		t.Fatal(err)
	}
	var images map[string]testImage
	if err := json.Unmarshal(text, &images); err != nil {
		t.Fatal(err)
	}
	return images
}

func imageSpec(height, width, channels int64) *wire.TensorSpec {
	return &wire.TensorSpec{Name: "image", DType: "float32", Shape: []int64{-1, height, width, channels}}
}

func front(specs ...wire.TensorSpec) *Gateway {
	m := &wire.GatewayManifest{Inputs: specs, Bucket: "bucket", KeyPrefix: "runs/d/"}
	for _, s := range specs {
		m.InputNames = append(m.InputNames, s.Name)
	}
	return New(m, nil, &memoryStore{}, 1024)
}

// distance gives the mean and the greatest difference of pixels.
func distance(a *npy.Array, want []byte) (mean, most float64) {
	for i, w := range want {
		d := math.Abs(float64(math.Float32frombits(binary.LittleEndian.Uint32(a.Data[4*i:]))) - float64(w))
		mean += d / float64(len(want))
		most = max(most, d)
	}
	return mean, most
}

func TestImagesAsPillowSeesThem(t *testing.T) {
	g := front()
	for name, picture := range testImages(t) {
		// Lossless files give Pillow's very pixels. JPEG and WebP decoders round differently, and subsampled colours are
		// spread out more smoothly by Pillow's.
		mean, most := 0.0, 0.0
		switch {
		case name == "jpeg-420" || name == "webp" || name == "webp-alpha":
			mean, most = 4, 40
		case strings.HasPrefix(name, "jpeg"):
			mean, most = 1, 5
		}
		for _, c := range []struct {
			width, height, channels int
			want                    []byte
			slack                   float64 // resizing rounds once more
		}{
			{picture.Width, picture.Height, 3, picture.RGB, 0}, {picture.Width, picture.Height, 1, picture.Grey, 0},
			{10, 8, 3, picture.RGBSmall, 1}, {30, 26, 3, picture.RGBLarge, 1},
			{10, 8, 1, picture.GreySmall, 2}, {30, 26, 1, picture.GreyLarge, 2},
		} {
			a, err := g.read(&wire.Input{Name: "image"}, slices.Clone(picture.File), imageSpec(int64(c.height), int64(c.width), int64(c.channels)), "none")
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if 4*len(c.want) != len(a.Data) {
				t.Fatalf("%s: %d bytes, Pillow has %d", name, len(a.Data), len(c.want))
			}
			if gotMean, gotMost := distance(a, c.want); gotMean > mean+c.slack || gotMost > most+c.slack {
				t.Errorf("%s at %dx%dx%d: differs from Pillow by %.2f, at most %.0f", name, c.width, c.height, c.channels, gotMean, gotMost)
			}
		}
	}
}

func pngOf(t testing.TB, c color.Color, width, height int) []byte {
	t.Helper()
	p := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPreprocessModes(t *testing.T) {
	g := front()
	file := pngOf(t, color.NRGBA{R: 10, G: 100, B: 255, A: 255}, 5, 3)
	pixel := func(mode string, spec *wire.TensorSpec) (string, error) {
		a, err := g.read(&wire.Input{}, file, spec, mode)
		if err != nil {
			return "", err
		}
		wide, err := a.Convert("float64")
		if err != nil {
			return "", err
		}
		v := wide.Float64s()
		n := int(spec.Shape[3])
		if spec.Shape[1] == 3 { // channels first
			return fmt.Sprintf("%.4f", []float64{v[0], v[len(v)/3], v[2*len(v)/3]}), nil
		}
		return fmt.Sprintf("%.4f", v[len(v)-n:]), nil
	}
	colour := imageSpec(2, 2, 3)
	first := &wire.TensorSpec{Name: "x", DType: "float32", Shape: []int64{-1, 3, 2, 2}}
	half := &wire.TensorSpec{Name: "x", DType: "float16", Shape: []int64{-1, 2, 2, 3}}
	bytesIn := &wire.TensorSpec{Name: "x", DType: "uint8", Shape: []int64{-1, 2, 2, 3}}
	for _, c := range []struct {
		mode string
		spec *wire.TensorSpec
		want string
		code string
	}{
		{"none", colour, "[10.0000 100.0000 255.0000]", ""},
		{"", colour, "[10.0000 100.0000 255.0000]", ""},
		{"caffe", colour, "[151.0610 -16.7790 -113.6800]", ""},
		{"tf", colour, "[-0.9216 -0.2157 1.0000]", ""},
		{"torch", colour, "[-1.9467 -0.2850 2.6400]", ""},
		{"unit", colour, "[0.0392 0.3922 1.0000]", ""},
		{"tf", first, "[-0.9216 -0.2157 1.0000]", ""},
		{"caffe", first, "[151.0610 -16.7790 -113.6800]", ""},
		{"none", half, "[10.0000 100.0000 255.0000]", ""},
		{"none", bytesIn, "[10.0000 100.0000 255.0000]", ""},
		{"tf", bytesIn, "", "npy.lossy-conversion"},
		{"none", imageSpec(2, 2, 1), "[91.0000]", ""},
		{"tf", imageSpec(2, 2, 1), "[-0.2863]", ""},
		{"caffe", imageSpec(2, 2, 1), "", "gateway.preprocess-needs-colour"},
		{"sepia", colour, "", "gateway.unknown-preprocess"},
		{"none", imageSpec(2, 2, 7), "", "gateway.not-an-image-input"},
		{"none", &wire.TensorSpec{Name: "x", DType: "float32", Shape: []int64{-1, 10}}, "", "gateway.not-an-image-input"},
	} {
		got, err := pixel(c.mode, c.spec)
		if got != c.want || diag.CodeOf(err) != c.code {
			t.Errorf("%q for %v: %s, %v", c.mode, c.spec.Shape, got, err)
		}
	}
}

// bombs declare far more pixels than they have bytes.
func bombs(t testing.TB) map[string][]byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	j := b.Bytes()
	frame := bytes.Index(j, []byte{0xff, 0xc0})
	copy(j[frame+5:], []byte{0x7f, 0xff, 0x7f, 0xff}) // height and width
	p := pngOf(t, color.White, 2, 2)
	copy(p[16:], []byte{0, 1, 0, 0, 0, 1, 0, 0})
	binary.BigEndian.PutUint32(p[29:], crc32.ChecksumIEEE(p[12:29]))
	chunk := func(name string, data ...byte) []byte {
		c := append([]byte(name), byte(len(data)), byte(len(data)>>8), 0, 0)
		if c = append(c, data...); len(data)%2 == 1 {
			c = append(c, 0)
		}
		return c
	}
	webp := func(chunks ...[]byte) []byte {
		body := append([]byte("WEBP"), slices.Concat(chunks...)...)
		return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
	}
	lossy := chunk("VP8 ", 0x30, 1, 0, 0x9d, 1, 0x2a, 0xff, 0x3f, 0xff, 0x3f, 0, 0)
	return map[string][]byte{
		"jpeg": j, "png": p, "webp": webp(lossy),
		// A canvas of one pixel around a frame of 16383 x 16383.
		"webp-canvas":   webp(chunk("VP8X", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), lossy),
		"webp-lossless": webp(chunk("VP8L", 0x2f, 0xff, 0xff, 0xff, 0x0f, 0)),
	}
}

func TestImageBombsAreRefusedUndecoded(t *testing.T) {
	g := front()
	for name, file := range bombs(t) {
		_, err := g.read(&wire.Input{}, file, imageSpec(224, 224, 3), "none")
		if diag.CodeOf(err) != "gateway.image-too-large" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	g := front()
	var animated bytes.Buffer
	if err := gif.Encode(&animated, image.NewGray(image.Rect(0, 0, 2, 2)), nil); err != nil {
		t.Fatal(err)
	}
	file := pngOf(t, color.White, 9, 9)
	for _, c := range []struct {
		name, kind string
		data       []byte
		code       string
	}{
		{"nothing", "", nil, "gateway.empty-input"},
		{"a GIF", "image/gif", animated.Bytes(), "gateway.unknown-type"},
		{"text", "", []byte("hello there"), "gateway.unknown-type"},
		{"half a PNG", "", file[:len(file)/2], "gateway.bad-image"},
		{"half a PNG header", "", file[:12], "gateway.bad-image"},
		{"an empty JPEG", "", []byte{0xff, 0xd8, 0xff}, "gateway.bad-image"},
		{"a broken npy", "", []byte("\x93NUMPY\x01\x00\x05\x00"), "npy.truncated"},
		{"a PNG called npy", wire.TypeNPY, file, "npy.not-npy"},
		{"a dangerous pickle", "", []byte("cos\nsystem\n(S'true'\ntR."), "pickle.refused-global"},
		{"broken JSON", wire.TypeJSON, []byte("[1,2"), "gateway.bad-json"},
	} {
		if _, err := g.read(&wire.Input{ContentType: c.kind}, c.data, imageSpec(4, 4, 3), "none"); diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
}

func TestJSONTensors(t *testing.T) {
	for _, c := range []struct{ text, want, code string }{
		{`[[1,2.5],[-3e2,4]]`, "[2 2] [1 2.5 -300 4]", ""},
		{" [ [ 1 , 2 ] ] ", "[1 2] [1 2]", ""},
		{`{"shape":[2,3],"data":[1,2,3,4,5,6],"dtype":"float32"}`, "[2 3] [1 2 3 4 5 6]", ""},
		{`{"data":[[1],[2]]}`, "[2 1] [1 2]", ""},
		{`{"shape":[4],"data":[[1,2],[3,4]]}`, "[4] [1 2 3 4]", ""},
		{`[]`, "[0] []", ""},
		{`[[],[]]`, "[2 0] []", ""},
		{`7`, "[] [7]", ""},
		{`[[1,2],[3]]`, "", "gateway.ragged-json"},
		{`[[1,2],3]`, "", "gateway.ragged-json"},
		{`[1,[2]]`, "", "gateway.ragged-json"},
		{`[[],[1]]`, "", "gateway.ragged-json"},
		{`[[1],[]]`, "", "gateway.ragged-json"},
		{`["a"]`, "", "gateway.bad-json"},
		{`[null]`, "", "gateway.bad-json"},
		{`[1e999]`, "", "gateway.bad-json"},
		{`{}`, "", "gateway.bad-json"},
		{`{"shape":"x","data":[1]}`, "", "gateway.bad-json"},
		{`{"shape":[3],"data":[1]}`, "", "gateway.bad-json"},
		{`{"shape":[-1],"data":[1]}`, "", "gateway.bad-json"},
		{`{"shape":[4294967296,4294967296,4294967296,4294967296],"data":[1]}`, "", "gateway.bad-json"},
		{strings.Repeat("[", 100) + strings.Repeat("]", 100), "", "gateway.json-too-deep"},
	} {
		a, err := jsonArray([]byte(c.text))
		if diag.CodeOf(err) != c.code {
			t.Errorf("%.40s: %v, want %q", c.text, err, c.code)
		} else if err == nil {
			if got := fmt.Sprintf("%v %v", a.Shape, a.Float64s()); got != c.want {
				t.Errorf("%.40s: %s, want %s", c.text, got, c.want)
			}
		}
	}
}

func FuzzJSONTensor(f *testing.F) {
	f.Add([]byte(`{"shape":[2,3],"data":[1,2,3,4,5,6]}`))
	f.Add([]byte(`[[1,2.5],[-3e2,4]]`))
	f.Add([]byte(`[[[]],[[]]]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := jsonArray(data)
		if err != nil {
			if diag.As(err) == nil {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		if a.Elements() != int64(len(a.Float64s())) {
			t.Fatalf("shape %v has %d numbers", a.Shape, len(a.Float64s()))
		}
	})
}

// FuzzRead tries everything that a user may send to a gateway of little memory.
func FuzzRead(f *testing.F) {
	for _, picture := range testImages(f) {
		f.Add(picture.File)
	}
	for _, file := range bombs(f) {
		f.Add(file)
	}
	g := front()
	g.memory = 64 << 20
	spec := imageSpec(8, 8, 3)
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := g.read(&wire.Input{}, data, spec, "tf")
		if err != nil {
			if diag.As(err) == nil {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		if kind := mediaType("", data); strings.HasPrefix(kind, "image/") && len(a.Data) != 8*8*3*4 {
			t.Fatalf("%d bytes", len(a.Data))
		}
	})
}

func TestDecodeArrangesTheInputs(t *testing.T) {
	one := wire.TensorSpec{Name: "one", DType: "float32", Shape: []int64{-1, 2}}
	two := wire.TensorSpec{Name: "two", DType: "int64", Shape: []int64{-1, 1}}
	fixed := wire.TensorSpec{Name: "fixed", DType: "float32", Shape: []int64{3}}
	in := func(name, text string) wire.Input { return wire.Input{Name: name, Data: []byte(text)} }
	for _, c := range []struct {
		name   string
		specs  []wire.TensorSpec
		inputs []wire.Input
		want   string
		code   string
	}{
		{"one without name and batch", []wire.TensorSpec{one}, []wire.Input{in("", "[1,2]")}, "1: one float32 [1 2]", ""},
		{"several are put together", []wire.TensorSpec{one}, []wire.Input{in("one", "[[1,2],[3,4]]"), in("one", "[5,6]")}, "3: one float32 [3 2]", ""},
		{"two by name, one of them fixed", []wire.TensorSpec{one, fixed, two}, []wire.Input{in("two", "[[1],[2]]"), in("fixed", "[1,2,3]"), in("one", "[[1,2],[3,4]]")}, "2: one float32 [2 2], fixed float32 [3], two int64 [2 1]", ""},
		{"none", []wire.TensorSpec{one}, nil, "", "gateway.missing-input"},
		{"one too few", []wire.TensorSpec{one, two}, []wire.Input{in("one", "[1,2]")}, "", "gateway.missing-input"},
		{"no name", []wire.TensorSpec{one, two}, []wire.Input{in("", "[1,2]")}, "", "gateway.unnamed-input"},
		{"another name", []wire.TensorSpec{one}, []wire.Input{in("three", "[1,2]")}, "", "gateway.unknown-input"},
		{"another shape", []wire.TensorSpec{one}, []wire.Input{in("", "[1,2,3]")}, "", "gateway.wrong-shape"},
		{"no items", []wire.TensorSpec{one}, []wire.Input{in("", `{"shape":[0,2],"data":[]}`)}, "", "gateway.wrong-shape"},
		{"mixed batches", []wire.TensorSpec{one, two}, []wire.Input{in("one", "[[1,2],[3,4]]"), in("two", "[[1]]")}, "", "gateway.mixed-batches"},
		{"a fixed one twice", []wire.TensorSpec{fixed}, []wire.Input{in("", "[1,2,3]"), in("", "[1,2,3]")}, "", "gateway.repeated-input"},
		{"fractions for integers", []wire.TensorSpec{two}, []wire.Input{in("", "[[1.5]]")}, "", "npy.lossy-conversion"},
		{"an object elsewhere", []wire.TensorSpec{one}, []wire.Input{{Object: &wire.Object{Bucket: "other", Key: "runs/d/x"}}}, "", "gateway.foreign-object"},
		{"another deployment's object", []wire.TensorSpec{one}, []wire.Input{{Object: &wire.Object{Bucket: "bucket", Key: "runs/e/x"}}}, "", "gateway.foreign-object"},
		{"a huge object", []wire.TensorSpec{one}, []wire.Input{{Object: &wire.Object{Bucket: "bucket", Key: "runs/d/x", Bytes: 1 << 40}}}, "", "gateway.batch-too-large"},
	} {
		b, err := front(c.specs...).decode(t.Context(), &wire.GatewayEvent{Inputs: c.inputs})
		if diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", c.name, err, c.code)
			continue
		}
		if err != nil {
			continue
		}
		var parts []string
		for i := range b.tensors {
			if err := b.tensors[i].Check("testing"); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			parts = append(parts, fmt.Sprintf("%s %s %v", b.tensors[i].Name, b.tensors[i].DType, b.tensors[i].Shape))
		}
		if got := fmt.Sprintf("%d: %s", b.items, strings.Join(parts, ", ")); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	// The error names both shapes as the source framework writes them.
	image := *imageSpec(224, 224, 3)
	_, err := front(image).decode(t.Context(), &wire.GatewayEvent{Inputs: []wire.Input{in("", "[[1,2],[3,4]]")}})
	if err == nil || !strings.Contains(err.Error(), "expected shape ?x224x224x3, got 2x2") {
		t.Error(err)
	}
}

func TestBatchLargerThanMemory(t *testing.T) {
	g := front(*imageSpec(1024, 1024, 3))
	g.memory = 64 << 20
	file := pngOf(t, color.White, 1024, 1024)
	e := &wire.GatewayEvent{Inputs: []wire.Input{{Data: file}}}
	if _, err := g.decode(t.Context(), e); err != nil {
		t.Error(err)
	}
	e.Inputs = append(e.Inputs, e.Inputs[0])
	if _, err := g.decode(t.Context(), e); diag.CodeOf(err) != "gateway.batch-too-large" {
		t.Error(err)
	}
}

func BenchmarkImage(b *testing.B) {
	p := image.NewRGBA(image.Rect(0, 0, 1600, 1200))
	for i := range p.Pix {
		p.Pix[i] = byte(i * 7 / 3)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, p, nil); err != nil {
		b.Fatal(err)
	}
	g := front()
	for b.Loop() {
		if _, err := g.read(&wire.Input{}, file.Bytes(), imageSpec(224, 224, 3), "caffe"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestOpenImageSizes: images for a model that leaves their size open are refused with what to do; one of a settled size
// takes them, with and without a batch dimension.
func TestOpenImageSizes(t *testing.T) {
	picture := pngOf(t, color.NRGBA{1, 2, 3, 255}, 4, 6)
	for _, c := range []struct {
		shape []int64
		code  string
		says  string
		want  []int64
	}{
		{[]int64{-1, 3, -2, -2}, "gateway.open-image-size", "--dim image[2]=SIZE,image[3]=SIZE", nil},
		{[]int64{-1, 3, 48, -2}, "gateway.open-image-size", "--dim image[3]=SIZE)", nil},
		{[]int64{-1, -2, -2, 3}, "gateway.open-image-size", "--dim image[1]=SIZE,image[2]=SIZE", nil},
		{[]int64{-2, -2, 3}, "gateway.open-image-size", "--dim image[0]=SIZE,image[1]=SIZE", nil},
		{[]int64{-1, 8, 3}, "gateway.not-an-image-input", "", nil},
		{[]int64{-1, 3, 8, 8}, "", "", []int64{1, 3, 8, 8}},
		{[]int64{1, 3, 8, 8}, "", "", []int64{1, 3, 8, 8}},
		{[]int64{3, 8, 8}, "", "", []int64{3, 8, 8}},
		{[]int64{8, 8, 1}, "", "", []int64{8, 8, 1}},
	} {
		g := front(wire.TensorSpec{Name: "image", DType: "float32", Shape: c.shape})
		b, err := g.decode(t.Context(), &wire.GatewayEvent{Inputs: []wire.Input{{Data: slices.Clone(picture)}}})
		if diag.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v", c.shape, err)
		}
		if err == nil && !slices.Equal(b.tensors[0].Shape, c.want) {
			t.Errorf("%v: %v", c.shape, b.tensors[0].Shape)
		}
	}
}

// TestScalarInputs: a model may ask for a single number.
func TestScalarInputs(t *testing.T) {
	g := front(wire.TensorSpec{Name: "rate", DType: "int64", Shape: []int64{}})
	for text, ok := range map[string]bool{"16000": true, " 16000\n": true, "[16000]": true, `{"shape":[],"data":[16000]}`: true, "[1,2]": false, "nothing": false, "true": false} {
		b, err := g.decode(t.Context(), &wire.GatewayEvent{Inputs: []wire.Input{{Data: []byte(text)}}})
		switch {
		case (err == nil) != ok:
			t.Errorf("%s: %v", text, err)
		case ok && (len(b.tensors[0].Shape) != 0 || binary.LittleEndian.Uint64(b.tensors[0].Data) != 16000):
			t.Errorf("%s: %+v", text, b.tensors[0])
		}
	}
	one := front(wire.TensorSpec{Name: "rate", DType: "float32", Shape: []int64{1}})
	if b, err := one.decode(t.Context(), &wire.GatewayEvent{Inputs: []wire.Input{{Data: []byte("0.5")}}}); err != nil || !slices.Equal(b.tensors[0].Shape, []int64{1}) {
		t.Errorf("%v", err)
	}
}

// What the first stage takes from the store is there for all passes before it is called, once for each, and nothing is left.
func TestInputsThroughTheStore(t *testing.T) {
	g, f := deployment(2, 4, func(m *wire.GatewayManifest) {
		m.Batch, m.Concurrency, m.Turns = 2, 2, 2
		m.Stages[0].TransportIn, m.Stages[1].TransportOut = wire.S3, wire.S3
	})
	waiting := -1
	f.hook = func(kind string, stage int) (*wire.Invocation, error) {
		if waiting < 0 && stage == 0 {
			waiting = len(f.store.keys())
		}
		return nil, nil
	}
	reply, err := send(t, g, request(t, 7, 4))
	if err != nil {
		t.Fatal(err)
	}
	checkReply(t, reply, 7, 4, 2)
	if waiting != 4 {
		t.Errorf("%d objects are there when the first stage is called, want 4", waiting)
	}
	if left := f.store.keys(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
