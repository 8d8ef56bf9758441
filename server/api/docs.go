package api

import (
	"bytes"
	"html/template"
	"net/http"
	"reflect"
	"sort"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"partita/server/deploy"
)

var (
	stepType      = reflect.TypeFor[deploy.Step]()
	problemGoType = reflect.TypeFor[Problem]()
)

// docs serves a page that lists the endpoints, drawn from the OpenAPI document by the server itself: it loads nothing
// from elsewhere, so it works without a network.
func docs(api *huma.OpenAPI) echo.HandlerFunc {
	type parameter struct{ Name, In, Text string }
	type endpoint struct {
		Method, Path, Summary, Description string
		Parameters                         []parameter
	}
	var endpoints []endpoint
	for path, item := range api.Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "DELETE": item.Delete, "PUT": item.Put} {
			if op == nil {
				continue
			}
			e := endpoint{Method: method, Path: path, Summary: op.Summary, Description: op.Description}
			for _, p := range op.Parameters {
				e.Parameters = append(e.Parameters, parameter{p.Name, p.In, p.Description})
			}
			endpoints = append(endpoints, e)
		}
	}
	sort.Slice(endpoints, func(i, j int) bool {
		if endpoints[i].Path != endpoints[j].Path {
			return endpoints[i].Path < endpoints[j].Path
		}
		return endpoints[i].Method < endpoints[j].Method
	})
	var page bytes.Buffer
	if err := docsPage.Execute(&page, struct {
		Title, Description string
		Endpoints          []endpoint
	}{api.Info.Title, api.Info.Description, endpoints}); err != nil {
		panic(err) // the template and its data are both ours
	}
	return func(c echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		return c.HTMLBlob(http.StatusOK, page.Bytes())
	}
}

var docsPage = template.Must(template.New("docs").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Title}}: interface</title>
<style>body{font:16px/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}code{font-size:1.05em}section{margin:2rem 0}h2{margin-bottom:0}</style>
<h1>{{.Title}}: interface</h1>
<p>{{.Description}}</p>
<p>The whole description, with all types, is the OpenAPI 3.1 document <a href="/openapi.json">/openapi.json</a>.</p>
{{range .Endpoints}}<section><h2><code>{{.Method}} {{.Path}}</code></h2>
<p>{{.Summary}}. {{.Description}}</p>
{{if .Parameters}}<ul>{{range .Parameters}}<li><code>{{.Name}}</code> ({{.In}}): {{.Text}}</li>{{end}}</ul>{{end}}</section>
{{end}}</html>
`))
