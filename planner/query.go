package planner

import (
	"fmt"
	"strings"

	"partita/planner/diag"
)

// Query writes a request as the query of a URL, "slo=2s&max=4". An option at its default is absent, so links stay short.
func (r Request) Query() string {
	var parts []string
	for _, o := range options {
		if text := o.Print(r); text != o.Default {
			parts = append(parts, o.Key+"="+escape(text))
		}
	}
	return strings.Join(parts, "&")
}

// ParseQuery reads what Query wrote, also percent-encoded. The error is a *diag.Error of kind Usage.
func ParseQuery(query string) (Request, error) {
	r := DefaultRequest()
	if len(query) > maxListing {
		return r, badQuery("it is too long")
	}
	for _, part := range strings.Split(strings.TrimPrefix(query, "?"), "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		text, err := unescape(value)
		if err != nil {
			return r, badQuery(err.Error())
		}
		known := false
		for _, o := range options {
			if o.Key == key {
				known = true
				if err := o.Parse(&r, text); err != nil {
					return r, err
				}
			}
		}
		if !known {
			return r, badQuery(fmt.Sprintf("there is no key %.40q", key))
		}
	}
	return r, nil
}

func badQuery(found string) error {
	keys := make([]string, len(options))
	for i, o := range options {
		keys[i] = o.Key
	}
	return diag.New(diag.Usage, "planner.bad-query", "reading the request from a URL", found, "use "+strings.Join(keys, ", "))
}

// escape percent-encodes what a query may not hold; layers may have any name.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7f || strings.IndexByte("%&+#\"<>\\^`{|}[]", c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape undoes percent-encoding and plus signs.
func unescape(s string) (string, error) {
	if !strings.ContainsAny(s, "%+") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			b.WriteByte(' ')
		case '%':
			if i+2 >= len(s) || hexValue(s[i+1]) < 0 || hexValue(s[i+2]) < 0 {
				return "", fmt.Errorf("a percent sign begins no code")
			}
			b.WriteByte(byte(hexValue(s[i+1])<<4 | hexValue(s[i+2])))
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
