package keras

import (
	"fmt"
	"sort"
	"strconv"
)

// constantValue stands in the place of a layer's name where Keras 2 calls a function on a number.
const constantValue = "_CONSTANT_VALUE"

// readCall reads one entry of inbound_nodes: a list of references (Keras 1 and 2) or an object with args and kwargs
// that hold __keras_tensor__ objects (Keras 3).
func readCall(entry any) (*call, error) {
	c := &call{}
	if m, ok := entry.(map[string]any); ok {
		if _, ok := m["args"]; !ok { // Keras 2, called on an object of tensors
			return c, c.addReferences(m)
		}
		if err := c.addArgument(m["args"]); err != nil {
			return nil, err
		}
		list, _ := m["args"].([]any)
		c.separate = len(list) > 1
		kwargs, _ := m["kwargs"].(map[string]any)
		return c, c.addKeywords(kwargs)
	}
	list, ok := entry.([]any)
	if !ok {
		return nil, fmt.Errorf("%s is not a list of references", describe(entry))
	}
	if len(list) > 0 {
		if _, ok := list[0].(string); ok { // one reference without the list round it
			list = []any{list}
		}
	}
	for i, r := range list {
		ref, kwargs, err := readReference(r)
		if constant, ok := r.([]any); ok && len(constant) >= 3 && constant[0] == constantValue {
			if err = c.addArgument(constant[2]); len(constant) > 3 {
				kwargs, _ = constant[3].(map[string]any)
			}
		} else {
			c.args = append(c.args, argument{ref: ref, isRef: true})
		}
		if err == nil && i == 0 { // the others repeat them
			err = c.addKeywords(kwargs)
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *call) addArgument(v any) error {
	if _, number := v.(float64); !number && !holdsTensor(v) {
		if text, ok := v.(string); ok { // a number, as some files have it
			if f, err := strconv.ParseFloat(text, 64); err == nil {
				v = f
			}
		}
		if _, number = v.(float64); !number {
			c.args = append(c.args, argument{isOther: true, other: v})
			return nil
		}
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if err := c.addArgument(e); err != nil {
				return err
			}
		}
	case float64:
		c.args = append(c.args, argument{number: v})
	case map[string]any:
		switch class := v["class_name"]; class {
		case "__keras_tensor__":
		case "__tuple__":
			return c.addArgument(v["items"])
		case nil:
			return c.addArguments(v)
		default:
			return fmt.Errorf("an argument is an object of class %s", describe(class))
		}
		config, _ := v["config"].(map[string]any)
		ref, _, err := readReference(config["keras_history"])
		if err != nil {
			return err
		}
		c.args = append(c.args, argument{ref: ref, isRef: true})
	default:
		return fmt.Errorf("an argument is %s, not a tensor or a number", describe(v))
	}
	return nil
}

// addArguments adds an object of tensors, which Keras walks in the order of its sorted keys.
func (c *call) addArguments(object map[string]any) error {
	for _, k := range sortedKeys(object) {
		before := len(c.args)
		if err := c.addArgument(object[k]); err != nil {
			return err
		}
		for i := range c.args[before:] {
			c.args[before+i].key = k
		}
	}
	return nil
}

// addReferences adds an object of references.
func (c *call) addReferences(object map[string]any) error {
	for _, k := range sortedKeys(object) {
		ref, kwargs, err := readReference(object[k])
		if err != nil {
			return err
		}
		c.args = append(c.args, argument{ref: ref, isRef: true, key: k})
		if err := c.addKeywords(kwargs); err != nil {
			return err
		}
	}
	return nil
}

// references walks the tensors that a call reads.
func (c *call) references(visit func(*tensorRef)) {
	for i := range c.args {
		if c.args[i].isRef {
			visit(&c.args[i].ref)
		}
	}
}

func (c *call) addKeywords(kwargs map[string]any) error {
	for _, name := range sortedKeys(kwargs) {
		switch v := kwargs[name]; {
		case v == nil || v == false && name == "training":
		case name == "training" && v == true:
			c.training = true
		case holdsTensor(v) || holdsReference(v):
			list, isList := v.([]any)
			if !isList || isReference(v) {
				list = []any{v}
			}
			for i, e := range list {
				before := len(c.args)
				if isReference(e) {
					ref, _, err := readReference(e)
					if err != nil {
						return err
					}
					c.args = append(c.args, argument{ref: ref, isRef: true})
				} else if e == nil {
					continue
				} else if err := c.addArgument(e); err != nil {
					return err
				}
				for k := before; k < len(c.args); k++ {
					c.args[k].keyword, c.args[k].position = name, i
				}
			}
		default:
			if list, ok := v.([]any); ok && allNull(list) {
				continue // as mask=[None, None] is no mask
			}
			if f, ok := v.(float64); ok {
				c.args = append(c.args, argument{number: f, keyword: name})
				continue
			}
			c.args = append(c.args, argument{isOther: true, other: v, keyword: name})
		}
	}
	return nil
}

// holdsTensor tells whether there is a tensor of Keras 3 anywhere in an argument.
func holdsTensor(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if holdsTensor(e) {
				return true
			}
		}
	case map[string]any:
		if v["class_name"] == "__keras_tensor__" {
			return true
		}
		for _, e := range v {
			if holdsTensor(e) {
				return true
			}
		}
	}
	return false
}

