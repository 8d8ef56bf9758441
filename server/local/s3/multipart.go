package s3

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"partita/server/local/document"

	"github.com/johannesboyne/gofakes3"
)

// upload is a multipart upload under way. Its parts are files, so that it costs no memory and outlives the server.
type upload struct {
	ID        string            `json:"id"`
	Key       string            `json:"key"`
	Headers   map[string]string `json:"headers,omitempty"`
	Initiated time.Time         `json:"initiated"`

	mu         sync.Mutex
	parts      map[int]part
	done       bool
	ifNoneSeen bool // the completing request says If-None-Match: *
}

// part is a part of an upload.
type part struct {
	Number   int       `json:"number"`
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	MD5      []byte    `json:"md5"`
	CRC32    uint32    `json:"crc32"`
	Modified time.Time `json:"modified"`
}

const uploadFile = "upload.json"

func partNote(number int) string { return fmt.Sprintf("part-%05d.json", number) }

// loadUploads reads the uploads that a former server has kept.
func (b *bucket) loadUploads() error {
	folders, err := os.ReadDir(filepath.Join(b.dir, uploadsFolder))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		dir := b.uploadDir(folder.Name())
		u := &upload{parts: map[int]part{}}
		raw, err := os.ReadFile(filepath.Join(dir, uploadFile))
		if err != nil || json.Unmarshal(raw, u) != nil || u.ID != folder.Name() {
			_ = os.RemoveAll(dir)
			continue
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, file := range files {
			if !strings.HasPrefix(file.Name(), "part-") || !strings.HasSuffix(file.Name(), ".json") {
				continue
			}
			var p part
			raw, err := os.ReadFile(filepath.Join(dir, file.Name()))
			if err != nil || json.Unmarshal(raw, &p) != nil || !validData(p.Name) {
				continue
			}
			if info, err := os.Stat(filepath.Join(dir, p.Name)); err == nil && info.Size() == p.Size {
				u.parts[p.Number] = p
			}
		}
		b.uploads[u.ID] = u
	}
	return nil
}

// CreateMultipartUpload implements gofakes3.MultipartBackend.
func (s backend) CreateMultipartUpload(bucketName, key string, meta map[string]string) (gofakes3.UploadID, error) {
	b, err := s.find(bucketName)
	if err != nil {
		return "", err
	}
	if len(key) > gofakes3.KeySizeLimit {
		return "", gofakes3.ResourceError(gofakes3.ErrKeyTooLong, key)
	}
	u := &upload{ID: randomName(), Key: key, Headers: keptHeaders(meta), Initiated: time.Now().UTC(), parts: map[int]part{}}
	if err := os.Mkdir(b.uploadDir(u.ID), 0o700); err != nil {
		return "", err
	}
	if err := document.WriteJSON(filepath.Join(b.uploadDir(u.ID), uploadFile), u); err != nil {
		return "", err
	}
	s.mu.Lock()
	b.uploads[u.ID] = u
	s.mu.Unlock()
	return gofakes3.UploadID(u.ID), nil
}

// upload looks an upload up.
func (s *Store) upload(bucketName, key string, id gofakes3.UploadID) (*bucket, *upload, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.buckets[bucketName]
	if b == nil {
		return nil, nil, gofakes3.BucketNotFound(bucketName)
	}
	u := b.uploads[string(id)]
	if u == nil || u.Key != key {
		return nil, nil, gofakes3.ErrNoSuchUpload
	}
	return b, u, nil
}

// UploadPart implements gofakes3.MultipartBackend.
func (s backend) UploadPart(bucketName, key string, id gofakes3.UploadID, number int, size int64, input io.Reader) (string, error) {
	p, err := s.addPart(bucketName, key, id, number, size, input)
	if err != nil {
		return "", err
	}
	return `"` + hex.EncodeToString(p.MD5) + `"`, nil
}

