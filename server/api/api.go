// Package api is the server's HTTP interface: typed endpoints under /api/v1 that describe themselves in OpenAPI 3.1,
// errors as problem documents, and the rules of who may ask. What is asked for is done by package deploy.
package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"partita/runtime/wire"
	"partita/server/deploy"
)

// Deployments is what the interface needs done. *deploy.Deployer does it.
type Deployments interface {
	ReceiveUpload(ctx context.Context, name string, body io.Reader) (*deploy.Upload, error)
	DropUpload(ctx context.Context, id string) error
	Start(ctx context.Context, r deploy.Request) (*deploy.Deployment, error)
	Get(ctx context.Context, name string) (*deploy.Deployment, error)
	List(ctx context.Context) ([]*deploy.Deployment, error)
	Watch(ctx context.Context, name string) (*deploy.Feed, error)
	Destroy(ctx context.Context, name string) (*deploy.Destroyed, error)
	Invoke(ctx context.Context, name string, in deploy.Invocation) (*wire.GatewayReply, error)
}

var _ Deployments = (*deploy.Deployer)(nil)

// Options configure the interface.
type Options struct {
	Deployments Deployments
	Links       Links
	Info        Info
	Token       string          // "" when the server listens on loopback only
	Ready       func() bool     // whether the cloud is ready to be used
	Streams     context.Context // ends when streams of events have to end, which they do not by themselves; nil: never
	Cloud       http.Handler    // the local cloud, mounted at /aws, and at /v2 where registries of images are; nil without one
	Page        http.Handler    // everything else
	Metrics     io.WriterTo
	Logger      *slog.Logger
}

// Info describes the server.
type Info struct {
	Format    string    `json:"format" doc:"partita.info/1"`
	Version   string    `json:"version"`
	Cloud     CloudInfo `json:"cloud"`
	Platforms []string  `json:"platforms" doc:"platforms that plans may be made for"`
	PriceBook string    `json:"priceBook" doc:"date of the embedded prices"`
}

// CloudInfo says where deployments go.
type CloudInfo struct {
	Kind     string   `json:"kind" enum:"local,aws"`
	Region   string   `json:"region"`
	Bucket   string   `json:"bucket"`
	Endpoint string   `json:"endpoint,omitempty" doc:"where other AWS clients reach the local cloud"`
	Limits   []string `json:"limits,omitempty" doc:"what the local cloud enforces, and what it does not"`
}

// InfoFormat is the format of Info.
const InfoFormat = "partita.info/1"

// New makes the handler of the whole server.
func New(o Options) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = echoError
	if o.Streams == nil {
		o.Streams = context.Background()
	}
	registerProblems()
	a := &endpoints{o: o}

	config := huma.DefaultConfig("Partita", o.Info.Version)
	config.Info.Description = "Deploys plans to serverless functions, and sends inputs through what it has deployed. Errors are problem documents (RFC 9457) with the members code, kind, doing, fix and details."
	config.CreateHooks = nil // no links to schemas: answers are documents with a format of their own
	config.DocsPath, config.SchemasPath = "", ""
	h := humaecho.New(e, config)
	if o.Token != "" {
		h.OpenAPI().Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
		h.OpenAPI().Security = []map[string][]string{{"token": {}}}
	}
	a.register(h)

	e.Match([]string{http.MethodGet, http.MethodHead}, "/healthz", a.health)
	e.GET("/metrics", a.metrics)
	e.GET("/docs", docs(h.OpenAPI()))
	if o.Cloud != nil {
		e.Any("/aws", echo.WrapHandler(http.StripPrefix("/aws", o.Cloud)))
		e.Any("/aws/*", echo.WrapHandler(http.StripPrefix("/aws", o.Cloud)))
		e.Any("/v2/*", echo.WrapHandler(o.Cloud))
	}
	e.Any("/api/*", func(c echo.Context) error {
		if methods := methodsOf(h.OpenAPI(), c.Request().URL.Path); len(methods) > 0 {
			c.Response().Header().Set("Allow", strings.Join(methods, ", "))
			return echo.ErrMethodNotAllowed
		}
		return echo.ErrNotFound
	})
	if o.Page != nil {
		e.Any("/*", echo.WrapHandler(o.Page))
	}
	return guard(e, o)
}

// methodsOf lists the methods that a path takes, in order.
func methodsOf(description *huma.OpenAPI, path string) (methods []string) {
	parts := strings.Split(path, "/")
	for template, item := range description.Paths {
		wanted := strings.Split(template, "/")
		if !slices.EqualFunc(parts, wanted, func(part, want string) bool { return part == want || strings.HasPrefix(want, "{") }) {
			continue
		}
		for method, operation := range map[string]*huma.Operation{http.MethodDelete: item.Delete, http.MethodGet: item.Get, http.MethodPost: item.Post} {
			if operation != nil {
				methods = append(methods, method)
			}
		}
	}
	slices.Sort(methods)
	return methods
}

type endpoints struct {
	o Options
}

func (a *endpoints) health(c echo.Context) error {
	if a.o.Ready != nil && !a.o.Ready() {
		return c.String(http.StatusServiceUnavailable, "starting\n")
	}
	return c.String(http.StatusOK, "ok\n")
}

func (a *endpoints) metrics(c echo.Context) error {
	if a.o.Metrics == nil {
		return echo.ErrNotFound
	}
	c.Response().Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, err := a.o.Metrics.WriteTo(c.Response())
	return err
}
