package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"partita/planner/diag"
)

// Problem is an error as the interface answers it: a problem document (RFC 9457) with the parts of the diagnostic as
// members of their own.
type Problem struct {
	Title   string   `json:"title" doc:"the HTTP status in words"`
	Status  int      `json:"status"`
	Detail  string   `json:"detail" doc:"what was found"`
	Code    string   `json:"code" doc:"stable, as in deploy.name-in-use"`
	Kind    string   `json:"kind" doc:"who has to act: internal, invalid, usage, infeasible, limit, not-found, conflict, unavailable, interrupted"`
	Doing   string   `json:"doing,omitempty" doc:"what was being done"`
	Fix     string   `json:"fix,omitempty" doc:"what to do about it"`
	Details []string `json:"details,omitempty" doc:"further findings"`
}

// problemType is the media type of problem documents.
const problemType = "application/problem+json"

// Error implements error.
func (p *Problem) Error() string { return p.Detail + " [" + p.Code + "]" }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

// problemOf describes an error.
func problemOf(err error) *Problem {
	var already *Problem
	if errors.As(err, &already) {
		return already
	}
	status := diag.HTTPStatus(err)
	e := diag.As(err)
	if e == nil {
		e = diag.New(diag.Internal, "internal", "", err.Error(), "this is a fault of Partita: the server's log may say more")
	}
	p := &Problem{Title: http.StatusText(status), Status: status, Detail: e.Found, Code: e.Code, Kind: e.Kind.String(), Doing: e.Doing, Fix: e.Fix, Details: e.Details}
	if p.Title == "" {
		p.Title = "Client Closed Request"
	}
	if e.Err != nil {
		p.Detail = strings.TrimPrefix(p.Detail+": "+e.Err.Error(), ": ")
	}
	return p
}

// codeOfStatus gives a code to what the framework refuses before an endpoint sees it.
func codeOfStatus(status int) (diag.Kind, string) {
	switch status {
	case http.StatusNotFound:
		return diag.NotFound, "api.not-found"
	case http.StatusMethodNotAllowed:
		return diag.Usage, "api.method-not-allowed"
	case http.StatusRequestEntityTooLarge:
		return diag.Limit, "api.body-too-large"
	case http.StatusUnsupportedMediaType:
		return diag.Usage, "api.unsupported-media-type"
	case http.StatusRequestTimeout:
		return diag.Unavailable, "api.body-too-slow"
	}
	if status >= 500 {
		return diag.Internal, "internal"
	}
	return diag.Usage, "api.bad-request"
}

// registerProblems makes huma answer its own refusals as problem documents, too. huma keeps this in a variable of its
// package.
var registerProblems = sync.OnceFunc(func() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		for _, err := range errs {
			var p *Problem
			if errors.As(err, &p) {
				return p
			}
			if diag.As(err) != nil {
				return problemOf(err)
			}
		}
		kind, code := codeOfStatus(status)
		p := &Problem{Title: http.StatusText(status), Status: status, Detail: message, Code: code, Kind: kind.String()}
		for _, err := range errs {
			if err != nil {
				p.Details = append(p.Details, describe(err))
			}
		}
		switch {
		case status == http.StatusRequestEntityTooLarge:
			p.Fix = "send large inputs as uploads, with POST /api/v1/uploads"
		case len(p.Details) > 0:
			p.Fix = "the interface is described at /docs"
		}
		return p
	}
	huma.NewErrorWithContext = func(_ huma.Context, status int, message string, errs ...error) huma.StatusError {
		return huma.NewError(status, message, errs...)
	}
})

// describe prints what the validation found, with the value only when it is short.
func describe(err error) string {
	var detailer huma.ErrorDetailer
	if !errors.As(err, &detailer) {
		return err.Error()
	}
	d := detailer.ErrorDetail()
	text := d.Message
	if d.Location != "" {
		text = d.Location + ": " + text
	}
	if value := fmt.Sprint(d.Value); d.Value != nil && len(value) <= 80 {
		text += " (" + value + ")"
	}
	return text
}

// writeProblem answers with a problem document outside huma.
func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

// echoError answers what echo refuses: unknown paths and methods.
func echoError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	var refused *echo.HTTPError
	if errors.As(err, &refused) {
		kind, code := codeOfStatus(refused.Code)
		writeProblem(c.Response(), &Problem{Title: http.StatusText(refused.Code), Status: refused.Code, Detail: fmt.Sprintf("%s %s: %v", c.Request().Method, c.Request().URL.Path, refused.Message), Code: code, Kind: kind.String()})
		return
	}
	writeProblem(c.Response(), problemOf(err))
}
