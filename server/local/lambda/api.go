package lambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Paths tells whether a path is one of the Lambda API's: they begin with the date of an API version.
func Paths(path string) bool { return versionPattern.MatchString(path) }

var versionPattern = regexp.MustCompile(`^/\d{4}-\d\d-\d\d(/|$)`)

// ServeHTTP answers a request to the API.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-Requestid", newID())
	if err := s.route(w, r); err != nil {
		s.writeError(w, err)
	}
}

// segments splits a path before unescaping it, because names may hold escaped slashes.
func segments(u *url.URL) ([]string, error) {
	parts := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	for i, part := range parts {
		text, err := url.PathUnescape(part)
		if err != nil {
			return nil, badContent("the path is not well formed")
		}
		parts[i] = text
	}
	return parts, nil
}

var errUnknownOperation error = &apiError{status: http.StatusNotFound, kind: "UnknownOperationException",
	message: "the local cloud does not have this operation"}

// route finds the operation. Paths and methods are those of the service's API model.
func (s *Service) route(w http.ResponseWriter, r *http.Request) error {
	parts, err := segments(r.URL)
	if err != nil {
		return err
	}
	if len(parts) < 2 {
		return errUnknownOperation
	}
	date, collection, rest := parts[0], parts[1], parts[2:]
	switch {
	case date == "2016-08-19" && collection == "account-settings" && len(rest) == 0 && r.Method == http.MethodGet:
		return s.getAccountSettings(w)
	case date == "2017-03-31" && collection == "tags" && len(rest) == 1:
		return s.tags(w, r, rest[0])
	case collection != "functions":
		return errUnknownOperation
	case len(rest) == 0 || len(rest) == 1 && rest[0] == "":
		switch r.Method {
		case http.MethodGet:
			return s.listFunctions(w, r)
		case http.MethodPost:
			return s.createFunction(w, r)
		}
		return errUnknownOperation
	case len(rest) > 2:
		return errUnknownOperation
	}
	name, part := rest[0], ""
	if len(rest) == 2 {
		part = rest[1]
	}
	switch r.Method + " " + part {
	case "GET ":
		return s.getFunction(w, r, name)
	case "DELETE ":
		return s.deleteFunction(w, r, name)
	case "GET configuration":
		return s.getConfiguration(w, r, name)
	case "PUT configuration":
		return s.updateConfiguration(w, r, name)
	case "PUT code":
		return s.updateFunctionCode(w, r, name)
	case "GET versions":
		return s.listVersions(w, name)
	case "POST invocations":
		return s.invoke(w, r, name)
	case "GET concurrency", "PUT concurrency", "DELETE concurrency":
		return s.concurrency(w, r, name)
	case "GET code-signing-config":
		return s.codeSigning(w, r, name)
	case "GET package": // no operation of AWS: where Code.Location points
		return s.download(w, r, name)
	}
	return errUnknownOperation
}

// decode reads a JSON body of at most limit bytes.
func decode(w http.ResponseWriter, r *http.Request, limit int64, operation string, into any) error {
	body, err := readAll(w, r, limit, "RequestEntityTooLargeException", operation)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return &apiError{status: http.StatusBadRequest, kind: "SerializationException", message: "a value of the wrong type at " + wrong.Field}
		}
		return badContent("Could not parse request body into json: %v", err)
	}
	return nil
}

func (s *Service) createFunction(w http.ResponseWriter, r *http.Request) error {
	var request createRequest
	if err := decode(w, r, maxZipRequestBytes, "CreateFunction", &request); err != nil {
		return err
	}
	made, err := s.create(&request)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, made)
	return nil
}

// configuration reads a function's present state.
func (f *function) configuration() (Configuration, map[string]string, *int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.rec.Configuration
	if f.changing {
		c.LastUpdateStatus = "InProgress"
	}
	tags := map[string]string{}
	for key, value := range f.rec.Tags {
		tags[key] = value
	}
	return c, tags, f.rec.Reserved
}

