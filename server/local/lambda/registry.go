package lambda

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"partita/server/local/document"
)

// record is what is kept of a function on the disk.
type record struct {
	Configuration
	Tags     map[string]string
	Code     string       // the folder of the unpacked package, below the function's
	Reserved *int64       // reserved concurrency
	Image    *imageRecord `json:",omitempty"`
}

// function is a function while the service runs.
type function struct {
	name string
	dir  string
	log  *functionLog

	mu       sync.Mutex // guards what follows
	rec      record
	version  *version // nil while the function is being made
	changing bool     // an operation is changing the function
	gone     bool     // it was deleted
}

// version is what environments run; every change of code or configuration makes a new one, and environments of an old
// one are not used again.
type version struct {
	function *function
	Configuration
	codeDir string
	image   *imageRecord
	dropped bool // no more environments of it; guarded by the pool
}

const recordFile = "function.json"

// newID makes an identifier in the form of a UUID, version 4.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func newHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// timestamp is the present in the form of LastModified.
func timestamp() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000+0000") }

// load reads the functions that a former server has kept, and removes what one that was killed has left half-made.
func (s *Service) load() error {
	if err := os.MkdirAll(s.functionsDir(), 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.functionsDir())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		dir := filepath.Join(s.functionsDir(), entry.Name())
		raw, err := os.ReadFile(filepath.Join(dir, recordFile))
		if err != nil { // made but not finished, or deleted but not quite
			s.logger.Warn("removing a function that was left unfinished", "function", entry.Name())
			_ = os.RemoveAll(dir)
			continue
		}
		var rec record
		if err := json.Unmarshal(raw, &rec); err != nil || rec.FunctionName != entry.Name() || !validFolder(rec.Code) {
			s.logger.Error("a function's record cannot be read; it is left aside", "file", filepath.Join(dir, recordFile), "error", err)
			continue
		}
		f := &function{name: rec.FunctionName, dir: dir, log: newFunctionLog(dir), rec: rec}
		f.rec.FunctionArn = s.arn(f.name) // the region may be another now
		f.rec.State, f.rec.LastUpdateStatus = "Active", "Successful"
		f.version = f.newVersion()
		s.functions[f.name] = f
		f.removeOldCode()
	}
	return nil
}

func validFolder(name string) bool {
	return strings.HasPrefix(name, "code-") && filepath.IsLocal(name) && !strings.ContainsRune(name, filepath.Separator)
}

func (s *Service) functionsDir() string { return filepath.Join(s.options.Dir, "functions") }

func (s *Service) arn(name string) string {
	return "arn:aws:lambda:" + s.options.Region + ":" + Account + ":function:" + name
}

// newVersion makes the version of a function's present record.
func (f *function) newVersion() *version {
	return &version{function: f, Configuration: f.rec.Configuration, codeDir: filepath.Join(f.dir, f.rec.Code), image: f.rec.Image}
}

// save writes the record, in whole or not at all.
func (f *function) save() error {
	return document.WriteJSON(filepath.Join(f.dir, recordFile), f.rec)
}

// removeOldCode removes unpacked packages other than the present one.
func (f *function) removeOldCode() {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if entry.IsDir() && entry.Name() != f.rec.Code {
			_ = os.RemoveAll(filepath.Join(f.dir, entry.Name()))
		}
	}
}

// find looks a function up by any form of its name.
func (s *Service) find(text, qualifier string) (*function, error) {
	name, inName, ok := parseName(text)
	if !ok {
		return nil, outOfRange(text, "functionName", "Member must satisfy regular expression pattern: "+namePattern.String())
	}
	if inName != "" && qualifier != "" && inName != qualifier {
		return nil, invalidParameter("The derived qualifier from the function name does not match the specified qualifier.")
	}
	if qualifier == "" {
		qualifier = inName
	}
	if qualifier != "" && qualifier != latest {
		return nil, functionNotFound(s.arn(name) + ":" + qualifier)
	}
	s.mu.RLock()
	f := s.functions[name]
	s.mu.RUnlock()
	if f == nil {
		return nil, functionNotFound(s.arn(name))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.version == nil || f.gone {
		return nil, functionNotFound(s.arn(name))
	}
	return f, nil
}

// list gives the names of all functions in order.
func (s *Service) list() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([]string, 0, len(s.functions))
	for name, f := range s.functions {
		f.mu.Lock()
		if f.version != nil && !f.gone {
			names = append(names, name)
		}
		f.mu.Unlock()
	}
	slices.Sort(names)
	return names
}