// isReference tells whether a keyword's value is a reference as Keras 2 writes them, ["conv1", 0, 0].
func isReference(v any) bool {
	list, ok := v.([]any)
	if !ok || len(list) < 3 || len(list) > 4 {
		return false
	}
	_, name := list[0].(string)
	_, node := list[1].(float64)
	_, tensor := list[2].(float64)
	return name && node && tensor
}

// holdsReference tells whether a value is a reference or a list of them.
func holdsReference(v any) bool {
	if list, ok := v.([]any); ok && !isReference(v) {
		for _, e := range list {
			if isReference(e) {
				return true
			}
		}
		return false
	}
	return isReference(v)
}

func allNull(list []any) bool {
	for _, e := range list {
		if e != nil {
			return false
		}
	}
	return true
}

// readReference reads ["conv1", 0, 0] and, of Keras 2, ["conv1", 0, 0, {"training": false}].
func readReference(v any) (tensorRef, map[string]any, error) {
	list, ok := v.([]any)
	if !ok || len(list) < 3 || len(list) > 4 {
		return tensorRef{}, nil, fmt.Errorf("%s is not a reference [layer, node, tensor]", describe(v))
	}
	layer, ok0 := list[0].(string)
	node, ok1 := list[1].(float64)
	tensor, ok2 := list[2].(float64)
	if !ok0 || !ok1 || !ok2 || node < 0 || tensor < 0 || node > maxReferences || tensor > maxReferences ||
		node != float64(int(node)) || tensor != float64(int(tensor)) {
		return tensorRef{}, nil, fmt.Errorf("a reference is not [layer, node, tensor]")
	}
	var kwargs map[string]any
	if len(list) == 4 {
		kwargs, _ = list[3].(map[string]any)
	}
	return tensorRef{layer, int(node), int(tensor)}, kwargs, nil
}

// readPorts reads input_layers and output_layers: references in lists, one reference, or (Keras 3) objects of them, which
// Keras walks in the order of their sorted keys. keys are those of an object at the top.
func readPorts(v any) (refs []tensorRef, keys []string, err error) {
	var walk func(v any) error
	walk = func(v any) error {
		switch v := v.(type) {
		case []any:
			if len(v) > 0 {
				if _, one := v[0].(string); one {
					r, _, err := readReference(v)
					refs = append(refs, r)
					return err
				}
			}
			for _, e := range v {
				if err := walk(e); err != nil {
					return err
				}
			}
		case map[string]any:
			for _, k := range sortedKeys(v) {
				if err := walk(v[k]); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("%s is not a reference [layer, node, tensor]", describe(v))
		}
		if len(refs) > maxReferences {
			return fmt.Errorf("more than %d entries", maxReferences)
		}
		return nil
	}
	if v != nil {
		if err := walk(v); err != nil {
			return nil, nil, err
		}
	}
	if len(refs) == 0 {
		return nil, nil, fmt.Errorf("no references")
	}
	if object, ok := v.(map[string]any); ok {
		keys = sortedKeys(object)
	}
	return refs, keys, nil
}

func sortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
