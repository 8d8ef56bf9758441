package split

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"unsafe"
)

// sinkBlocks is how many arranged blocks are held at once: one being filled, one being written, one in between.
const sinkBlocks = 3

// littleEndian tells whether this machine holds numbers in memory as ONNX does in files.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// sink writes blocks in the background.
type sink struct {
	w      io.Writer
	queue  chan queued
	failed chan struct{} // closed at the first error
	done   chan error    // nil, or the first error, when everything is written
}

// queued is a block, what of its memory to write, and where it goes then.
type queued struct {
	block []float32
	bytes []byte
	home  chan<- []float32
}

// newSink starts a sink. Whoever starts it calls close, whatever happens.
func newSink(w io.Writer) *sink {
	s := &sink{w: w, queue: make(chan queued, sinkBlocks+windows), failed: make(chan struct{}), done: make(chan error, 1)}
	go s.run()
	return s
}

func (s *sink) run() {
	var failure error
	for q := range s.queue {
		if failure == nil {
			if _, failure = s.w.Write(q.bytes); failure != nil {
				close(s.failed)
			}
		}
		q.home <- q.block
	}
	s.done <- failure
}

// errSinkFailed stops whoever fills a sink that cannot write any more; close tells why.
var errSinkFailed = errors.New("the writing has failed")

// write hands a block over of which bytes, in its own memory, are to be written; the buffer goes home, a channel that has
// room for it, when that is done. The error is that of an earlier block.
func (s *sink) write(block []float32, bytes []byte, home chan<- []float32) error {
	s.queue <- queued{block, bytes, home}
	select {
	case <-s.failed:
		return errSinkFailed
	default:
		return nil
	}
}

// close waits until everything is written, and gives the first error of writing.
func (s *sink) close() error {
	close(s.queue)
	return <-s.done
}

// raw gives the bytes of a block as a file holds them, in the block's own memory.
func raw(block []float32) []byte {
	if len(block) == 0 {
		return nil
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&block[0])), 4*len(block))
	if !littleEndian {
		for i, f := range block {
			binary.LittleEndian.PutUint32(bytes[4*i:], math.Float32bits(f))
		}
	}
	return bytes
}
