package states

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A template is JSON in which strings of the form {% expression %} stand for what the expression gives.
type template interface {
	fill(s *scope) (any, error)
}

type (
	fixed    struct{ value any }
	computed struct {
		text string
		node node
	}
	listOf    []template
	membersOf map[string]template
)

// newTemplate reads a template.
func newTemplate(text json.RawMessage) (template, error) {
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	return templateOf(tree, 0)
}

func templateOf(tree any, depth int) (template, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("it is nested deeper than %d", maxNesting)
	}
	switch v := tree.(type) {
	case string:
		inner, isExpression := strings.CutPrefix(v, "{%")
		if !isExpression || !strings.HasSuffix(inner, "%}") {
			return fixed{v}, nil
		}
		n, err := parse(strings.TrimSpace(strings.TrimSuffix(inner, "%}")))
		return computed{v, n}, err
	case []any:
		var list listOf
		var errs []error
		for _, item := range v {
			t, err := templateOf(item, depth+1)
			list, errs = append(list, t), append(errs, err)
		}
		return list, errors.Join(errs...)
	case map[string]any:
		members := membersOf{}
		var errs []error
		for key, item := range v {
			t, err := templateOf(item, depth+1)
			members[key], errs = t, append(errs, err)
		}
		return members, errors.Join(errs...)
	}
	return fixed{tree}, nil
}

func (t fixed) fill(*scope) (any, error) { return t.value, nil }

func (t computed) fill(s *scope) (any, error) {
	v, err := t.node.eval(s)
	if err == nil {
		if _, absent := v.(nothing); absent {
			err = errors.New("it gives nothing")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the expression %.200q: %w", t.text, err)
	}
	return v, nil
}

func (t listOf) fill(s *scope) (any, error) {
	all := make([]any, len(t))
	for i := range t {
		v, err := t[i].fill(s)
		if err != nil {
			return nil, err
		}
		all[i] = v
	}
	return all, nil
}

func (t membersOf) fill(s *scope) (any, error) {
	all := make(map[string]any, len(t))
	for key, item := range t {
		v, err := item.fill(s)
		if err != nil {
			return nil, err
		}
		all[key] = v
	}
	return all, nil
}
