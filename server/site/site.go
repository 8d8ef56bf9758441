// Package site serves the page: the files of package web as they were built and compressed, and the go-app shell around
// them, under a content security policy that lets the page talk to this server only, and its planner to those that the user names.
package site

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/planner/diag"
)

// policy is the page's content security policy. WebAssembly needs wasm-unsafe-eval; go-app sets style attributes; files
// chosen by the user are shown through blob and data images. Everything else comes from this server or not at all.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; style-src-attr 'unsafe-inline'; " +
	"img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// workerPolicy is that of the planner's worker, which reads models at web addresses that the user gives: from there, by https or from this
// computer, and with nothing but the address and ranges of bytes. The page itself cannot.
var workerPolicy = strings.Replace(policy, "connect-src 'self'", "connect-src 'self' https: http://127.0.0.1:* http://localhost:*", 1)

// rawLength is the header that tells the loader how long the WebAssembly is once it is unpacked: it counts unpacked bytes.
const rawLength = "X-Raw-Length"

// How the page is called and looks where it is installed.
const (
	name             = "Partita"
	description      = "The cheapest way to serve a neural network on serverless functions within a response time."
	backgroundColour = "#ffffff"
	themeColour      = "#0b3d5c"

	iconSmall    = "/web/icons/icon-192.png"
	iconLarge    = "/web/icons/icon-512.png"
	iconMaskable = "/web/icons/icon-maskable-512.png"
	iconSVG      = "/web/icons/icon.svg"

	themeURL = "/web/theme.js"
)

// New makes the page's handler from the files of package web. The page's component has to be registered with go-app.
func New(files fs.FS, log *slog.Logger) (http.Handler, error) {
	assets, err := load(files)
	if err != nil {
		return nil, diag.New(diag.Internal, "site.bad-files", "reading the page's files", "they cannot be read", "build Partita again").Because(err)
	}
	app.DefaultLogger = func(format string, v ...any) {
		log.Debug("page", "message", strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
	worker, err := offlineWorker(app.DefaultAppWorkerJS)
	if err != nil {
		return nil, err
	}
	shell := &app.Handler{
		Name: name, ShortName: name, Title: name, Lang: "en",
		Description:             description,
		Icon:                    app.Icon{Default: iconSmall, Large: iconLarge, Maskable: iconMaskable, SVG: iconSVG},
		Image:                   iconLarge,
		BackgroundColor:         backgroundColour,
		ThemeColor:              themeColour,
		LoadingLabel:            "Loading Partita: {progress} %",
		Styles:                  assets.withSuffix(".css"), // by name, of which screens.css is the last
		Scripts:                 []string{themeURL},
		CacheableResources:      assets.others(),
		Resources:               assets,
		Version:                 assets.version,
		WasmContentLengthHeader: rawLength,
		ServiceWorkerTemplate:   worker,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.URL.Path == workerURL {
			h.Set("Content-Security-Policy", workerPolicy)
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		if manifestURLs[r.URL.Path] {
			serveManifest(w, r, assets.version)
			return
		}
		if assets.other(r) {
			http.Error(w, "this server has another version of the page: load the page anew", http.StatusGone)
			return
		}
		switch r.URL.Path {
		case "/robots.txt", "/sitemap.xml", "/ads.txt":
			// go-app would fetch these from whatever host the request names.
			http.NotFound(w, r)
			return
		case "/":
			if !assets.has(wasmURL) {
				notBuilt(w)
				return
			}
		}
		shell.ServeHTTP(w, r)
	}), nil
}

func notBuilt(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	w.Write([]byte(`<!doctype html><html lang="en"><title>Partita: the page is not built</title>
<h1>The page is not built</h1>
<p>This server was built without <code>app.wasm</code>. Run <code>make build</code> in Partita's folder and start <code>bin/partita serve</code>.
The <a href="/docs">interface</a> and the command line work without it.</p></html>
`))
}

// workerChanges are made to the service worker as go-app writes it. The page opens offline also where its address has a query. And a page
// that is open stays the version that it is until it is loaded anew: an update keeps the programs of the version before, of which a
// worker may be started once more. Their addresses name the version; all else is taken from the newest. Requests to other servers, which only
// the planner's worker makes, are its own.
var workerChanges = []struct{ from, to string }{
	{"  event.respondWith(fetchWithCache(event.request));\n", `  if (new URL(event.request.url).origin === self.location.origin) {
    event.respondWith(fetchWithCache(event.request));
  }
`},
	{"  return await fetch(request);\n", `  if (request.mode !== "navigate") {
    return await fetch(request);
  }
  try {
    return await fetch(request);
  } catch (error) {
    const page = await own.match("/");
    if (page) {
      return page;
    }
    throw error;
  }
`},
	{"  const cachedResponse = await caches.match(request);\n", `  const own = await caches.open(cacheName);
  const cachedResponse = (await own.match(request)) || (await caches.match(request));
`},
	{"    await deletePreviousCaches();", "    await keepLastVersion();"},
	{"async function deletePreviousCaches() {\n", `async function keepLastVersion() {
  const others = (await caches.keys()).filter((key) => key !== cacheName);
  const last = others.pop();
  await Promise.all(others.map((key) => caches.delete(key)));
  if (last) {
    const cache = await caches.open(last);
    const unversioned = (await cache.keys()).filter((request) => !new URL(request.url).searchParams.has("` + versionParameter + `"));
    await Promise.all(unversioned.map((request) => cache.delete(request)));
  }
}

async function deletePreviousCaches() {
`},
}

// offlineWorker makes the changes.
func offlineWorker(template string) (string, error) {
	for _, change := range workerChanges {
		if strings.Count(template, change.from) != 1 {
			return "", diag.New(diag.Internal, "site.other-go-app", "preparing the service worker", "go-app's worker is not the one this server was written for", "use the version of go-app that go.mod names")
		}
		template = strings.Replace(template, change.from, change.to, 1)
	}
	return template, nil
}
