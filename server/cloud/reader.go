package cloud

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"partita/planner/diag"
)

// The reader keeps a few pages: a file's metadata is read in many small pieces that lie close together, its tensors in
// long runs. 16 pages of 1 MiB bound its memory; a page is long enough that the latency of a request (tens of
// milliseconds on S3) does not dominate.
const (
	pageBytes = 1 << 20
	pageCount = 16
)

// object is a stored object being read in place.
type object struct {
	ctx     context.Context
	cloud   *Cloud
	key     string
	size    int64
	version string

	mu    sync.Mutex
	pages map[int64]*list.Element // by page number
	order *list.List              // of *page, most recently used first
}

type page struct {
	number int64
	data   []byte
}

// Read prepares reading an object in place and gives its length in bytes. The reader may be used concurrently and ends
// with the context.
func (c *Cloud) Read(ctx context.Context, key string) (io.ReaderAt, int64, error) {
	head, err := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &c.config.Bucket, Key: &key})
	if err != nil {
		return nil, 0, explain(err, "opening %s", key)
	}
	o := &object{ctx: ctx, cloud: c, key: key, size: aws.ToInt64(head.ContentLength), version: aws.ToString(head.ETag), pages: map[int64]*list.Element{}, order: list.New()}
	return o, o.size, nil
}

// ReadAt implements io.ReaderAt.
func (o *object) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, errors.New("negative offset")
	}
	n := 0
	for n < len(p) {
		at := offset + int64(n)
		if at >= o.size {
			return n, io.EOF
		}
		if rest := min(int64(len(p)-n), o.size-at); rest >= 2*pageBytes && !o.cached(at/pageBytes) {
			// A long run goes straight to its destination.
			if err := o.fetch(p[n:n+int(rest)], at); err != nil {
				return n, err
			}
			n += int(rest)
			continue
		}
		data, err := o.page(at / pageBytes)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], data[at%pageBytes:])
	}
	return n, nil
}

func (o *object) cached(number int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pages[number] != nil
}

// page gives a page, fetching it when it is not kept. Two readers of one page may both fetch it: it is the same page.
func (o *object) page(number int64) ([]byte, error) {
	o.mu.Lock()
	if e := o.pages[number]; e != nil {
		o.order.MoveToFront(e)
		data := e.Value.(*page).data
		o.mu.Unlock()
		return data, nil
	}
	o.mu.Unlock()
	start := number * pageBytes
	data := make([]byte, min(pageBytes, o.size-start))
	if err := o.fetch(data, start); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pages[number] == nil {
		o.pages[number] = o.order.PushFront(&page{number, data})
		if o.order.Len() > pageCount {
			oldest := o.order.Back()
			o.order.Remove(oldest)
			delete(o.pages, oldest.Value.(*page).number)
		}
	}
	return data, nil
}

// fetch fills dst with the bytes from offset on, and makes sure they are of the version that was opened.
func (o *object) fetch(dst []byte, offset int64) error {
	out, err := o.cloud.s3.GetObject(o.ctx, &s3.GetObjectInput{
		Bucket: &o.cloud.config.Bucket, Key: &o.key,
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+int64(len(dst))-1)),
	})
	if err != nil {
		return explain(err, "reading %s", o.key)
	}
	defer out.Body.Close()
	if got := aws.ToString(out.ETag); got != o.version {
		return diag.New(diag.Conflict, CodeChanged, "reading "+o.key, "it was replaced while it was read", "start again")
	}
	if _, err := io.ReadFull(out.Body, dst); err != nil {
		return explain(err, "reading %s", o.key)
	}
	return nil
}
