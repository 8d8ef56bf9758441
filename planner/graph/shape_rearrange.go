package graph

import "fmt"

// Rules of the operators that multiply matrices or rearrange tensors.

func ruleGemm(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	a, b := c.in[0].Shape, c.in[1].Shape
	if len(a) != 2 || len(b) != 2 {
		return fmt.Errorf("inputs %s and %s are not matrices", a, b)
	}
	rows, inner, inner2, columns := a[0], a[1], b[0], b[1]
	if c.int("transA", 0) != 0 {
		rows, inner = inner, rows
	}
	if c.int("transB", 0) != 0 {
		inner2, columns = columns, inner2
	}
	if inner != inner2 {
		return fmt.Errorf("inputs %s and %s do not multiply", a, b)
	}
	if bias := c.input(2); bias != nil {
		if s, err := broadcast(Shape{rows, columns}, bias.Shape); err != nil || !s.Equal(Shape{rows, columns}) {
			return fmt.Errorf("bias %s does not broadcast to %s", bias.Shape, Shape{rows, columns})
		}
	}
	c.set(0, c.in[0].DType, rows, columns)
	return nil
}

func matmul(a, b Shape) (Shape, error) {
	if len(a) == 0 || len(b) == 0 {
		return nil, fmt.Errorf("a scalar does not multiply as a matrix")
	}
	left, right := a, b
	if len(a) == 1 {
		left = Shape{1, a[0]}
	}
	if len(b) == 1 {
		right = Shape{b[0], 1}
	}
	if left[len(left)-1] != right[len(right)-2] {
		return nil, fmt.Errorf("inputs %s and %s do not multiply", a, b)
	}
	out, err := broadcast(left[:len(left)-2], right[:len(right)-2])
	if err != nil {
		return nil, err
	}
	if len(a) > 1 {
		out = append(out, left[len(left)-2])
	}
	if len(b) > 1 {
		out = append(out, right[len(right)-1])
	}
	return out, nil
}

func ruleMatMul(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	out, err := matmul(c.in[0].Shape, c.in[1].Shape)
	c.set(0, c.in[0].DType, out...)
	return err
}

func ruleQLinearMatMul(c *call) error {
	if err := c.need(8); err != nil {
		return err
	}
	out, err := matmul(c.in[0].Shape, c.in[3].Shape)
	c.set(0, c.in[7].DType, out...)
	return err
}

// withIntegers gives the second of an operator's two inputs, which holds whole numbers that are known.
func (c *call) withIntegers() ([]int64, error) {
	if err := c.need(2); err != nil {
		return nil, err
	}
	return c.in[1].integers()
}

