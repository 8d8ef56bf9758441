package ecr

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"partita/server/local/document"
)

// RegistryPath begins the paths of the distribution protocol.
const RegistryPath = "/v2/"

// registryError is an error of the distribution protocol (OCI distribution specification 1.1, "Error codes").
type registryError struct {
	status  int
	code    string
	message string
}

func (e *registryError) Error() string { return e.code + ": " + e.message }

func unknownName(name string) error {
	return &registryError{http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", name, Account)}
}

// Registry serves the distribution protocol. Any password will do, but there must be one, as with ECR: a page of another
// site cannot make a browser send it.
func (s *Store) Registry() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		err := s.serveRegistry(w, r)
		if err == nil {
			return
		}
		var known *registryError
		switch {
		case errors.As(err, &known):
		case errors.Is(err, errNoRepository):
			known = &registryError{http.StatusNotFound, "NAME_UNKNOWN", err.Error()}
		case errors.Is(err, errTooLarge):
			known = &registryError{http.StatusRequestEntityTooLarge, "SIZE_INVALID", err.Error()}
		case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
			known = &registryError{http.StatusInsufficientStorage, "DENIED", "the disk that holds the local cloud's data is full"}
		default:
			s.options.Logger.Error("the registry failed", "method", r.Method, "path", r.URL.Path, "error", err)
			known = &registryError{http.StatusInternalServerError, "UNKNOWN", "the local registry failed"}
		}
		if known.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="`+s.options.Host+`",service="ecr.amazonaws.com"`)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(known.status)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": known.code, "message": known.message}}})
	})
}

// paths of the protocol: a repository's name may hold slashes, so the last parts tell what is meant.
var (
	uploadsPath   = regexp.MustCompile(`^/v2/(.+)/blobs/uploads/([0-9a-f]*)$`)
	blobsPath     = regexp.MustCompile(`^/v2/(.+)/blobs/([^/]+)$`)
	manifestsPath = regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`)
	tagsPath      = regexp.MustCompile(`^/v2/(.+)/tags/list$`)
)

