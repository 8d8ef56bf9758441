// Package links keeps links to plans under short names, in the bucket as all state is. A link's text is the fragment that the page reads:
// at most plan.MaxLinkBytes characters. Its name is made of its content (the first 96 bits of its SHA-256, in base32), so the same
// link has the same name on every server, and what a name leads to never changes. A link that was revoked leaves a mark, so that whoever opens it
// is told; keeping the same link again makes it valid again.
//
// Errors have the codes link.bad-content, link.too-long, link.too-many, link.store-full, link.unknown, link.revoked and link.damaged.
package links

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/server/cloud"
)

// Format is the format of Link.
const Format = "partita.link/1"

// Bounds of what is kept, so that nobody who may use the server fills its bucket with links.
const (
	MaxLinks   = 10_000
	MaxBytes   = 256 << 20
	MaxRevoked = 10_000 // marks; the oldest are forgotten
	maxListed  = 200
)

// Link is a link as it is kept and shown.
type Link struct {
	Format   string     `json:"format"`
	ID       string     `json:"id" doc:"the short name: the page opens it as /s/ID" example:"k5vydq2mzx3a7hjw4tqe"`
	Model    string     `json:"model,omitempty" doc:"name of the model, for people who look at lists"`
	Bytes    int64      `json:"bytes" doc:"of its text"`
	Created  time.Time  `json:"created"`
	Revoked  *time.Time `json:"revoked,omitempty"`
	Fragment string     `json:"fragment,omitempty" doc:"what stands behind the # of the long link; left out of lists"`
}

// Store is the bucket as links use it. *cloud.Cloud is one.
type Store interface {
	PutIf(ctx context.Context, key string, data []byte, version string) (newVersion string, err error)
	Get(ctx context.Context, key string, limit int64) (data []byte, version string, err error)
	List(ctx context.Context, prefix string) ([]cloud.ObjectInfo, error)
	Delete(ctx context.Context, keys ...string) error
}

// Links are the links that a bucket keeps.
type Links struct {
	store Store
	mu    sync.Mutex // so that the links made at the same moment by one server are counted
	now   func() time.Time
}

// New gives the links of a bucket.
func New(store Store) *Links {
	return &Links{store: store, now: func() time.Time { return time.Now().UTC().Truncate(time.Second) }}
}

// damaged is the code of what is kept under a name and is not that link.
const damaged = "link.damaged"

const (
	valid   = "links/valid/"
	revoked = "links/revoked/"
)

// idOf names a link by its content.
func idOf(fragment string) string {
	sum := sha256.Sum256([]byte(fragment))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:12]))
}

// idLength is the length of every name.
const idLength = 20

const idCharacters = "abcdefghijklmnopqrstuvwxyz234567"

// checkID refuses what no link is named, before it becomes part of a key.
func checkID(doing, id string) error {
	if len(id) != idLength || strings.Trim(id, idCharacters) != "" {
		return unknown(doing, id)
	}
	return nil
}

func unknown(doing, id string) error {
	if len(id) > 2*idLength {
		id = id[:2*idLength] + "…"
	}
	return diag.New(diag.NotFound, "link.unknown", doing, fmt.Sprintf("this server keeps no short link %q", id), "ask for the long link, or for another short one")
}

// fragmentCharacters are those that a fragment may have beside letters and digits (RFC 3986, section 3.5).
const fragmentCharacters = "-._~%!$&'()*+,;=:@/?"

// check refuses what is no link that the page reads.
func check(fragment string) error {
	const doing = "keeping a link"
	if len(fragment) > plan.MaxLinkBytes {
		return diag.New(diag.Limit, "link.too-long", doing, fmt.Sprintf("it has %d characters, the limit is %d", len(fragment), plan.MaxLinkBytes), "share the plan as a file")
	}
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r < 128 && strings.ContainsRune(fragmentCharacters, r))
	}
	if !strings.HasPrefix(fragment, "v=") && !strings.HasPrefix(fragment, "plan=") || strings.ContainsFunc(fragment, bad) {
		return diag.New(diag.Invalid, "link.bad-content", doing, "it is not the fragment of a link to a plan", "send what stands behind the # of a link that the page copied")
	}
	return nil
}

// modelOf takes the name of the model out of a fragment; "" where none is in it as text.
func modelOf(fragment string) string {
	const longest = 80
	fields := map[string]string{}
	for _, part := range strings.Split(fragment, "&") {
		if key, value, found := strings.Cut(part, "="); found && (key == "name" || key == "model") {
			fields[key] = value
		}
	}
	name := fields["name"]
	if builtIn, there := strings.CutPrefix(fields["model"], "zoo:"); there {
		name = builtIn
	}
	text, err := url.PathUnescape(name)
	if err != nil {
		return ""
	}
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest])
	}
	return text
}

