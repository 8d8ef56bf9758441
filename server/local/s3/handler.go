package s3

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/johannesboyne/gofakes3"
)

// Handler serves the store over HTTP, with buckets in the path. It puts right around gofakes3 what that lets through or
// does not know.
func (s *Store) Handler() http.Handler {
	inner := gofakes3.New(backend{s},
		gofakes3.WithTimeSkewLimit(0), // nothing depends on a client's clock here
		gofakes3.WithoutVersioning(),
		gofakes3.WithMetadataSizeLimit(32<<10), // counts all X-Amz- headers, session tokens among them
	).Server()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &response{ResponseWriter: w, request: r}
		r = r.Clone(r.Context()) // the handler changes headers, which belong to the caller
		if err := s.before(out, r); err != nil {
			if !errors.Is(err, errServed) {
				writeError(out, r, err)
			}
			return
		}
		inner.ServeHTTP(out, r)
		if !out.begun { // an answer without a body
			out.WriteHeader(http.StatusOK)
		}
	})
}

// errServed says that a request has been answered already.
var errServed = errors.New("served")

// maxXMLBytes bounds the bodies that gofakes3 reads as a whole: the list of 10,000 parts of an upload.
const maxXMLBytes = 4 << 20

// before checks and prepares a request.
func (s *Store) before(w http.ResponseWriter, r *http.Request) error {
	bucketName, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	if !printable(key) {
		return gofakes3.ErrorMessage(gofakes3.ErrInvalidURI, "keys with control characters or invalid UTF-8 cannot be listed and are refused")
	}
	for _, name := range subresources {
		if query.Has(name) {
			return s.subresource(w, r, name, bucketName, key)
		}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if match := r.Header.Get("If-Match"); match != "" && key != "" {
			if e, _, err := s.entry(bucketName, key); err == nil && match != "*" && strings.Trim(match, `"`) != e.ETag {
				return gofakes3.ErrPreconditionFailed
			}
		}
	case http.MethodPut:
		if r.Header.Get("X-Amz-Copy-Source") != "" && query.Get("uploadId") != "" {
			return s.copyPart(w, r, bucketName, key, query)
		}
		r.Header.Del("X-Amz-Security-Token")
		if key == "" { // of a bucket: location and other settings, of which there are none
			r.Body = http.MaxBytesReader(w, r.Body, maxXMLBytes)
			return nil
		}
		return unframe(r)
	case http.MethodPost:
		switch {
		case query.Has("uploads"), query.Has("delete") && key == "":
		case query.Has("uploadId"):
			if r.Header.Get("If-None-Match") == "*" {
				if _, u, err := s.upload(bucketName, key, gofakes3.UploadID(query.Get("uploadId"))); err == nil {
					u.mu.Lock()
					u.ifNoneSeen = true
					u.mu.Unlock()
				}
			}
		default: // uploads by a browser's form, which any page could send
			return gofakes3.ErrNotImplemented
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxXMLBytes)
	case http.MethodDelete:
	default:
		return gofakes3.ErrMethodNotAllowed
	}
	return nil
}

// subresources are what buckets and objects have besides themselves, as far as gofakes3 does not know it (S3 API reference, 2026): it
// would take what is asked for, set or deleted for the bucket or object itself.
var subresources = []string{"abac", "accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory", "legal-hold",
	"lifecycle", "logging", "metadataConfiguration", "metadataTable", "metrics", "notification", "object-lock", "ownershipControls", "policy", "policyStatus",
	"publicAccessBlock", "renameObject", "replication", "requestPayment", "restore", "retention", "select", "session", "tagging", "torrent", "website"}

// subresource answers a request for one. There are none, but clients ask for an object's tags before they copy it in parts.
func (s *Store) subresource(w http.ResponseWriter, r *http.Request, name, bucketName, key string) error {
	if name != "tagging" || key == "" || r.Method != http.MethodGet && r.Method != http.MethodDelete {
		return gofakes3.ErrNotImplemented
	}
	if _, _, err := s.entry(bucketName, key); err != nil {
		return err
	}
	if r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusNoContent)
		return errServed
	}
	writeXML(w, http.StatusOK, struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
		TagSet  struct{}
	}{})
	return errServed
}

// printable tells whether a key can stand in an XML document.
func printable(key string) bool {
	if !utf8.ValidString(key) {
		return false
	}
	for _, r := range key {
		if r < 0x20 || r == 0x7f || r == 0xfffe || r == 0xffff {
			return false
		}
	}
	return true
}

