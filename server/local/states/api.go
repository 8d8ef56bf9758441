package states

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"partita/server/local/awsjson"
)

// TargetPrefix begins the X-Amz-Target header of this service's requests.
const TargetPrefix = "AWSStepFunctions."

var protocol = awsjson.Protocol{Version: "1.0", TargetPrefix: TargetPrefix, KindPrefix: "com.amazonaws.states#", Invalid: "ValidationException", Fault: "InternalServerError",
	MaxRequestBytes: 8 << 20} // a definition, escaped as a JSON string, and the rest

func invalid(format string, args ...any) error {
	return awsjson.Errorf(protocol.Invalid, format, args...)
}

// request holds the parameters of every operation.
type request struct {
	Name            string   `json:"name"`
	Definition      string   `json:"definition"`
	RoleARN         string   `json:"roleArn"`
	Type            string   `json:"type"`
	Tags            []tag    `json:"tags"`
	TagKeys         []string `json:"tagKeys"`
	Publish         bool     `json:"publish"`
	StateMachineARN string   `json:"stateMachineArn"`
	ResourceARN     string   `json:"resourceArn"`
	Input           *string  `json:"input"`
	IncludedData    string   `json:"includedData"`
	MaxResults      int      `json:"maxResults"`
	NextToken       string   `json:"nextToken"`
}

type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type answer = awsjson.Answer

// operations are those of the service's API that concern state machines and executions that are waited for.
var operations = map[string]func(s *Service, r *http.Request, q *request) (answer, error){
	"CreateStateMachine": (*Service).createStateMachine, "DescribeStateMachine": (*Service).describeStateMachine, "UpdateStateMachine": (*Service).updateStateMachine,
	"DeleteStateMachine": (*Service).deleteStateMachine, "ListStateMachines": (*Service).listStateMachines, "ListStateMachineVersions": (*Service).listVersions,
	"ValidateStateMachineDefinition": (*Service).validateDefinition, "StartSyncExecution": (*Service).startSyncExecution,
	"TagResource": (*Service).tagResource, "UntagResource": (*Service).untagResource, "ListTagsForResource": (*Service).listTags,
}

// ServeHTTP answers a request to the service's interface.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	awsjson.Serve(&protocol, s.options.Logger, w, r, operations, func(do func(*Service, *http.Request, *request) (answer, error), q *request) (answer, error) {
		return do(s, r, q)
	})
}

// WriteDenied answers a request that is not signed.
func WriteDenied(w http.ResponseWriter, message string) { protocol.WriteDenied(w, message) }

// billedMs rounds a duration up to what is billed.
func billedMs(d time.Duration) int64 {
	step := billedStepMs * time.Millisecond
	return int64((d+step-1)/step) * billedStepMs
}

