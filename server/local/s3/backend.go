package s3

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// backend is the Store as gofakes3 wants to see it.
type backend struct{ *Store }

var (
	_ gofakes3.Backend          = backend{}
	_ gofakes3.MultipartBackend = backend{}
)

// Headers by which the backend tells the handler what gofakes3 has no field for; they never reach a client.
const (
	etagHeader  = "X-Local-Etag"
	crc32Header = "X-Local-Crc32"
)

// ListBuckets implements gofakes3.Backend.
func (s backend) ListBuckets() ([]gofakes3.BucketInfo, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all gofakes3.Buckets
	for name, b := range s.buckets {
		all = append(all, gofakes3.BucketInfo{Name: name, CreationDate: gofakes3.NewContentTime(b.created)})
	}
	byName := map[string]gofakes3.BucketInfo{}
	for _, info := range all {
		byName[info.Name] = info
	}
	ordered := make([]gofakes3.BucketInfo, 0, len(all))
	for _, name := range all.Names() {
		ordered = append(ordered, byName[name])
	}
	return ordered, nil
}

// ListBucket implements gofakes3.Backend.
func (s backend) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	b, err := s.find(name)
	if err != nil {
		return nil, err
	}
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	limit := int(page.MaxKeys)
	if page.IsEmpty() {
		limit = gofakes3.DefaultMaxBucketKeys
	}
	return s.list(b, prefix.Prefix, prefix.Delimiter, page.Marker, limit), nil
}

var datePattern = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)

