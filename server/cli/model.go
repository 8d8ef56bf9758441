package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"partita/planner"
	"partita/planner/describe"
	"partita/planner/diag"
	"partita/planner/hdf5"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/report"
	"partita/planner/zoo"
	"partita/server/libhdf5"
)

// openModel opens a model and, beside it, the file with its weights. The caller closes what it returns.
func openModel(a *arguments, env *environment) (m *load.Model, close func(), err error) {
	var opened []*os.File
	reading, end := context.WithCancel(context.Background())
	second := func(r io.ReaderAt, size int64) (*hdf5.File, error) { return libhdf5.Reader{}.Open(reading, r, size) }
	close = func() {
		end()
		for _, f := range opened {
			f.Close()
		}
	}
	var files []load.File
	names := []string{a.words[0]}
	builtIn, isBuiltIn := strings.CutPrefix(a.words[0], zoo.Prefix)
	if isBuiltIn {
		names = nil
	}
	if w := a.text("weights"); w != "" && w != a.words[0] {
		names = append(names, w)
	}
	for _, name := range names {
		f, size, err := openFile(name, env)
		if err != nil {
			close()
			return nil, nil, err
		}
		opened = append(opened, f)
		shown := name
		if name == "-" {
			shown = "standard input"
		}
		files = append(files, load.File{Name: shown, Size: size, Reader: f, Second: second})
		if name == a.text("weights") { // which may be in several files
			w := &weightsFile{}
			shards, err := w.openShards(name, f, size, env)
			opened = append(opened, w.files...)
			if err != nil {
				close()
				return nil, nil, err
			}
			files = append(files, shards...)
		}
	}
	dims, err := dimensions(a.text("dim"))
	switch {
	case err != nil:
	case isBuiltIn && len(dims) > 0:
		err = diag.New(diag.Usage, "model.no-open-dimensions", "opening a model", "sizes of dimensions are given, and a built-in architecture leaves none open", "leave out --dim")
	case isBuiltIn:
		m, err = openBuiltIn(builtIn, files)
	default:
		m, err = load.OpenWith(load.Options{Dims: dims}, files...)
	}
	if err != nil {
		close()
		return nil, nil, err
	}
	return m, close, nil
}

// dimensions reads the value of --dim.
func dimensions(text string) (map[string]int64, error) {
	if text == "" {
		return nil, nil
	}
	dims := map[string]int64{}
	for _, part := range strings.Split(text, ",") {
		at := strings.LastIndexByte(part, '=')
		if at <= 0 {
			return nil, diag.New(diag.Usage, "usage.bad-value", "reading --dim", fmt.Sprintf("%q is no size of a dimension", part), "write NAME=SIZE, several with commas between them")
		}
		size, err := strconv.ParseInt(part[at+1:], 10, 32)
		if err != nil || size < 1 {
			return nil, diag.New(diag.Usage, "usage.bad-value", "reading --dim", fmt.Sprintf("the size of %q is %q", part[:at], part[at+1:]), "give a whole number from 1 on")
		}
		dims[part[:at]] = size
	}
	return dims, nil
}

// openFile opens a file that can be read at any place. "-" is standard input, which is first copied to a temporary file
// that is gone when it is closed.
func openFile(name string, env *environment) (*os.File, int64, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, 0, fileError("opening "+name, err)
		}
		info, err := f.Stat()
		if err == nil && info.IsDir() {
			err = fmt.Errorf("it is a folder")
		}
		if err != nil {
			f.Close()
			return nil, 0, fileError("opening "+name, err)
		}
		if info.Mode().IsRegular() {
			return f, info.Size(), nil
		}
		defer f.Close() // a pipe, as in partita inspect <(zcat model.json.gz)
		return keep(f, name)
	}
	return keep(env.in, "standard input")
}

// maxKept bounds what is kept of a stream: the largest weights file that a server takes.
const maxKept = 5 << 30

// keep copies a stream to a temporary file.
func keep(r io.Reader, name string) (*os.File, int64, error) {
	f, err := os.CreateTemp("", "partita-*")
	if err != nil {
		return nil, 0, fileError("keeping "+name, err)
	}
	os.Remove(f.Name())
	size, err := io.Copy(f, io.LimitReader(r, maxKept+1))
	if err == nil && size > maxKept {
		err = diag.New(diag.Limit, "file.too-large", "reading "+name, fmt.Sprintf("it goes on after %d bytes", int64(maxKept)), "is it the right one?")
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, 0, fileError("reading "+name, err)
	}
	return f, size, nil
}

