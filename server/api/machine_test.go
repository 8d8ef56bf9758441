package api

import (
	"net/http"
	"testing"
)

// TestCloudOfThisMachine asks for the local cloud, which takes any AWS key, in all the ways that only look local. With a
// token the server answers to any name, so that a page of another site may reach it under its own.
func TestCloudOfThisMachine(t *testing.T) {
	locked := handler(&fake{}, func(o *Options) { o.Token = "secret" })
	alone := ThisMachineOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"tool":                 {nil, 200},
		"by name":              {[]string{"Host", "localhost:8080"}, 200},
		"rebound name":         {[]string{"Host", "evil.example:8080"}, 403},
		"elsewhere":            {[]string{"Remote", "10.0.0.9:1234"}, 403},
		"through a proxy":      {[]string{"X-Forwarded-For", "10.0.0.9"}, 403},
		"through a proxy, too": {[]string{"Forwarded", "for=10.0.0.9"}, 403},
	} {
		for kind, h := range map[string]http.Handler{"with a token": locked, "on its own listener": alone} {
			if got := ask(h, "GET", "/aws/bucket/key", "", c.headers...); got.Code != c.status {
				t.Errorf("%s, %s: %d %s", name, kind, got.Code, got.Body)
			}
		}
	}
	elsewhere := []string{"Remote", "10.0.0.9:1234", "Host", "partita.example", "Authorization", "bearer secret"}
	if got := ask(locked, "GET", "/aws/bucket/key", "", elsewhere...); got.Code != 200 {
		t.Errorf("with the token: %d %s", got.Code, got.Body)
	}
}

func TestMethods(t *testing.T) {
	h := handler(&fake{}, nil)
	for _, c := range []struct {
		method, path, allow string
		status              int
	}{
		{"HEAD", "/healthz", "", 200},
		{"PUT", "/api/v1/deployments", "GET, POST", 405},
		{"PATCH", "/api/v1/deployments/demo", "DELETE, GET", 405},
		{"GET", "/api/v1/uploads/1", "DELETE", 405},
		{"GET", "/api/v1/deployments/demo/nothing", "", 404},
	} {
		got := ask(h, c.method, c.path, "")
		if got.Code != c.status || got.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, got.Code, got.Header().Get("Allow"))
		}
		if c.status == 405 {
			if p := decode[Problem](t, got); p.Code != "api.method-not-allowed" {
				t.Errorf("%s %s: %+v", c.method, c.path, p)
			}
		}
	}
}
