package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strings"

	"partita/planner/diag"
)

// tokenCookie carries the token for the page: a browser cannot add a header to a navigation or an EventSource.
const tokenCookie = "partita_token"

// CheckListen refuses to serve anyone but this machine without a token.
func CheckListen(addr, token string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return diag.New(diag.Usage, "serve.bad-address", "starting the server", "the address "+addr+" is not HOST:PORT", "give one as in 127.0.0.1:8080").Because(err)
	}
	if isLoopback(host) || token != "" {
		return nil
	}
	return diag.New(diag.Limit, "serve.token-needed", "starting the server", "the address "+addr+" can be reached from other machines and no token is set",
		"listen on 127.0.0.1, or set a token with --token or PARTITA_TOKEN that clients then have to give")
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// guard decides who may ask:
//   - Without a token the server is this machine's own, and only answers to names of this machine. A page of another site
//     that gets its own name to point here (DNS rebinding) sends that name in Host.
//   - With a token, all but the page's files and the health check need it.
//   - What changes state must not come from a page of another site, which a browser tells in Sec-Fetch-Site or Origin.
//     A request with the token in its header is nobody's forgery.
//   - The local cloud trusts any AWS key, so it only serves this machine, under this machine's names.
func guard(next http.Handler, o Options) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	want := sha256.Sum256([]byte(o.Token))
	valid := func(token string) bool {
		got := sha256.Sum256([]byte(token))
		return o.Token != "" && subtle.ConstantTimeCompare(got[:], want[:]) == 1
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse := func(kind diag.Kind, status int, code, found, fix string) {
			p := problemOf(diag.New(kind, code, r.Method+" "+r.URL.Path, found, fix))
			p.Status, p.Title = status, http.StatusText(status)
			writeProblem(w, p)
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		if o.Token == "" && !isLoopback(hostName(r.Host)) {
			refuse(diag.Limit, http.StatusForbidden, "api.foreign-host", "the request is for host "+r.Host+", which is not this machine", "use http://127.0.0.1 or http://localhost")
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		bearer := strings.EqualFold(scheme, "Bearer") && valid(token)
		if !bearer {
			if err := crossOrigin.Check(r); err != nil {
				refuse(diag.Limit, http.StatusForbidden, "api.cross-site", "the request comes from a page of another site", "use the server's own page, or send the token in the Authorization header")
				return
			}
		}
		path := r.URL.Path
		switch {
		case path == "/aws" || strings.HasPrefix(path, "/aws/") || strings.HasPrefix(path, "/v2/"):
			if !bearer && !fromThisMachine(r) {
				refuse(diag.Limit, http.StatusForbidden, "api.local-only", "the local cloud serves this machine only", "use it as http://127.0.0.1 from the machine on which partita serve runs")
				return
			}
		case o.Token != "" && r.Method == http.MethodGet && path == "/" && r.URL.Query().Has("token"):
			signIn(w, r, valid)
			return
		case o.Token != "" && !bearer && needsToken(path):
			cookie, err := r.Cookie(tokenCookie)
			if err != nil || !valid(cookieValue(cookie)) {
				w.Header().Set("WWW-Authenticate", "Bearer")
				refuse(diag.Limit, http.StatusUnauthorized, "api.token-needed", "the request carries no valid token", "give the server's token: --token or PARTITA_TOKEN on the command line, /?token=... in a browser")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// fromThisMachine tells whether a request comes from this machine and is meant for it. A page in a browser here that
// got its own name to point here, and what a proxy here sends on, come from this machine only as far as their address.
func fromThisMachine(r *http.Request) bool {
	return isLoopback(hostName(r.RemoteAddr)) && isLoopback(hostName(r.Host)) &&
		r.Header.Get("Forwarded") == "" && r.Header.Get("X-Forwarded-For") == ""
}

// ThisMachineOnly refuses what does not come from this machine, for a listener of its own for the local cloud.
func ThisMachineOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromThisMachine(r) {
			http.Error(w, "the local cloud serves this machine only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func needsToken(path string) bool {
	for _, prefix := range []string{"/api/", "/openapi", "/docs", "/metrics"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// signIn exchanges the token in a link for a cookie that only this site's own requests carry, and takes it out of the
// address.
func signIn(w http.ResponseWriter, r *http.Request, valid func(string) bool) {
	token := r.URL.Query().Get("token")
	if valid(token) {
		http.SetCookie(w, &http.Cookie{Name: tokenCookie, Value: url.QueryEscape(token), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func cookieValue(c *http.Cookie) string {
	token, err := url.QueryUnescape(c.Value)
	if err != nil {
		return ""
	}
	return token
}

func hostName(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return strings.Trim(hostPort, "[]")
}
