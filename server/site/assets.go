package site

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"sort"
	"strconv"
	"strings"
)

// wasmURL is where go-app looks for the program.
const wasmURL = "/web/app.wasm"

// The page's programs fit each other only if they are of one version: what they are made of has addresses that name it. A page that is
// open while the server is updated asks for its own version, and is never given another's.
const (
	workerURL        = "/web/worker.js"
	execURL          = "/wasm_exec.js" // go-app serves it
	versionParameter = "v"
)

// program tells whether a file is, or runs, one of the page's programs.
func program(url string) bool {
	return url == execURL || strings.HasSuffix(url, ".wasm") || url == workerURL
}

// Resolve implements app.ResourceResolver: it gives the address at which the page finds a file.
func (a *assets) Resolve(url string) string {
	if a.has(url) && program(url) {
		return a.versioned(url)
	}
	return url
}

func (a *assets) versioned(url string) string { return url + "?" + versionParameter + "=" + a.version }

// other tells whether a request asks for a program of another version.
func (a *assets) other(r *http.Request) bool {
	asked := r.URL.Query().Get(versionParameter)
	return asked != "" && asked != a.version && (strings.HasPrefix(r.URL.Path, "/web/") || r.URL.Path == execURL)
}

// assets are the page's files by their address: /web/NAME is NAME in the folder, or dist/NAME.
type assets struct {
	files   fs.FS
	byURL   map[string]*asset
	version string // changes with the bytes of any file
}

// asset is one file and the compressed forms that were built beside it.
type asset struct {
	contentType string
	forms       map[string]form // by content encoding; "" is the file itself
}

type form struct {
	path string
	size int64
	etag string
}

// encodings are the compressed forms, the smallest first, with the suffix their files have.
var encodings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

func load(files fs.FS) (*assets, error) {
	a := &assets{files: files, byURL: map[string]*asset{}}
	all := sha256.New()
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		f, err := files.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		sum := sha256.New()
		size, err := io.Copy(io.MultiWriter(sum, all), f)
		if err != nil {
			return err
		}
		fmt.Fprintf(all, "\n%s %d\n", name, size)
		base, encoding := name, ""
		for _, e := range encodings {
			if cut, ok := strings.CutSuffix(name, e.suffix); ok {
				base, encoding = cut, e.name
			}
		}
		url := "/web/" + strings.TrimPrefix(base, "dist/")
		if a.byURL[url] == nil {
			a.byURL[url] = &asset{contentType: contentType(base), forms: map[string]form{}}
		}
		a.byURL[url].forms[encoding] = form{path: name, size: size, etag: `"` + hex.EncodeToString(sum.Sum(nil)[:12]) + `"`}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for url, one := range a.byURL { // a compressed form without its file is left over from another build
		if _, ok := one.forms[""]; !ok {
			delete(a.byURL, url)
		}
	}
	a.version = hex.EncodeToString(all.Sum(nil)[:12])
	return a, nil
}

// contentType does not ask the machine, whose tables differ.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".wasm":
		return "application/wasm"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".woff2":
		return "font/woff2"
	}
	return "application/octet-stream"
}

func (a *assets) has(url string) bool { return a.byURL[url] != nil }

func (a *assets) withSuffix(suffix string) []string {
	var urls []string
	for url := range a.byURL {
		if strings.HasSuffix(url, suffix) {
			urls = append(urls, url)
		}
	}
	sort.Strings(urls)
	return urls
}

// others lists what go-app does not keep for offline use by itself.
func (a *assets) others() []string {
	var urls []string
	for url := range a.byURL {
		if url != wasmURL && !strings.HasSuffix(url, ".css") {
			urls = append(urls, url)
		}
	}
	sort.Strings(urls)
	return append(urls, a.versioned(execURL))
}

// ServeHTTP serves a file in the smallest form that the client takes.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one := a.byURL[path.Clean(r.URL.Path)]
	h := w.Header()
	if one == nil {
		h.Del("ETag") // the shell's, which is not this answer's
		http.NotFound(w, r)
		return
	}
	encoding := ""
	for _, e := range encodings {
		if _, there := one.forms[e.name]; there && accepts(r.Header.Get("Accept-Encoding"), e.name) {
			encoding = e.name
			break
		}
	}
	f := one.forms[encoding]
	h.Set("Content-Type", one.contentType)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache") // ask each time; the answer is mostly 304
	if len(one.forms) > 1 {
		h.Add("Vary", "Accept-Encoding")
		h.Set(rawLength, strconv.FormatInt(one.forms[""].size, 10))
	}
	if matches(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Length", strconv.FormatInt(f.size, 10))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	file, err := a.files.Open(f.path)
	if err != nil {
		panic(http.ErrAbortHandler) // the headers are sent; the client must not take this for the whole file
	}
	defer file.Close()
	io.Copy(w, file)
}

// accepts tells whether an Accept-Encoding header allows an encoding (RFC 9110, section 12.5.3).
func accepts(header, encoding string) bool {
	wildcard := false
	for _, part := range strings.Split(header, ",") {
		name, parameters, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.TrimSpace(parameters), "q="); ok {
			weight, _ = strconv.ParseFloat(q, 64) // what is no number is 0: not accepted
		}
		if name == encoding {
			return weight > 0
		}
		if name == "*" {
			wildcard = weight > 0
		}
	}
	return wildcard
}

// matches tells whether an If-None-Match header names an entity tag.
func matches(header, etag string) bool {
	for _, tag := range strings.Split(header, ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == etag || tag == "*" {
			return true
		}
	}
	return false
}
