// Package image makes container images (OCI image specification 1.1) of layers on the disk and brings them into registries. It is
// the only package that imports go-containerregistry.
//
// The same layers give the same image: nothing in it tells when or where it was made. A layer is a tar archive that is
// written once, into a file, as it is made; bytes go from there to the registry, which is asked first which it has
// already. So memory does not grow with an image, and what several images share is sent once.
package image

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"partita/planner/diag"
)

// Scratch is the base of an image that holds its layers only.
const Scratch = "scratch"

// Layer is a layer in a file.
type Layer struct {
	path   string
	size   int64
	digest v1.Hash // of the file
	plain  v1.Hash // of the archive in it
}

// NewLayer writes a layer to w, which is the file at path: the tar archive that write writes, as gzip without compression.
// Weights do not compress, and registries and Lambda take no archive that is not compressed in form.
func NewLayer(path string, w io.Writer, write func(io.Writer) error) (*Layer, error) {
	packed, plain := sha256.New(), sha256.New()
	counted := &counter{w: io.MultiWriter(w, packed)}
	z, err := gzip.NewWriterLevel(counted, gzip.NoCompression)
	if err != nil {
		return nil, err
	}
	if err := write(io.MultiWriter(z, plain)); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return &Layer{path: path, size: counted.n, digest: sum(packed), plain: sum(plain)}, nil
}

// Bytes gives the size of the layer's file.
func (l *Layer) Bytes() int64 { return l.size }

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Image says what an image is made of.
type Image struct {
	Base         string // address of the image that it goes on from, or Scratch
	Architecture string // "x86_64" or "arm64"; "" is this machine's
	Layers       []*Layer
	Entry        []string
	Dir          string
	Env          []string
}

// Target is where an image goes.
type Target struct {
	Address        string // HOST/NAME:TAG
	User, Password string
}

// made is when every image was made.
var made = v1.Time{Time: time.Unix(0, 0).UTC()}

// Push brings an image into a registry and gives its digest. What has been sent is told to sent, in bytes of this image's layers.
func Push(ctx context.Context, i Image, t Target, sent func(bytes int64)) (digest string, err error) {
	doing := "pushing the image " + t.Address
	reference, err := name.NewTag(t.Address, name.StrictValidation)
	if err != nil {
		return "", diag.New(diag.Invalid, "image.bad-address", doing, err.Error(), "")
	}
	built, err := i.build(ctx, &progress{tell: sent})
	if err != nil {
		return "", err
	}
	err = remote.Write(reference, built, remote.WithContext(ctx), remote.WithAuth(&authn.Basic{Username: t.User, Password: t.Password}), remote.WithJobs(2), remote.WithTransport(direct()))
	if err != nil {
		return "", explain(err, doing)
	}
	hash, err := built.Digest()
	return hash.String(), err
}

// Save writes an image as docker save does, for docker load and other tools that push it.
func Save(ctx context.Context, i Image, address string, w io.Writer) error {
	doing := "writing the image " + address
	reference, err := name.NewTag(address)
	if err != nil {
		return diag.New(diag.Invalid, "image.bad-address", doing, err.Error(), "")
	}
	built, err := i.build(ctx, &progress{tell: func(int64) {}})
	if err != nil {
		return err
	}
	return explain(tarball.Write(reference, built, w), doing)
}

// direct is the way to registries; like every client of this server it gives up on a peer that says nothing.
func direct() http.RoundTripper {
	t := remote.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 5 * time.Minute // a registry checks a whole layer before it answers
	return t
}

// architectures are the names that images have for Lambda's.
var architectures = map[string]string{"x86_64": "amd64", "arm64": "arm64", "": runtime.GOARCH}

// build puts the layers on the base.
func (i *Image) build(ctx context.Context, p *progress) (v1.Image, error) {
	base, family, err := i.base(ctx)
	if err != nil {
		return nil, err
	}
	var additions []mutate.Addendum
	for _, l := range i.Layers {
		additions = append(additions, mutate.Addendum{Layer: &pushed{l, family.layer, p}, History: v1.History{Created: made, CreatedBy: "partita"}, MediaType: family.layer})
	}
	built, err := mutate.Append(base, additions...)
	if err != nil {
		return nil, explain(err, "making an image")
	}
	file, err := built.ConfigFile()
	if err != nil {
		return nil, explain(err, "making an image")
	}
	file = file.DeepCopy()
	file.Architecture, file.OS, file.Created = architectures[i.Architecture], "linux", made
	file.Config.Entrypoint, file.Config.Cmd, file.Config.WorkingDir = i.Entry, nil, i.Dir
	file.Config.Env = append(file.Config.Env, i.Env...)
	built, err = mutate.ConfigFile(built, file)
	return built, explain(err, "making an image")
}

// family is one of the two kinds of media types that an image's documents have; one image has one kind.
type family struct{ manifest, config, layer types.MediaType }

