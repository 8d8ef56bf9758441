package keras

// sizes reads one positive whole number for each of rank axes; a single number stands for all. nil when absent.
func (o *options) sizes(rank int, names ...string) []int64 {
	list := o.integers(names...)
	if list == nil {
		return nil
	}
	ok := len(list) == 1 || len(list) == rank
	for _, n := range list {
		ok = ok && n >= 1
	}
	if !ok {
		o.malformed("option %s is not %d positive whole numbers", names[0], rank)
		return ones(rank)
	}
	return spread(list, rank)
}

// sizesOr is sizes with a default.
func (o *options) sizesOr(def []int64, names ...string) []int64 {
	if list := o.sizes(len(def), names...); list != nil {
		return list
	}
	return def
}

// margins reads one whole number of at least 0 for each of rank axes; a single number stands for all.
func (o *options) margins(rank int, name string) []int64 {
	list := o.integers(name)
	ok := len(list) == 1 || len(list) == rank
	for _, n := range list {
		ok = ok && n >= 0
	}
	if !ok {
		o.malformed("option %s is not %d whole numbers", name, rank)
		return make([]int64, rank)
	}
	return spread(list, rank)
}

func spread(list []int64, rank int) []int64 {
	for len(list) < rank {
		list = append(list, list[0])
	}
	return list
}

// borders reads ((before, after), ...) for rank axes in any of the forms of ZeroPadding and Cropping layers: one number,
// one number for each axis, Keras 1's flat (top, bottom, left, right), or the full form. For one axis (before, after) is
// the form of Keras 2 and 3.
func (o *options) borders(rank int, def int64, name string) (before, after []int64) {
	v := o.value(name)
	before, after = make([]int64, rank), make([]int64, rank)
	if v == nil {
		for i := range before {
			before[i], after[i] = def, def
		}
		return before, after
	}
	var flat []int64
	ok, nested := true, false
	add := func(e any) {
		f, isNumber := e.(float64)
		n, whole := wholeNumber(f)
		ok = ok && isNumber && whole && n >= 0
		flat = append(flat, n)
	}
	switch v := v.(type) {
	case float64:
		add(v)
	case []any:
		for _, e := range v {
			if inner, isList := e.([]any); isList {
				nested = true
				ok = ok && len(inner) == 2 && len(flat)%2 == 0
				for _, x := range inner {
					add(x)
				}
			} else if nested { // an axis given by one number beside axes given by two
				add(e)
				add(e)
			} else {
				add(e)
			}
		}
	case map[string]any: // Keras 1's {"top_pad": 1, ...}
		keys := [][]string{1: {"left_pad", "right_pad"}, 2: {"top_pad", "bottom_pad", "left_pad", "right_pad"}, 3: {}}[rank]
		ok = len(keys) > 0
		for _, k := range keys {
			if e, there := v[k]; there {
				add(e)
			} else {
				flat = append(flat, 0)
			}
		}
		nested = true
	default:
		ok = false
	}
	switch {
	case ok && len(flat) == 1 && !nested:
		for i := range before {
			before[i], after[i] = flat[0], flat[0]
		}
	case ok && len(flat) == 2*rank:
		for i := range before {
			before[i], after[i] = flat[2*i], flat[2*i+1]
		}
	case ok && len(flat) == rank && !nested:
		copy(before, flat)
		copy(after, flat)
	default:
		o.malformed("option %s is not a pair (before, after) for each of %d axes", name, rank)
	}
	return before, after
}
