package awsjson

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

type parameters struct{ Text string }

var sample = Protocol{Version: "1.0", TargetPrefix: "Sample.", KindPrefix: "sample#", Invalid: "ValidationException", Fault: "InternalServerError", MaxRequestBytes: 40}

var operations = map[string]func(q *parameters) (Answer, error){
	"Echo":   func(q *parameters) (Answer, error) { return Answer{"text": q.Text}, nil },
	"Refuse": func(q *parameters) (Answer, error) { return nil, Errorf("NoSuchThing", "there is no %s", q.Text) },
	"Break":  func(q *parameters) (Answer, error) { return nil, errors.New("a secret path") },
}

func TestServe(t *testing.T) {
	for _, c := range []struct {
		method, target, body string
		status               int
		want                 map[string]string
	}{
		{"POST", "Sample.Echo", `{"text":"a"}`, 200, map[string]string{"text": "a"}},
		{"POST", "Sample.Echo", "", 200, map[string]string{"text": ""}},
		{"POST", "Sample.Refuse", `{"text":"b"}`, 400, map[string]string{"__type": "sample#NoSuchThing", "message": "there is no b"}},
		{"POST", "Sample.Break", "{}", 500, map[string]string{"__type": "sample#InternalServerError", "message": "the local cloud failed"}},
		{"POST", "Sample.Other", "{}", 400, map[string]string{"__type": "sample#UnknownOperationException", "message": "the local cloud does not have this operation"}},
		{"GET", "Sample.Echo", "", 400, map[string]string{"__type": "sample#UnknownOperationException", "message": "the local cloud does not have this operation"}},
		{"POST", "Sample.Echo", `{"text":`, 400, map[string]string{"__type": "sample#SerializationException", "message": "the request is not well formed"}},
		{"POST", "Sample.Echo", `{"text":"` + strings.Repeat("x", 40) + `"}`, 400, map[string]string{"__type": "sample#ValidationException", "message": "the request is longer than 40 bytes"}},
	} {
		r := httptest.NewRequest(c.method, "/", strings.NewReader(c.body))
		r.Header.Set("X-Amz-Target", c.target)
		w := httptest.NewRecorder()
		Serve(&sample, slog.New(slog.DiscardHandler), w, r, operations, func(do func(*parameters) (Answer, error), q *parameters) (Answer, error) { return do(q) })
		checkAnswer(t, w, c.status, c.want)
	}
	w := httptest.NewRecorder()
	sample.WriteDenied(w, "sign it")
	checkAnswer(t, w, http.StatusBadRequest, map[string]string{"__type": "sample#AccessDeniedException", "message": "sign it"})
}

func checkAnswer(t *testing.T, w *httptest.ResponseRecorder, status int, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if w.Code != status || len(got) != len(want) || w.Header().Get("Content-Type") != "application/x-amz-json-1.0" {
		t.Errorf("status %d, %v %v; want %d, %v", w.Code, w.Header(), got, status, want)
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %q, want %q", key, got[key], value)
		}
	}
	if kind := strings.TrimPrefix(want["__type"], "sample#"); w.Header().Get("X-Amzn-Errortype") != kind {
		t.Errorf("%v, want the error type %q", w.Header(), kind)
	}
}

// TestPage walks through lists by their tokens: every item is seen once, in order, in pages that are full but for the last.
func TestPage(t *testing.T) {
	list := []string{"a", "b", "c/d", "z", "é"}
	name := func(s string) string { return s }
	for size := 1; size <= len(list)+1; size++ {
		var seen []string
		token, pages := "", 0
		for {
			part, next, ok := Page(list, name, token, size)
			if !ok || len(part) > size || next != "" && len(part) != size {
				t.Fatalf("size %d: %v %q %v", size, part, next, ok)
			}
			seen, token, pages = append(seen, part...), next, pages+1
			if token == "" {
				break
			}
		}
		if !slices.Equal(seen, list) || pages != (len(list)+size-1)/size {
			t.Errorf("size %d: %v in %d pages", size, seen, pages)
		}
	}
	// An item that has been deleted since still says where to go on.
	_, next, _ := Page(list, name, "", 2)
	if part, _, ok := Page([]string{"a", "c/d", "z", "é"}, name, next, 9); !ok || !slices.Equal(part, []string{"c/d", "z", "é"}) {
		t.Errorf("%v %v", part, ok)
	}
	if _, _, ok := Page(list, name, "?", 2); ok {
		t.Error("what is no token is taken")
	}
}
