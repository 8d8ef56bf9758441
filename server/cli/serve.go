package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"partita/app/ui"
	"partita/planner/diag"
	"partita/planner/platform"
	"partita/server/api"
	"partita/server/cloud"
	"partita/server/deploy"
	"partita/server/libhdf5"
	"partita/server/links"
	"partita/server/local"
	"partita/server/obs"
	"partita/server/site"
	"partita/server/split"
	"partita/web"
)

func serveFlags() []flag {
	return []flag{
		{name: "addr", value: "HOST:PORT", standard: "127.0.0.1:8080", help: "where to listen; other than this machine needs a token"},
		{name: "data", value: "DIR", help: "folder for all data (default $XDG_DATA_HOME/partita, else ~/.local/share/partita)"},
		{name: "token", value: "TOKEN", help: "what clients have to give (default $PARTITA_TOKEN)"},
		{name: "cloud", value: "CHOICE", standard: "local", help: "where deployments go: local, or aws with the credentials of the environment"},
		{name: "region", value: "REGION", help: "of the cloud (default: the environment's, else us-east-1)"},
		{name: "bucket", value: "BUCKET", standard: "partita", help: "that holds packages, plans and journals"},
		{name: "role", value: "ARN", help: "the role that functions run under on AWS (default $PARTITA_ROLE)"},
		{name: "workflow-role", value: "ARN", help: "the role that workflows run under on AWS (default $PARTITA_WORKFLOW_ROLE, else --role, which states.amazonaws.com must then be able to assume)"},
		{name: "base-image", value: "IMAGE", help: "that container images of functions go on from (default " + deploy.DefaultBaseImage + " on AWS, scratch on the local cloud)"},
		{name: "max-upload", value: "MB", standard: "5120", help: "largest weights file"},
		{name: "log", value: "LEVEL", standard: "info", help: "debug, info, warn or error"},
		{name: "log-format", value: "FORMAT", standard: "text", help: "text or json"},
	}
}

// Patience of the server at its start and end.
const (
	startPatience    = 30 * time.Second
	rollbackPatience = 10 * time.Second // for deployments under way when the server is stopped
	answerPatience   = 3 * time.Second  // for requests under way
)

