package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A tree is a document to write as JSON or YAML: object, list, string, int64 or bool. Objects keep their order, which
// documents for people need and maps do not give.
type (
	object []member
	list   []any
)

// member is one entry of an object; its comment stands above it in YAML.
type member struct {
	key     string
	value   any
	comment string
}

func m(key string, value any) member { return member{key: key, value: value} }

// asJSON writes a tree as indented JSON.
func asJSON(tree any) []byte {
	var b bytes.Buffer
	writeJSON(&b, tree, "\n")
	b.WriteByte('\n')
	return b.Bytes()
}

func writeJSON(b *bytes.Buffer, v any, indent string) {
	switch v := v.(type) {
	case object:
		if len(v) == 0 {
			b.WriteString("{}")
			return
		}
		for i, entry := range v {
			b.WriteString(separator(i, "{") + indent + "  " + jsonString(entry.key) + ": ")
			writeJSON(b, entry.value, indent+"  ")
		}
		b.WriteString(indent + "}")
	case list:
		if len(v) == 0 {
			b.WriteString("[]")
			return
		}
		for i, item := range v {
			b.WriteString(separator(i, "[") + indent + "  ")
			writeJSON(b, item, indent+"  ")
		}
		b.WriteString(indent + "]")
	default:
		b.WriteString(scalar(v))
	}
}

func separator(i int, first string) string {
	if i == 0 {
		return first
	}
	return ","
}

func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return jsonString(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	}
	panic(fmt.Sprintf("export: a document holds a %T", v))
}

func jsonString(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // strings can always be written
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// asYAML writes a tree as YAML 1.2 in block style, under comment lines.
func asYAML(heading []string, tree object) []byte {
	var b bytes.Buffer
	for _, line := range heading {
		b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
	writeYAML(&b, tree, "")
	return b.Bytes()
}

func writeYAML(b *bytes.Buffer, v any, indent string) {
	switch v := v.(type) {
	case object:
		for i, entry := range v {
			if i > 0 { // the first member follows a hyphen or an indentation
				b.WriteString(indent)
			}
			if entry.comment != "" {
				b.WriteString("# " + entry.comment + "\n" + indent)
			}
			b.WriteString(yamlString(entry.key) + ":")
			writeNested(b, entry.value, indent)
		}
	case list:
		for i, item := range v {
			if i > 0 {
				b.WriteString(indent)
			}
			b.WriteString("- ")
			if empty(item) || !container(item) {
				b.WriteString(yamlScalar(item) + "\n")
				continue
			}
			writeYAML(b, item, indent+"  ")
		}
	}
}

func writeNested(b *bytes.Buffer, v any, indent string) {
	if empty(v) || !container(v) {
		b.WriteString(" " + yamlScalar(v) + "\n")
		return
	}
	b.WriteString("\n" + indent + "  ")
	writeYAML(b, v, indent+"  ")
}

func container(v any) bool {
	switch v.(type) {
	case object, list:
		return true
	}
	return false
}

func empty(v any) bool {
	switch v := v.(type) {
	case object:
		return len(v) == 0
	case list:
		return len(v) == 0
	}
	return false
}

func yamlScalar(v any) string {
	switch v := v.(type) {
	case object:
		return "{}"
	case list:
		return "[]"
	case string:
		return yamlString(v)
	default:
		return scalar(v)
	}
}

// plainYAML is text that needs no quotes: it cannot be read as anything but a string.
var plainYAML = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*(::?[A-Za-z0-9_./*-]+)*$`)

var yamlWords = map[string]bool{"true": true, "false": true, "yes": true, "no": true, "on": true, "off": true, "null": true, "y": true, "n": true}

func yamlString(s string) string {
	if plainYAML.MatchString(s) && !yamlWords[strings.ToLower(s)] {
		return s
	}
	return jsonString(s) // a JSON string is a YAML string
}