// readFile reads a small file whole.
func readFile(name string, limit int64, env *environment) ([]byte, error) {
	f, size, err := openFile(name, env)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, diag.New(diag.Limit, "file.too-large", "reading "+name, fmt.Sprintf("it has %d bytes; at most %d are read", size, limit), "is it the right file?")
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, fileError("reading "+name, err)
	}
	return data, nil
}

func fileError(doing string, err error) error {
	if errors.Is(err, context.Canceled) {
		return diag.New(diag.Interrupted, "interrupted", doing, "interrupted", "")
	}
	if diag.As(err) != nil {
		return err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	kind, code, fix := diag.Invalid, "file.unusable", "check the file and its permissions"
	if os.IsNotExist(err) {
		kind, code, fix = diag.NotFound, "file.absent", "check the path"
	}
	return diag.New(kind, code, doing, err.Error(), fix)
}

func baseName(name string) string {
	if name == "-" {
		return "weights"
	}
	return filepath.Base(name)
}

func inspect(_ context.Context, a *arguments, env *environment) error {
	m, close, err := openModel(a, env)
	if err != nil {
		return err
	}
	defer close()
	document := describe.Model(m)
	if a.on("json") {
		return writeJSON(env.out, document)
	}
	return showInspect(env.out, document)
}

// problemOf poses the problem that the arguments describe.
func problemOf(a *arguments, env *environment) (*planner.Problem, func(), error) {
	r, err := request(a)
	if err != nil {
		return nil, nil, err
	}
	m, close, err := openModel(a, env)
	if err != nil {
		return nil, nil, err
	}
	for _, note := range m.Notes {
		env.say("note: %s", note)
	}
	p, err := planner.New(m, r)
	if err != nil {
		close()
		return nil, nil, err
	}
	return p, close, nil
}

func makePlan(_ context.Context, a *arguments, env *environment) error {
	problem, close, err := problemOf(a, env)
	if err != nil {
		return err
	}
	defer close()
	p, err := problem.Plan()
	if err != nil {
		return err
	}
	problem.Explain(p)
	text, err := p.Encode()
	if err != nil {
		return err
	}
	if a.on("json") {
		_, err = env.out.Write(append(text, '\n'))
	} else {
		err = report.WritePlan(env.out, p)
	}
	if err == nil && p.Status == plan.Infeasible {
		err = diag.New(diag.Infeasible, "plan.infeasible", "planning "+p.Model.Name, p.Reason, remedy(p))
	}
	return err
}

// remedy says in few words what would make an infeasible plan feasible.
func remedy(p *plan.Plan) string {
	switch {
	case p.Advice != nil:
		return "try --" + p.Advice.Option + " " + p.Advice.Value
	case len(p.Reasons) == 0:
		return "no single change of the request helps"
	case p.Reasons[0].Option != "":
		return "try --" + p.Reasons[0].Option + " " + p.Reasons[0].Value
	}
	for _, r := range p.Reasons {
		if r.Option != "" {
			return p.Reasons[0].Change + " would do; of the options, try --" + r.Option + " " + r.Value
		}
	}
	return p.Reasons[0].Change + " would do"
}

func instance(_ context.Context, a *arguments, env *environment) error {
	problem, close, err := problemOf(a, env)
	if err != nil {
		return err
	}
	defer close()
	in, err := problem.Instance()
	if err != nil {
		return err
	}
	return writeJSON(env.out, in)
}

// versionDocument is what version --json prints.
type versionDocument struct {
	Format    string `json:"format"`
	Version   string `json:"version"`
	Go        string `json:"go"`
	Plan      string `json:"plan"`
	PriceBook string `json:"priceBook"`
	LibHDF5   string `json:"libhdf5,omitempty"` // its version; absent from a build without it
}

func version(_ context.Context, a *arguments, env *environment) error {
	d := versionDocument{Format: "partita.version/1", Version: buildVersion, Go: runtime.Version(), Plan: plan.Format, PriceBook: platform.PriceBook().Date, LibHDF5: libhdf5.Version()}
	if a.on("json") {
		return writeJSON(env.out, d)
	}
	_, err := fmt.Fprintf(env.out, "partita %s (%s, writes %s, prices of %s)\n", d.Version, d.Go, d.Plan, d.PriceBook)
	return err
}