func serve(ctx context.Context, a *arguments, env *environment) error {
	token := a.text("token")
	if token == "" {
		token = env.getenv("PARTITA_TOKEN")
	}
	if err := api.CheckListen(a.text("addr"), token); err != nil {
		return err
	}
	maxUpload, err := a.number("max-upload", 1, 5120)
	if err != nil {
		return err
	}
	kind := a.text("cloud")
	if kind != "local" && kind != "aws" {
		return usage(find("serve"), "--cloud is local or aws, not "+kind)
	}
	log, err := obs.Logger(env.errors, a.text("log"), a.text("log-format"))
	if err != nil {
		return err
	}
	data, unlock, err := openData(a.text("data"), env)
	if err != nil {
		return err
	}
	defer unlock()
	native, foreign := nativeFiles(env)
	listener, err := net.Listen("tcp", a.text("addr"))
	if err != nil {
		return diag.New(diag.Unavailable, "serve.cannot-listen", "starting the server", "the address "+a.text("addr")+" cannot be used", "stop what uses it, or choose another with --addr").Because(err)
	}
	defer listener.Close()
	address := "http://" + reachable(listener.Addr())

	s := &server{log: log}
	defer s.close()
	config := cloud.Config{Region: a.text("region"), Bucket: a.text("bucket"), RoleARN: a.text("role")}
	if config.RoleARN == "" {
		config.RoleARN = env.getenv("PARTITA_ROLE")
	}
	if config.WorkflowRoleARN = a.text("workflow-role"); config.WorkflowRoleARN == "" {
		config.WorkflowRoleARN = env.getenv("PARTITA_WORKFLOW_ROLE")
	}
	info := api.Info{Format: api.InfoFormat, Version: buildVersion, Platforms: platform.Names(), PriceBook: platform.PriceBook().Date,
		Cloud: api.CloudInfo{Kind: kind, Bucket: config.Bucket}}
	var cloudHandler http.Handler
	if kind == "local" {
		if config.Region == "" {
			config.Region = "us-east-1"
		}
		if err := s.startLocal(filepath.Join(data, "cloud"), config.Region, listener.Addr()); err != nil {
			return err
		}
		config.Endpoint = s.endpoint
		cloudHandler = s.local.Handler()
		info.Cloud.Endpoint = address + "/aws"
		info.Cloud.Limits = s.limits()
	}
	c, err := cloud.Open(ctx, config)
	if err != nil {
		return err
	}
	info.Cloud.Region = c.Region()
	concurrency := 4
	if c.Local() {
		concurrency = min(concurrency, runtime.NumCPU())
	}
	region := c.Region()
	if c.Local() {
		region = ""
	}
	baseImage := a.text("base-image")
	if baseImage == "" && !c.Local() {
		baseImage = deploy.DefaultBaseImage
	}
	deployer := deploy.New(deploy.Options{
		Store: c, Functions: c, Workflows: c, Images: c, BaseImage: baseImage, Native: native, Foreign: foreign, MeasureErrors: c.Local(), Folder: filepath.Join(data, "tmp"), Exclusive: c.Local(), AnyArchitecture: c.Local(), Region: region,
		Concurrency: concurrency, MaxUploadBytes: maxUpload << 20, Logger: log,
		SecondReader: libhdf5.Reader{Folder: filepath.Join(data, "tmp")}.Open,
	})
	ui.Register(nil)
	page, err := site.New(web.Files, log)
	if err != nil {
		return err
	}
	metrics := obs.NewMetrics()
	metrics.Gauge("partita_deployments_busy", func() int64 { return int64(deployer.Busy()) })
	var ready atomic.Bool
	streams, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer endStreams()
	s.serve(listener, obs.Watch(api.New(api.Options{
		Deployments: deployer, Links: links.New(c), Info: info, Token: token, Ready: ready.Load, Streams: streams, Cloud: cloudHandler, Page: page, Metrics: metrics, Logger: log,
	}), log, metrics))

	starting, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if err := c.EnsureBucket(starting); err != nil {
		return err
	}
	if _, err := deployer.Recover(starting); err != nil {
		return err
	}
	ready.Store(true)
	s.announce(env, address, token, data, &info)

	select {
	case <-ctx.Done():
	case err := <-s.failed:
		return diag.New(diag.Internal, "serve.stopped", "serving", "the server stopped", "start it again").Because(err)
	}
	log.Info("stopping")
	// Roll-backs go through the server's own endpoint, so it stops last.
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackPatience)
	defer cancel()
	if err := deployer.Close(stopping); err != nil {
		log.Warn("stopping", "error", err)
	}
	return nil
}

// server is what serve has started and has to end.
type server struct {
	log      *slog.Logger
	local    *local.Cloud
	endpoint string // of the local cloud, for this process and its functions
	servers  []*http.Server
	failed   chan error
}

// startLocal starts the local cloud. Its functions reach it through the server's own listener when that is on loopback,
// else through one of its own there.
func (s *server) startLocal(dir, region string, addr net.Addr) error {
	s.endpoint = ""
	var private net.Listener
	if tcp, ok := addr.(*net.TCPAddr); ok && (tcp.IP.IsLoopback() || tcp.IP.IsUnspecified()) {
		s.endpoint = "http://" + reachable(addr) + "/aws"
	} else {
		var err error
		if private, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return diag.New(diag.Unavailable, "serve.cannot-listen", "starting the local cloud", "it cannot listen on 127.0.0.1", "").Because(err)
		}
		s.endpoint = "http://" + private.Addr().String()
	}
	var err error
	s.local, err = local.New(local.Options{Dir: dir, Region: region, EndpointURL: s.endpoint, Logger: s.log})
	if err != nil {
		if private != nil {
			private.Close()
		}
		return err
	}
	if private != nil {
		s.serve(private, api.ThisMachineOnly(s.local.Handler()))
	}
	return nil
}

// reachable gives an address at which this machine reaches a listener: one on all addresses is on loopback, too.
func reachable(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}

