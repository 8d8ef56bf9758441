package hdf5

import (
	"container/list"
	"io"
	"sync"
)

// The metadata of a Keras file is spread in small pieces over the whole file, and in a browser every read of a Blob costs
// about 3 ms. Pages of this size read the metadata of ResNet50 in about a hundred reads.
const (
	pageBytes = 32 << 10
	pageCount = 128 // 4 MB of cache
)

// pagedReader is a cache of the most recently used pages of a reader.
type pagedReader struct {
	source io.ReaderAt
	size   int64

	mu    sync.Mutex
	pages map[int64]*list.Element // of *page, by index
	used  list.List               // the most recently used first
}

type page struct {
	index int64
	data  []byte
}

// Paged puts a cache of pages before a reader whose reads are slow. Reads of more than a few pages bypass it.
func Paged(r io.ReaderAt, size int64) io.ReaderAt {
	return &pagedReader{source: r, size: size, pages: map[int64]*list.Element{}}
}

// ReadAt implements io.ReaderAt.
func (p *pagedReader) ReadAt(dst []byte, off int64) (int, error) {
	if off < 0 || off > p.size {
		return 0, io.EOF
	}
	if len(dst) > 4*pageBytes {
		return readAll(p.source, dst, off)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(dst) {
		at := off + int64(n)
		if at >= p.size {
			return n, io.EOF
		}
		data, err := p.page(at / pageBytes)
		if err != nil {
			return n, err
		}
		n += copy(dst[n:], data[min(int(at%pageBytes), len(data)):])
	}
	return n, nil
}

// page gives a page's bytes, reading it if need be.
func (p *pagedReader) page(index int64) ([]byte, error) {
	if e := p.pages[index]; e != nil {
		p.used.MoveToFront(e)
		return e.Value.(*page).data, nil
	}
	var data []byte
	if len(p.pages) >= pageCount {
		oldest := p.used.Remove(p.used.Back()).(*page)
		delete(p.pages, oldest.index)
		data = oldest.data[:cap(oldest.data)]
	}
	n := int(min(pageBytes, p.size-index*pageBytes))
	if cap(data) < n {
		data = make([]byte, n)
	}
	data = data[:n]
	if _, err := readAll(p.source, data, index*pageBytes); err != nil {
		return nil, err
	}
	p.pages[index] = p.used.PushFront(&page{index, data})
	return data, nil
}

// readAll fills dst. A reader may say io.EOF along with the last bytes of a file, which is no failure.
func readAll(r io.ReaderAt, dst []byte, off int64) (int, error) {
	n, err := r.ReadAt(dst, off)
	if n == len(dst) {
		return n, nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