var (
	oci    = family{types.OCIManifestSchema1, types.OCIConfigJSON, types.OCILayer}
	docker = family{types.DockerManifestSchema2, types.DockerConfigJSON, types.DockerLayer}
)

// base finds the image to go on from, for the architecture wanted.
func (i *Image) base(ctx context.Context) (v1.Image, family, error) {
	if i.Base == Scratch {
		return mutate.ConfigMediaType(mutate.MediaType(empty.Image, oci.manifest), oci.config), oci, nil
	}
	doing := "looking for the base image " + i.Base
	reference, err := name.ParseReference(i.Base)
	if err != nil {
		return nil, family{}, diag.New(diag.Usage, "image.bad-base", doing, err.Error(), "name an image, as in public.ecr.aws/lambda/provided:al2023, or "+Scratch)
	}
	wanted := v1.Platform{OS: "linux", Architecture: architectures[i.Architecture]}
	base, err := remote.Image(reference, remote.WithContext(ctx), remote.WithPlatform(wanted), remote.WithTransport(direct()))
	if err != nil {
		if e := explain(err, doing); diag.CodeOf(e) == "interrupted" {
			return nil, family{}, e
		}
		return nil, family{}, diag.New(diag.Unavailable, "image.no-base", doing, "it cannot be had", "check the network and the name, or give another with --base-image").Because(err)
	}
	kind, err := base.MediaType()
	if err != nil {
		return nil, family{}, explain(err, doing)
	}
	file, err := base.ConfigFile()
	if err != nil {
		return nil, family{}, explain(err, doing)
	}
	if file.Architecture != wanted.Architecture {
		return nil, family{}, diag.New(diag.Invalid, "image.base-for-another", doing, fmt.Sprintf("it is for %s, and the functions are for %s", file.Architecture, wanted.Architecture), "give another with --base-image")
	}
	switch kind {
	case oci.manifest:
		return base, oci, nil
	case docker.manifest:
		return base, docker, nil
	}
	return nil, family{}, diag.New(diag.Invalid, "image.bad-base", doing, "it is of the kind "+string(kind), "give another with --base-image")
}

// progress sums up what has been read of the layers.
type progress struct {
	mu   sync.Mutex // layers are sent at the same time
	sent int64
	tell func(int64)
}

func (p *progress) add(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent += bytes
	p.tell(p.sent)
}

// pushed is a Layer as the library wants it.
type pushed struct {
	*Layer
	kind     types.MediaType
	progress *progress
}

func (l *pushed) Digest() (v1.Hash, error)            { return l.digest, nil }
func (l *pushed) DiffID() (v1.Hash, error)            { return l.plain, nil }
func (l *pushed) Size() (int64, error)                { return l.size, nil }
func (l *pushed) MediaType() (types.MediaType, error) { return l.kind, nil }

// Uncompressed gives the archive, for docker save.
func (l *pushed) Uncompressed() (io.ReadCloser, error) {
	file, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{z, file}, nil
}

func (l *pushed) Compressed() (io.ReadCloser, error) {
	file, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	return &reading{file, l.progress}, nil
}

// reading is a file that tells how far it has been read. It has none of the file's other methods, which would go past it.
type reading struct {
	file     *os.File
	progress *progress
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.file.Read(p)
	r.progress.add(int64(n))
	return n, err
}

func (r *reading) Close() error { return r.file.Close() }

// explain turns an error of a registry into a diagnostic.
func explain(err error, doing string) error {
	if err == nil || diag.As(err) != nil {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled):
		return diag.New(diag.Interrupted, "interrupted", doing, "it was cancelled", "").Because(context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return diag.New(diag.Unavailable, "image.timed-out", doing, "the registry did not answer in time", "try again").Because(err)
	}
	var answer *transport.Error
	if errors.As(err, &answer) {
		switch {
		case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
			return diag.New(diag.Limit, "image.access-denied", doing, "the registry does not allow it",
				"allow the actions ecr:BatchCheckLayerAvailability, ecr:InitiateLayerUpload, ecr:UploadLayerPart, ecr:CompleteLayerUpload and ecr:PutImage").Because(err)
		case answer.StatusCode == http.StatusInsufficientStorage:
			return diag.New(diag.Limit, "image.no-room", doing, "the disk that holds the local cloud's data is full", "free some space there, for example with partita destroy, and try again").Because(err)
		case answer.StatusCode == http.StatusTooManyRequests:
			return diag.New(diag.Unavailable, "image.throttled", doing, "too many requests", "try again in a minute").Because(err)
		}
		return diag.New(diag.Unavailable, "image.refused", doing, answer.Error(), "try again")
	}
	var dial *net.OpError
	if errors.As(err, &dial) {
		return diag.New(diag.Unavailable, "image.unreachable", doing, "the registry cannot be reached", "check the network").Because(dial)
	}
	return diag.New(diag.Unavailable, "image.failed", doing, err.Error(), "try again").Because(err)
}
