// Package remote reads files at web addresses by ranges of their bytes, so that a model of hundreds of megabytes is planned after a few
// requests for the parts of it that say what it is. It knows no browser: who uses it says how a range is asked for.
//
// Sizes and offsets are in bytes. Errors are *diag.Error with codes "remote.…". That a file stays the same between two requests is checked
// by its size and by its mark: what the server's ETag or Last-Modified header says, as far as it lets pages read them.
package remote

import (
	"net/url"
	"path"
	"strings"

	"partita/planner/diag"
)

// longestAddress is what the servers of large files take, with the signatures in their addresses; browsers take more.
const longestAddress = 8 << 10

// ParseAddress gives the address of a file as people type it, in the form in which it is asked for. Only https is taken, but for this
// computer itself, which needs none.
func ParseAddress(text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	shown := text
	if len(shown) > 200 {
		shown = shown[:200] + "…"
	}
	bad := func(code, found string) error {
		return diag.New(diag.Invalid, code, "opening the address "+shown, found, "give the whole address of the model's file, such as https://example.org/model.h5")
	}
	if len(text) > longestAddress {
		return nil, bad("remote.not-an-address", "it is too long for an address")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme == "" || strings.ContainsAny(text, " \t\r\n"):
		return nil, bad("remote.not-an-address", "it is no web address")
	case u.User != nil:
		return nil, bad("remote.not-an-address", "it holds a user's name, which is not sent")
	case u.Scheme == "https":
	case u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost"):
	default:
		return nil, bad("remote.not-https", "only https is taken, and http from 127.0.0.1 and localhost")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// NameOf gives the name of the file at an address: the last part of its path.
func NameOf(u *url.URL) string {
	if name := path.Base(u.Path); name != "/" && name != "." {
		return name
	}
	return u.Hostname()
}
