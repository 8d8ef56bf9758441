package states

import (
	"fmt"
	"math"
	"reflect"
	"time"
)

// scope is what an expression can see.
type scope struct {
	context   any            // what a path begins with
	variables map[string]any // states, and what has been assigned
	now       time.Time
	work      *int // evaluations left
}

// maxWork bounds the nodes that the expressions of a state evaluate, maxItems the items of a list and maxText a text that they make.
const (
	maxWork  = 1 << 20
	maxItems = 1 << 16
	maxText  = 4 * maxStateBytes
)

func tooMany(items []any) error {
	if len(items) > maxItems {
		return fmt.Errorf("a list of %d items is too long", len(items))
	}
	return nil
}

func (s *scope) in(context any) *scope {
	inner := *s
	inner.context = context
	return &inner
}

// spend counts an evaluation.
func (s *scope) spend() error {
	if *s.work--; *s.work < 0 {
		return fmt.Errorf("the expressions take more than %d steps", maxWork)
	}
	return nil
}

func (n literal) eval(*scope) (any, error)  { return n.value, nil }
func (n itself) eval(s *scope) (any, error) { return s.context, nil }

func (n variable) eval(s *scope) (any, error) {
	if v, ok := s.variables[n.name]; ok {
		return v, nil
	}
	return nothing{}, nil
}

func (n name) eval(s *scope) (any, error) {
	if err := s.spend(); err != nil {
		return nil, err
	}
	if items, ok := s.context.([]any); ok { // of each item
		return mapped(items, func(item any) (any, error) { return n.eval(s.in(item)) })
	}
	if o, ok := s.context.(map[string]any); ok {
		if v, ok := o[n.key]; ok {
			return v, nil
		}
	}
	return nothing{}, nil
}

// mapped applies a step to each item and puts what it finds together: nothing, one value, or several.
func mapped(items []any, step func(item any) (any, error)) (any, error) {
	var all []any
	for _, item := range items {
		v, err := step(item)
		if err != nil {
			return nil, err
		}
		if all = together(all, v); tooMany(all) != nil {
			return nil, tooMany(all)
		}
	}
	switch len(all) {
	case 0:
		return nothing{}, nil
	case 1:
		return all[0], nil
	}
	return all, nil
}

// together appends a value to a list: the items of a list, and nothing where it is nothing.
func together(list []any, v any) []any {
	switch v := v.(type) {
	case nothing:
		return list
	case []any:
		return append(list, v...)
	}
	return append(list, v)
}

func (n pathOf) eval(s *scope) (any, error) {
	if err := s.spend(); err != nil {
		return nil, err
	}
	from, err := n.first.eval(s)
	if err != nil {
		return nil, err
	}
	switch from := from.(type) {
	case nothing:
		return from, nil
	case []any:
		return mapped(from, func(item any) (any, error) { return n.step.eval(s.in(item)) })
	}
	return n.step.eval(s.in(from))
}

func (n indexed) eval(s *scope) (any, error) {
	of, err := n.of.eval(s)
	if err != nil {
		return nil, err
	}
	items := together(nil, of)
	var found []any
	for k, item := range items { // those at a place, or for which something holds
		if err := s.spend(); err != nil {
			return nil, err
		}
		at, err := n.at.eval(s.in(item))
		if err != nil {
			return nil, err
		}
		holds := truth(at)
		if f, ok := number(at); ok {
			place := int(math.Floor(f))
			if place < 0 {
				place += len(items)
			}
			holds = place == k
		}
		if holds {
			found = append(found, item)
		}
	}
	switch len(found) {
	case 0:
		return nothing{}, nil
	case 1:
		return found[0], nil
	}
	return found, nil
}

func (n arrayOf) eval(s *scope) (any, error) {
	all := []any{}
	for _, item := range n.items {
		if err := s.spend(); err != nil {
			return nil, err
		}
		v, err := item.eval(s)
		if err != nil {
			return nil, err
		}
		if _, list := item.(arrayOf); list { // a list that is written as one stays one
			all = append(all, v)
			continue
		}
		if all = together(all, v); tooMany(all) != nil {
			return nil, tooMany(all)
		}
	}
	return all, nil
}