// serve answers requests on a listener until close. A request may be long, as uploads and invocations are, but its
// headers must come soon.
func (s *server) serve(l net.Listener, h http.Handler) {
	if s.failed == nil {
		s.failed = make(chan error, 2)
	}
	one := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	s.servers = append(s.servers, one)
	go func() {
		if err := one.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
}

// close ends everything, also when only part of it was started.
func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), answerPatience)
	defer cancel()
	for _, one := range s.servers {
		if one.Shutdown(ctx) != nil {
			one.Close()
		}
	}
	if s.local != nil {
		if err := s.local.Close(); err != nil {
			s.log.Warn("closing the local cloud", "error", err)
		}
	}
}

func (s *server) announce(env *environment, address, token, data string, info *api.Info) {
	link := address
	if token != "" {
		link += "/?token=..."
	}
	env.say("Partita is at %s", link)
	if info.Cloud.Kind == "aws" {
		env.say("Deployments go to AWS, region %s, bucket %s.", info.Cloud.Region, info.Cloud.Bucket)
	} else {
		env.say("Deployments go to the local cloud: aws --endpoint-url %s/aws lambda list-functions", address)
		for _, l := range info.Cloud.Limits {
			env.say("  %s", l)
		}
	}
	env.say("Data is in %s. Stop with Ctrl-C.", data)
}

// errFolderInUse tells that another process has locked a folder.
var errFolderInUse = errors.New("in use")

// openData makes the data folder, and makes sure that no other server uses it.
func openData(dir string, env *environment) (path string, unlock func(), err error) {
	doing := "opening the data folder"
	if dir == "" {
		base := env.getenv("XDG_DATA_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", nil, diag.New(diag.Usage, "serve.no-data", doing, "there is no home folder", "name a folder with --data").Because(err)
			}
			base = filepath.Join(home, ".local", "share")
		}
		dir = filepath.Join(base, "partita")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fileError(doing+" "+dir, err)
	}
	unlock, err = lockFolder(filepath.Join(dir, "lock"))
	if err != nil && err != errFolderInUse {
		return "", nil, fileError(doing+" "+dir, err)
	}
	if err != nil {
		return "", nil, diag.New(diag.Conflict, "serve.data-in-use", doing, "another server uses "+dir, "stop it, or name another folder with --data")
	}
	// What an earlier process left unfinished here belongs to nobody.
	temporary := filepath.Join(dir, "tmp")
	if err = os.RemoveAll(temporary); err == nil {
		err = os.MkdirAll(temporary, 0o700)
	}
	if err != nil {
		unlock()
		return "", nil, fileError(doing+" "+dir, err)
	}
	return dir, unlock, nil
}

// nativeFiles names what each function's package carries: beside the executable, unless PARTITA_FUNCTION_DIR names
// another folder. Those for other processors are in folders beside it, named after them, as far as they were built.
func nativeFiles(env *environment) (native split.Native, foreign map[string]split.Native) {
	folder := env.getenv("PARTITA_FUNCTION_DIR")
	if folder == "" {
		folder = "function"
		if executable, err := os.Executable(); err == nil {
			if real, err := filepath.EvalSymlinks(executable); err == nil {
				executable = real
			}
			folder = filepath.Join(filepath.Dir(executable), "function")
		}
	}
	in := func(folder string) split.Native {
		return split.Native{Bootstrap: filepath.Join(folder, "bootstrap"), Library: filepath.Join(folder, "libonnxruntime.so")}
	}
	foreign = map[string]split.Native{}
	for _, architecture := range []string{"x86_64", "arm64"} {
		beside := in(filepath.Clean(folder) + "-" + architecture)
		if _, err := os.Stat(beside.Bootstrap); err == nil {
			foreign[architecture] = beside
		}
	}
	return in(folder), foreign
}

func (s *server) limits() []string {
	var lines []string
	for _, l := range s.local.Limits() {
		mark := "not enforced: "
		if l.Enforced {
			mark = "enforced: "
		}
		lines = append(lines, mark+l.Name+", "+l.How)
	}
	return lines
}

var _ io.Closer = (*local.Cloud)(nil)