func newID() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails: see its documentation
	text := hex.EncodeToString(raw[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

func checkRole(arn string) error {
	if parts := strings.Split(arn, ":"); len(parts) < 6 || parts[0] != "arn" || parts[2] != "iam" || !strings.HasPrefix(parts[5], "role/") {
		return awsjson.Errorf("InvalidArn", "Invalid Role Arn: '%.200s'", arn)
	}
	return nil
}

func definition(text string) (*machine, error) {
	m, err := parseDefinition(text)
	if err != nil {
		return nil, awsjson.Errorf("InvalidDefinition", "Invalid State Machine Definition: '%.4000s'", err.Error())
	}
	return m, nil
}

func (r *record) label(tags []tag) error {
	if r.Tags == nil {
		r.Tags = map[string]string{}
	}
	for _, t := range tags {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 {
			return invalid("the tag %.150q is empty or too long", t.Key)
		}
		r.Tags[t.Key] = t.Value
	}
	if len(r.Tags) > maxTags {
		return awsjson.Errorf("TooManyTags", "there may be %d tags", maxTags)
	}
	return nil
}

func (s *Service) createStateMachine(_ *http.Request, q *request) (answer, error) {
	if !namePattern.MatchString(q.Name) {
		return nil, awsjson.Errorf("InvalidName", "Invalid Name: '%.100s'", q.Name)
	}
	if q.Type != "EXPRESS" {
		return nil, invalid("the local cloud runs express workflows only: the type is %.20q", q.Type)
	}
	if q.Publish {
		return nil, invalid("the local cloud has no versions of state machines")
	}
	if err := checkRole(q.RoleARN); err != nil {
		return nil, err
	}
	m, err := definition(q.Definition)
	if err != nil {
		return nil, err
	}
	r := &record{Name: q.Name, Definition: q.Definition, RoleARN: q.RoleARN, Type: q.Type, Revision: newID(), Created: time.Now().UTC().Truncate(time.Millisecond), machine: m}
	if err := r.label(q.Tags); err != nil {
		return nil, err
	}
	if r, err = s.put(r); err != nil {
		return nil, err
	}
	return answer{"stateMachineArn": s.arn(r.Name), "creationDate": awsjson.Seconds(r.Created)}, nil
}

func (s *Service) describeStateMachine(_ *http.Request, q *request) (answer, error) {
	r, err := s.find(q.StateMachineARN)
	if err != nil {
		return nil, err
	}
	made := answer{"stateMachineArn": s.arn(r.Name), "name": r.Name, "status": "ACTIVE", "type": r.Type, "roleArn": r.RoleARN, "creationDate": awsjson.Seconds(r.Created), "revisionId": r.Revision,
		"loggingConfiguration": answer{"level": "OFF", "includeExecutionData": false}, "tracingConfiguration": answer{"enabled": false}}
	if q.IncludedData != "METADATA_ONLY" {
		made["definition"] = r.Definition
	}
	return made, nil
}

func (s *Service) updateStateMachine(_ *http.Request, q *request) (answer, error) {
	if q.Definition == "" && q.RoleARN == "" {
		return nil, awsjson.Errorf("MissingRequiredParameter", "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified")
	}
	now := time.Now()
	r, err := s.change(q.StateMachineARN, func(r *record) (err error) {
		if q.Definition != "" {
			if r.machine, err = definition(q.Definition); err != nil {
				return err
			}
			r.Definition = q.Definition
		}
		if q.RoleARN != "" {
			if err := checkRole(q.RoleARN); err != nil {
				return err
			}
			r.RoleARN = q.RoleARN
		}
		r.Revision = newID()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer{"updateDate": awsjson.Seconds(now), "revisionId": r.Revision}, nil
}

func (s *Service) deleteStateMachine(_ *http.Request, q *request) (answer, error) {
	return answer{}, s.remove(q.StateMachineARN)
}

func (s *Service) listStateMachines(_ *http.Request, q *request) (answer, error) {
	all, size := s.list(), q.MaxResults
	if size < 0 || size > 1000 {
		return nil, invalid("maxResults must be between 0 and 1000")
	}
	if size == 0 {
		size = 100
	}
	all, next, ok := awsjson.Page(all, func(r *record) string { return r.Name }, q.NextToken, size)
	if !ok {
		return nil, awsjson.Errorf("InvalidToken", "Invalid Token")
	}
	made := answer{}
	if next != "" {
		made["nextToken"] = next
	}
	list := []answer{}
	for _, r := range all {
		list = append(list, answer{"stateMachineArn": s.arn(r.Name), "name": r.Name, "type": r.Type, "creationDate": awsjson.Seconds(r.Created)})
	}
	made["stateMachines"] = list
	return made, nil
}

func (s *Service) listVersions(_ *http.Request, q *request) (answer, error) {
	_, err := s.find(q.StateMachineARN)
	return answer{"stateMachineVersions": []answer{}}, err
}

func (s *Service) validateDefinition(_ *http.Request, q *request) (answer, error) {
	if _, err := parseDefinition(q.Definition); err != nil {
		diagnostics := []answer{}
		for _, line := range strings.Split(err.Error(), "\n") {
			diagnostics = append(diagnostics, answer{"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": line})
		}
		return answer{"result": "FAIL", "diagnostics": diagnostics, "truncated": false}, nil
	}
	return answer{"result": "OK", "diagnostics": []answer{}, "truncated": false}, nil
}

func (s *Service) startSyncExecution(h *http.Request, q *request) (answer, error) {
	r, err := s.find(q.StateMachineARN)
	if err != nil {
		return nil, err
	}
	name := q.Name
	if name == "" {
		name = newID()
	}
	if !namePattern.MatchString(name) {
		return nil, awsjson.Errorf("InvalidName", "Invalid Name: '%.100s'", name)
	}
	text := "{}"
	if q.Input != nil {
		text = *q.Input
	}
	if len(text) > maxStateBytes {
		return nil, invalid("1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less than or equal to %d", maxStateBytes)
	}
	var input any
	if err := json.Unmarshal([]byte(text), &input); err != nil {
		return nil, awsjson.Errorf("InvalidExecutionInput", "Invalid State Machine Execution Input: it is not JSON")
	}
	output, failed, began, ended := s.execute(context.WithoutCancel(h.Context()), r, name, input) // it goes on when its caller has left
	made := answer{"executionArn": s.executionARN(r.Name, name), "stateMachineArn": s.arn(r.Name), "name": name, "startDate": awsjson.Seconds(began), "stopDate": awsjson.Seconds(ended),
		"inputDetails": answer{"included": true}, "status": "SUCCEEDED",
		"billingDetails": answer{"billedMemoryUsedInMB": billedMemoryMB, "billedDurationInMilliseconds": billedMs(ended.Sub(began))}}
	if q.IncludedData != "METADATA_ONLY" {
		made["input"] = text
	}
	if failed != nil {
		made["status"], made["error"], made["cause"] = "FAILED", failed.name, failed.cause
		if failed.name == errTimeout && failed.final {
			made["status"] = "TIMED_OUT"
		}
		return made, nil
	}
	out, err := json.Marshal(output)
	if err != nil {
		return nil, err
	}
	made["output"], made["outputDetails"] = string(out), answer{"included": true}
	return made, nil
}

func (s *Service) tagResource(_ *http.Request, q *request) (answer, error) {
	_, err := s.change(q.ResourceARN, func(r *record) error { return r.label(q.Tags) })
	return answer{}, absent(err)
}

func (s *Service) untagResource(_ *http.Request, q *request) (answer, error) {
	_, err := s.change(q.ResourceARN, func(r *record) error {
		for _, key := range q.TagKeys {
			delete(r.Tags, key)
		}
		return nil
	})
	return answer{}, absent(err)
}

func (s *Service) listTags(_ *http.Request, q *request) (answer, error) {
	r, err := s.find(q.ResourceARN)
	if err != nil {
		return nil, absent(err)
	}
	list := []tag{}
	for key, value := range r.Tags {
		list = append(list, tag{key, value})
	}
	slices.SortFunc(list, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	return answer{"tags": list}, nil
}

// absent words what is not there as operations on tags do.
func absent(err error) error {
	var known *awsjson.Error
	if errors.As(err, &known) && known.Kind == "StateMachineDoesNotExist" {
		return awsjson.Errorf("ResourceNotFound", "Resource not found")
	}
	return err
}
