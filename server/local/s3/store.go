// Package s3 is the local cloud's S3 endpoint: gofakes3 speaks the protocol, and a store of this package keeps the
// objects in files.
//
// gofakes3's own file-system backend is not used, because of what it does to objects of hundreds of megabytes and to a
// server that is killed: it holds one lock while an upload arrives, so that one slow client stops all others; it
// truncates the old object before the new one is whole; it keeps the parts of a multipart upload in memory; a key that
// is the beginning of another ("a" and "a/b") cannot be stored; it does not page listings.
//
// Here an object is a data file with a random name, and an entry file that names its key. Data is streamed to the disk
// without any lock, and an object comes to be, is replaced and vanishes by renaming or removing its entry: at any
// moment, also after kill -9, an object is there as a whole or not at all. (After a loss of power the last seconds may
// be missing: nothing is flushed to the disk.) Entries are read into memory at the start, so that listings are exact
// and fast; hence a folder belongs to one server at a time.
package s3

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// Entry is what is kept of an object beside its data.
type Entry struct {
	Key      string            `json:"key"`
	Data     string            `json:"data"` // name of the data file
	Size     int64             `json:"size"`
	ETag     string            `json:"etag"`  // without quotation marks: MD5, or MD5 of the parts' and "-" and their number
	CRC32    uint32            `json:"crc32"` // of the whole data (IEEE), with which SDKs check what they receive
	Modified time.Time         `json:"modified"`
	Headers  map[string]string `json:"headers,omitempty"` // content headers and user metadata
}

// bucket is one bucket.
type bucket struct {
	name    string
	dir     string
	created time.Time
	objects map[string]*Entry
	keys    []string // in order; rebuilt when dirty
	dirty   bool
	uploads map[string]*upload
}

// Store keeps buckets in a folder.
type Store struct {
	dir    string
	logger *slog.Logger

	mu      sync.RWMutex // guards the index, never held while data moves
	buckets map[string]*bucket
}

// Folders of a bucket.
const (
	entriesFolder = "entries"
	dataFolder    = "data"
	uploadsFolder = "uploads"
)

// Open opens the store in a folder. It removes data that no entry names: what a server that was killed had half
// received.
func Open(dir string, logger *slog.Logger) (*Store, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: dir, logger: logger, buckets: map[string]*bucket{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	folders, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		if !folder.IsDir() || gofakes3.ValidateBucketName(folder.Name()) != nil {
			continue
		}
		b, err := s.load(folder.Name())
		if err != nil {
			return nil, fmt.Errorf("reading bucket %s: %w", folder.Name(), err)
		}
		s.buckets[b.name] = b
	}
	return s, nil
}

func newBucket(dir, name string) *bucket {
	return &bucket{name: name, dir: filepath.Join(dir, name), objects: map[string]*Entry{}, uploads: map[string]*upload{}}
}

// load reads a bucket's entries.
func (s *Store) load(name string) (*bucket, error) {
	b := newBucket(s.dir, name)
	for _, folder := range []string{entriesFolder, dataFolder, uploadsFolder} {
		if err := os.MkdirAll(filepath.Join(b.dir, folder), 0o700); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(b.dir)
	if err != nil {
		return nil, err
	}
	b.created = info.ModTime()
	files, err := os.ReadDir(filepath.Join(b.dir, entriesFolder))
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, file := range files {
		path := filepath.Join(b.dir, entriesFolder, file.Name())
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var e Entry
		if strings.HasSuffix(file.Name(), ".new") || json.Unmarshal(raw, &e) != nil || entryName(e.Key) != file.Name() || !validData(e.Data) {
			s.logger.Warn("removing an object entry that is not whole", "bucket", name, "file", file.Name())
			_ = os.Remove(path)
			continue
		}
		info, err := os.Stat(filepath.Join(b.dir, dataFolder, e.Data))
		if err != nil || info.Size() != e.Size {
			s.logger.Error("an object has lost its data", "bucket", name, "key", e.Key)
			_ = os.Remove(path)
			continue
		}
		used[e.Data] = true
		b.objects[e.Key] = &e
	}
	b.dirty = true
	data, err := os.ReadDir(filepath.Join(b.dir, dataFolder))
	if err != nil {
		return nil, err
	}
	for _, file := range data {
		if !used[file.Name()] {
			_ = os.Remove(filepath.Join(b.dir, dataFolder, file.Name()))
		}
	}
	return b, b.loadUploads()
}

// entryName gives the name of the file of a key's entry: keys may be longer than file names and hold any character.
func entryName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:]) + ".json"
}