func (s *Service) getFunction(w http.ResponseWriter, r *http.Request, name string) error {
	f, err := s.find(name, r.URL.Query().Get("Qualifier"))
	if err != nil {
		return err
	}
	c, tags, reserved := f.configuration()
	code := map[string]string{"RepositoryType": "S3", "Location": s.options.EndpointURL + "/2015-03-31/functions/" + f.name + "/package"}
	f.mu.Lock()
	image := f.rec.Image
	f.mu.Unlock()
	if image != nil {
		code = map[string]string{"RepositoryType": "ECR", "ImageUri": image.Address, "ResolvedImageUri": image.Resolved}
	}
	answer := map[string]any{"Configuration": c, "Code": code}
	if len(tags) > 0 {
		answer["Tags"] = tags
	}
	if reserved != nil {
		answer["Concurrency"] = map[string]int64{"ReservedConcurrentExecutions": *reserved}
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func (s *Service) getConfiguration(w http.ResponseWriter, r *http.Request, name string) error {
	f, err := s.find(name, r.URL.Query().Get("Qualifier"))
	if err != nil {
		return err
	}
	c, _, _ := f.configuration()
	writeJSON(w, http.StatusOK, c)
	return nil
}

func (s *Service) updateConfiguration(w http.ResponseWriter, r *http.Request, name string) error {
	f, err := s.find(name, "")
	if err != nil {
		return err
	}
	var request settings
	if err := decode(w, r, maxRequestBytes, "UpdateFunctionConfiguration", &request); err != nil {
		return err
	}
	changed, err := s.change(f, request.RevisionId, func(rec *record) error { return request.apply(&rec.Configuration) })
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, changed)
	return nil
}

func (s *Service) updateFunctionCode(w http.ResponseWriter, r *http.Request, name string) error {
	f, err := s.find(name, "")
	if err != nil {
		return err
	}
	var request updateCodeRequest
	if err := decode(w, r, maxZipRequestBytes, "UpdateFunctionCode", &request); err != nil {
		return err
	}
	if request.DryRun {
		dir, err := os.MkdirTemp(s.options.Dir, "dry-run-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		c, _, _ := f.configuration()
		code, err := s.fetch(c.PackageType, &request.codeSource, filepath.Join(dir, "code"))
		if err != nil {
			return err
		}
		c.CodeSize, c.CodeSha256 = code.size, code.sha256
		writeJSON(w, http.StatusOK, c)
		return nil
	}
	changed, err := s.updateCode(f, &request)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, changed)
	return nil
}

func (s *Service) deleteFunction(w http.ResponseWriter, r *http.Request, name string) error {
	f, err := s.find(name, r.URL.Query().Get("Qualifier"))
	if err != nil {
		return err
	}
	if err := s.delete(f); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// maxListed is how many functions AWS lists at a time, whatever is asked for.
const maxListed = 50

func (s *Service) listFunctions(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	limit := maxListed
	if text := query.Get("MaxItems"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 10000 {
			return outOfRange(text, "maxItems", "Member must have value between 1 and 10000")
		}
		limit = min(n, maxListed)
	}
	after := ""
	if text := query.Get("Marker"); text != "" {
		raw, err := base64.URLEncoding.DecodeString(text)
		if err != nil {
			return invalidParameter("The marker is not one of this service's.")
		}
		after = string(raw)
	}
	names := s.list()
	from := sort.SearchStrings(names, after)
	if from < len(names) && names[from] == after {
		from++
	}
	answer := map[string]any{}
	listed := []Configuration{}
	for i, name := range names[from:] {
		if i == limit {
			answer["NextMarker"] = base64.URLEncoding.EncodeToString([]byte(names[from+i-1]))
			break
		}
		f, err := s.find(name, "")
		if err != nil {
			continue // deleted in between
		}
		c, _, _ := f.configuration()
		listed = append(listed, c)
	}
	answer["Functions"] = listed
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func (s *Service) listVersions(w http.ResponseWriter, name string) error {
	f, err := s.find(name, "")
	if err != nil {
		return err
	}
	c, _, _ := f.configuration()
	c.FunctionArn += ":" + latest
	writeJSON(w, http.StatusOK, map[string]any{"Versions": []Configuration{c}})
	return nil
}

// tags serves TagResource, UntagResource and ListTags.
func (s *Service) tags(w http.ResponseWriter, r *http.Request, arn string) error {
	if !strings.HasPrefix(arn, "arn:") {
		return outOfRange(arn, "resource", "Member must be the resource name (ARN) of a function")
	}
	f, err := s.find(arn, "")
	if err != nil {
		return err
	}
	var edit func(tags map[string]string) error
	switch r.Method {
	case http.MethodGet:
		_, tags, _ := f.configuration()
		writeJSON(w, http.StatusOK, map[string]any{"Tags": tags})
		return nil
	case http.MethodPost:
		var request struct{ Tags map[string]string }
		if err := decode(w, r, maxRequestBytes, "TagResource", &request); err != nil {
			return err
		}
		edit = func(tags map[string]string) error {
			for key, value := range request.Tags {
				tags[key] = value
			}
			return checkTags(tags)
		}
	case http.MethodDelete:
		keys := r.URL.Query()["tagKeys"]
		if len(keys) == 0 {
			return invalidParameter("tagKeys names no tag.")
		}
		edit = func(tags map[string]string) error {
			for key := range tags {
				if slices.Contains(keys, key) {
					delete(tags, key)
				}
			}
			return nil
		}
	default:
		return errUnknownOperation
	}
	_, tags, _ := f.configuration()
	if err := edit(tags); err != nil {
		return err
	}
	if err := s.amend(f, func(rec *record) { rec.Tags = tags }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// amend changes what environments do not depend on.
func (s *Service) amend(f *function, edit func(rec *record)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return functionNotFound(s.arn(f.name))
	}
	if f.changing { // the change under way would overwrite this one
		return conflict("The operation cannot be performed at this time. An update is in progress for resource: %s", s.arn(f.name))
	}
	before := f.rec
	edit(&f.rec)
	if err := f.save(); err != nil {
		f.rec = before
		return err
	}
	return nil
}

// concurrency serves PutFunctionConcurrency, GetFunctionConcurrency and DeleteFunctionConcurrency.
func (s *Service) concurrency(w http.ResponseWriter, r *http.Request, name string) error {
	f, err := s.find(name, "")
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodPut:
		var request struct{ ReservedConcurrentExecutions *int64 }
		if err := decode(w, r, maxRequestBytes, "PutFunctionConcurrency", &request); err != nil {
			return err
		}
		if request.ReservedConcurrentExecutions == nil || *request.ReservedConcurrentExecutions < 0 {
			return invalidParameter("ReservedConcurrentExecutions must be 0 or more.")
		}
		if err := s.amend(f, func(rec *record) { rec.Reserved = request.ReservedConcurrentExecutions }); err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, request)
	case http.MethodDelete:
		if err := s.amend(f, func(rec *record) { rec.Reserved = nil }); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		_, _, reserved := f.configuration()
		answer := map[string]int64{}
		if reserved != nil {
			answer["ReservedConcurrentExecutions"] = *reserved
		}
		writeJSON(w, http.StatusOK, answer)
	}
	return nil
}

// codeSigning answers that there is none, which is what Terraform asks of every function.
func (s *Service) codeSigning(w http.ResponseWriter, _ *http.Request, name string) error {
	f, err := s.find(name, "")
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"CodeSigningConfigArn": "", "FunctionName": f.name})
	return nil
}

// download serves a function's package as it was uploaded.
func (s *Service) download(w http.ResponseWriter, r *http.Request, name string) error {
	f, err := s.find(name, "")
	if err != nil {
		return err
	}
	f.mu.Lock()
	path := filepath.Join(f.version.codeDir, packageFile)
	f.mu.Unlock()
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/zip")
	http.ServeContent(w, r, "", info.ModTime(), file)
	return nil
}

func (s *Service) getAccountSettings(w http.ResponseWriter) error {
	var total, count int64
	for _, name := range s.list() {
		if f, err := s.find(name, ""); err == nil {
			c, _, _ := f.configuration()
			total += c.CodeSize
			count++
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"AccountLimit": map[string]int64{"TotalCodeSize": 300 << 30, "CodeSizeUnzipped": maxUnzippedBytes,
			"CodeSizeZipped": 50 << 20, "ConcurrentExecutions": int64(s.options.MaxEnvironments),
			"UnreservedConcurrentExecutions": int64(s.options.MaxEnvironments)},
		"AccountUsage": map[string]int64{"TotalCodeSize": total, "FunctionCount": count},
	})
	return nil
}
