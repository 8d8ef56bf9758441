package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/picture"
	"partita/runtime/npy"
	"partita/runtime/wire"
)

const readingImage = "decoding an image"

// imageLayout reads a model's input as a batch of images, or as one image without the batch.
func imageLayout(spec *wire.TensorSpec) (picture.Layout, error) {
	l, open, ok := picture.LayoutOf(spec.Shape)
	switch {
	case !ok:
		return l, bad("gateway.not-an-image-input", readingImage, fmt.Sprintf("the model's input %q is %s, not a batch of images", spec.Name, graph.Shape(spec.Shape)),
			"send a .npy array of that shape")
	case len(open) > 0:
		return l, bad("gateway.open-image-size", readingImage, fmt.Sprintf("the model's input %q is %s: it leaves the size of images open", spec.Name, graph.Shape(spec.Shape)),
			fmt.Sprintf("plan and deploy the model for one size, to which images are then scaled (--dim %s), or send a .npy array of the size that you want", strings.Join(openSides(spec, open), ",")))
	}
	return l, nil
}

// openSides names the sides that the model leaves open, as the option that settles them has it.
func openSides(spec *wire.TensorSpec, axes []int) []string {
	var open []string
	for _, axis := range axes {
		open = append(open, fmt.Sprintf("%s[%d]=SIZE", spec.Name, axis))
	}
	return open
}

// imageArray decodes an image and makes of it one item of a model's input: alpha dropped (as Pillow's convert("RGB") does),
// resized to the model's height and width by bilinear interpolation over the area that a target pixel covers, without
// keeping the proportions and without cropping (as Keras's load_img does), preprocessed. The orientation that a
// camera may have noted is not applied, as Keras does not.
func (g *Gateway) imageArray(kind string, data []byte, spec *wire.TensorSpec, preprocess string) (*npy.Array, error) {
	l, err := imageLayout(spec)
	if err != nil {
		return nil, err
	}
	table, err := tableOf(preprocess, l.Channels)
	if err != nil {
		return nil, err
	}
	size, err := imageSize(kind, data)
	if err != nil {
		return nil, undecodable(kind, err)
	}
	need := picture.DecodeBytes(int64(size.X), int64(size.Y), int64(l.Width))
	if size.X <= 0 || size.Y <= 0 || size.X > picture.MaxSide || size.Y > picture.MaxSide || need > picture.Room(g.memory) {
		return nil, diag.New(diag.Limit, "gateway.image-too-large", readingImage, fmt.Sprintf("it is %dx%d pixels; decoding it would take about %d MB, and the gateway has %d MB", size.X, size.Y, need>>20, g.memory>>20),
			fmt.Sprintf("scale it down (the model sees %dx%d), or give the gateway more memory; no side may be over %d", l.Width, l.Height, picture.MaxSide))
	}
	decoded, err := decodeImage(kind, data)
	if err != nil {
		return nil, undecodable(kind, err)
	}
	rgba := resize(decoded, l.Width, l.Height)
	a := table.apply(rgba, l)
	return a.Convert(spec.DType)
}

func undecodable(kind string, err error) error {
	if e := diag.As(err); e != nil {
		return e
	}
	return bad("gateway.bad-image", readingImage, "it is not a readable "+kind, "send it again: it may be damaged or of an unusual kind").Because(err)
}

// imageSize reads only the header.
func imageSize(kind string, data []byte) (image.Point, error) {
	var c image.Config
	var err error
	switch kind {
	case wire.TypeJPEG:
		c, err = jpeg.DecodeConfig(bytes.NewReader(data))
	case wire.TypePNG:
		c, err = png.DecodeConfig(bytes.NewReader(data))
	default:
		if c, err = webp.DecodeConfig(bytes.NewReader(data)); err == nil {
			frame := webpFrames(data)
			c.Width, c.Height = max(c.Width, frame.X), max(c.Height, frame.Y)
		}
	}
	return image.Pt(c.Width, c.Height), err
}

