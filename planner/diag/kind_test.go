package diag

import (
	"errors"
	"fmt"
	"testing"
)

func TestKindNamesRoundTrip(t *testing.T) {
	for k := Internal; k <= Interrupted; k++ {
		if got := ParseKind(k.String()); got != k {
			t.Errorf("kind %d is named %q, which parses to %d", k, k.String(), got)
		}
	}
	if Kind(99).String() != "internal" || ParseKind("no such kind") != Internal {
		t.Error("an unknown kind is not internal")
	}
}

func TestHTTPStatus(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{errors.New("plain"), 500},
		{New(NotFound, "a.b", "", "", ""), 404},
		{fmt.Errorf("wrapped: %w", New(Conflict, "a.b", "", "", "")), 409},
		{New(Kind(99), "a.b", "", "", ""), 500},
	} {
		if got := HTTPStatus(c.err); got != c.want {
			t.Errorf("HTTPStatus(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}