func randomName() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

func validData(name string) bool {
	raw, err := hex.DecodeString(name)
	return err == nil && len(raw) == 16
}

func (b *bucket) dataPath(name string) string { return filepath.Join(b.dir, dataFolder, name) }

// find looks a bucket up.
func (s *Store) find(name string) (*bucket, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.buckets[name]
	if b == nil {
		return nil, gofakes3.BucketNotFound(name)
	}
	return b, nil
}

// Open opens an object's data. The error of an absent one satisfies errors.Is(err, fs.ErrNotExist).
func (s *Store) Open(bucketName, key string) (*os.File, error) {
	file, _, err := s.open(bucketName, key)
	if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) || gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchBucket) {
		return nil, fmt.Errorf("object %s of bucket %s: %w", key, bucketName, fs.ErrNotExist)
	}
	return file, err
}

// open opens an object's data, which stays readable when the object is replaced or deleted meanwhile.
func (s *Store) open(bucketName, key string) (*os.File, Entry, error) {
	for {
		e, b, err := s.entry(bucketName, key)
		if err != nil {
			return nil, Entry{}, err
		}
		file, err := os.Open(b.dataPath(e.Data))
		if errors.Is(err, fs.ErrNotExist) { // replaced between looking it up and opening it
			if now, _, err := s.entry(bucketName, key); err == nil && now.Data == e.Data {
				return nil, Entry{}, fmt.Errorf("the data of object %s of bucket %s is missing", key, bucketName)
			}
			continue
		}
		return file, e, err
	}
}

// entry gives a copy of an object's entry.
func (s *Store) entry(bucketName, key string) (Entry, *bucket, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.buckets[bucketName]
	if b == nil {
		return Entry{}, nil, gofakes3.BucketNotFound(bucketName)
	}
	e := b.objects[key]
	if e == nil {
		return Entry{}, nil, gofakes3.KeyNotFound(key)
	}
	return *e, b, nil
}

// copyBufferBytes is the piece in which data is received: large enough for the disk, small beside everything else.
const copyBufferBytes = 256 << 10

// ErrFull is what S3 never says: that there is no room for an object.
const ErrFull = gofakes3.ErrorCode("InsufficientStorage")

// full tells clients of a disk without room, which gofakes3 would answer as an internal error without words.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return gofakes3.ErrorMessage(ErrFull, "the disk that holds the data folder is full")
	}
	return err
}

// received is data that is on the disk and not yet an object or a part.
type received struct {
	name  string
	size  int64
	md5   []byte
	crc32 uint32
}

// receive streams data into a file. size is what the sender promised; negative when it did not.
func receive(path string, input io.Reader, size int64) (r received, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return received{}, err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	sum, check := md5.New(), crc32.NewIEEE()
	n, err := io.CopyBuffer(io.MultiWriter(file, sum, check), struct{ io.Reader }{input}, make([]byte, copyBufferBytes))
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return received{}, gofakes3.ErrIncompleteBody
		}
		if err = full(err); gofakes3.HasErrorCode(err, ErrFull) {
			_, _ = io.Copy(io.Discard, input) // a sender that is cut off does not hear the answer
		}
		return received{}, err
	}
	if size >= 0 && n != size {
		return received{}, gofakes3.ErrIncompleteBody
	}
	return received{name: filepath.Base(path), size: n, md5: sum.Sum(nil), crc32: check.Sum32()}, nil
}

