// Package ecr is the local cloud's registry of container images: the AWS ECR interface (JSON 1.1, as in the service's
// API model of 2026) to repositories, and the OCI distribution protocol (version 1.1 of its specification) to push
// and pull images, both over one folder.
//
// A repository is a folder: its record, the manifests and the blobs by digest, and uploads under way. A record and a
// blob appear at once or not at all, and what an upload that was broken off has left is removed when the folder is
// opened again. Blobs stream between disk and network; nothing but manifests, of which each has at most 4 MiB, is held
// in memory.
package ecr

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"partita/server/local/document"
)

// Account is the number of the one account there is, as in the ARNs of the local Lambda.
const Account = "000000000000"

// Options configure a Store.
type Options struct {
	Dir    string
	Region string
	Host   string // under which clients reach the registry: 127.0.0.1:8080
	Logger *slog.Logger
}

// Store holds repositories in a folder.
type Store struct {
	options Options

	mu           sync.RWMutex
	repositories map[string]*repository
}

// repository is a repository as it is kept on the disk.
type repository struct {
	Name       string
	Created    time.Time
	Mutability string // "MUTABLE" or "IMMUTABLE": whether a tag may be moved to another image
	Labels     map[string]string
	Policy     string            `json:",omitempty"`
	Images     map[string]*image // by digest
	Tags       map[string]string // digests
}

// image is a manifest in a repository.
type image struct {
	MediaType string
	Bytes     int64 // of the manifest and of what it names
	Pushed    time.Time
}

// Limits of the interfaces (ECR service quotas, 2026, and the OCI specification's minimum for manifests).
const (
	maxManifestBytes = 4 << 20
	maxBlobBytes     = 52 << 30
	maxRepositories  = 10_000
	maxLabels        = 50
)

var (
	namePattern   = regexp.MustCompile(`^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$`)
	tagPattern    = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

func validName(name string) bool {
	return len(name) >= 2 && len(name) <= 256 && namePattern.MatchString(name)
}

const recordFile = "repository.json"

// Open opens the store on its folder, with the repositories that are there.
func Open(o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{options: o, repositories: map[string]*repository{}}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		dir := filepath.Join(o.Dir, entry.Name())
		raw, err := os.ReadFile(filepath.Join(dir, recordFile))
		if errors.Is(err, fs.ErrNotExist) { // made but not finished, or deleted but not quite
			_ = os.RemoveAll(dir)
			continue
		}
		r := &repository{}
		if err == nil {
			err = json.Unmarshal(raw, r)
		}
		if err != nil || folderName(r.Name) != entry.Name() || !validName(r.Name) {
			o.Logger.Error("a repository's record cannot be read; it is left aside", "file", filepath.Join(dir, recordFile), "error", err)
			continue
		}
		r.complete()
		s.repositories[r.Name] = r
		s.sweep(r)
	}
	return s, nil
}

// complete makes the maps that an empty record has not.
func (r *repository) complete() {
	if r.Labels == nil {
		r.Labels = map[string]string{}
	}
	if r.Images == nil {
		r.Images = map[string]*image{}
	}
	if r.Tags == nil {
		r.Tags = map[string]string{}
	}
}

// folderName makes a repository's name, which may hold slashes, that of a folder.
func folderName(name string) string { return url.PathEscape(name) }

func (s *Store) dir(name string) string { return filepath.Join(s.options.Dir, folderName(name)) }

func (s *Store) blobPath(name, digest string) string {
	return filepath.Join(s.dir(name), "blobs", strings.TrimPrefix(digest, "sha256:"))
}

func (s *Store) manifestPath(name, digest string) string {
	return filepath.Join(s.dir(name), "manifests", strings.TrimPrefix(digest, "sha256:"))
}

func (s *Store) uploadPath(name, id string) string {
	return filepath.Join(s.dir(name), "uploads", id)
}

// sweep removes what no image of a repository uses: uploads that were broken off, and the blobs of images that never came or
// were deleted.
func (s *Store) sweep(r *repository) {
	_ = os.RemoveAll(filepath.Join(s.dir(r.Name), "uploads"))
	used := map[string]bool{}
	for digest := range r.Images {
		raw, err := os.ReadFile(s.manifestPath(r.Name, digest))
		if err != nil {
			s.options.Logger.Error("an image's manifest cannot be read", "repository", r.Name, "image", digest, "error", err)
			return
		}
		var m manifest
		if json.Unmarshal(raw, &m) != nil {
			return
		}
		for _, d := range m.blobs() {
			used[strings.TrimPrefix(d.Digest, "sha256:")] = true
		}
	}
	for folder, keep := range map[string]func(name string) bool{
		"blobs":     func(name string) bool { return used[name] },
		"manifests": func(name string) bool { return r.Images["sha256:"+name] != nil },
	} {
		entries, err := os.ReadDir(filepath.Join(s.dir(r.Name), folder))
		if err != nil {
			continue // none was ever sent
		}
		for _, entry := range entries {
			if !keep(entry.Name()) {
				_ = os.Remove(filepath.Join(s.dir(r.Name), folder, entry.Name()))
			}
		}
	}
}

// save writes a repository's record, in whole or not at all. The caller holds the lock.
func (s *Store) save(r *repository) error {
	return document.WriteJSON(filepath.Join(s.dir(r.Name), recordFile), r)
}

