package store

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// How an object is fetched in ranges. A range that breaks off is asked for again.
const (
	fetchBlock    = 256 << 10 // bytes read at a time
	fetchAttempts = 4
	fetchPause    = 100 * time.Millisecond // before the second attempt; doubled before each later one
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Fetch copies an object's weights to their places in w, all parts at once, and checks their sums. It holds one block per
// part in memory. The first part that fails ends the others.
func (s *S3) Fetch(ctx context.Context, object wire.Object, parts *wire.Weights, w io.WriterAt) error {
	const doing = "fetching the stage's weights from S3"
	client, err := s.client()
	if err != nil {
		return failed(doing, object, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(parts.CRC32C))
	var wait sync.WaitGroup
	for k, sum := range parts.CRC32C {
		f := fetch{client: client, object: object, w: w, from: int64(k) * parts.PartBytes}
		f.to = min(f.from+parts.PartBytes, parts.Bytes)
		wait.Add(1)
		go func() {
			defer wait.Done()
			if errs[k] = f.part(ctx, sum); errs[k] != nil {
				cancel()
			}
		}()
	}
	wait.Wait()
	var first error
	for _, err := range errs {
		if err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	if first == nil || diag.As(first) != nil {
		return first
	}
	return failed(doing, object, first)
}

// fetch is the way of one range of an object.
type fetch struct {
	client   *s3.Client
	object   wire.Object
	w        io.WriterAt
	from, to int64
}

// errWriting marks what no new attempt will change.
type errWriting struct{ error }

func (e errWriting) Unwrap() error { return e.error }

// part copies the range, trying again where the network fails.
func (f *fetch) part(ctx context.Context, sum uint32) error {
	pause := fetchPause
	for attempt := 1; ; attempt++ {
		got, err := f.once(ctx)
		if err == nil {
			if got != sum {
				return diag.New(diag.Invalid, "store.wrong-content", "fetching the stage's weights from S3",
					fmt.Sprintf("bytes %d to %d of s3://%s/%s are not those that were deployed", f.from, f.to, f.object.Bucket, f.object.Key),
					"deploy again; nothing else may write to that key")
			}
			return nil
		}
		var writing errWriting
		if diag.As(err) != nil || errors.As(err, &writing) || ctx.Err() != nil || attempt == fetchAttempts || permanent(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// permanent tells errors that will stay: the SDK has tried again already where that helps.
func permanent(err error) bool {
	var api interface{ ErrorCode() string }
	return errors.As(err, &api)
}

func (f *fetch) once(ctx context.Context) (sum uint32, err error) {
	out, err := f.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.object.Bucket, Key: &f.object.Key,
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", f.from, f.to-1))})
	if err != nil {
		var api interface{ ErrorCode() string }
		if errors.As(err, &api) && api.ErrorCode() == "InvalidRange" {
			return 0, wrongSize(f.object, fmt.Sprintf("less than %d", f.from+1))
		}
		return 0, err
	}
	defer out.Body.Close()
	var total int64
	if _, err := fmt.Sscanf(aws.ToString(out.ContentRange), "bytes %d-%d/%d", new(int64), new(int64), &total); err == nil && total != f.object.Bytes {
		return 0, wrongSize(f.object, fmt.Sprint(total))
	}
	block := make([]byte, min(fetchBlock, f.to-f.from))
	for at := f.from; at < f.to; {
		n, err := io.ReadFull(out.Body, block[:min(int64(len(block)), f.to-at)])
		if err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, castagnoli, block[:n])
		if _, err := f.w.WriteAt(block[:n], at); err != nil {
			return 0, errWriting{err}
		}
		at += int64(n)
	}
	return sum, nil
}
