package lambda

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Objects gives the local S3 store's objects; the error of an absent one satisfies errors.Is(err, fs.ErrNotExist).
type Objects interface {
	Open(bucket, key string) (*os.File, error)
}

// code is an unpacked package.
type code struct {
	dir    string // holds package.zip and task/, or root/
	size   int64  // of the zip; 0 of an image, as AWS has it
	sha256 string // of the zip, base64; of an image its digest, in hexadecimal
	image  *imageRecord
}

const (
	packageFile = "package.zip"
	taskFolder  = "task"
)

// fetch puts a package into dir and unpacks it. On an error dir is as if nothing had happened, less its being there.
func (s *Service) fetch(packageType string, source *codeSource, dir string) (*code, error) {
	sources := 0
	for _, given := range []bool{len(source.ZipFile) > 0, source.S3Bucket != "" || source.S3Key != "", source.ImageUri != ""} {
		if given {
			sources++
		}
	}
	switch {
	case sources != 1:
		return nil, invalidParameter("Please provide a source for function code.")
	case packageType == packageImage && source.ImageUri == "":
		return nil, invalidParameter("Please provide ImageUri for a function with packageType Image.")
	case packageType != packageImage && source.ImageUri != "":
		return nil, invalidParameter("Please don't provide ImageUri for a function with packageType Zip.")
	case source.ImageUri != "":
		return s.fetchImage(source.ImageUri, dir)
	case source.S3ObjectVersion != "" && source.S3ObjectVersion != "null":
		return nil, invalidParameter("the local cloud keeps no versions of objects")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	zipPath := filepath.Join(dir, packageFile)
	if len(source.ZipFile) > 0 {
		if err := os.WriteFile(zipPath, source.ZipFile, 0o600); err != nil {
			return nil, err
		}
	} else if err := s.fetchObject(source.S3Bucket, source.S3Key, zipPath); err != nil {
		return nil, err
	}
	size, sum, err := digest(zipPath)
	if err != nil {
		return nil, err
	}
	if err := unzip(zipPath, filepath.Join(dir, taskFolder)); err != nil {
		return nil, err
	}
	return &code{dir: dir, size: size, sha256: sum}, nil
}

// fetchObject links an object's file when it can, so that a package of hundreds of megabytes is on the disk once.
func (s *Service) fetchObject(bucket, key, target string) error {
	object, err := s.options.Objects.Open(bucket, key)
	if errors.Is(err, fs.ErrNotExist) {
		return invalidParameter("Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist. (bucket %s, key %s)", bucket, key)
	}
	if err != nil {
		return err
	}
	defer object.Close()
	info, err := object.Stat()
	if err != nil {
		return err
	}
	if info.Size() > maxUnzippedBytes {
		return invalidParameter("Unzipped size must be smaller than %d bytes", maxUnzippedBytes)
	}
	if os.Link(object.Name(), target) == nil {
		if linked, err := os.Stat(target); err == nil && os.SameFile(info, linked) {
			return nil
		}
		_ = os.Remove(target) // the object was replaced in between
	}
	file, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, object); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

func digest(path string) (size int64, sum string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer file.Close()
	hash := sha256.New()
	size, err = io.Copy(hash, file)
	if err != nil {
		return 0, "", err
	}
	return size, base64.StdEncoding.EncodeToString(hash.Sum(nil)), nil
}

func badZip(format string, args ...any) error {
	return invalidParameter("Could not unzip uploaded file. Please check your file, then try to upload again. (%s)", fmt.Sprintf(format, args...))
}

// unzip unpacks a package. It refuses what could write outside the folder or fill the disk: names that lead out, links
// and devices, duplicates, and more bytes than a function may have, whatever the archive says about its sizes.
func unzip(zipPath, dir string) error {
	archive, err := zip.OpenReader(zipPath)
	if err != nil {
		return badZip("%v", err)
	}
	defer archive.Close()
	if len(archive.File) > maxPackageEntries {
		return badZip("it has %d entries; at most %d are unpacked", len(archive.File), maxPackageEntries)
	}
	if len(archive.File) == 0 {
		return invalidParameter("Uploaded file must be a non-empty zip")
	}
	var total uint64
	for _, entry := range archive.File {
		total += entry.UncompressedSize64
		if total > maxUnzippedBytes || entry.UncompressedSize64 > maxUnzippedBytes {
			return invalidParameter("Unzipped size must be smaller than %d bytes", maxUnzippedBytes)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	left := int64(maxUnzippedBytes)
	for _, entry := range archive.File {
		n, err := unzipEntry(entry, dir, left)
		if err != nil {
			return err
		}
		left -= n
	}
	// Whatever the server's file mode mask, the environment's own user must be able to read its code.
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return os.Chmod(path, 0o755)
	})
}

// unzipEntry unpacks one entry of at most limit bytes.
func unzipEntry(entry *zip.File, dir string, limit int64) (int64, error) {
	name := entry.Name
	if strings.ContainsAny(name, "\\\x00") || !filepath.IsLocal(strings.TrimSuffix(name, "/")) {
		return 0, badZip("the entry %q leads out of the package", name)
	}
	target := filepath.Join(dir, filepath.FromSlash(name))
	mode := entry.Mode()
	if strings.HasSuffix(name, "/") || mode.IsDir() {
		return 0, os.MkdirAll(target, 0o755)
	}
	if !mode.IsRegular() {
		return 0, badZip("the entry %q is a link or a device; put the file itself into the package", name)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return 0, badZip("the entry %q: %v", name, err)
	}
	permissions := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		permissions = 0o755
	}
	source, err := entry.Open()
	if err != nil {
		return 0, badZip("the entry %q: %v", name, err)
	}
	defer source.Close()
	file, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, permissions)
	if errors.Is(err, fs.ErrExist) {
		return 0, badZip("the entry %q is there twice", name)
	}
	if err != nil {
		return 0, err
	}
	if err := file.Chmod(permissions); err != nil {
		file.Close()
		return 0, err
	}
	n, err := io.Copy(file, io.LimitReader(source, limit+1))
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	switch {
	case n > limit:
		return 0, invalidParameter("Unzipped size must be smaller than %d bytes", maxUnzippedBytes)
	case errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF):
		return 0, badZip("the entry %q: %v", name, err)
	case err != nil:
		var pathError *fs.PathError
		if errors.As(err, &pathError) {
			return 0, err
		}
		return 0, badZip("the entry %q: %v", name, err)
	}
	return n, nil
}