// CreateBucket implements gofakes3.Backend.
func (s backend) CreateBucket(name string) error {
	if err := gofakes3.ValidateBucketName(name); err != nil {
		return err
	}
	if datePattern.MatchString(name) {
		return gofakes3.ErrorMessage(gofakes3.ErrInvalidBucketName, "paths that begin with a date are the Lambda API's at this endpoint")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] != nil {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	b, err := s.load(name)
	if err != nil {
		return err
	}
	b.created = time.Now()
	s.buckets[name] = b
	return nil
}

// BucketExists implements gofakes3.Backend.
func (s backend) BucketExists(name string) (bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[name] != nil, nil
}

// DeleteBucket implements gofakes3.Backend.
func (s backend) DeleteBucket(name string) error { return s.deleteBucket(name, false) }

// ForceDeleteBucket implements gofakes3.Backend.
func (s backend) ForceDeleteBucket(name string) error { return s.deleteBucket(name, true) }

func (s backend) deleteBucket(name string, force bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[name]
	if b == nil {
		return gofakes3.BucketNotFound(name)
	}
	if len(b.objects) > 0 && !force {
		return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
	}
	delete(s.buckets, name)
	return os.RemoveAll(b.dir)
}

// object gives what gofakes3 answers about an object.
func object(e Entry, contents io.ReadCloser) *gofakes3.Object {
	metadata := map[string]string{etagHeader: `"` + e.ETag + `"`, crc32Header: fmt.Sprintf("%08x", e.CRC32),
		"Last-Modified": e.Modified.Format("Mon, 02 Jan 2006 15:04:05") + " GMT"}
	for name, value := range e.Headers {
		metadata[name] = value
	}
	md5, _, _ := strings.Cut(e.ETag, "-")
	sum, _ := hex.DecodeString(md5)
	return &gofakes3.Object{Name: e.Key, Metadata: metadata, Size: e.Size, Hash: sum, Contents: contents}
}

// section is a part of a file that closes it. It gives io.Copy a limited file, which the kernel can send by itself.
type section struct {
	io.LimitedReader
	file *os.File
}

func (s *section) Close() error { return s.file.Close() }

// GetObject implements gofakes3.Backend.
func (s backend) GetObject(bucketName, key string, wanted *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	file, e, err := s.open(bucketName, key)
	if err != nil {
		return nil, err
	}
	part, err := wanted.Range(e.Size)
	if err != nil {
		file.Close()
		return nil, err
	}
	if part == nil {
		return object(e, file), nil
	}
	if _, err := file.Seek(part.Start, io.SeekStart); err != nil {
		file.Close()
		return nil, err
	}
	found := object(e, &section{io.LimitedReader{R: file, N: part.Length}, file})
	found.Range = part
	return found, nil
}

// HeadObject implements gofakes3.Backend.
func (s backend) HeadObject(bucketName, key string) (*gofakes3.Object, error) {
	e, _, err := s.entry(bucketName, key)
	if err != nil {
		return nil, err
	}
	return object(e, io.NopCloser(strings.NewReader(""))), nil
}

// DeleteObject implements gofakes3.Backend.
func (s backend) DeleteObject(bucketName, key string) (gofakes3.ObjectDeleteResult, error) {
	b, err := s.find(bucketName)
	if err != nil {
		return gofakes3.ObjectDeleteResult{}, err
	}
	return gofakes3.ObjectDeleteResult{}, s.remove(b, key)
}

// DeleteMulti implements gofakes3.Backend.
func (s backend) DeleteMulti(bucketName string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	b, err := s.find(bucketName)
	if err != nil {
		return gofakes3.MultiDeleteResult{}, err
	}
	var result gofakes3.MultiDeleteResult
	for _, key := range keys {
		if err := s.remove(b, key); err != nil {
			s.logger.Error("an object could not be deleted", "bucket", bucketName, "key", key, "error", err)
			result.Error = append(result.Error, gofakes3.ErrorResult{Key: key, Code: gofakes3.ErrInternal, Message: err.Error()})
			continue
		}
		result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
	}
	return result, nil
}

// PutObject implements gofakes3.Backend.
func (s backend) PutObject(bucketName, key string, meta map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	b, err := s.find(bucketName)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	if conditions != nil { // what fails already need not be received
		s.mu.RLock()
		err := checkConditions(conditions, b.objects[key])
		s.mu.RUnlock()
		if err != nil {
			return gofakes3.PutObjectResult{}, err
		}
	}
	data, err := receive(b.dataPath(randomName()), input, size)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	e := Entry{Key: key, Data: data.name, Size: data.size, ETag: hex.EncodeToString(data.md5), CRC32: data.crc32, Headers: keptHeaders(meta)}
	if err := s.put(b, e, conditions); err != nil {
		_ = os.Remove(b.dataPath(data.name))
		return gofakes3.PutObjectResult{}, err
	}
	return gofakes3.PutObjectResult{}, nil
}

// keptHeaders chooses what of a request's headers belongs to the object: gofakes3 hands on all that begin with X-Amz-,
// among them the signature's.
func keptHeaders(meta map[string]string) map[string]string {
	kept := map[string]string{}
	for name, value := range meta {
		switch {
		case strings.HasPrefix(name, "X-Amz-Meta-"), name == "Content-Type", name == "Content-Disposition",
			name == "Content-Encoding" && value != "":
			kept[name] = value
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// CopyObject implements gofakes3.Backend.
func (s backend) CopyObject(fromBucket, fromKey, toBucket, toKey string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	to, err := s.find(toBucket)
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}
	file, from, err := s.open(fromBucket, fromKey)
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}
	defer file.Close()
	e := Entry{Key: toKey, Data: randomName(), Size: from.Size, ETag: from.ETag, CRC32: from.CRC32, Headers: keptHeaders(meta)}
	if os.Link(file.Name(), to.dataPath(e.Data)) != nil { // data files never change, so a link is a copy
		if _, err := receive(to.dataPath(e.Data), file, from.Size); err != nil {
			return gofakes3.CopyObjectResult{}, err
		}
	}
	if err := s.put(to, e, nil); err != nil {
		_ = os.Remove(to.dataPath(e.Data))
		return gofakes3.CopyObjectResult{}, err
	}
	return gofakes3.CopyObjectResult{ETag: `"` + e.ETag + `"`, LastModified: gofakes3.NewContentTime(time.Now())}, nil
}

// uploadDir gives the folder of an upload.
func (b *bucket) uploadDir(id string) string { return filepath.Join(b.dir, uploadsFolder, id) }