func (s *Store) addPart(bucketName, key string, id gofakes3.UploadID, number int, size int64, input io.Reader) (part, error) {
	if number < 1 || number > gofakes3.MaxUploadPartNumber {
		return part{}, gofakes3.ErrInvalidPart
	}
	b, u, err := s.upload(bucketName, key, id)
	if err != nil {
		return part{}, err
	}
	dir := b.uploadDir(u.ID)
	data, err := receive(filepath.Join(dir, randomName()), input, size)
	if err != nil {
		return part{}, err
	}
	p := part{Number: number, Name: data.name, Size: data.size, MD5: data.md5, CRC32: data.crc32, Modified: time.Now().UTC()}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done {
		_ = os.Remove(filepath.Join(dir, data.name))
		return part{}, gofakes3.ErrNoSuchUpload
	}
	if err := document.WriteJSON(filepath.Join(dir, partNote(number)), p); err != nil {
		return part{}, err
	}
	if old, ok := u.parts[number]; ok {
		_ = os.Remove(filepath.Join(dir, old.Name))
	}
	u.parts[number] = p
	return p, nil
}

// ListParts implements gofakes3.MultipartBackend.
func (s backend) ListParts(bucketName, key string, id gofakes3.UploadID, marker int, limit int64) (*gofakes3.ListMultipartUploadPartsResult, error) {
	_, u, err := s.upload(bucketName, key, id)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	result := &gofakes3.ListMultipartUploadPartsResult{Bucket: bucketName, Key: key, UploadID: id, MaxParts: limit,
		PartNumberMarker: marker, StorageClass: gofakes3.StorageStandard}
	for _, number := range sortedNumbers(u.parts) {
		if number <= marker {
			continue
		}
		if int64(len(result.Parts)) == limit {
			result.IsTruncated = true
			break
		}
		p := u.parts[number]
		result.NextPartNumberMarker = number
		result.Parts = append(result.Parts, gofakes3.ListMultipartUploadPartItem{PartNumber: number, Size: p.Size,
			ETag: `"` + hex.EncodeToString(p.MD5) + `"`, LastModified: gofakes3.NewContentTime(p.Modified)})
	}
	return result, nil
}

