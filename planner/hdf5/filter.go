package hdf5

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
)

// Registered numbers of filters.
const (
	filterDeflate    = 1
	filterShuffle    = 2
	filterFletcher32 = 3
)

var filterNames = map[uint16]string{4: "szip", 5: "nbit", 6: "scale-offset", 32000: "LZF", 32001: "Blosc", 32004: "LZ4",
	32008: "bitshuffle", 32013: "ZFP", 32015: "Zstandard", 32026: "Blosc2"}

const maxFilters = 32 // in one pipeline, as the format has it

// filter is one step of the pipeline that a chunk went through when it was written.
type filter struct {
	id     uint16
	values []uint32
}

// parseFilters reads a filter pipeline message. Filters that are not supported are found here, before any data is read.
func (f *File) parseFilters(data []byte) ([]filter, error) {
	const what = "the filter pipeline"
	c := f.cursor(data, what)
	version, count := c.u8(), int(c.u8())
	switch {
	case c.err != nil:
		return nil, c.err
	case version != 1 && version != 2:
		return nil, damaged("%s has version %d", what, version)
	case count > maxFilters:
		return nil, damaged("%s has %d steps", what, count)
	case version == 1:
		c.skip(6)
	}
	var all []filter
	for range count {
		step := filter{id: c.u16()}
		nameSize := 0
		if version == 1 || step.id >= 256 {
			nameSize = int(c.u16())
		}
		c.skip(2) // whether the step is optional: a chunk's mask says whether it was applied
		values := int(c.u16())
		if version == 1 {
			nameSize = (nameSize + 7) &^ 7
		}
		c.skip(nameSize)
		if values > c.left()/4 {
			return nil, damaged("%s ends too early", what)
		}
		for range values {
			step.values = append(step.values, c.u32())
		}
		if version == 1 && values%2 == 1 {
			c.skip(4)
		}
		if c.err != nil {
			return nil, c.err
		}
		switch step.id {
		case filterDeflate, filterShuffle, filterFletcher32:
		default:
			if name := filterNames[step.id]; name != "" {
				return nil, unsupported("data compressed with %s", name)
			}
			return nil, unsupported("data written through filter %d", step.id)
		}
		all = append(all, step)
	}
	return all, nil
}

// maxDeflate is the most that deflate can expand one byte to, rounded up.
const maxDeflate = 1032

// unfilter undoes a pipeline: stored is one chunk as it lies in the file, and the result has exactly size bytes. Bit i of
// mask says that step i was left out.
func unfilter(stored []byte, filters []filter, mask uint32, size int) ([]byte, error) {
	data := stored
	for i := len(filters) - 1; i >= 0; i-- {
		if mask>>i&1 != 0 {
			continue
		}
		switch filters[i].id {
		case filterDeflate:
			var err error
			if data, err = inflate(data, size+4); err != nil {
				return nil, err
			}
		case filterShuffle:
			if len(filters[i].values) == 0 {
				return nil, damaged("the shuffle filter lacks the size of elements")
			}
			data = unshuffle(data, int(filters[i].values[0]))
		case filterFletcher32:
			if len(data) < 4 {
				return nil, damaged("a chunk is too short for its checksum")
			}
			end := len(data) - 4
			stored := binary.LittleEndian.Uint32(data[end:])
			data = data[:end]
			// HDF5 before 1.6.3 wrote the two bytes of each half swapped, and readers take both.
			sum := fletcher32(data)
			if swapped := sum&0xff00ff00>>8 | sum&0x00ff00ff<<8; stored != sum && stored != swapped {
				return nil, badChecksum("a chunk")
			}
		}
	}
	if len(data) != size {
		return nil, damaged("a chunk has %d bytes instead of %d", len(data), size)
	}
	return data, nil
}

// inflate decompresses up to most bytes; more is an error. A checksum that follows the data may be within.
func inflate(data []byte, most int) ([]byte, error) {
	if most/maxDeflate > len(data) {
		return nil, damaged("a chunk of %d bytes cannot have been compressed to %d", most, len(data))
	}
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, damaged("a chunk is not compressed as it should be (%v)", err)
	}
	out := make([]byte, most+1)
	n, err := io.ReadFull(r, out)
	switch {
	case err == nil:
		return nil, damaged("a chunk expands to more than its size")
	case errors.Is(err, io.EOF) && n == 0, errors.Is(err, io.ErrUnexpectedEOF) && n <= most && ended(r):
		return out[:n], nil
	}
	return nil, damaged("a chunk cannot be decompressed (%v)", err)
}

// ended tells whether a reader is at its regular end: io.ReadFull reports a stream that ends early in the same way as one
// that is cut off.
func ended(r io.Reader) bool {
	var b [1]byte
	_, err := r.Read(b[:])
	return err == io.EOF
}

// unshuffle puts the bytes of elements together again: shuffled data has first the first byte of every element, then the
// second, and so on, and at the end what does not fill an element.
func unshuffle(data []byte, size int) []byte {
	if size <= 1 || size > len(data) {
		return data
	}
	n := len(data) / size
	out := make([]byte, len(data))
	for j := range size {
		column := data[j*n : (j+1)*n]
		for i, x := range column {
			out[i*size+j] = x
		}
	}
	copy(out[n*size:], data[n*size:])
	return out
}
