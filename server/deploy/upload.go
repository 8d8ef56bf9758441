package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"partita/planner/diag"
)

// DefaultMaxUploadBytes bounds an upload unless the options say otherwise: S3 takes no more in one piece.
const DefaultMaxUploadBytes = 5 << 30

// uploadLife is how long an upload that no deployment has used is kept.
const uploadLife = 24 * time.Hour

const uploadsPrefix = "uploads/"

// Upload is a file that was uploaded to be deployed.
type Upload struct {
	ID     string `json:"upload" doc:"what a deployment request names the file by"`
	Name   string `json:"name,omitempty"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// upload is an upload as the bucket holds it: uploads/ID/NAME, so that errors can name the user's own file.
type upload struct {
	Key, Name string
}

var uploadID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// ReceiveUpload stores a file in the bucket, through a temporary file: the bucket needs to know the size, and memory does
// not grow with the file.
func (d *Deployer) ReceiveUpload(ctx context.Context, name string, body io.Reader) (*Upload, error) {
	name = cleanName(name)
	doing := "uploading " + name
	file, err := os.CreateTemp(d.options.Folder, "upload-*")
	if err != nil {
		return nil, diag.New(diag.Internal, "deploy.no-temporary-file", doing, "no temporary file can be made", "check the data folder").Because(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	hash := sha256.New()
	limit := d.options.MaxUploadBytes
	size, err := io.Copy(io.MultiWriter(file, hash), io.LimitReader(&stoppable{ctx, body}, limit+1))
	if err != nil {
		if ctx.Err() != nil {
			return nil, diag.New(diag.Interrupted, "interrupted", doing, "it was cancelled", "").Because(ctx.Err())
		}
		if full := noRoom(err, doing); full != nil {
			return nil, full
		}
		return nil, diag.New(diag.Unavailable, "upload.broken", doing, fmt.Sprintf("it broke off after %d bytes", size), "try again").Because(err)
	}
	if size > limit {
		return nil, diag.New(diag.Limit, "upload.too-large", doing, fmt.Sprintf("it has more than %d bytes", limit), "raise the limit with serve --max-upload")
	}
	if size == 0 {
		return nil, diag.New(diag.Invalid, "upload.empty", doing, "it has no bytes", "upload the file with the model's weights")
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	u := &Upload{ID: newID(), Name: name, Bytes: size, SHA256: hex.EncodeToString(hash.Sum(nil))}
	if err := d.options.Store.Put(ctx, uploadsPrefix+u.ID+"/"+name, file, size, "application/octet-stream"); err != nil {
		return nil, err
	}
	return u, nil
}

// noRoom says so when an error is that the disk with the temporary files is full; else it is nil.
func noRoom(err error, doing string) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return diag.New(diag.Limit, "deploy.no-room", doing, "the disk that holds the server's data folder is full",
			"free some space there, for example with partita destroy, and try again")
	}
	return nil
}

// DropUpload removes an upload that will not be used; one that is absent is no error.
func (d *Deployer) DropUpload(ctx context.Context, id string) error {
	u, err := d.findUpload(ctx, id)
	if diag.CodeOf(err) == "upload.unknown" {
		return nil
	}
	if err != nil {
		return err
	}
	return d.options.Store.Delete(ctx, u.Key)
}

func (d *Deployer) findUpload(ctx context.Context, id string) (*upload, error) {
	absent := diag.New(diag.NotFound, "upload.unknown", "looking for upload "+quote(id), "there is no such upload", "upload the file again: uploads that are not used are removed after a day")
	if !uploadID.MatchString(id) {
		return nil, absent
	}
	prefix := uploadsPrefix + id + "/"
	objects, err := d.options.Store.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	if len(objects) == 0 {
		return nil, absent
	}
	return &upload{Key: objects[0].Key, Name: strings.TrimPrefix(objects[0].Key, prefix)}, nil
}

// deleteAll removes what is under a prefix.
func (d *Deployer) deleteAll(ctx context.Context, prefix string) error {
	objects, err := d.options.Store.List(ctx, prefix)
	if err != nil || len(objects) == 0 {
		return err
	}
	keys := make([]string, len(objects))
	for i := range objects {
		keys[i] = objects[i].Key
	}
	return d.options.Store.Delete(ctx, keys...)
}

// dropOldUploads removes uploads that nobody has used for a day.
func (d *Deployer) dropOldUploads(ctx context.Context, inUse map[string]bool) error {
	objects, err := d.options.Store.List(ctx, uploadsPrefix)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if !inUse[o.Key] && !o.Modified.IsZero() && time.Since(o.Modified) > uploadLife {
			if err := d.options.Store.Delete(ctx, o.Key); err != nil {
				return err
			}
			d.options.Logger.Info("removed an upload that was not used", "key", o.Key, "bytes", o.Bytes)
		}
	}
	return nil
}

// cleanName makes a file's name safe as the last part of a key.
func cleanName(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, name)
	name = strings.TrimLeft(name, ".")
	if len(name) > 100 {
		name = name[len(name)-100:]
	}
	if name == "" {
		return "weights"
	}
	return name
}

// stoppable is a reader that ends with a context.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

// readable tells whether a file can be opened.
func readable(path string) error {
	f, err := os.Open(path)
	if err == nil {
		f.Close()
	}
	return err
}
