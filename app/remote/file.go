package remote

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"partita/planner/diag"
	"partita/planner/report"
)

// Answer is what a server says to a request for a range of bytes.
type Answer struct {
	Status int
	Page   bool   // it calls itself a web page
	Total  int64  // the file's size; -1: it does not say, or does not let pages read it
	Mark   string // of the file's version; "" where there is none
	Body   []byte // of status 206 only
}

// Fetch asks for bytes first to last of a file.
type Fetch func(first, last int64) (*Answer, error)

// Identity says which file it is and which version, all that is needed to read it again on another visit.
type Identity struct {
	Address string
	Size    int64
	Mark    string
}

// Key writes an identity as text. An address holds no space.
func (i Identity) Key() string {
	return i.Address + " " + strconv.FormatInt(i.Size, 10) + " " + i.Mark
}

// ParseKey reads an identity; false: the key is of a file that is at no address.
func ParseKey(key string) (Identity, bool) {
	parts := strings.SplitN(key, " ", 3)
	if len(parts) < 3 {
		return Identity{}, false
	}
	size, err := strconv.ParseInt(parts[1], 10, 64)
	u, bad := ParseAddress(parts[0])
	if err != nil || bad != nil || size < 0 {
		return Identity{}, false
	}
	return Identity{u.String(), size, parts[2]}, true
}

// Ranges are asked for in whole blocks, several at once where more is wanted or where the reading goes straight on, and so many are kept.
// Smaller blocks cost more requests, larger ones more bytes: what a model's file says of itself is spread all over it.
const (
	blockBytes = 16 << 10
	mostAtOnce = 4 << 20 / blockBytes
	mostKept   = 16 << 20 / blockBytes
	tries      = 3 // a connection may break once in a while
)

// File is a file at a web address; it implements state.File.
type File struct {
	Identity
	name  string
	fetch Fetch
	read  atomic.Int64

	mu      sync.Mutex
	blocks  map[int64][]byte
	order   []int64 // of the blocks, as they came
	next    int64   // the block after those that came last
	ahead   int64   // so many were asked for then
	failure error
}

// New makes a file of what is known of it.
func New(i Identity, fetch Fetch) *File {
	name := i.Address
	if u, err := url.Parse(i.Address); err == nil {
		name = NameOf(u)
	}
	return &File{Identity: i, name: name, fetch: fetch, blocks: map[int64][]byte{}, next: -1}
}

// Name gives the last part of the address.
func (f *File) Name() string { return f.name }

// Size gives the file's length.
func (f *File) Size() int64 { return f.Identity.Size }

// BytesRead counts what has come over the network.
func (f *File) BytesRead() int64 { return f.read.Load() }

// Failure gives why a read failed, nil where none did: who reads a model tells of its format instead.
func (f *File) Failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failure
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("reading %s at negative offset %d", f.name, offset)
	}
	if offset >= f.Size() {
		return 0, io.EOF
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	end := min(offset+int64(len(p)), f.Size())
	n := 0
	for at := offset; at < end; at = offset + int64(n) {
		block, err := f.block(at/blockBytes, (end-1)/blockBytes)
		if err != nil {
			f.failure = err
			return n, err
		}
		n += copy(p[n:end-offset], block[at%blockBytes:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// block gives a block; those up to another are wanted too.
func (f *File) block(first, wanted int64) ([]byte, error) {
	if block := f.blocks[first]; block != nil {
		return block, nil
	}
	count := wanted - first + 1
	if first == f.next {
		count = max(count, 2*f.ahead)
	}
	count = min(count, mostAtOnce, (f.Size()-1)/blockBytes-first+1)
	for k := int64(1); k < count; k++ {
		if f.blocks[first+k] != nil {
			count = k
		}
	}
	from, to := first*blockBytes, min((first+count)*blockBytes, f.Size())-1
	body, err := f.get(from, to)
	if err != nil {
		return nil, err
	}
	f.read.Add(int64(len(body)))
	f.next, f.ahead = first+count, count
	for k := range count {
		f.blocks[first+k] = body[k*blockBytes : min((k+1)*blockBytes, int64(len(body)))]
		f.order = append(f.order, first+k)
	}
	for ; len(f.order) > mostKept; f.order = f.order[1:] {
		delete(f.blocks, f.order[0])
	}
	return f.blocks[first], nil
}

// get asks for a range, again where the connection breaks.
func (f *File) get(first, last int64) ([]byte, error) {
	var broken error
	for range tries {
		answer, err := f.fetch(first, last)
		if err != nil {
			broken = err
			continue
		}
		if err := f.check(answer, last-first+1); err != nil {
			return nil, err
		}
		return answer.Body, nil
	}
	return nil, diag.New(diag.Unavailable, "remote.connection-lost", f.doing(), "the connection broke, and again when it was asked once more", downloadIt).Because(broken)
}

const downloadIt = "try again, or download the file and drop it here"

func (f *File) doing() string {
	return "reading " + f.name + " (" + report.Bytes(f.Size()) + ") from its address"
}

// check tells whether an answer is the range that was asked for, of the same file as before.
func (f *File) check(a *Answer, want int64) error {
	changed := func(found string) error {
		return diag.New(diag.Conflict, "remote.changed", f.doing(), found, "open the address again, or download the file and drop it here")
	}
	switch {
	case a.Status == 200 || a.Status == 416:
		return changed("the server does not give this part of it any more")
	case a.Status != 206:
		return refused(f.doing(), a.Status)
	case a.Total >= 0 && a.Total != f.Size():
		return changed("it has " + report.Bytes(a.Total) + " now")
	case a.Mark != "" && f.Mark != "" && a.Mark != f.Mark:
		return changed("the server has another version of it now")
	case int64(len(a.Body)) != want:
		return changed(fmt.Sprintf("the server gave %d bytes where %d are", len(a.Body), want))
	}
	return nil
}

// refused tells of a status that is none of success.
func refused(doing string, status int) error {
	if status == 404 || status == 410 {
		return diag.New(diag.NotFound, "remote.not-found", doing, "the server says that there is nothing at that address (status "+strconv.Itoa(status)+")", "check the address")
	}
	return diag.New(diag.Unavailable, "remote.refused", doing, "the server answers with status "+strconv.Itoa(status), "check whether the address needs a sign-in, which is not sent; download the file there and drop it here")
}