// copyPart serves UploadPartCopy, which clients use to copy large objects and gofakes3 does not know.
func (s *Store) copyPart(w http.ResponseWriter, r *http.Request, bucketName, key string, query url.Values) error {
	number, err := strconv.Atoi(query.Get("partNumber"))
	if err != nil {
		return gofakes3.ErrInvalidPart
	}
	source, err := url.PathUnescape(strings.TrimPrefix(r.Header.Get("X-Amz-Copy-Source"), "/"))
	if err != nil {
		return gofakes3.ErrInvalidURI
	}
	fromBucket, fromKey, ok := strings.Cut(source, "/")
	if !ok {
		return gofakes3.ErrorMessage(gofakes3.ErrInvalidArgument, "X-Amz-Copy-Source must contain bucket and key separated by '/'")
	}
	file, e, err := s.open(fromBucket, fromKey)
	if err != nil {
		return err
	}
	defer file.Close()
	first, size := int64(0), e.Size
	if text := r.Header.Get("X-Amz-Copy-Source-Range"); text != "" {
		var last int64
		if _, err := fmt.Sscanf(text, "bytes=%d-%d", &first, &last); err != nil || first < 0 || last < first || last >= e.Size {
			return gofakes3.ErrInvalidRange
		}
		size = last - first + 1
	}
	p, err := s.addPart(bucketName, key, gofakes3.UploadID(query.Get("uploadId")), number, size, io.NewSectionReader(file, first, size))
	if err != nil {
		return err
	}
	writeXML(w, http.StatusOK, struct {
		XMLName      xml.Name `xml:"CopyPartResult"`
		ETag         string
		LastModified string
	}{ETag: `"` + hex.EncodeToString(p.MD5) + `"`, LastModified: p.Modified.Format("2006-01-02T15:04:05.000Z")})
	return errServed
}

func writeXML(w http.ResponseWriter, status int, value any) {
	raw, err := xml.Marshal(value)
	if err != nil {
		panic(err) // answers are made of plain types
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, xml.Header)
	_, _ = w.Write(raw)
}

// writeError answers as S3 does.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	code := gofakes3.ErrInternal
	message := err.Error()
	var plain gofakes3.ErrorCode
	var coded gofakes3.Error
	switch {
	case errors.As(err, &plain):
		code, message = plain, plain.Message()
	case errors.As(err, &coded):
		code = coded.ErrorCode()
	}
	w.Header().Set("X-Amz-Request-Id", strconv.FormatInt(time.Now().UnixNano(), 16))
	if r.Method == http.MethodHead {
		w.WriteHeader(code.Status())
		return
	}
	writeXML(w, code.Status(), struct {
		XMLName  xml.Name `xml:"Error"`
		Code     string
		Message  string
		Resource string
	}{Code: string(code), Message: message, Resource: r.URL.Path})
}

// WriteDenied answers a request that carries no signature.
func WriteDenied(w http.ResponseWriter, _ *http.Request, message string) {
	writeXML(w, http.StatusForbidden, struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: "AccessDenied", Message: message})
}

// response puts right the headers of an answer before they leave.
type response struct {
	http.ResponseWriter
	request *http.Request
	begun   bool
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.begun {
		return
	}
	w.begun = true
	h := w.Header()
	// gofakes3 lets any web page read the answers; none has any business here.
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			h.Del(name)
		}
	}
	// Names of user metadata are lower-case on S3, and some clients keep the case they see.
	for name, values := range h {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
	if etag := h.Get(etagHeader); etag != "" {
		h.Set("ETag", etag)
		h.Del(etagHeader)
	}
	if text := h.Get(crc32Header); text != "" {
		h.Del(crc32Header)
		// The checksum is of the whole object, so a part of it goes without.
		if status == http.StatusOK && strings.EqualFold(w.request.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
			if value, err := strconv.ParseUint(text, 16, 32); err == nil {
				h.Set("X-Amz-Checksum-Crc32", base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, uint32(value))))
				h.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
			}
		}
	}
	if status >= 400 {
		h.Del("Content-Length") // gofakes3 sets it before it finds that it cannot answer
		h.Set("Content-Type", "application/xml")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *response) Write(p []byte) (int, error) {
	if !w.begun {
		if w.Header().Get("Content-Type") == "" && strings.HasPrefix(string(p[:min(len(p), 5)]), "<?xml") {
			w.Header().Set("Content-Type", "application/xml")
		}
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom lets the kernel send a file by itself.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if s, ok := r.(*section); ok {
		r = &s.LimitedReader
	}
	return io.Copy(w.ResponseWriter, r)
}

// Unwrap gives http.ResponseController the connection's own writer.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
