package plan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"partita/internal/fixture"
	"partita/planner"
	"partita/planner/load"
	"partita/planner/plan"
)

// schemaOf reads the published schema.
func schemaOf(t *testing.T) map[string]any {
	t.Helper()
	return decodeTree(t, plan.Schema()).(map[string]any)
}

func decodeTree(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// validator checks documents against the part of JSON Schema (draft 2020-12) that the schema uses; a keyword that it does not
// know is a fault.
type validator struct {
	root   map[string]any
	faults []string
}

func (v *validator) fault(path, format string, args ...any) {
	v.faults = append(v.faults, path+": "+fmt.Sprintf(format, args...))
}

func integer(n any) int64 {
	i, err := n.(json.Number).Int64()
	if err != nil {
		panic(err)
	}
	return i
}

func (v *validator) check(path string, schema map[string]any, value any) {
	for keyword, want := range schema {
		switch keyword {
		case "$schema", "$id", "$defs", "title", "description", "properties":
		case "$ref":
			name := strings.TrimPrefix(want.(string), "#/$defs/")
			inner, ok := v.root["$defs"].(map[string]any)[name].(map[string]any)
			if !ok {
				v.fault(path, "the schema has no %s", want)
				continue
			}
			v.check(path, inner, value)
		case "type":
			if got := typeOf(value); got != want {
				v.fault(path, "is of type %s, not %s", got, want)
			}
		case "const":
			if value != want {
				v.fault(path, "is %v, not %v", value, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), value) {
				v.fault(path, "is %v, none of %v", value, want)
			}
		case "minimum", "maximum":
			if n, ok := value.(json.Number); ok {
				if i, err := n.Int64(); err != nil || keyword == "minimum" && i < integer(want) || keyword == "maximum" && i > integer(want) {
					v.fault(path, "is %v, %s %v", n, keyword, want)
				}
			}
		case "minLength":
			if s, ok := value.(string); ok && int64(utf8.RuneCountInString(s)) < integer(want) {
				v.fault(path, "is too short")
			}
		case "pattern":
			if s, ok := value.(string); ok && !regexp.MustCompile(want.(string)).MatchString(s) {
				v.fault(path, "%q is not of the form %s", s, want)
			}
		case "minItems", "maxItems":
			if l, ok := value.([]any); ok && (keyword == "minItems" && int64(len(l)) < integer(want) || keyword == "maxItems" && int64(len(l)) > integer(want)) {
				v.fault(path, "has %d items, %s %v", len(l), keyword, want)
			}
		case "items":
			if l, ok := value.([]any); ok {
				for i, item := range l {
					v.check(fmt.Sprintf("%s[%d]", path, i), want.(map[string]any), item)
				}
			}
		case "required":
			if o, ok := value.(map[string]any); ok {
				for _, name := range want.([]any) {
					if _, ok := o[name.(string)]; !ok {
						v.fault(path, "has no %s", name)
					}
				}
			}
		case "additionalProperties":
			if want != false {
				v.fault(path, "the schema lets in anything")
			}
		default:
			v.fault(path, "the schema has an unknown keyword %s", keyword)
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	if o, ok := value.(map[string]any); ok && properties != nil {
		for name, inner := range o {
			property, known := properties[name].(map[string]any)
			if !known {
				v.fault(path, "has %s, which the schema does not know", name)
				continue
			}
			v.check(path+"."+name, property, inner)
		}
	}
}

func typeOf(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		if strings.ContainsAny(value.String(), ".eE") {
			return "number"
		}
		return "integer"
	case []any:
		return "array"
	}
	return "object"
}

func faultsOf(t *testing.T, document []byte) []string {
	t.Helper()
	schema := schemaOf(t)
	v := &validator{root: schema}
	v.check("plan", schema, decodeTree(t, document))
	slices.Sort(v.faults)
	return v.faults
}

// TestSchemaTakesPlans validates the golden document and plans of several models, platforms, scenarios and outcomes.
func TestSchemaTakesPlans(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "canonical.json"))
	if err != nil {
		t.Fatal(err)
	}
	// What Decode reads as text is what the schema describes, less the digest of the sample's architecture.
	for _, fault := range faultsOf(t, golden) {
		t.Errorf("the golden document: %s", fault)
	}
	schemaTakes(t, []string{filepath.Join("..", "testdata", "residual.json")}, []string{"mb=512,1024", "mb=1024,2048&slo=50ms", "start=warm&on=local&mb=512&max=2",
		"on=aws-lambda-2020&start=cold-sequential&mb=512,1024&max=2", "least=latency&budget=0.01&mb=1024&max=2"})
	t.Run("shared models", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(fixture.Shared(t, "models"), "*", "model.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no models: %v", err)
		}
		schemaTakes(t, files, []string{"mb=512,1024", "mb=1024&slo=10ms"})
	})
}

// schemaTakes makes plans of models and validates them; one of the requests at least cannot be satisfied.
func schemaTakes(t *testing.T, files, queries []string) {
	t.Helper()
	planned, infeasible := 0, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := load.Open(load.File{Name: filepath.Base(file), Size: int64(len(data)), Reader: bytes.NewReader(data)})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, query := range queries {
			r, err := planner.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			p, err := planner.Make(m, r)
			if err != nil {
				t.Fatalf("%s %s: %v", file, query, err)
			}
			planned++
			if p.Status == plan.Infeasible {
				infeasible++
			}
			for _, fault := range faultsOf(t, mustEncode(t, p)) {
				t.Errorf("%s %s: %s", filepath.Base(filepath.Dir(file)), query, fault)
			}
		}
	}
	if planned != len(files)*len(queries) || infeasible == 0 {
		t.Errorf("%d plans, %d of them infeasible: this shows less than it should", planned, infeasible)
	}
}

