package keras

import (
	"fmt"
	"math"

	"partita/planner/graph"
)

// Functions of numbers, element by element, that take more than one operator.

func init() {
	for name, f := range map[string]func(c *formula, x graph.ValueID) graph.ValueID{
		"Trunc": truncated,
		"Cbrt": func(c *formula, x graph.ValueID) graph.ValueID {
			return c.op("Mul", c.op("Sign", x), c.op("Pow", c.op("Abs", x), c.number(1.0/3)))
		},
		"Exp2": func(c *formula, x graph.ValueID) graph.ValueID {
			return c.op("Exp", c.op("Mul", x, c.number(math.Ln2)))
		},
		"Deg2rad": func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Mul", x, c.number(math.Pi/180)) },
		"Rad2deg": func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Mul", x, c.number(180/math.Pi)) },
		"Fabs":    func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Abs", x) },
		"Erfc":    func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Sub", c.number(1), c.op("Erf", x)) },
		"Sinc": func(c *formula, x graph.ValueID) graph.ValueID {
			at := c.op("Mul", x, c.number(math.Pi))
			return c.op("Where", c.op("Equal", x, c.number(0)), c.number(1), c.op("Div", c.op("Sin", at), at))
		},
		"Signbit": func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Less", x, c.number(0)) },
		"Isnan":   notNumber,
		"Isinf": func(c *formula, x graph.ValueID) graph.ValueID {
			return c.op("Equal", c.op("Abs", x), c.number(math.Inf(1)))
		},
		"Isfinite": func(c *formula, x graph.ValueID) graph.ValueID {
			return c.op("Less", c.op("Abs", x), c.number(math.Inf(1)))
		},
		"Isposinf": func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Equal", x, c.number(math.Inf(1))) },
		"Isneginf": func(c *formula, x graph.ValueID) graph.ValueID { return c.op("Equal", x, c.number(math.Inf(-1))) },
	} {
		registerFunction(1, 1, func(*options) func(*functionCall) ([]*tensor, error) { return applied(chain(f)) }, name)
	}
	for name, f := range map[string]func(c *formula, a, b graph.ValueID) graph.ValueID{
		"FloorDivide": func(c *formula, a, b graph.ValueID) graph.ValueID { return c.op("Floor", c.op("Div", a, b)) },
		// The sign of the divisor, as in Python, where Fmod has the sign of the dividend, as in C.
		"Mod": func(c *formula, a, b graph.ValueID) graph.ValueID {
			rest := remainder(c, a, b)
			other := c.op("Less", c.op("Mul", c.op("Sign", rest), c.op("Sign", b)), c.number(0))
			return c.op("Where", other, c.op("Add", rest, b), rest)
		},
		"Fmod": remainder,
		"DivideNoNan": func(c *formula, a, b graph.ValueID) graph.ValueID {
			return c.op("Where", c.op("Equal", b, c.number(0)), c.number(0), c.op("Div", a, b))
		},
		"Logaddexp": func(c *formula, a, b graph.ValueID) graph.ValueID { return logOfSum(c, a, b, 1) },
		"Logaddexp2": func(c *formula, a, b graph.ValueID) graph.ValueID {
			return logOfSum(c, a, b, math.Ln2)
		},
		"Hypot": func(c *formula, a, b graph.ValueID) graph.ValueID {
			return c.op("Sqrt", c.op("Add", c.op("Mul", a, a), c.op("Mul", b, b)))
		},
		"Heaviside": func(c *formula, a, b graph.ValueID) graph.ValueID {
			step := c.cast(c.op("Greater", a, c.number(0)), graph.Float32)
			return c.op("Where", c.op("Equal", a, c.number(0)), b, step)
		},
		"Arctan2": arcTangent,
	} {
		registerFunction(2, 2, func(*options) func(*functionCall) ([]*tensor, error) {
			return func(c *functionCall) ([]*tensor, error) {
				v, form, err := c.alike(c.args)
				if err != nil {
					return nil, err
				}
				y := f(c.formula, c.number32(v[0]), c.number32(v[1]))
				if c.err != nil {
					return nil, c.err
				}
				return []*tensor{c.l.tensorOf(y, form)}, nil
			}
		}, name)
	}
	for name, value := range map[string]float64{"ZerosLike": 0, "OnesLike": 1} {
		registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
			dtype, given := o.elementType("dtype")
			return func(c *functionCall) ([]*tensor, error) {
				v := c.value(0)
				if !given && c.err == nil {
					dtype = c.l.g.Values[v].DType
				}
				v = c.number32(v)
				// Less than itself is nothing, not even what is no number.
				same := c.op("Add", c.cast(c.op("Less", v, v), graph.Float32), c.formula.number(value))
				if dtype != graph.Float32 {
					same = c.cast(same, dtype)
				}
				return c.result(same)
			}
		}, name)
	}
	registerFunction(2, 2, func(o *options) func(*functionCall) ([]*tensor, error) {
		o.elementType("dtype")
		return func(c *functionCall) ([]*tensor, error) {
			v := c.number32(c.value(0))
			return c.result(c.op("Add", c.cast(c.op("Less", v, v), graph.Float32), c.number32(c.value(1))))
		}
	}, "FullLike")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		nan, high, low := o.number(0, "nan"), o.number(math.MaxFloat32, "posinf"), o.number(-math.MaxFloat32, "neginf")
		return applied(chain(func(c *formula, x graph.ValueID) graph.ValueID {
			y := c.op("Where", notNumber(c, x), c.number(nan), x)
			y = c.op("Where", c.op("Equal", x, c.number(math.Inf(1))), c.number(high), y)
			return c.op("Where", c.op("Equal", x, c.number(math.Inf(-1))), c.number(low), y)
		}))
	}, "NanToNum")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		least, other := o.number(0, "threshold"), o.number(0, "default_value")
		return applied(chain(func(c *formula, x graph.ValueID) graph.ValueID {
			return c.op("Where", c.op("Greater", x, c.number(least)), x, c.number(other))
		}))
	}, "Threshold")
	registerFunction(1, 1, func(o *options) func(*functionCall) ([]*tensor, error) {
		return applied(sparsemax(o.integer(-1, -8, "axis")))
	}, "Sparsemax")
}

