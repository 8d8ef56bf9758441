package site

import (
	"encoding/json"
	"net/http"
)

// manifestURLs are where go-app has its manifest, which knows nothing of files.
var manifestURLs = map[string]bool{"/manifest.webmanifest": true, "/manifest.json": true}

// opened are the files that the installed page opens, by the media type that a system may call them.
var opened = map[string][]string{
	"application/x-hdf5":  {".h5", ".hdf5"},
	"application/x-keras": {".keras"},
	"application/onnx":    {".onnx"},
	"application/json":    {".json"},
}

// manifest describes the page to a system that installs it (W3C, Web Application Manifest; WICG, File Handling).
func manifest() []byte {
	type icon struct {
		Source  string `json:"src"`
		Type    string `json:"type"`
		Sizes   string `json:"sizes"`
		Purpose string `json:"purpose,omitempty"`
	}
	text, err := json.Marshal(map[string]any{
		"id": "/", "scope": "/", "start_url": "/", "name": name, "short_name": name, "description": description, "lang": "en", "display": "standalone",
		"theme_color": themeColour, "background_color": backgroundColour, "categories": []string{"developer", "productivity"},
		"icons": []icon{
			{iconSVG, "image/svg+xml", "any", ""}, {iconSmall, "image/png", "192x192", ""}, {iconLarge, "image/png", "512x512", ""}, {iconMaskable, "image/png", "512x512", "maskable"},
		},
		"file_handlers": []map[string]any{{"action": "/", "accept": opened, "launch_type": "single-client"}},
		// A file that is opened while the page is open is one more step of the visit.
		"launch_handler": map[string]any{"client_mode": []string{"focus-existing", "auto"}},
	})
	if err != nil {
		panic(err) // it has no type that cannot be written
	}
	return text
}

func serveManifest(w http.ResponseWriter, r *http.Request, version string) {
	h := w.Header()
	h.Set("Content-Type", "application/manifest+json")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `"`+version+`"`)
	if matches(r.Header.Get("If-None-Match"), `"`+version+`"`) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Write(manifest())
}