func sortedNumbers(parts map[int]part) []int {
	numbers := make([]int, 0, len(parts))
	for number := range parts {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return numbers
}

// ListMultipartUploads implements gofakes3.MultipartBackend.
func (s backend) ListMultipartUploads(bucketName string, marker *gofakes3.UploadListMarker, prefix gofakes3.Prefix, limit int64) (*gofakes3.ListMultipartUploadsResult, error) {
	b, err := s.find(bucketName)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	all := make([]*upload, 0, len(b.uploads))
	for _, u := range b.uploads {
		if strings.HasPrefix(u.Key, prefix.Prefix) {
			all = append(all, u)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(x, y *upload) int {
		if order := strings.Compare(x.Key, y.Key); order != 0 {
			return order
		}
		return strings.Compare(x.ID, y.ID)
	})
	result := &gofakes3.ListMultipartUploadsResult{Bucket: bucketName, MaxUploads: limit, Prefix: prefix.Prefix, Delimiter: prefix.Delimiter}
	if marker != nil {
		result.KeyMarker, result.UploadIDMarker = marker.Object, marker.UploadID
	}
	for _, u := range all {
		if marker != nil && (u.Key < marker.Object || u.Key == marker.Object && (marker.UploadID == "" || u.ID <= string(marker.UploadID))) {
			continue
		}
		if int64(len(result.Uploads)) == limit {
			result.IsTruncated = true
			break
		}
		result.NextKeyMarker, result.NextUploadIDMarker = u.Key, gofakes3.UploadID(u.ID)
		result.Uploads = append(result.Uploads, gofakes3.ListMultipartUploadItem{Key: u.Key, UploadID: gofakes3.UploadID(u.ID),
			StorageClass: gofakes3.StorageStandard, Initiated: gofakes3.NewContentTime(u.Initiated)})
	}
	return result, nil
}

// AbortMultipartUpload implements gofakes3.MultipartBackend.
func (s backend) AbortMultipartUpload(bucketName, key string, id gofakes3.UploadID) error {
	b, u, err := s.upload(bucketName, key, id)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return s.forget(b, u)
}

// forget removes an upload whose lock is held.
func (s *Store) forget(b *bucket, u *upload) error {
	u.done = true
	s.mu.Lock()
	delete(b.uploads, u.ID)
	s.mu.Unlock()
	return os.RemoveAll(b.uploadDir(u.ID))
}

// CompleteMultipartUpload implements gofakes3.MultipartBackend.
func (s backend) CompleteMultipartUpload(bucketName, key string, id gofakes3.UploadID, input *gofakes3.CompleteMultipartUploadRequest) (gofakes3.VersionID, string, error) {
	b, u, err := s.upload(bucketName, key, id)
	if err != nil {
		return "", "", err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done {
		return "", "", gofakes3.ErrNoSuchUpload
	}
	if len(input.Parts) == 0 {
		return "", "", gofakes3.ErrorMessage(gofakes3.ErrMalformedXML, "the request names no parts")
	}
	sum := md5.New()
	e := Entry{Key: key, Data: randomName(), Headers: u.Headers}
	parts := make([]part, 0, len(input.Parts))
	for i, wanted := range input.Parts {
		if i > 0 && wanted.PartNumber <= input.Parts[i-1].PartNumber {
			return "", "", gofakes3.ErrInvalidPartOrder
		}
		p, ok := u.parts[wanted.PartNumber]
		if !ok || strings.Trim(wanted.ETag, `"`) != hex.EncodeToString(p.MD5) {
			return "", "", gofakes3.ErrorMessagef(gofakes3.ErrInvalidPart, "part %d is absent or has another ETag", wanted.PartNumber)
		}
		sum.Write(p.MD5)
		e.Size += p.Size
		e.CRC32 = combineCRC32(e.CRC32, p.CRC32, p.Size)
		parts = append(parts, p)
	}
	e.ETag = fmt.Sprintf("%s-%d", hex.EncodeToString(sum.Sum(nil)), len(parts))
	var conditions *gofakes3.PutConditions
	if u.ifNoneSeen {
		any := "*"
		conditions = &gofakes3.PutConditions{IfNoneMatch: &any}
		s.mu.RLock()
		err := checkConditions(conditions, b.objects[key])
		s.mu.RUnlock()
		if err != nil {
			return "", "", err
		}
	}
	if err := b.join(u, parts, e.Data); err != nil {
		_ = os.Remove(b.dataPath(e.Data))
		return "", "", err
	}
	if err := s.put(b, e, conditions); err != nil {
		_ = os.Remove(b.dataPath(e.Data))
		return "", "", err
	}
	if err := s.forget(b, u); err != nil {
		s.logger.Warn("a finished upload could not be removed", "bucket", bucketName, "key", key, "error", err)
	}
	return "", `"` + e.ETag + `"`, nil
}

// join makes the parts one data file. The kernel copies them; none passes through this process's memory.
func (b *bucket) join(u *upload, parts []part, name string) error {
	dir := b.uploadDir(u.ID)
	if len(parts) == 1 {
		return os.Link(filepath.Join(dir, parts[0].Name), b.dataPath(name))
	}
	whole, err := os.OpenFile(b.dataPath(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, p := range parts {
		file, err := os.Open(filepath.Join(dir, p.Name))
		if err != nil {
			whole.Close()
			return err
		}
		n, err := io.Copy(whole, file)
		file.Close()
		if err == nil && n != p.Size {
			err = fmt.Errorf("part %d of upload %s has %d of %d bytes", p.Number, u.ID, n, p.Size)
		}
		if err != nil {
			whole.Close()
			return err
		}
	}
	return whole.Close()
}
