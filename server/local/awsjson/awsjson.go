// Package awsjson is the protocol of those AWS services whose requests are all POSTs of JSON: the header X-Amz-Target names
// the operation, and a refusal is an answer with the kind of the error under "__type" (AWS JSON protocols 1.0 and 1.1, as in Smithy's
// description of them, 2026). The local cloud's registry of images and its workflows speak it. Times are seconds since 1970.
package awsjson

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Error is a refusal as the client learns it: its kind, as in ValidationException, and a message.
type Error struct {
	Kind    string
	Message string
}

func (e *Error) Error() string { return e.Kind + ": " + e.Message }

// Errorf makes an Error.
func Errorf(kind, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Answer is what an operation answers.
type Answer map[string]any

// Protocol is what differs between the services that speak it.
type Protocol struct {
	Version         string // of the protocol: "1.0" or "1.1"
	TargetPrefix    string // begins the X-Amz-Target header, before the operation's name
	KindPrefix      string // begins the kind of an error in an answer's body
	Invalid         string // the kind of error of a request that is too long
	Fault           string // the kind of error of what is no fault of the request
	MaxRequestBytes int64
}

// Serve answers a request to a service: it finds the operation, reads its parameters, lets run run it and writes what comes
// of it. An error that is no Error is logged, and the client learns only that there was one.
func Serve[Operation, Parameters any](p *Protocol, log *slog.Logger, w http.ResponseWriter, r *http.Request, operations map[string]Operation,
	run func(do Operation, q *Parameters) (Answer, error)) {
	answer, err := func() (Answer, error) {
		do, known := operations[strings.TrimPrefix(r.Header.Get("X-Amz-Target"), p.TargetPrefix)]
		if !known || r.Method != http.MethodPost {
			return nil, Errorf("UnknownOperationException", "the local cloud does not have this operation")
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, p.MaxRequestBytes))
		if err != nil {
			return nil, Errorf(p.Invalid, "the request is longer than %d bytes", p.MaxRequestBytes)
		}
		var q Parameters
		if len(body) > 0 {
			if err := json.Unmarshal(body, &q); err != nil {
				return nil, Errorf("SerializationException", "the request is not well formed")
			}
		}
		return run(do, &q)
	}()
	if err == nil {
		p.write(w, http.StatusOK, answer)
		return
	}
	var refused *Error
	if !errors.As(err, &refused) {
		log.Error("the local cloud failed", "target", r.Header.Get("X-Amz-Target"), "error", err)
		p.writeError(w, http.StatusInternalServerError, &Error{Kind: p.Fault, Message: "the local cloud failed"})
		return
	}
	p.writeError(w, http.StatusBadRequest, refused)
}

// WriteDenied answers a request that is not signed.
func (p *Protocol) WriteDenied(w http.ResponseWriter, message string) {
	p.writeError(w, http.StatusBadRequest, &Error{Kind: "AccessDeniedException", Message: message})
}

func (p *Protocol) writeError(w http.ResponseWriter, status int, e *Error) {
	w.Header().Set("X-Amzn-Errortype", e.Kind)
	p.write(w, status, map[string]string{"__type": p.KindPrefix + e.Kind, "message": e.Message})
}

func (p *Protocol) write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/x-amz-json-"+p.Version)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// Seconds is a time in the form of the protocol.
func Seconds(t time.Time) json.Number {
	return json.Number(fmt.Sprintf("%.3f", float64(t.UnixMilli())/1000))
}

// Page gives the part of a list, sorted by its items' names, that comes after a token, at most size items, and the token of the next
// part; "" is the token of the first, and of the one after the last. What is no token is not ok.
func Page[Item any](list []Item, name func(Item) string, token string, size int) (part []Item, next string, ok bool) {
	if token != "" {
		after, err := base64.URLEncoding.DecodeString(token)
		if err != nil {
			return nil, "", false
		}
		from, found := slices.BinarySearchFunc(list, string(after), func(i Item, after string) int { return strings.Compare(name(i), after) })
		if found {
			from++
		}
		list = list[from:]
	}
	if len(list) > size {
		list = list[:size]
		next = base64.URLEncoding.EncodeToString([]byte(name(list[size-1])))
	}
	return list, next, true
}