// webpFrames gives the largest size that the frames of a WebP file declare: the size of the canvas, which DecodeConfig
// tells, need not be theirs (RFC 9649, sections 2.5 to 2.7).
func webpFrames(data []byte) image.Point {
	var largest image.Point
	for at := 12; at+8 <= len(data); {
		name, size := string(data[at:at+4]), int64(binary.LittleEndian.Uint32(data[at+4:]))
		chunk := data[at+8:]
		var p image.Point
		switch {
		case name == "VP8 " && len(chunk) >= 10:
			p = image.Pt(int(binary.LittleEndian.Uint16(chunk[6:])&0x3fff), int(binary.LittleEndian.Uint16(chunk[8:])&0x3fff))
		case name == "VP8L" && len(chunk) >= 5:
			bits := binary.LittleEndian.Uint32(chunk[1:])
			p = image.Pt(int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1)
		}
		largest = image.Pt(max(largest.X, p.X), max(largest.Y, p.Y))
		next := int64(at) + 8 + size + size&1
		if next > int64(len(data)) {
			break
		}
		at = int(next)
	}
	return largest
}

func decodeImage(kind string, data []byte) (picture image.Image, err error) {
	switch kind {
	case wire.TypeJPEG:
		return jpeg.Decode(bytes.NewReader(data))
	case wire.TypePNG:
		return png.Decode(bytes.NewReader(data))
	}
	picture, err = webp.Decode(bytes.NewReader(data))
	switch p := picture.(type) {
	case *image.YCbCr:
		return studioRange(p), err
	case *image.NYCbCrA:
		return studioRange(&p.YCbCr), err
	}
	return picture, err
}

// studioRange converts the picture of a lossy WebP. Its luma is 16 to 235 and its chroma 16 to 240 (RFC 6386, section 9.2,
// by way of ITU-R BT.601), while image.YCbCr means JPEG's full range and would give duller colours.
func studioRange(p *image.YCbCr) *image.RGBA {
	bounds := p.Bounds()
	rgba := image.NewRGBA(bounds)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		row := rgba.Pix[rgba.PixOffset(bounds.Min.X, y):]
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := p.COffset(x, y)
			// In units of 2^-16: 255/219 for luma, 255/112 times (1 - a colour's weight) for chroma.
			luma := 76309*(int32(p.Y[p.YOffset(x, y)])-16) + 1<<15
			blue, red := int32(p.Cb[c])-128, int32(p.Cr[c])-128
			to := row[4*(x-bounds.Min.X):]
			to[0] = clip(luma + 104597*red)
			to[1] = clip(luma - 25675*blue - 53279*red)
			to[2] = clip(luma + 132201*blue)
			to[3] = 0xff
		}
	}
	return rgba
}

func clip(v int32) uint8 { return uint8(min(max(v>>16, 0), 255)) }

// resize gives the picture without its alpha, scaled to a width and height.
func resize(picture image.Image, width, height int) *image.RGBA {
	picture = opaque(picture)
	rgba := image.NewRGBA(image.Rect(0, 0, width, height))
	bounds := picture.Bounds()
	if bounds.Dx() == width && bounds.Dy() == height {
		draw.Draw(rgba, rgba.Bounds(), picture, bounds.Min, draw.Src)
		return rgba
	}
	draw.BiLinear.Scale(rgba, rgba.Bounds(), picture, bounds, draw.Src, nil)
	return rgba
}

// opaque drops the alpha channel: the colours that are stored under it count.
func opaque(picture image.Image) image.Image {
	switch p := picture.(type) {
	case *image.NRGBA:
		for i := 3; i < len(p.Pix); i += 4 {
			p.Pix[i] = 0xff
		}
	case *image.NRGBA64:
		for i := 6; i+1 < len(p.Pix); i += 8 {
			p.Pix[i], p.Pix[i+1] = 0xff, 0xff
		}
	case *image.Paletted:
		for i, c := range p.Palette {
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			if original, ok := c.(color.NRGBA); ok {
				n = original
			}
			n.A = 0xff
			p.Palette[i] = n
		}
	}
	return picture
}
