package s3

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"

	"crypto/sha1"
	"crypto/sha256"

	"github.com/johannesboyne/gofakes3"
)

// chunkedReader takes the framing off a body of content encoding aws-chunked (Amazon S3 API reference, "Signature
// calculations for the Authorization header: transferring payload in multiple chunks"): chunks of
//
//	hexadecimal size[;chunk-signature=...] CRLF data CRLF
//
// ended by one of size 0 and, perhaps, trailing headers. Signatures are not checked: any key is accepted.
type chunkedReader struct {
	in      *bufio.Reader
	left    int64 // of the present chunk
	ended   bool
	begun   bool
	trailer map[string]string
}

// Bounds of what frames the data.
const (
	maxChunkLine  = 4096
	maxTrailers   = 32
	maxChunkBytes = 1 << 40
)

func newChunkedReader(in io.Reader) *chunkedReader {
	return &chunkedReader{in: bufio.NewReaderSize(in, 64<<10), trailer: map[string]string{}}
}

var errFraming = gofakes3.ErrorMessage(gofakes3.ErrIncompleteBody, "the aws-chunked body is not well formed")

// Read implements io.Reader.
func (c *chunkedReader) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.ended {
			return 0, io.EOF
		}
		if err := c.header(); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.in.Read(p)
	c.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = gofakes3.ErrIncompleteBody
	}
	return n, err
}

// line reads up to a line's end, within bounds.
func (c *chunkedReader) line() (string, error) {
	var b strings.Builder
	for {
		part, err := c.in.ReadSlice('\n')
		b.Write(part)
		if b.Len() > maxChunkLine {
			return "", errFraming
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return "", gofakes3.ErrIncompleteBody
		}
		return strings.TrimRight(b.String(), "\r\n"), nil
	}
}

// header reads what comes before a chunk's data, and at the end what comes after the last.
func (c *chunkedReader) header() error {
	if c.begun {
		if end, err := c.line(); err != nil {
			return err
		} else if end != "" {
			return errFraming
		}
	}
	c.begun = true
	text, err := c.line()
	if err != nil {
		return err
	}
	digits, _, _ := strings.Cut(text, ";")
	size, err := strconv.ParseInt(strings.TrimSpace(digits), 16, 64)
	if err != nil || size < 0 || size > maxChunkBytes {
		return errFraming
	}
	c.left = size
	if size > 0 {
		return nil
	}
	c.ended = true
	for range maxTrailers {
		text, err := c.line()
		if err != nil { // some clients end the body without the last empty line
			return nil
		}
		if text == "" {
			return nil
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return errFraming
		}
		c.trailer[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	return errFraming
}

// checkedReader compares the data that passes with the checksum the sender promised, and at the end of the data fails
// when they differ.
type checkedReader struct {
	in     io.Reader
	sum    hash.Hash
	wanted func() string // base64; empty: none was promised
}

// Read implements io.Reader.
func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if wanted := c.wanted(); wanted != "" && wanted != base64.StdEncoding.EncodeToString(c.sum.Sum(nil)) {
			return n, gofakes3.ErrorMessage(gofakes3.ErrBadDigest, "The checksum you specified did not match what we received.")
		}
	}
	return n, err
}

// checksums are those of S3 that the standard library can compute; others are taken on trust.
var checksums = map[string]func() hash.Hash{
	"x-amz-checksum-crc32":  func() hash.Hash { return crc32.NewIEEE() },
	"x-amz-checksum-crc32c": func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"x-amz-checksum-sha1":   sha1.New,
	"x-amz-checksum-sha256": sha256.New,
}

// unframe prepares an upload for gofakes3, which knows one of the forms in which clients send bodies: it takes the
// framing off, and puts the check of a promised checksum in the body's way.
func unframe(r *http.Request) error {
	var trailer map[string]string
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		size, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil || size < 0 {
			return gofakes3.ErrMissingContentLength
		}
		chunks := newChunkedReader(r.Body)
		trailer = chunks.trailer
		r.Body = &body{chunks, r.Body}
		r.ContentLength = size
		r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		var encodings []string
		for encoding := range strings.SplitSeq(r.Header.Get("Content-Encoding"), ",") {
			if encoding = strings.TrimSpace(encoding); encoding != "" && encoding != "aws-chunked" {
				encodings = append(encodings, encoding)
			}
		}
		if len(encodings) > 0 {
			r.Header.Set("Content-Encoding", strings.Join(encodings, ","))
		} else {
			r.Header.Del("Content-Encoding")
		}
	}
	if r.ContentLength >= 0 { // gofakes3 reads the header, which net/http takes out for some requests
		r.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	for name, sum := range checksums {
		promised := r.Header.Get(name)
		inTrailer := strings.EqualFold(r.Header.Get("X-Amz-Trailer"), name)
		if promised == "" && !inTrailer {
			continue
		}
		r.Body = &body{&checkedReader{in: r.Body, sum: sum(), wanted: func() string {
			if promised != "" {
				return promised
			}
			return trailer[name]
		}}, r.Body}
		break // clients promise one
	}
	if text := r.Header.Get("X-Amz-Content-Sha256"); len(text) == 2*sha256.Size && r.ContentLength > 0 {
		if want, err := hex.DecodeString(text); err == nil {
			r.Body = &body{&checkedReader{in: r.Body, sum: sha256.New(),
				wanted: func() string { return base64.StdEncoding.EncodeToString(want) }}, r.Body}
		}
	}
	return nil
}

// body is a reader in the way of a body.
type body struct {
	io.Reader
	closer io.Closer
}

func (b *body) Close() error { return b.closer.Close() }