// put makes received data the object of a key.
func (s *Store) put(b *bucket, e Entry, conditions *gofakes3.PutConditions) error {
	e.Modified = time.Now().UTC().Truncate(time.Millisecond)
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	path := filepath.Join(b.dir, entriesFolder, entryName(e.Key))
	temporary := path + "." + e.Data + ".new"
	if err := os.WriteFile(temporary, raw, 0o600); err != nil {
		_ = os.Remove(temporary)
		return full(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[b.name] != b { // the bucket was deleted meanwhile
		_ = os.Remove(temporary)
		return gofakes3.BucketNotFound(b.name)
	}
	old := b.objects[e.Key]
	if err := checkConditions(conditions, old); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	b.objects[e.Key] = &e
	if old == nil {
		b.dirty = true
	} else {
		_ = os.Remove(b.dataPath(old.Data))
	}
	return nil
}

// checkConditions holds a write to If-None-Match and If-Match.
func checkConditions(c *gofakes3.PutConditions, old *Entry) error {
	if c == nil {
		return nil
	}
	if c.IfNoneMatch != nil && old != nil && (*c.IfNoneMatch == "*" || strings.Trim(*c.IfNoneMatch, `"`) == old.ETag) {
		return gofakes3.ErrorMessage(gofakes3.ErrPreconditionFailed, "At least one of the pre-conditions you specified did not hold")
	}
	if c.IfMatch != nil && (old == nil || strings.Trim(*c.IfMatch, `"`) != old.ETag) {
		return gofakes3.ErrorMessage(gofakes3.ErrPreconditionFailed, "At least one of the pre-conditions you specified did not hold")
	}
	return nil
}

// remove deletes an object; that it is absent is no error.
func (s *Store) remove(b *bucket, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := b.objects[key]
	if e == nil {
		return nil
	}
	if err := os.Remove(filepath.Join(b.dir, entriesFolder, entryName(key))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	delete(b.objects, key)
	b.dirty = true
	return os.Remove(b.dataPath(e.Data))
}

// sortedKeys gives all keys in order of their bytes. The slice is never changed afterwards.
func (s *Store) sortedKeys(b *bucket) []string {
	s.mu.RLock()
	keys, dirty := b.keys, b.dirty
	s.mu.RUnlock()
	if !dirty {
		return keys
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.dirty {
		keys := make([]string, 0, len(b.objects))
		for key := range b.objects {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		b.keys, b.dirty = keys, false
	}
	return b.keys
}

// list gives the objects after marker that begin with prefix, at most limit of them, those that share the text up to a
// delimiter as one. It is what ListObjectsV2 does.
func (s *Store) list(b *bucket, prefix, delimiter, marker string, limit int) *gofakes3.ObjectList {
	result := gofakes3.NewObjectList()
	if limit <= 0 {
		return result
	}
	keys := s.sortedKeys(b)
	from := prefix
	if marker >= from {
		from = marker
	}
	last := ""
	for i := sort.SearchStrings(keys, from); i < len(keys); {
		key := keys[i]
		if !strings.HasPrefix(key, prefix) {
			break
		}
		common := ""
		if delimiter != "" {
			if end := strings.Index(key[len(prefix):], delimiter); end >= 0 {
				common = key[:len(prefix)+end+len(delimiter)]
			}
		}
		// A marker that is a common prefix has all of that one behind it.
		if key <= marker && marker != "" || common != "" && common == marker {
			i++
			continue
		}
		if len(result.Contents)+len(result.CommonPrefixes) == limit {
			result.IsTruncated, result.NextMarker = true, last
			break
		}
		if common != "" {
			result.AddPrefix(common)
			last = common
			for i++; i < len(keys) && strings.HasPrefix(keys[i], common); {
				i++
			}
			continue
		}
		i++
		s.mu.RLock()
		e := b.objects[key]
		s.mu.RUnlock()
		if e == nil { // deleted meanwhile
			continue
		}
		last = key
		result.Add(&gofakes3.Content{Key: key, Size: e.Size, ETag: `"` + e.ETag + `"`, LastModified: gofakes3.NewContentTime(e.Modified)})
	}
	return result
}
