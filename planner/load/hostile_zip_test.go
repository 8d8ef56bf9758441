package load_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
)

// hostileCase is files that are opened together, made when they are needed, and the code that they are refused with.
type hostileCase struct {
	name, code string
	files      func() []hostileFile
}

type hostileFile struct {
	name string
	data []byte
}

// one is a case of one file.
func one(name, code, file string, data func() []byte) hostileCase {
	return hostileCase{name, code, func() []hostileFile { return []hostileFile{{file, data()}} }}
}

func hostileCases() []hostileCase {
	all := hostileZips()
	all = append(all, hostileTexts()...)
	all = append(all, hostileLayers()...)
	all = append(all, hostileONNX()...)
	return append(all, hostileTFJS()...)
}

// inflating is a DEFLATE stream that becomes many copies of a text of a megabyte or so: as few bytes as can be.
func inflating(text string, copies int) []byte {
	var once, end bytes.Buffer
	w, _ := flate.NewWriter(&once, flate.BestCompression)
	w.Write([]byte(text))
	w.Flush() // the copy ends at a whole byte, so that another may follow
	w, _ = flate.NewWriter(&end, flate.BestCompression)
	w.Close()
	return append(bytes.Repeat(once.Bytes(), copies), end.Bytes()...)
}

// entry is a file in a zip archive as its headers tell it, true or not.
type entry struct {
	name   string
	method uint16
	data   []byte // as it lies in the archive
	size   uint64 // unpacked
	crc    uint32
}

func stored(name, text string) entry {
	return entry{name, zip.Store, []byte(text), uint64(len(text)), crc32.ChecksumIEEE([]byte(text))}
}

// archive packs entries as they are.
func archive(entries ...entry) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateRaw(&zip.FileHeader{Name: e.name, Method: e.method, CRC32: e.crc, CompressedSize64: uint64(len(e.data)), UncompressedSize64: e.size})
		if err == nil {
			_, err = w.Write(e.data)
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

const smallConfig = `{"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "InputLayer", "config": {"batch_input_shape": [null, 2], "name": "x"}}, {"class_name": "ReLU", "config": {"name": "r"}}]}}`

// directory changes a number in the first directory entry of an archive, or in its end when at is negative.
func directory(data []byte, at, width int, value uint64) []byte {
	start := bytes.Index(data, []byte("PK\x01\x02"))
	if at < 0 {
		start = bytes.LastIndex(data, []byte("PK\x05\x06"))
		at = -at
	}
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], value)
	copy(data[start+at:start+at+width], number[:])
	return data
}