func (n objectOf) eval(s *scope) (any, error) {
	o := map[string]any{}
	for i := range n.keys {
		if err := s.spend(); err != nil {
			return nil, err
		}
		key, err := n.keys[i].eval(s)
		if err != nil {
			return nil, err
		}
		text, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("the name of a member is a %T", key)
		}
		v, err := n.values[i].eval(s)
		if err != nil {
			return nil, err
		}
		if _, absent := v.(nothing); !absent {
			o[text] = v
		}
	}
	return o, nil
}

func (n negated) eval(s *scope) (any, error) {
	v, err := n.of.eval(s)
	if err != nil {
		return nil, err
	}
	if _, absent := v.(nothing); absent {
		return v, nil
	}
	f, ok := number(v)
	if !ok {
		return nil, fmt.Errorf("- is applied to a %T", v)
	}
	return -f, nil
}

func (n condition) eval(s *scope) (any, error) {
	test, err := n.test.eval(s)
	if err != nil {
		return nil, err
	}
	if truth(test) {
		return n.yes.eval(s)
	}
	return n.no.eval(s)
}

// truth is JSONata's cast to a boolean.
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != ""
	case map[string]any:
		return len(v) > 0
	case []any:
		for _, item := range v {
			if truth(item) {
				return true
			}
		}
	}
	return false
}

func (n binary) eval(s *scope) (any, error) {
	if err := s.spend(); err != nil {
		return nil, err
	}
	left, err := n.left.eval(s)
	if err != nil {
		return nil, err
	}
	switch n.op { // these may not need the other side
	case "and":
		if !truth(left) {
			return false, nil
		}
	case "or":
		if truth(left) {
			return true, nil
		}
	}
	right, err := n.right.eval(s)
	if err != nil {
		return nil, err
	}
	_, a := left.(nothing)
	_, b := right.(nothing)
	switch n.op {
	case "and", "or":
		return truth(right), nil
	case "&":
		l, err := textOf(left)
		if err != nil {
			return nil, err
		}
		r, err := textOf(right)
		if len(l)+len(r) > maxText {
			return nil, fmt.Errorf("a text of %d bytes is too long", len(l)+len(r))
		}
		return l + r, err
	case "=":
		return !a && !b && reflect.DeepEqual(left, right), nil
	case "!=":
		return !a && !b && !reflect.DeepEqual(left, right), nil
	case "in":
		for _, item := range together(nil, right) {
			if reflect.DeepEqual(left, item) {
				return true, nil
			}
		}
		return false, nil
	}
	if a || b {
		return nothing{}, nil
	}
	if l, ok := left.(string); ok {
		if r, ok := right.(string); ok {
			if v, ok := compared(n.op, l, r); ok {
				return v, nil
			}
		}
	}
	l, okL := number(left)
	r, okR := number(right)
	if !okL || !okR {
		return nil, fmt.Errorf("%s is applied to a %T and a %T", n.op, left, right)
	}
	if v, ok := compared(n.op, l, r); ok {
		return v, nil
	}
	var v float64
	switch n.op {
	case "+":
		v = l + r
	case "-":
		v = l - r
	case "*":
		v = l * r
	case "/":
		v = l / r
	case "%":
		v = math.Mod(l, r)
	}
	if _, finite := number(v); !finite {
		return nil, fmt.Errorf("%v %s %v is out of range", l, n.op, r)
	}
	return v, nil
}

func compared[T float64 | string](op string, l, r T) (v, ok bool) {
	switch op {
	case "<":
		return l < r, true
	case "<=":
		return l <= r, true
	case ">":
		return l > r, true
	case ">=":
		return l >= r, true
	}
	return false, false
}

func (n call) eval(s *scope) (any, error) {
	if err := s.spend(); err != nil {
		return nil, err
	}
	args := make([]any, len(n.args))
	for i := range n.args {
		v, err := n.args[i].eval(s)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	v, err := n.do.apply(s, args)
	if err != nil {
		return nil, fmt.Errorf("$%s: %w", n.function, err)
	}
	return v, nil
}