func ruleReshape(c *call) error {
	target, err := c.withIntegers()
	if err != nil {
		return err
	}
	x := c.in[0].Shape
	if len(target) > maxRank {
		return fmt.Errorf("it reshapes to %d dimensions", len(target))
	}
	out := make(Shape, len(target))
	open, rest, batches := -1, int64(1), 0
	for i, d := range target {
		switch {
		case d == 0 && c.int("allowzero", 0) == 0:
			if i >= len(x) {
				return fmt.Errorf("shape %v copies a dimension that %s lacks", target, x)
			}
			if out[i] = x[i]; x[i] == Batch {
				batches--
				continue
			}
		case d == -1 && open < 0:
			open = i
			continue
		case d == -1:
			return fmt.Errorf("shape %v leaves two dimensions open", target)
		case d < 0:
			return fmt.Errorf("shape %v is not one", target)
		default:
			out[i] = d
		}
		rest = mulSaturated(rest, out[i])
	}
	for _, d := range x {
		if d == Batch {
			batches++
		}
	}
	have := x.Elements(1)
	switch {
	case open >= 0 && batches == 1:
		// Only the batch itself may take the open place: its product with anything else has no symbol.
		if rest != have {
			return fmt.Errorf("%s does not reshape to %v with its batch kept", x, target)
		}
		out[open] = Batch
	case batches != 0 || open < 0 && rest != have || open >= 0 && (rest == 0 || have%rest != 0):
		return fmt.Errorf("%s does not reshape to %v", x, target)
	case open >= 0:
		out[open] = have / rest
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleFlatten(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0].Shape
	k := c.int("axis", 1)
	if k < 0 {
		k += int64(len(x))
	}
	if k < 0 || k > int64(len(x)) {
		return fmt.Errorf("%s has no axis %d", x, k)
	}
	out := make(Shape, 2)
	for i, part := range []Shape{x[:k], x[k:]} {
		if out[i] = product(part); part.hasBatch() {
			if out[i] = Batch; part.Elements(1) != 1 {
				return fmt.Errorf("the batch of %s is not made one with other axes, from axis %d on", x, k)
			}
		}
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleSqueeze(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	list, err := c.operand("axes", 13, 1)
	if err != nil {
		return err
	}
	x := c.in[0].Shape
	set, err := axes(list, len(x))
	if err != nil {
		return err
	}
	var out Shape
	for i, d := range x {
		switch {
		case set[i] && d != 1:
			return fmt.Errorf("axis %d of %s is not of size 1", i, x)
		case !set[i] && (list != nil || d != 1):
			out = append(out, d)
		}
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleUnsqueeze(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	list, err := c.operand("axes", 13, 1)
	if err != nil {
		return err
	}
	x := c.in[0].Shape
	if len(x)+len(list) > maxRank {
		return fmt.Errorf("it has %d axes", len(list))
	}
	set, err := axes(list, len(x)+len(list))
	if err != nil {
		return err
	}
	out := make(Shape, len(set))
	next := 0
	for i := range out {
		if set[i] {
			out[i] = 1
		} else {
			out[i] = x[next]
			next++
		}
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

// order gives the permutation of a Transpose; without one it reverses the axes.
func (c *call) order(rank int) ([]int64, error) {
	perm, ok := c.list("perm")
	if !ok {
		for i := rank - 1; i >= 0; i-- {
			perm = append(perm, int64(i))
		}
	}
	if len(perm) != rank {
		return nil, fmt.Errorf("perm %v does not fit %d dimensions", perm, rank)
	}
	used := make([]bool, rank)
	for _, p := range perm {
		if p < 0 || p >= int64(rank) || used[p] {
			return nil, fmt.Errorf("perm %v is not a permutation", perm)
		}
		used[p] = true
	}
	return perm, nil
}

func ruleTranspose(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0].Shape
	perm, err := c.order(len(x))
	if err != nil {
		return err
	}
	out := make(Shape, len(x))
	for i, p := range perm {
		out[i] = x[p]
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleConcat(c *call) error {
	if err := c.need(max(1, len(c.in))); err != nil {
		return err
	}
	x := c.in[0].Shape
	k, err := axis(c.int("axis", 1), len(x))
	if err != nil {
		return err
	}
	out := append(Shape{}, x...)
	for _, t := range c.in[1:] {
		if len(t.Shape) != len(x) || t.DType != c.in[0].DType {
			return fmt.Errorf("%s %s and %s %s do not concatenate", x, c.in[0].DType, t.Shape, t.DType)
		}
		for i, d := range t.Shape {
			if i == k && (d == Batch || out[i] == Batch) {
				return fmt.Errorf("the batch does not concatenate")
			} else if i == k {
				out[i] = addSaturated(out[i], d)
			} else if d != x[i] {
				return fmt.Errorf("%s and %s do not concatenate along axis %d", x, t.Shape, k)
			}
		}
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleSplit(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0].Shape
	k, err := axis(c.int("axis", 0), len(x))
	if err != nil {
		return err
	}
	sizes, err := c.operand("split", 13, 1)
	if err != nil {
		return err
	}
	if x[k] == Batch {
		return fmt.Errorf("the batch is not split")
	}
	if sizes == nil {
		// Equal parts; from opset 18 on the last may be smaller.
		n := int64(len(c.out))
		each := (x[k] + n - 1) / n
		for left := x[k]; int64(len(sizes)) < n; left -= each {
			sizes = append(sizes, max(min(each, left), 0))
		}
		if x[k]%n != 0 && c.opset < 18 {
			return fmt.Errorf("axis %d of %s does not split into %d equal parts", k, x, n)
		}
	}
	if len(sizes) != len(c.out) {
		return fmt.Errorf("it splits into %d parts and has %d outputs", len(sizes), len(c.out))
	}
	total := int64(0)
	for i, size := range sizes {
		if size < 0 {
			return fmt.Errorf("a part has the size %d", size)
		}
		total = addSaturated(total, size)
		out := append(Shape{}, x...)
		out[k] = size
		c.set(i, c.in[0].DType, out...)
	}
	if total != x[k] {
		return fmt.Errorf("parts of %v do not make up axis %d of %s", sizes, k, x)
	}
	return nil
}

// span is one axis of a slice.
type span struct{ axis, start, step, count int64 }

// spans gives what a Slice takes of each axis that it names.
func (c *call) spans(x Shape) ([]span, error) {
	var lists [4][]int64 // starts, ends, axes, steps
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		var err error
		if lists[i], err = c.operand(name, 10, i+1); err != nil {
			return nil, err
		}
	}
	starts, ends, over, steps := lists[0], lists[1], lists[2], lists[3]
	if over == nil {
		for i := range starts {
			over = append(over, int64(i))
		}
	}
	if steps == nil {
		for range starts {
			steps = append(steps, 1)
		}
	}
	if len(starts) != len(ends) || len(starts) != len(over) || len(starts) != len(steps) {
		return nil, fmt.Errorf("starts, ends, axes and steps differ in length")
	}
	at, err := places(over, len(x))
	if err != nil {
		return nil, err
	}
	list := make([]span, len(starts))
	for i, k := range at {
		size, start, end, step := x[k], starts[i], ends[i], steps[i]
		if step == 0 {
			return nil, fmt.Errorf("a step is 0")
		}
		if size == Batch {
			return nil, fmt.Errorf("the batch of %s is not sliced", x)
		}
		low, high := int64(0), size
		if step < 0 {
			low, high = -1, size-1
		}
		place := func(at int64) int64 {
			if at < 0 {
				at += size
				if at < 0 {
					return low
				}
			}
			return min(max(at, low), high)
		}
		start, end = place(start), place(end)
		count := int64(0)
		if step > 0 && end > start {
			count = (end-start-1)/step + 1
		} else if step < 0 && end < start {
			count = (start-end-1)/-max(step, -1<<62) + 1
		}
		list[i] = span{int64(k), start, step, count}
	}
	return list, nil
}

func ruleSlice(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	out := append(Shape{}, c.in[0].Shape...)
	list, err := c.spans(out)
	if err != nil {
		return err
	}
	for _, s := range list {
		out[s.axis] = s.count
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func rulePad(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	pads, err := c.operand("pads", 11, 1)
	if err != nil {
		return err
	}
	x := c.in[0].Shape
	list, err := c.operand("axes", 18, 3)
	if err != nil {
		return err
	}
	over := everyPlace(len(x))
	if c.opset >= 18 && list != nil {
		if over, err = places(list, len(x)); err != nil {
			return err
		}
	}
	if len(pads) != 2*len(over) {
		return fmt.Errorf("%d pads for %d axes", len(pads), len(over))
	}
	out := append(Shape{}, x...)
	for i, k := range over {
		before, after := pads[i], pads[i+len(over)]
		if before < -MaxElements || after < -MaxElements || before > MaxElements || after > MaxElements {
			return fmt.Errorf("pads %v are out of range", pads)
		}
		if x[k] == Batch {
			if before != 0 || after != 0 {
				return fmt.Errorf("the batch is not padded")
			}
			continue
		}
		if out[k] += before + after; out[k] < 0 {
			return fmt.Errorf("pads %v cut off more than %s has", pads, x)
		}
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleTile(c *call) error {
	repeats, err := c.withIntegers()
	if err != nil {
		return err
	}
	x := c.in[0].Shape
	if len(repeats) != len(x) {
		return fmt.Errorf("%d repeats for %s", len(repeats), x)
	}
	out := make(Shape, len(x))
	for i := range out {
		if repeats[i] < 0 || x[i] == Batch && repeats[i] != 1 {
			return fmt.Errorf("repeats %v do not fit %s", repeats, x)
		}
		if out[i] = mulSaturated(x[i], repeats[i]); x[i] == Batch {
			out[i] = Batch
		}
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleExpand(c *call) error {
	target, err := c.withIntegers()
	if err != nil {
		return err
	}
	for _, d := range target {
		if d < 0 {
			return fmt.Errorf("shape %v has an impossible dimension", target)
		}
	}
	out, err := broadcast(c.in[0].Shape, target)
	c.set(0, c.in[0].DType, out...)
	return err
}