// change edits a repository under the lock, and undoes the edit when it cannot be written down.
func (s *Store) change(name string, edit func(r *repository) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repositories[name]
	if r == nil {
		return errNoRepository
	}
	edited := *r
	edited.Labels, edited.Images, edited.Tags = maps.Clone(r.Labels), maps.Clone(r.Images), maps.Clone(r.Tags)
	if err := edit(&edited); err != nil {
		return err
	}
	if err := s.save(&edited); err != nil {
		return err
	}
	s.repositories[name] = &edited
	return nil
}

var errNoRepository = errors.New("there is no such repository")

// get gives a repository as it is now; it is never changed, only replaced.
func (s *Store) get(name string) *repository {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.repositories[name]
}

// names lists the repositories in order.
func (s *Store) names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.repositories))
}

// remove deletes a repository with all that is in it.
func (s *Store) remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Without its record the repository is gone for a later server, whatever happens to the rest.
	if err := os.Remove(filepath.Join(s.dir(name), recordFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	delete(s.repositories, name)
	return os.RemoveAll(s.dir(name))
}

// find gives the digest that a tag or digest names in a repository; "" when there is none.
func (r *repository) find(reference string) string {
	if digest := r.Tags[reference]; digest != "" {
		return digest
	}
	if r.Images[reference] != nil {
		return reference
	}
	return ""
}

// tagsOf lists an image's tags in order.
func (r *repository) tagsOf(digest string) []string {
	var tags []string
	for tag, d := range r.Tags {
		if d == digest {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return tags
}

// descriptor names a blob or a manifest (OCI image specification 1.1, content descriptors).
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// manifest is what matters here of an image's manifest, or of an index of several.
type manifest struct {
	MediaType string       `json:"mediaType"`
	Config    *descriptor  `json:"config"`
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
}

// blobs lists what an image's manifest refers to.
func (m *manifest) blobs() []descriptor {
	all := slices.Clone(m.Layers)
	if m.Config != nil {
		all = append(all, *m.Config)
	}
	return all
}

// Manifest gives the manifest that an image's address names, as HOST/NAME:TAG or HOST/NAME@DIGEST, and its digest. Hosts are
// this registry's and those of ECR itself, so that templates made for AWS work here. The error of an absent one
// satisfies errors.Is(err, fs.ErrNotExist).
func (s *Store) Manifest(address string) (data []byte, digest string, err error) {
	name, reference, ok := s.parse(address)
	if !ok {
		return nil, "", fmt.Errorf("%q is no image of this registry: %w", address, fs.ErrNotExist)
	}
	r := s.get(name)
	if r == nil {
		return nil, "", fmt.Errorf("there is no repository %s: %w", name, fs.ErrNotExist)
	}
	if digest = r.find(reference); digest == "" {
		return nil, "", fmt.Errorf("the repository %s has no image %s: %w", name, reference, fs.ErrNotExist)
	}
	data, err = os.ReadFile(s.manifestPath(name, digest))
	return data, digest, err
}

// Blob opens a blob of the repository that an image's address names.
func (s *Store) Blob(address, digest string) (*os.File, error) {
	name, _, ok := s.parse(address)
	if !ok || !digestPattern.MatchString(digest) {
		return nil, fmt.Errorf("%q of %q: %w", digest, address, fs.ErrNotExist)
	}
	return os.Open(s.blobPath(name, digest))
}

var ecrHost = regexp.MustCompile(`^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$`)

// parse takes an image's address apart.
func (s *Store) parse(address string) (name, reference string, ok bool) {
	host, rest, found := strings.Cut(address, "/")
	if !found || len(address) > 600 || host != s.options.Host && !ecrHost.MatchString(host) {
		return "", "", false
	}
	if name, digest, found := strings.Cut(rest, "@"); found {
		name, _, _ = strings.Cut(name, ":") // a tag beside a digest says nothing
		return name, digest, validName(name) && digestPattern.MatchString(digest)
	}
	name, tag, found := strings.Cut(rest, ":")
	if !found {
		tag = "latest"
	}
	return name, tag, validName(name) && tagPattern.MatchString(tag)
}

// put copies a stream to a blob of the given digest by way of an upload's file.
func (s *Store) put(name, id, digest string, body io.Reader) error {
	path := s.uploadPath(name, id)
	if err := appendTo(path, body); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	hash := sha256.New()
	_, err = io.Copy(hash, file)
	file.Close()
	if err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); got != digest {
		_ = os.Remove(path)
		return &wrongDigest{got}
	}
	s.mu.RLock() // so that the repository is not deleted at this moment
	defer s.mu.RUnlock()
	if s.repositories[name] == nil {
		return errNoRepository
	}
	if err := os.MkdirAll(filepath.Dir(s.blobPath(name, digest)), 0o700); err != nil {
		return err
	}
	return os.Rename(path, s.blobPath(name, digest))
}

// wrongDigest is the error of a blob that is not what it was said to be.
type wrongDigest struct{ got string }

func (w *wrongDigest) Error() string { return "what was sent has the digest " + w.got }

// appendTo adds a stream to an upload's file.
func appendTo(path string, body io.Reader) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	n, err := io.Copy(file, io.LimitReader(body, maxBlobBytes-info.Size()+1))
	if err == nil && info.Size()+n > maxBlobBytes {
		err = errTooLarge
	}
	if err == nil {
		err = file.Close()
	}
	return err
}

var errTooLarge = fmt.Errorf("a layer has at most %d bytes", int64(maxBlobBytes))
