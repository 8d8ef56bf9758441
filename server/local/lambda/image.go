package lambda

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Images gives the local registry's images. The error of an absent one satisfies errors.Is(err, fs.ErrNotExist).
type Images interface {
	Manifest(address string) (data []byte, digest string, err error)
	Blob(address, digest string) (*os.File, error)
}

// Kinds of packages.
const (
	packageZip   = "Zip"
	packageImage = "Image"
)

// imageRecord is what is kept of the image that a function was made from: its files are unpacked, so that the image itself may
// go.
type imageRecord struct {
	Address  string // as it was given
	Resolved string // with its digest
	Entry    []string
	Command  []string
	Env      []string
	Dir      string
}

// imageConfig takes the place of what an image says of its program.
type imageConfig struct {
	EntryPoint       []string `json:",omitempty"`
	Command          []string `json:",omitempty"`
	WorkingDirectory string   `json:",omitempty"`
}

// imageConfigResponse is how the API shows it.
type imageConfigResponse struct{ ImageConfig imageConfig }

// Bounds of an image (AWS Lambda quotas page, 2026: 10 GB uncompressed with all layers, settings of 16 KB) and what is read of
// its documents.
const (
	maxImageBytes       = 10 << 30
	maxImageEntries     = 1_000_000
	maxImageLayers      = 127
	maxImageConfigBytes = 1 << 20
	maxSettingsBytes    = 16 << 10
	rootFolder          = "root"
)

// imageManifest and imageFile are what matters here of an image's documents (OCI image specification 1.1; Docker's, version 2
// schema 2, have the same members).
type imageManifest struct {
	Config *imageDescriptor
	Layers []imageDescriptor
}

type imageDescriptor struct {
	MediaType string
	Digest    string
	Size      int64
}

type imageFile struct {
	Config struct {
		Entrypoint []string
		Cmd        []string
		Env        []string
		WorkingDir string
	} `json:"config"`
}

var layerTypes = map[string]bool{ // whether it is compressed
	"application/vnd.oci.image.layer.v1.tar":            false,
	"application/vnd.oci.image.layer.v1.tar+gzip":       true,
	"application/vnd.docker.image.rootfs.diff.tar":      false,
	"application/vnd.docker.image.rootfs.diff.tar.gzip": true,
}

// imageAddress is the form of an image's address; which registries there are is theirs to say.
var imageAddress = regexp.MustCompile(`^[^\s/]+/[a-z0-9._/-]+(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$`)

// fetchImage finds an image and unpacks its layers into dir.
func (s *Service) fetchImage(address, dir string) (*code, error) {
	if len(address) > 600 || !imageAddress.MatchString(address) || s.options.Images == nil {
		return nil, invalidParameter("Source image %s is not valid. Provide a valid source image.", address)
	}
	raw, digest, err := s.options.Images.Manifest(address)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, invalidParameter("Source image %s does not exist. Provide a valid source image.", address)
	}
	if err != nil {
		return nil, err
	}
	unsupported := func(what string) error {
		return invalidParameter("The image manifest, config or layer media type for the source image %s is not supported. (%s)", address, what)
	}
	var m imageManifest
	if err := json.Unmarshal(raw, &m); err != nil || m.Config == nil {
		return nil, unsupported("it is no image for one architecture")
	}
	if len(m.Layers) > maxImageLayers {
		return nil, unsupported(fmt.Sprintf("it has %d layers; at most %d are unpacked", len(m.Layers), maxImageLayers))
	}
	config, err := s.imageFile(address, m.Config)
	if err != nil {
		return nil, unsupported(err.Error())
	}
	if err := os.MkdirAll(filepath.Join(dir, rootFolder), 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Join(dir, rootFolder))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	u := &unpacker{root: root, bytesLeft: maxImageBytes, entriesLeft: maxImageEntries}
	for _, layer := range m.Layers {
		compressed, known := layerTypes[layer.MediaType]
		if !known {
			return nil, unsupported(fmt.Sprintf("a layer is %.100q", layer.MediaType))
		}
		if err := s.unpackLayer(u, address, layer, compressed); err != nil {
			return nil, err
		}
	}
	if err := root.MkdirAll("var/"+taskFolder, 0o755); err != nil {
		return nil, badImage("%v", err)
	}
	if err := root.Chmod(".", 0o755); err != nil {
		return nil, err
	}
	repository, _, _ := strings.Cut(address, "@")
	if slash := strings.LastIndex(repository, "/"); strings.Contains(repository[slash:], ":") {
		repository = repository[:slash+strings.Index(repository[slash:], ":")]
	}
	return &code{dir: dir, sha256: strings.TrimPrefix(digest, "sha256:"), image: &imageRecord{
		Address: address, Resolved: repository + "@" + digest, Entry: config.Config.Entrypoint, Command: config.Config.Cmd, Env: config.Config.Env, Dir: config.Config.WorkingDir,
	}}, nil
}

// imageFile reads what an image says of its program.
func (s *Service) imageFile(address string, d *imageDescriptor) (*imageFile, error) {
	file, err := s.options.Images.Blob(address, d.Digest)
	if err != nil {
		return nil, errors.New("its configuration is not in the registry")
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxImageConfigBytes+1))
	if err != nil || len(raw) > maxImageConfigBytes {
		return nil, fmt.Errorf("its configuration has more than %d bytes", maxImageConfigBytes)
	}
	config := &imageFile{}
	if json.Unmarshal(raw, config) != nil {
		return nil, errors.New("its configuration is not well formed")
	}
	settings, err := json.Marshal(config.Config)
	if err != nil || len(settings) > maxSettingsBytes {
		return nil, fmt.Errorf("its settings have more than %d bytes", maxSettingsBytes)
	}
	return config, nil
}

func (s *Service) unpackLayer(u *unpacker, address string, layer imageDescriptor, compressed bool) error {
	began := time.Now()
	file, err := s.options.Images.Blob(address, layer.Digest)
	if errors.Is(err, fs.ErrNotExist) {
		return badImage("the layer %s is not in the registry", layer.Digest)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	var r io.Reader = file
	if compressed {
		z, err := gzip.NewReader(file)
		if err != nil {
			return badImage("the layer %s: %v", layer.Digest, err)
		}
		defer z.Close()
		r = z
	}
	if err := u.layer(r); err != nil {
		return err
	}
	s.logger.Debug("unpacked a layer", "image", address, "layer", layer.Digest, "bytes", layer.Size, "elapsed", time.Since(began))
	return nil
}

func badImage(format string, args ...any) error {
	return invalidParameter("The image cannot be unpacked. Please check your image, then try again. (%s)", fmt.Sprintf(format, args...))
}

// program gives what an image's function runs, with the function's own settings in the place of the image's.
func (c *Configuration) program(i *imageRecord) (entry, arguments []string, dir string) {
	entry, arguments, dir = i.Entry, i.Command, i.Dir
	if c.ImageConfigResponse == nil {
		return entry, arguments, dir
	}
	own := c.ImageConfigResponse.ImageConfig
	if len(own.EntryPoint) > 0 {
		entry, arguments = own.EntryPoint, nil // as with docker run --entrypoint
	}
	if len(own.Command) > 0 {
		arguments = own.Command
	}
	if own.WorkingDirectory != "" {
		dir = own.WorkingDirectory
	}
	return entry, arguments, dir
}