func (s *Store) serveRegistry(w http.ResponseWriter, r *http.Request) error {
	if user, password, ok := r.BasicAuth(); !ok || user != registryUser || password == "" {
		return &registryError{http.StatusUnauthorized, "UNAUTHORIZED", "log in as " + registryUser + " with the password that GetAuthorizationToken gives"}
	}
	path := r.URL.Path
	if path == RegistryPath || path == strings.TrimSuffix(RegistryPath, "/") {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	for _, place := range []struct {
		path  *regexp.Regexp
		serve func(w http.ResponseWriter, r *http.Request, name, part string) error
	}{{uploadsPath, s.upload}, {blobsPath, s.blob}, {manifestsPath, s.manifest}, {tagsPath, s.tags}} {
		if m := place.path.FindStringSubmatch(path); m != nil {
			if !validName(m[1]) {
				return &registryError{http.StatusBadRequest, "NAME_INVALID", "the repository's name is not well formed"}
			}
			if s.get(m[1]) == nil {
				return unknownName(m[1])
			}
			part := ""
			if len(m) > 2 {
				part = m[2]
			}
			return place.serve(w, r, m[1], part)
		}
	}
	return &registryError{http.StatusNotFound, "UNSUPPORTED", "there is no such operation"}
}

var errMethod error = &registryError{http.StatusMethodNotAllowed, "UNSUPPORTED", "there is no such operation"}

// upload serves the steps of sending a blob.
func (s *Store) upload(w http.ResponseWriter, r *http.Request, name, id string) error {
	digest := r.URL.Query().Get("digest")
	if digest != "" && !digestPattern.MatchString(digest) {
		return &registryError{http.StatusBadRequest, "DIGEST_INVALID", "a digest is sha256: and 64 hexadecimal digits"}
	}
	if id == "" {
		if r.Method != http.MethodPost {
			return errMethod
		}
		if mount := r.URL.Query().Get("mount"); mount != "" && s.mount(name, r.URL.Query().Get("from"), mount) {
			return s.created(w, name, "blobs", mount)
		}
		var err error
		if id, err = s.begin(name); err != nil {
			return err
		}
		if digest != "" {
			return s.finish(w, r, name, id, digest)
		}
		return s.uploading(w, name, id, http.StatusAccepted)
	}
	path := s.uploadPath(name, id)
	info, err := os.Stat(path)
	if err != nil {
		return &registryError{http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "there is no such upload"}
	}
	switch r.Method {
	case http.MethodPatch:
		if from, _, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes "), "-"); ok && from != strconv.FormatInt(info.Size(), 10) {
			w.Header().Set("Range", heldRange(info.Size()))
			return &registryError{http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", fmt.Sprintf("the part begins at %s and %d bytes are there", from, info.Size())}
		}
		if err := appendTo(path, r.Body); err != nil {
			if errors.Is(err, errTooLarge) {
				_ = os.Remove(path)
			}
			return broken(r, err)
		}
		return s.uploading(w, name, id, http.StatusAccepted)
	case http.MethodPut:
		if digest == "" {
			return &registryError{http.StatusBadRequest, "DIGEST_INVALID", "the digest is missing"}
		}
		return s.finish(w, r, name, id, digest)
	case http.MethodGet:
		return s.uploading(w, name, id, http.StatusNoContent)
	case http.MethodDelete:
		if err := os.Remove(path); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return errMethod
}

// broken tells a client that went away from a disk that failed: the former is nobody's fault here.
func broken(r *http.Request, err error) error {
	if r.Context().Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return &registryError{http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "the upload was broken off"}
	}
	return err
}

// begin makes an empty upload.
func (s *Store) begin(name string) (id string, err error) {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	id = hex.EncodeToString(raw[:])
	s.mu.RLock() // so that the repository is not deleted at this moment
	defer s.mu.RUnlock()
	if s.repositories[name] == nil {
		return "", unknownName(name)
	}
	path := s.uploadPath(name, id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	return id, os.WriteFile(path, nil, 0o600)
}

// finish takes the rest of a blob and puts it in its place.
func (s *Store) finish(w http.ResponseWriter, r *http.Request, name, id, digest string) error {
	err := s.put(name, id, digest, r.Body)
	var wrong *wrongDigest
	if errors.As(err, &wrong) {
		return &registryError{http.StatusBadRequest, "DIGEST_INVALID", wrong.Error() + " and not " + digest}
	}
	if err != nil {
		return broken(r, err)
	}
	return s.created(w, name, "blobs", digest)
}

// mount puts a blob of another repository into this one, as a link, so that it is on the disk once.
func (s *Store) mount(name, from, digest string) bool {
	if !validName(from) || !digestPattern.MatchString(digest) {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.repositories[name] == nil || s.repositories[from] == nil {
		return false
	}
	target := s.blobPath(name, digest)
	if os.MkdirAll(filepath.Dir(target), 0o700) != nil {
		return false
	}
	err := os.Link(s.blobPath(from, digest), target)
	return err == nil || errors.Is(err, fs.ErrExist)
}

func (s *Store) created(w http.ResponseWriter, name, kind, digest string) error {
	w.Header().Set("Location", RegistryPath+name+"/"+kind+"/"+digest)
	w.Header().Set("Docker-Content-Digest", digest)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// uploading tells how far an upload is.
func (s *Store) uploading(w http.ResponseWriter, name, id string, status int) error {
	info, err := os.Stat(s.uploadPath(name, id))
	if err != nil {
		return err
	}
	w.Header().Set("Location", RegistryPath+name+"/blobs/uploads/"+id)
	w.Header().Set("Docker-Upload-Uuid", id)
	w.Header().Set("Range", heldRange(info.Size()))
	w.WriteHeader(status)
	return nil
}

// heldRange words how much of an upload is there; the protocol has no way to say that nothing is.
func heldRange(bytes int64) string { return fmt.Sprintf("0-%d", max(bytes-1, 0)) }

// blob serves a blob.
func (s *Store) blob(w http.ResponseWriter, r *http.Request, name, digest string) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return errMethod
	}
	unknown := &registryError{http.StatusNotFound, "BLOB_UNKNOWN", "there is no such blob"}
	if !digestPattern.MatchString(digest) {
		return unknown
	}
	file, err := os.Open(s.blobPath(name, digest))
	if errors.Is(err, fs.ErrNotExist) {
		return unknown
	}
	if err != nil {
		return err
	}
	defer file.Close()
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Etag", `"`+digest+`"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, file)
	return nil
}

// manifest serves an image's manifest by tag or digest.
func (s *Store) manifest(w http.ResponseWriter, r *http.Request, name, reference string) error {
	if !tagPattern.MatchString(reference) && !digestPattern.MatchString(reference) {
		return &registryError{http.StatusBadRequest, "TAG_INVALID", "an image is named by a tag or a digest"}
	}
	switch r.Method {
	case http.MethodPut:
		digest, err := s.putManifest(name, reference, r.Header.Get("Content-Type"), http.MaxBytesReader(w, r.Body, maxManifestBytes))
		if err != nil {
			return err
		}
		return s.created(w, name, "manifests", digest)
	case http.MethodGet, http.MethodHead:
		repository := s.get(name)
		if repository == nil {
			return unknownName(name)
		}
		digest := repository.find(reference)
		if digest == "" {
			return &registryError{http.StatusNotFound, "MANIFEST_UNKNOWN", "Requested image not found"}
		}
		data, err := os.ReadFile(s.manifestPath(name, digest))
		if err != nil {
			return err
		}
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Type", repository.Images[digest].MediaType)
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(data)
		}
		return nil
	case http.MethodDelete:
		found := false
		err := s.change(name, func(repository *repository) error {
			found = drop(repository, reference)
			return nil
		})
		if err != nil {
			return err
		}
		if !found {
			return &registryError{http.StatusNotFound, "MANIFEST_UNKNOWN", "Requested image not found"}
		}
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	return errMethod
}

// putManifest stores an image whose blobs are all there.
func (s *Store) putManifest(name, reference, mediaType string, body io.Reader) (digest string, err error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return "", &registryError{http.StatusRequestEntityTooLarge, "SIZE_INVALID", fmt.Sprintf("a manifest has at most %d bytes", maxManifestBytes)}
	}
	sum := sha256.Sum256(data)
	digest = "sha256:" + hex.EncodeToString(sum[:])
	if digestPattern.MatchString(reference) && reference != digest {
		return "", &registryError{http.StatusBadRequest, "DIGEST_INVALID", "the manifest has the digest " + digest}
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil || m.Config == nil && len(m.Manifests) == 0 {
		return "", &registryError{http.StatusBadRequest, "MANIFEST_INVALID", "it is not the manifest of an image or an index"}
	}
	if mediaType == "" {
		mediaType = m.MediaType
	}
	if len(mediaType) > 200 || mediaType == "" {
		return "", &registryError{http.StatusBadRequest, "MANIFEST_INVALID", "it has no media type"}
	}
	bytes := int64(len(data))
	for _, d := range m.blobs() {
		info, err := os.Stat(s.blobPath(name, d.Digest))
		if !digestPattern.MatchString(d.Digest) || err != nil || info.Size() != d.Size {
			return "", &registryError{http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "the manifest names a blob that is not there, or of another size: " + d.Digest}
		}
		bytes += d.Size
	}
	err = s.change(name, func(r *repository) error {
		for _, d := range m.Manifests {
			if r.Images[d.Digest] == nil {
				return &registryError{http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "the index names an image that is not there: " + d.Digest}
			}
		}
		if tag := r.Tags[reference]; tag != "" && tag != digest && r.Mutability == immutable {
			return &registryError{http.StatusBadRequest, "TAG_INVALID", fmt.Sprintf("The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", reference, name)}
		}
		if err := os.MkdirAll(filepath.Dir(s.manifestPath(name, digest)), 0o700); err != nil {
			return err
		}
		if err := document.Write(s.manifestPath(name, digest), data); err != nil {
			return err
		}
		if r.Images[digest] == nil {
			r.Images[digest] = &image{MediaType: mediaType, Bytes: bytes, Pushed: time.Now().UTC().Truncate(time.Millisecond)}
		}
		if reference != digest {
			r.Tags[reference] = digest
		}
		return nil
	})
	return digest, err
}

// drop takes a tag away, and with the last one or by its digest an image, whose files go when the store is opened again: until then
// another image that is being sent may count on them. The caller edits the repository.
func drop(r *repository, reference string) bool {
	digest := r.find(reference)
	if digest == "" {
		return false
	}
	if reference != digest {
		delete(r.Tags, reference)
		if len(r.tagsOf(digest)) > 0 {
			return true
		}
	}
	for _, tag := range r.tagsOf(digest) {
		delete(r.Tags, tag)
	}
	delete(r.Images, digest)
	return true
}

func (s *Store) tags(w http.ResponseWriter, r *http.Request, name, _ string) error {
	repository := s.get(name)
	if repository == nil {
		return unknownName(name)
	}
	if r.Method != http.MethodGet {
		return errMethod
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]any{"name": name, "tags": sortedKeys(repository.Tags)})
}