// TestSchemaRefuses damages a document in every place: without each required member, with a wrong type, with a member more.
func TestSchemaRefuses(t *testing.T) {
	document := mustEncode(t, sample(t))
	var damage func(path string, schema map[string]any, at func(root any) any)
	schema := schemaOf(t)
	cases := 0
	try := func(what string, change func(root any)) {
		cases++
		tree := decodeTree(t, document)
		change(tree)
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		if len(faultsOf(t, text)) == 0 {
			t.Errorf("%s: not refused", what)
		}
	}
	damage = func(path string, s map[string]any, at func(root any) any) {
		if ref, ok := s["$ref"].(string); ok {
			s = schema["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		}
		here, ok := at(decodeTree(t, document)).(map[string]any)
		if !ok {
			return
		}
		try(path+" with a member more", func(root any) { at(root).(map[string]any)["surplus"] = 1 })
		for _, name := range s["required"].([]any) {
			try(path+" without "+name.(string), func(root any) { delete(at(root).(map[string]any), name.(string)) })
		}
		for name := range here {
			inner, known := s["properties"].(map[string]any)[name].(map[string]any)
			if !known {
				t.Errorf("%s.%s is not in the schema", path, name)
				continue
			}
			try(path+"."+name+" true", func(root any) { at(root).(map[string]any)[name] = true })
			if _, ok := here[name].([]any); ok && inner["items"] != nil {
				item, _ := inner["items"].(map[string]any)
				damage(path+"."+name+"[0]", item, func(root any) any {
					l := at(root).(map[string]any)[name].([]any)
					if len(l) == 0 {
						return nil
					}
					return l[0]
				})
				continue
			}
			damage(path+"."+name, inner, func(root any) any { return at(root).(map[string]any)[name] })
		}
	}
	damage("plan", schema, func(root any) any { return root })
	if cases < 100 {
		t.Errorf("only %d damages were tried", cases)
	}
}

// TestSchemaKnowsEveryField compares the schema with the types: every field is in it, of its type, required unless it may
// be left out, and nothing else is.
func TestSchemaKnowsEveryField(t *testing.T) {
	schema := schemaOf(t)
	var compare func(path string, s map[string]any, typ reflect.Type)
	compare = func(path string, s map[string]any, typ reflect.Type) {
		if ref, ok := s["$ref"].(string); ok {
			s, ok = schema["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
			if !ok {
				t.Fatalf("%s: the schema has no %s", path, ref)
			}
		}
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		want := map[reflect.Kind]string{reflect.String: "string", reflect.Int: "integer", reflect.Int64: "integer", reflect.Bool: "boolean", reflect.Slice: "array", reflect.Struct: "object"}[typ.Kind()]
		_, isEnum := s["enum"]
		_, isConst := s["const"]
		if got := s["type"]; got != want && !(want == "string" && (isEnum || isConst)) {
			t.Errorf("%s is of type %v in the schema, %s in the document", path, got, want)
		}
		switch typ.Kind() {
		case reflect.Slice:
			items, _ := s["items"].(map[string]any)
			compare(path+"[]", items, typ.Elem())
		case reflect.Struct:
			properties, _ := s["properties"].(map[string]any)
			required, _ := s["required"].([]any)
			if s["additionalProperties"] != false {
				t.Errorf("%s: the schema lets in anything", path)
			}
			names := map[string]bool{}
			for i := range typ.NumField() {
				field := typ.Field(i)
				name, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
				names[name] = true
				property, known := properties[name].(map[string]any)
				if !known {
					t.Errorf("%s.%s is not in schema.json: add it, and describe it in FORMAT.md", path, name)
					continue
				}
				optional := strings.Contains(rest, "omitempty") || strings.Contains(rest, "omitzero")
				if name != "hash" && slices.Contains(required, any(name)) == optional { // a hash is always there once encoded
					t.Errorf("%s.%s: required in the schema is %t, left out when empty is %t", path, name, !optional, optional)
				}
				compare(path+"."+name, property, field.Type)
			}
			for name := range properties {
				if !names[name] {
					t.Errorf("%s.%s is in the schema only", path, name)
				}
			}
		}
	}
	compare("plan", schema, reflect.TypeFor[plan.Plan]())
}

// What the schema lists as choices is what a request can choose.
func TestSchemaListsTheChoices(t *testing.T) {
	request := schemaOf(t)["$defs"].(map[string]any)["request"].(map[string]any)["properties"].(map[string]any)
	for option, field := range map[string]string{"scenario": "scenario", "objective": "objective", "transport": "transport"} {
		o, ok := planner.OptionNamed(option)
		if !ok {
			t.Fatalf("there is no option %s", option)
		}
		listed := request[field].(map[string]any)["enum"].([]any)
		if len(listed) != len(o.Values) {
			t.Errorf("%s: the schema lists %v, the option %v", field, listed, o.Values)
		}
		for _, v := range o.Values {
			if !slices.Contains(listed, any(v)) {
				t.Errorf("%s: the schema does not list %s", field, v)
			}
		}
	}
}
