// Package local is the local cloud: an S3 endpoint, an AWS Lambda endpoint and an ECR endpoint with its registry of images behind
// one HTTP handler, with state in one folder. It runs the same packages as AWS would, in processes held to the limits of their functions, so that
// everything that works here is exercised as it will be there; only the endpoint and the credentials differ.
//
// The handler serves all services under one address, as AWS's clients allow with one endpoint URL: paths that begin
// with the date of an API version are Lambda's, requests whose X-Amz-Target names ECR are ECR's, and all others are S3's, with
// the bucket in the path. Registries have no path of their own in an image's address, so that one is at /v2/ of the host itself.
//
// Any access key is accepted, for there is nobody to tell apart on a loopback address. But what changes something must
// carry a signature (Signature Version 4, in the Authorization header or in the query), which a web page from elsewhere
// cannot make a browser send: see auth.go.
package local

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"partita/planner/diag"
	"partita/server/local/ecr"
	"partita/server/local/lambda"
	"partita/server/local/s3"
	"partita/server/local/sandbox"
	"partita/server/local/states"
)

// Options configure a Cloud. Zero values of the last group mean the defaults of package lambda.
type Options struct {
	Dir         string // all state; belongs to one server at a time
	Region      string // default us-east-1
	EndpointURL string // where Handler can be reached, given to functions as AWS_ENDPOINT_URL
	Logger      *slog.Logger

	IdleTimeout      time.Duration
	InitTimeout      time.Duration
	MaxEnvironments  int
	AsyncRetryDelays []time.Duration
}

// Limit tells what is done about one limit of functions.
type Limit = sandbox.Limit

// Cloud is a running local cloud.
type Cloud struct {
	lock    *os.File
	store   *s3.Store
	objects http.Handler
	images  *ecr.Store
	service *lambda.Service
	states  *states.Service
	host    *sandbox.Host
	once    sync.Once
}

// RunSandboxChild must be called first thing in main (in tests: TestMain) of a program that makes a Cloud: the program's
// executable is run again to prepare each sandbox from within. In all other processes the call returns at once.
func RunSandboxChild() { sandbox.RunChild() }

// New opens the local cloud in a folder, with the buckets and functions that are there.
func New(o Options) (*Cloud, error) {
	doing := "opening the local cloud in " + o.Dir
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	failed := func(err error) error {
		return diag.New(diag.Internal, "local.open-failed", doing, "the folder cannot be used",
			"check that it is writable and that the disk is not full").Because(err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, failed(err)
	}
	lock, err := lockFolder(filepath.Join(o.Dir, "lock"))
	if errors.Is(err, errLocked) {
		return nil, diag.New(diag.Conflict, "local.folder-in-use", doing, "another server is using this folder",
			"stop it, or give this one another folder with --data")
	}
	if err != nil {
		return nil, failed(err)
	}
	c := &Cloud{lock: lock}
	if c.store, err = s3.Open(filepath.Join(o.Dir, "s3"), o.Logger); err != nil {
		lock.Close()
		return nil, failed(err)
	}
	c.objects = c.store.Handler()
	host := ""
	if u, err := url.Parse(o.EndpointURL); err == nil {
		host = u.Host
	}
	if c.images, err = ecr.Open(ecr.Options{Dir: filepath.Join(o.Dir, "ecr"), Region: o.Region, Host: host, Logger: o.Logger}); err != nil {
		lock.Close()
		return nil, failed(err)
	}
	log := func(message string, args ...any) { o.Logger.Warn(message, args...) }
	if c.host, err = sandbox.NewHost(sandbox.Options{Dir: filepath.Join(o.Dir, "environments"), Log: log}); err != nil {
		lock.Close()
		return nil, failed(err)
	}
	c.service, err = lambda.New(lambda.Options{Dir: filepath.Join(o.Dir, "lambda"), Region: o.Region, EndpointURL: o.EndpointURL,
		Host: c.host, Objects: c.store, Images: c.images, Logger: o.Logger, IdleTimeout: o.IdleTimeout, InitTimeout: o.InitTimeout,
		MaxEnvironments: o.MaxEnvironments, AsyncRetryDelays: o.AsyncRetryDelays})
	if err == nil {
		c.states, err = states.Open(states.Options{Dir: filepath.Join(o.Dir, "states"), Region: o.Region, Account: lambda.Account, Functions: c.service, Logger: o.Logger})
	}
	if err != nil {
		if c.service != nil {
			_ = c.service.Close()
		}
		_ = c.host.Close()
		lock.Close()
		return nil, failed(err)
	}
	return c, nil
}

// Handler serves all services.
func (c *Cloud) Handler() http.Handler {
	registry := c.images.Registry()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path+"/", ecr.RegistryPath) {
			registry.ServeHTTP(w, r) // which asks for a password itself
			return
		}
		target := r.Header.Get("X-Amz-Target")
		isLambda, isECR, isStates := lambda.Paths(r.URL.Path), strings.HasPrefix(target, ecr.TargetPrefix), strings.HasPrefix(target, states.TargetPrefix)
		problem := unsigned(r)
		switch {
		case problem != "" && isLambda:
			lambda.WriteDenied(w, problem)
		case problem != "" && isECR:
			ecr.WriteDenied(w, problem)
		case problem != "" && isStates:
			states.WriteDenied(w, problem)
		case problem != "":
			s3.WriteDenied(w, r, problem)
		case isLambda:
			c.service.ServeHTTP(w, r)
		case isECR:
			c.images.ServeHTTP(w, r)
		case isStates:
			c.states.ServeHTTP(w, r)
		default:
			c.objects.ServeHTTP(w, r)
		}
	})
}

// Limits says, in words, which limits of functions hold on this machine and by which means, and which do not.
func (c *Cloud) Limits() []Limit { return c.host.Limits() }

// Logs gives what a function's environments have written, as far as it is kept.
func (c *Cloud) Logs(function string) ([]byte, error) { return c.service.Logs(function) }

// Environments tells how many environments a function has, and how many of them are idle.
func (c *Cloud) Environments(function string) (all, idle int) {
	return c.service.Environments(function)
}

// Close ends all environments and frees the folder. Invocations under way fail.
func (c *Cloud) Close() error {
	var err error
	c.once.Do(func() {
		err = errors.Join(c.states.Close(), c.service.Close(), c.host.Close(), c.lock.Close())
	})
	return err
}