// create makes a function.
func (s *Service) create(r *createRequest) (Configuration, error) {
	name, qualifier, ok := parseName(r.FunctionName)
	if !ok || qualifier != "" {
		return Configuration{}, outOfRange(r.FunctionName, "functionName", "Member must satisfy regular expression pattern: "+namePattern.String())
	}
	rec := record{Tags: r.Tags, Code: "code-" + newHex(8)}
	rec.Configuration = Configuration{
		FunctionName: name, FunctionArn: s.arn(name), Timeout: defaultTimeoutS, LastModified: timestamp(), Version: latest,
		TracingConfig: tracing{"PassThrough"}, MemorySize: defaultMemoryMB, RevisionId: newID(), State: "Active",
		LastUpdateStatus: "Successful", PackageType: packageZip, Architectures: []string{"x86_64"},
		EphemeralStorage: storage{defaultEphemeralMB}, SnapStart: snapStart{"None", "Off"},
		LoggingConfig: logging{"Text", "/aws/lambda/" + name},
	}
	switch r.PackageType {
	case "":
	case packageZip, packageImage:
		rec.PackageType = r.PackageType
	default:
		return Configuration{}, outOfRange(r.PackageType, "packageType", "Member must satisfy enum value set: [Zip, Image]")
	}
	if len(r.Architectures) > 0 {
		if err := s.checkArchitectures(r.Architectures); err != nil {
			return Configuration{}, err
		}
		rec.Architectures = r.Architectures
	}
	if err := checkTags(r.Tags); err != nil {
		return Configuration{}, err
	}
	if err := r.settings.apply(&rec.Configuration); err != nil {
		return Configuration{}, err
	}

	// The name is taken before the package is unpacked, so that of two requests one is told at once.
	dir := filepath.Join(s.functionsDir(), name)
	f := &function{name: name, dir: dir, log: newFunctionLog(dir), changing: true}
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return Configuration{}, errClosed
	case s.functions[name] != nil:
		s.mu.Unlock()
		return Configuration{}, conflict("Function already exist: %s", name)
	}
	s.functions[name] = f
	s.mu.Unlock()

	err := func() error {
		code, err := s.fetch(rec.PackageType, &r.Code, filepath.Join(dir, rec.Code))
		if err != nil {
			return err
		}
		rec.CodeSize, rec.CodeSha256, rec.Image = code.size, code.sha256, code.image
		f.mu.Lock()
		defer f.mu.Unlock()
		f.rec = rec
		return f.save()
	}()
	if err != nil {
		_ = os.RemoveAll(dir)
		s.mu.Lock()
		delete(s.functions, name)
		s.mu.Unlock()
		return Configuration{}, err
	}
	f.mu.Lock()
	f.version, f.changing = f.newVersion(), false
	f.mu.Unlock()
	made := rec.Configuration
	made.State, made.StateReasonCode, made.StateReason = "Pending", "Creating", "The function is being created."
	return made, nil
}

// change lets edit alter a function's record, and replaces the version that environments run.
func (s *Service) change(f *function, revision *string, edit func(rec *record) error) (Configuration, error) {
	f.mu.Lock()
	switch {
	case f.gone:
		f.mu.Unlock()
		return Configuration{}, functionNotFound(s.arn(f.name))
	case f.changing:
		f.mu.Unlock()
		return Configuration{}, conflict("The operation cannot be performed at this time. An update is in progress for resource: %s", s.arn(f.name))
	case revision != nil && *revision != "" && *revision != f.rec.RevisionId:
		f.mu.Unlock()
		return Configuration{}, &apiError{status: 412, kind: "PreconditionFailedException",
			message: "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"}
	}
	f.changing = true
	rec := f.rec
	f.mu.Unlock()

	err := edit(&rec)

	f.mu.Lock()
	defer f.mu.Unlock()
	f.changing = false
	if err != nil {
		return Configuration{}, err
	}
	rec.LastModified, rec.RevisionId = timestamp(), newID()
	before := f.rec
	f.rec = rec
	if err := f.save(); err != nil {
		f.rec = before
		return Configuration{}, err
	}
	old := f.version
	f.version = f.newVersion()
	go s.retire(old, before.Code != rec.Code)
	changed := rec.Configuration
	changed.LastUpdateStatus = "InProgress"
	return changed, nil
}

// retire ends the environments of a version that is not the present one any more, the busy ones when they are done.
func (s *Service) retire(old *version, codeToo bool) {
	s.pool.drop(old, func(v *version) bool { return v == old }, false)
	if codeToo {
		_ = os.RemoveAll(old.codeDir)
	}
}

// updateCode replaces a function's package.
func (s *Service) updateCode(f *function, r *updateCodeRequest) (Configuration, error) {
	return s.change(f, r.RevisionId, func(rec *record) error {
		if len(r.Architectures) > 0 {
			if err := s.checkArchitectures(r.Architectures); err != nil {
				return err
			}
			rec.Architectures = r.Architectures
		}
		rec.Code = "code-" + newHex(8)
		dir := filepath.Join(f.dir, rec.Code)
		code, err := s.fetch(rec.PackageType, &r.codeSource, dir)
		if err != nil {
			_ = os.RemoveAll(dir)
			return err
		}
		rec.CodeSize, rec.CodeSha256, rec.Image = code.size, code.sha256, code.image
		return nil
	})
}

// delete removes a function, its environments and its files.
func (s *Service) delete(f *function) error {
	f.mu.Lock()
	switch {
	case f.gone:
		f.mu.Unlock()
		return functionNotFound(s.arn(f.name))
	case f.changing:
		f.mu.Unlock()
		return conflict("The operation cannot be performed at this time. An update is in progress for resource: %s", s.arn(f.name))
	}
	f.gone = true
	// Without its record the function is gone for a later server, whatever happens to the rest.
	err := os.Remove(filepath.Join(f.dir, recordFile))
	f.mu.Unlock()
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	s.pool.drop(f.version, func(v *version) bool { return v.function == f }, true)
	f.log.close()
	err = os.RemoveAll(f.dir)
	s.mu.Lock()
	delete(s.functions, f.name)
	s.mu.Unlock()
	return err
}