func truncated(c *formula, x graph.ValueID) graph.ValueID {
	return c.op("Mul", c.op("Sign", x), c.op("Floor", c.op("Abs", x)))
}

// notNumber tells where a value is none: only there it differs from itself.
func notNumber(c *formula, x graph.ValueID) graph.ValueID { return c.op("Not", c.op("Equal", x, x)) }

// remainder is that of a division rounded towards zero.
func remainder(c *formula, a, b graph.ValueID) graph.ValueID {
	return c.with("Mod", []graph.Attr{intAttr("fmod", 1)}, a, b)
}

// logOfSum is log(base^a + base^b) to the base e^ln.
func logOfSum(c *formula, a, b graph.ValueID, ln float64) graph.ValueID {
	more := c.op("Exp", c.op("Mul", c.op("Abs", c.op("Sub", a, b)), c.number(-ln)))
	return c.op("Add", c.op("Max", a, b), c.op("Mul", c.op("Log", c.op("Add", more, c.number(1))), c.number(1/ln)))
}

// arcTangent is the angle of the point (x, y), from -pi to pi.
func arcTangent(c *formula, y, x graph.ValueID) graph.ValueID {
	up := c.op("Where", c.op("Less", y, c.number(0)), c.number(-1), c.number(1))
	right := c.op("Atan", c.op("Div", y, x))
	left := c.op("Add", right, c.op("Mul", up, c.number(math.Pi)))
	angle := c.op("Where", c.op("Less", x, c.number(0)), left, right)
	upright := c.op("Mul", c.op("Sign", y), c.number(math.Pi/2))
	return c.op("Where", c.op("Equal", x, c.number(0)), upright, angle)
}

// elementType reads the name of a type; float16 and float64 are served in float32.
func (o *options) elementType(option string) (graph.DType, bool) {
	v := o.value(option)
	if v == nil {
		return graph.Float32, false
	}
	name, ok := v.(string)
	dtype, known := graph.ParseDType(name)
	switch {
	case name == "float16" || name == "bfloat16" || name == "float64":
		return graph.Float32, true
	case !ok || !known || dtype == graph.String:
		o.unsupported("use another type", "the type %s", describe(v))
		return graph.Float32, true
	}
	return dtype, true
}

// sparsemax projects onto the simplex: x - t where that is positive, with the t for which the result sums to one. (Martins
// and Astudillo, 2016.)
func sparsemax(axis int64) activation {
	return func(l *lowering, t *tensor) (*tensor, error) {
		rank := len(t.shape)
		a, err := normalAxis(axis, rank)
		if err != nil {
			return nil, err
		}
		x, err := l.as(t, asSource)
		if err != nil {
			return nil, err
		}
		n := t.shape[a]
		if n > 1<<16 {
			return nil, fmt.Errorf("sparsemax over %d elements", n)
		}
		c := &formula{l: l}
		order := c.sorted(x, a, n, true)
		if c.err != nil {
			return nil, c.err
		}
		shape, places := graph.Shape(ones(rank)), make([]float32, n)
		shape[a] = n
		for i := range places {
			places[i] = float32(i + 1)
		}
		sum := c.op("CumSum", order[0], l.integer(int64(a)))
		count := l.floats("places", shape, places)
		inside := c.cast(c.op("Greater", c.op("Add", c.op("Mul", order[0], count), c.number(1)), sum), graph.Float32)
		total := func(v graph.ValueID) graph.ValueID {
			return c.with("ReduceSum", []graph.Attr{intAttr("keepdims", 1)}, v, l.integers("axes", []int64{int64(a)}))
		}
		level := c.op("Div", c.op("Sub", total(c.op("Mul", order[0], inside)), c.number(1)), total(inside))
		v := c.op("Relu", c.op("Sub", x, level))
		return c.tensor(v, asSource)
	}
}

// integer is a whole number without axes.
func (l *lowering) integer(n int64) graph.ValueID {
	return l.value(graph.Value{Name: l.unique(l.label + "/axis"), DType: graph.Int64, Shape: graph.Shape{}, Producer: -1,
		Const: &graph.Const{Int64s: []int64{n}}})
}

// sorted gives the k largest, or smallest, along an axis in order, and where they stood.
func (c *formula) sorted(x graph.ValueID, axis int, k int64, largest bool) [2]graph.ValueID {
	if c.err != nil {
		return [2]graph.ValueID{graph.None, graph.None}
	}
	first := int64(0)
	if largest {
		first = 1
	}
	out, err := c.l.emitSeveral("TopK", 2, []graph.ValueID{x, c.l.integers("k", []int64{k})}, intAttr("axis", int64(axis)), intAttr("largest", first), intAttr("sorted", 1))
	if err != nil {
		c.err = err
		return [2]graph.ValueID{graph.None, graph.None}
	}
	return [2]graph.ValueID{out[0], out[1]}
}
