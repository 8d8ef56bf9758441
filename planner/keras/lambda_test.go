package keras

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestScaledSum gives what nine versions of CPython made of InceptionResNetV2's expression, and of expressions that differ from it by
// an operator, the order, an index or a parameter.
func TestScaledSum(t *testing.T) {
	data, err := os.ReadFile("testdata/lambdas.json")
	if err != nil {
		t.Fatal(err)
	}
	var versions []struct {
		Python, ScaledSum string
		Others            []string
	}
	if err := json.Unmarshal(data, &versions); err != nil {
		t.Fatal(err)
	}
	decoded := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(s, "\n", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, v := range versions {
		code := decoded(v.ScaledSum)
		if !isScaledSum(code) {
			t.Errorf("Python %s: the scaled sum is not known", v.Python)
		}
		for end := range code[:60] {
			if isScaledSum(code[:end]) && end < 40 {
				t.Errorf("Python %s: %d bytes are taken for it", v.Python, end)
			}
		}
		for i, other := range v.Others {
			if isScaledSum(decoded(other)) {
				t.Errorf("Python %s: other expression %d is taken for it", v.Python, i)
			}
		}
	}
}
