package remote

import (
	"bytes"

	"partita/planner/diag"
	"partita/planner/report"
)

// Found is what is at an address. Where the server gives no ranges the file has to be fetched as a whole, and its size may be unknown: -1.
type Found struct {
	Identity
	Name   string
	Ranges bool
}

// firstBytes are enough to tell a web page from a model.
const firstBytes = 512

// MostWhole bounds a file that is fetched as a whole, which the browser has to keep somewhere.
const MostWhole = 2 << 30

// Ask finds out what is at an address. length asks for the file's size alone, where an answer does not tell; -1: unknown.
func Ask(address string, fetch func(address string) Fetch, length func(address string) int64) (*Found, error) {
	u, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	found := &Found{Identity: Identity{Address: u.String()}, Name: NameOf(u)}
	doing := "opening " + found.Name + " at " + u.Host
	a, err := fetch(found.Address)(0, firstBytes-1)
	if err != nil {
		return nil, diag.New(diag.Unavailable, "remote.unreachable", doing, "the server does not answer, or does not let other pages read it (CORS)",
			"check the address; where it is right, download the file and drop it here").Because(err)
	}
	found.Size, found.Mark, found.Ranges = a.Total, a.Mark, a.Status == 206
	switch {
	case a.Status != 206 && a.Status != 200 && a.Status != 416:
		return nil, refused(doing, a.Status)
	case a.Status == 416 || a.Total == 0:
		return nil, diag.New(diag.Invalid, "remote.empty", doing, "the file is empty", "check the address")
	case a.Page || isPage(a.Body):
		return nil, notAModel(doing)
	case found.Ranges && found.Size < 0:
		found.Size = length(found.Address)
		found.Ranges = found.Size >= int64(len(a.Body)) && found.Size > 0
	}
	if !found.Ranges && found.Size > MostWhole {
		return nil, TooLarge(found, found.Size)
	}
	return found, nil
}

// TooLarge tells of a file that can only be fetched as a whole, and has too many bytes for that.
func TooLarge(f *Found, size int64) error {
	return diag.New(diag.Limit, "remote.too-large", "opening "+f.Name, "the server gives it only as a whole, and it has "+report.Bytes(size)+" or more; at most "+report.Bytes(MostWhole)+" are fetched",
		"download the file and drop it here")
}

// Lost tells of a file whose fetching as a whole ended before its end.
func Lost(f *Found, came int64, cause error) error {
	return diag.New(diag.Unavailable, "remote.connection-lost", "fetching "+f.Name, "the connection broke after "+report.Bytes(came), downloadIt).Because(cause)
}

// Whole checks what begins to be fetched as a whole: where there are ranges, as one range of all, for what is no range may come compressed,
// which has another mark.
func (f *Found) Whole(a *Answer) error {
	doing := "fetching " + f.Name
	switch {
	case a.Status != 200 && a.Status != 206:
		return refused(doing, a.Status)
	case a.Page:
		return notAModel(doing)
	case f.Ranges && (a.Status != 206 || a.Mark != "" && f.Mark != "" && a.Mark != f.Mark):
		return f.changed()
	}
	return nil
}

// Ended checks what came as a whole.
func (f *Found) Ended(came int64) error {
	if f.Ranges && came != f.Size {
		return f.changed()
	}
	return nil
}

func (f *Found) changed() error {
	return diag.New(diag.Conflict, "remote.changed", "fetching "+f.Name, "the server has another version of it now", "open the address again, or download the file and drop it here")
}

func notAModel(doing string) error {
	return diag.New(diag.Invalid, "remote.page", doing, "there is a web page at that address, not a model", "give the address of the file itself, such as that of the page's download button")
}

func isPage(body []byte) bool {
	start := bytes.ToLower(bytes.TrimLeft(body, "\xef\xbb\xbf \t\r\n"))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}
