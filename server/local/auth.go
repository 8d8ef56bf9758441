package local

import (
	"net/http"
	"net/url"
	"strings"
)

const signatureAlgorithm = "AWS4-HMAC-SHA256"

// unsigned tells why a request is refused; empty when it is not.
//
// A page on another site can make a browser send requests to a loopback address, but not with an Authorization header
// of its own: for that the browser first asks the server, which does not agree (it answers no preflight request). A
// signature in the query can be sent by any page, so there the headers by which browsers tell where a request comes
// from must not name another site.
func unsigned(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return ""
	}
	if fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), signatureAlgorithm+" "); ok {
		if strings.Contains(fields, "Credential=") && strings.Contains(fields, "Signature=") {
			return ""
		}
	}
	query := r.URL.Query()
	if query.Get("X-Amz-Algorithm") == signatureAlgorithm && query.Get("X-Amz-Credential") != "" && query.Get("X-Amz-Signature") != "" {
		if crossSite(r) {
			return "A signed URL cannot be used from a page of another site."
		}
		return ""
	}
	return "Missing Authentication Token: requests that change something must be signed (any access key will do)"
}

// crossSite tells whether a browser says that a request was made by a page from elsewhere.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}