// Keep keeps a link and gives its name. A link that is kept already stays as it is.
func (l *Links) Keep(ctx context.Context, fragment string) (*Link, error) {
	fragment = strings.TrimPrefix(fragment, "#")
	if err := check(fragment); err != nil {
		return nil, err
	}
	id := idOf(fragment)
	if there, err := l.read(ctx, valid, id); err == nil || !cloud.IsNotFound(err) {
		return there, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all, err := l.store.List(ctx, valid)
	if err != nil {
		return nil, err
	}
	var bytes int64
	for _, o := range all {
		bytes += o.Bytes
	}
	const doing, fix = "keeping a link", "revoke links that nobody needs: partita link --list shows them"
	if len(all) >= MaxLinks {
		return nil, diag.New(diag.Limit, "link.too-many", doing, fmt.Sprintf("the server keeps %d links already", len(all)), fix)
	}
	if bytes+int64(len(fragment)) > MaxBytes {
		return nil, diag.New(diag.Limit, "link.store-full", doing, fmt.Sprintf("the links that the server keeps have %d bytes together, the limit is %d", bytes, MaxBytes), fix)
	}
	link := &Link{Format: Format, ID: id, Model: modelOf(fragment), Bytes: int64(len(fragment)), Created: l.now(), Fragment: fragment}
	if err := l.write(ctx, valid, link); err != nil {
		return nil, err
	}
	return link, l.store.Delete(ctx, revoked+id)
}

// Open gives a link with its fragment.
func (l *Links) Open(ctx context.Context, id string) (*Link, error) {
	const doing = "opening a short link"
	if err := checkID(doing, id); err != nil {
		return nil, err
	}
	link, err := l.read(ctx, valid, id)
	if !cloud.IsNotFound(err) {
		return link, err
	}
	mark, err := l.read(ctx, revoked, id)
	switch {
	case cloud.IsNotFound(err):
		return nil, unknown(doing, id)
	case err != nil:
		return nil, err
	}
	return nil, diag.New(diag.NotFound, "link.revoked", doing, "the short link "+id+" was revoked on "+mark.Revoked.Format(time.DateOnly), "ask whoever gave it to you for another")
}

// List gives the latest links without their fragments, and how many there are in all.
func (l *Links) List(ctx context.Context) (latest []*Link, all int, err error) {
	objects, err := l.store.List(ctx, valid)
	if err != nil {
		return nil, 0, err
	}
	latestFirst(objects)
	latest = []*Link{}
	for _, o := range objects[:min(len(objects), maxListed)] {
		link, err := l.read(ctx, valid, strings.TrimPrefix(o.Key, valid))
		if cloud.IsNotFound(err) { // revoked since it was listed
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		link.Fragment = ""
		latest = append(latest, link)
	}
	slices.SortStableFunc(latest, func(a, b *Link) int { return b.Created.Compare(a.Created) })
	return latest, len(objects), nil
}

func latestFirst(objects []cloud.ObjectInfo) {
	slices.SortFunc(objects, func(a, b cloud.ObjectInfo) int { return b.Modified.Compare(a.Modified) })
}

// Revoke ends a link: it opens no more.
func (l *Links) Revoke(ctx context.Context, id string) error {
	const doing = "revoking a short link"
	if err := checkID(doing, id); err != nil {
		return err
	}
	link, err := l.read(ctx, valid, id)
	switch {
	case cloud.IsNotFound(err):
		return unknown(doing, id)
	case diag.CodeOf(err) == damaged:
		link = &Link{Format: Format, ID: id}
	case err != nil:
		return err
	}
	now := l.now()
	link.Fragment, link.Revoked = "", &now
	// The mark comes first: between the two the link still opens.
	if err := l.write(ctx, revoked, link); err != nil {
		return err
	}
	if err := l.store.Delete(ctx, valid+id); err != nil {
		return err
	}
	marks, err := l.store.List(ctx, revoked)
	if err != nil || len(marks) <= MaxRevoked {
		return err
	}
	latestFirst(marks)
	for _, o := range marks[MaxRevoked:] {
		if err := l.store.Delete(ctx, o.Key); err != nil {
			return err
		}
	}
	return nil
}

func (l *Links) read(ctx context.Context, folder, id string) (*Link, error) {
	data, _, err := l.store.Get(ctx, folder+id, 2*plan.MaxLinkBytes)
	if err != nil {
		return nil, err
	}
	link := &Link{}
	if err := json.Unmarshal(data, link); err != nil || link.Format != Format || link.ID != id || folder == valid && idOf(link.Fragment) != id || folder == revoked && link.Revoked == nil {
		return nil, diag.New(diag.Internal, damaged, "reading the short link "+id, "what is kept under its name is not that link", "revoke it and make it again").Because(err)
	}
	return link, nil
}

func (l *Links) write(ctx context.Context, folder string, link *Link) error {
	data, err := json.Marshal(link)
	if err != nil {
		panic(err) // it has no type that cannot be written
	}
	if _, err = l.store.PutIf(ctx, folder+link.ID, data, ""); cloud.IsChanged(err) {
		return nil // another server wrote the same at the same moment
	}
	return err
}
