package states

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// function is one of those that expressions may call.
type function struct {
	least, most int // arguments
	apply       func(s *scope, args []any) (any, error)
}

// moment is the form of ISO 8601 in which the service writes times.
const moment = "2006-01-02T15:04:05.000Z"

var functions map[string]function

func init() { // calls lead back to the table
	functions = map[string]function{
		"append": {2, 2, func(_ *scope, a []any) (any, error) {
			if _, absent := a[0].(nothing); absent {
				return a[1], nil
			}
			if _, absent := a[1].(nothing); absent {
				return a[0], nil
			}
			all := together(together([]any{}, a[0]), a[1])
			return all, tooMany(all)
		}},
		"count": {1, 1, func(_ *scope, a []any) (any, error) { return float64(len(together(nil, a[0]))), nil }},
		"exists": {1, 1, func(_ *scope, a []any) (any, error) {
			_, absent := a[0].(nothing)
			return !absent, nil
		}},
		"boolean": {1, 1, func(_ *scope, a []any) (any, error) {
			return unless(a[0], func() (any, error) { return truth(a[0]), nil })
		}},
		"not": {1, 1, func(_ *scope, a []any) (any, error) {
			return unless(a[0], func() (any, error) { return !truth(a[0]), nil })
		}},
		"length": {1, 1, func(_ *scope, a []any) (any, error) {
			return unless(a[0], func() (any, error) {
				text, ok := a[0].(string)
				if !ok {
					return nil, fmt.Errorf("it is given a %T and no string", a[0])
				}
				return float64(utf8.RuneCountInString(text)), nil
			})
		}},
		"merge": {1, 1, func(_ *scope, a []any) (any, error) {
			return unless(a[0], func() (any, error) {
				all := map[string]any{}
				for _, item := range together(nil, a[0]) {
					o, ok := item.(map[string]any)
					if !ok {
						return nil, fmt.Errorf("it is given a %T and no object", item)
					}
					maps.Copy(all, o)
				}
				return all, nil
			})
		}},
		"string": {1, 1, func(_ *scope, a []any) (any, error) {
			return unless(a[0], func() (any, error) { return textOf(a[0]) })
		}},
		"number": {1, 1, func(_ *scope, a []any) (any, error) {
			return unless(a[0], func() (any, error) {
				switch v := a[0].(type) {
				case float64:
					return v, nil
				case bool:
					if v {
						return 1.0, nil
					}
					return 0.0, nil
				case string:
					if f, err := strconv.ParseFloat(v, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
						return f, nil
					}
				}
				return nil, fmt.Errorf("%.40v is no number", a[0])
			})
		}},
		"millis":   {0, 0, func(s *scope, _ []any) (any, error) { return float64(s.now.UnixMilli()), nil }},
		"now":      {0, 0, func(s *scope, _ []any) (any, error) { return s.now.UTC().Format(moment), nil }},
		"toMillis": {1, 1, toMillis},
	}
}

func toMillis(_ *scope, a []any) (any, error) {
	return unless(a[0], func() (any, error) {
		text, ok := a[0].(string)
		if !ok {
			return nil, fmt.Errorf("it is given a %T and no string", a[0])
		}
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, fmt.Errorf("%.40q is no time in ISO 8601", text)
		}
		return float64(t.UnixMilli()), nil
	})
}

// unless gives nothing for nothing.
func unless(v any, do func() (any, error)) (any, error) {
	if _, absent := v.(nothing); absent {
		return v, nil
	}
	return do()
}

// textOf is JSONata's cast to a string: JSON, but for strings and for nothing.
func textOf(v any) (string, error) {
	switch v := v.(type) {
	case nothing:
		return "", nil
	case string:
		return v, nil
	}
	text, err := json.Marshal(v)
	if len(text) > maxStateBytes {
		return "", fmt.Errorf("a text of %d bytes is longer than a state may hold", len(text))
	}
	return string(text), err
}