func hostileZips() []hostileCase {
	megabyte := strings.Repeat(" ", 1<<20)
	keras := func(entries ...entry) func() []byte { return func() []byte { return archive(entries...) } }
	small := func() []byte { return archive(stored("config.json", smallConfig), stored("model.weights.h5", "none")) }
	bomb := func(name, text string, copies int, size uint64) entry {
		return entry{name, zip.Deflate, inflating(text, copies), size, 0}
	}
	cases := []hostileCase{
		one("zip/4 GB of config", "model.too-large", "m.keras", func() []byte { return archive(bomb("config.json", megabyte, 4096, 4096<<20)) }),
		one("zip/4 GB of config that claims 100 bytes", "model.damaged", "m.keras", func() []byte { return archive(bomb("config.json", megabyte, 4096, 100)) }),
		one("zip/4 GB of config that claims 7 MB", "model.damaged", "m.keras", func() []byte { return archive(bomb("config.json", megabyte, 4096, 7<<20)) }),
		one("zip/7 MB of blanks as config", "model.not-a-model", "m.keras", func() []byte {
			return archive(packed("config.json", strings.Repeat(" ", 7<<20)))
		}),
		one("zip/7 MB of small lists as config", "keras.too-large", "m.keras", func() []byte {
			return archive(packed("config.json", "["+strings.Repeat("[],", 7<<20/3)+"0]"))
		}),
		one("zip/7 MB of objects as config", "keras.too-large", "m.keras", func() []byte {
			return archive(packed("config.json", "["+strings.Repeat(`{"":0},`, 1<<20)+"0]"))
		}),
		one("zip/7 MB of text as config", "model.not-a-model", "m.keras", func() []byte {
			return archive(packed("config.json", `{"class_name": "`+strings.Repeat("x", 7<<20)+`"}`))
		}),
		one("zip/1 GB of metadata", "model.too-large", "m.keras", func() []byte {
			return archive(stored("config.json", smallConfig), bomb("metadata.json", megabyte, 1024, 1024<<20), stored("model.weights.h5", "none"))
		}),
		one("zip/1 GB of tfjs model.json", "model.too-large", "m.zip", func() []byte { return archive(bomb("model.json", megabyte, 1024, 1024<<20)) }),
		one("zip/compressed ONNX", "model.compressed-weights", "m.zip", func() []byte { return archive(bomb("model.onnx", megabyte, 1024, 1024<<20)) }),
		one("zip/80,000 entries", "model.not-a-model", "m.keras", func() []byte {
			var b bytes.Buffer
			z := zip.NewWriter(&b)
			for i := range 80000 {
				z.CreateRaw(&zip.FileHeader{Name: fmt.Sprint(i)})
			}
			z.Close()
			return b.Bytes()
		}),
		one("zip/1,000,000 entries", "model.too-large", "m.keras", func() []byte {
			var b bytes.Buffer
			z := zip.NewWriter(&b)
			for range 1000000 {
				z.CreateRaw(&zip.FileHeader{Name: "a"})
			}
			z.Close()
			return b.Bytes()
		}),
		one("zip/overlapping entries", "hdf5.not-hdf5", "m.keras", func() []byte {
			// The directory's second entry is given the place of the first.
			data := small()
			second := bytes.LastIndex(data, []byte("PK\x01\x02"))
			binary.LittleEndian.PutUint32(data[second+42:], 0)
			return data
		}),
		one("zip/entry beyond the file", "model.damaged", "m.keras", func() []byte { return directory(small(), 42, 4, 0xfffffff0) }),
		one("zip/directory beyond the file", "model.damaged", "m.keras", func() []byte { return directory(small(), -16, 4, 0xfffffff0) }),
		one("zip/directory of 4 GB", "model.damaged", "m.keras", func() []byte { return directory(small(), -12, 4, 0xfffffff0) }),
		one("zip/more entries than there are", "model.damaged", "m.keras", func() []byte { return directory(small(), -10, 2, 0xffff) }),
		one("zip/weights of 16 EB", "model.damaged", "m.keras", func() []byte {
			return archive(stored("config.json", smallConfig), entry{"model.weights.h5", zip.Store, []byte("\x89HDF\r\n\x1a\n"), 1<<64 - 2, 0})
		}),
		one("zip/unknown compression", "model.damaged", "m.keras", keras(entry{"config.json", 99, []byte(smallConfig), uint64(len(smallConfig)), 0})),
		one("zip/encrypted", "model.unsupported-format", "m.keras", func() []byte { return directory(small(), 8, 2, 1) }),
		one("zip/wrong checksum", "model.damaged", "m.keras", keras(entry{"config.json", zip.Store, []byte(smallConfig), uint64(len(smallConfig)), 1})),
		one("zip/config that is a folder", "model.not-a-model", "m.keras", keras(stored("config.json/", ""))),
		one("zip/zip in a zip in a zip", "model.unsupported-format", "m.keras", func() []byte {
			data := string(small())
			for range 100 {
				data = string(archive(stored("model.keras", data)))
			}
			return []byte(data)
		}),
		one("zip/path upwards", "model.not-a-model", "m.keras", keras(stored("../config.json", smallConfig))),
		one("zip/two configs", "model.damaged", "m.keras", keras(stored("config.json", smallConfig), stored("config.json", strings.Replace(smallConfig, "ReLU", "Softmax", 1)), stored("model.weights.h5", "none"))),
	}
	for n := 4; n < len(small()); n += 13 {
		cases = append(cases, one(fmt.Sprintf("zip/cut at %d", n), "model.damaged", "m.keras", func() []byte { return small()[:n] }))
	}
	return cases
}

// packed is a compressed entry with true headers.
func packed(name, text string) entry {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write([]byte(text))
	w.Close()
	return entry{name, zip.Deflate, b.Bytes(), uint64(len(text)), crc32.ChecksumIEEE([]byte(text))}
}
