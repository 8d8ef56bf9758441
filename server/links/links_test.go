package links

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/server/cloud"
)

// memory is a bucket in memory.
type memory struct {
	objects map[string][]byte
	made    map[string]time.Time
	clock   int
}

func (m *memory) PutIf(_ context.Context, key string, data []byte, version string) (string, error) {
	if _, there := m.objects[key]; there && version == "" {
		return "", diag.New(diag.Conflict, cloud.CodeChanged, "", "", "")
	}
	m.clock++
	m.objects[key], m.made[key] = data, time.Unix(int64(m.clock), 0)
	return "1", nil
}

func (m *memory) Get(_ context.Context, key string, limit int64) ([]byte, string, error) {
	data, there := m.objects[key]
	if !there || int64(len(data)) > limit {
		return nil, "", diag.New(diag.NotFound, cloud.CodeNotFound, "", "", "")
	}
	return data, "1", nil
}

func (m *memory) List(_ context.Context, prefix string) (all []cloud.ObjectInfo, _ error) {
	for key, data := range m.objects {
		if strings.HasPrefix(key, prefix) {
			all = append(all, cloud.ObjectInfo{Key: key, Bytes: int64(len(data)), Modified: m.made[key]})
		}
	}
	return all, nil
}

func (m *memory) Delete(_ context.Context, keys ...string) error {
	for _, key := range keys {
		delete(m.objects, key)
	}
	return nil
}

func fresh() (*Links, *memory) {
	m := &memory{map[string][]byte{}, map[string]time.Time{}, 0}
	l, clock := New(m), 0
	l.now = func() time.Time { clock++; return time.Unix(int64(1_800_000_000+clock), 0).UTC() }
	return l, m
}

func TestLinks(t *testing.T) {
	l, m := fresh()
	const fragment = "v=2&model=zoo:ResNet50&slo=500ms"
	one, err := l.Keep(t.Context(), "#"+fragment)
	if err != nil || one.ID != idOf(fragment) || len(one.ID) != idLength || one.Model != "ResNet50" || one.Bytes != int64(len(fragment)) {
		t.Fatalf("kept as %+v, %v", one, err)
	}
	again, err := l.Keep(t.Context(), fragment)
	if err != nil || again.ID != one.ID || !again.Created.Equal(one.Created) || len(m.objects) != 1 {
		t.Errorf("kept again as %+v, %v", again, err)
	}
	other, err := l.Keep(t.Context(), "v=2&model=keras-json.eJw&name=my%20net")
	if err != nil || other.Model != "my net" || other.ID == one.ID {
		t.Fatalf("another is %+v, %v", other, err)
	}
	if found, err := l.Open(t.Context(), one.ID); err != nil || found.Fragment != fragment {
		t.Errorf("opened as %+v, %v", found, err)
	}
	latest, all, err := l.List(t.Context())
	if err != nil || all != 2 || len(latest) != 2 || latest[0].ID != other.ID || latest[0].Fragment != "" {
		t.Errorf("listed as %+v, %d, %v", latest, all, err)
	}
	if err := l.Revoke(t.Context(), one.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Open(t.Context(), one.ID); diag.CodeOf(err) != "link.revoked" || !strings.Contains(err.Error(), "2027-01-15") {
		t.Errorf("a revoked link gives %v", err)
	}
	for _, data := range m.objects {
		if strings.Contains(string(data), "500ms") {
			t.Errorf("what was revoked is still there: %s", data)
		}
	}
	if err := l.Revoke(t.Context(), one.ID); diag.CodeOf(err) != "link.unknown" {
		t.Errorf("revoking again gives %v", err)
	}
	if _, err := l.Keep(t.Context(), fragment); err != nil {
		t.Fatal(err)
	}
	if found, err := l.Open(t.Context(), one.ID); err != nil || found.Fragment != fragment {
		t.Errorf("kept after it was revoked it gives %v, %v", found, err)
	}
}

func TestBadLinks(t *testing.T) {
	l, m := fresh()
	for fragment, code := range map[string]string{
		"": "link.bad-content", "hello": "link.bad-content", "v=2&model=<script>": "link.bad-content", "v=2 ": "link.bad-content", "v=2&name=é": "link.bad-content", "v=2#x": "link.bad-content",
		"v=" + strings.Repeat("x", plan.MaxLinkBytes): "link.too-long",
	} {
		if _, err := l.Keep(t.Context(), fragment); diag.CodeOf(err) != code {
			t.Errorf("%.20q gives %v, want %s", fragment, err, code)
		}
	}
	for _, id := range []string{"", "x", "../../deployments/a", strings.Repeat("a", idLength-1), strings.Repeat("A", idLength), strings.Repeat("a", idLength), strings.Repeat("z", 10_000)} {
		if _, err := l.Open(t.Context(), id); diag.CodeOf(err) != "link.unknown" || len(err.Error()) > 300 {
			t.Errorf("opening %.30q gives %v", id, err)
		}
		if err := l.Revoke(t.Context(), id); diag.CodeOf(err) != "link.unknown" {
			t.Errorf("revoking %.30q gives %v", id, err)
		}
	}
	if len(m.objects) != 0 {
		t.Errorf("something was kept: %v", m.objects)
	}
	one, err := l.Keep(t.Context(), "v=2&model=zoo:VGG16")
	if err != nil {
		t.Fatal(err)
	}
	m.objects[valid+one.ID] = []byte(strings.Replace(string(m.objects[valid+one.ID]), "VGG16", "VGG19", 2))
	if _, err := l.Open(t.Context(), one.ID); diag.CodeOf(err) != "link.damaged" {
		t.Errorf("a link with other content gives %v", err)
	}
	if err := l.Revoke(t.Context(), one.ID); err != nil {
		t.Errorf("a damaged link cannot be revoked: %v", err)
	}
}

func TestBounds(t *testing.T) {
	l, m := fresh()
	for i := range MaxLinks {
		m.objects[fmt.Sprintf("%s%d", valid, i)] = nil
	}
	if _, err := l.Keep(t.Context(), "v=2&model=zoo:VGG16"); diag.CodeOf(err) != "link.too-many" {
		t.Errorf("one more than %d links gives %v", MaxLinks, err)
	}
	l, m = fresh()
	m.objects[valid+"large"] = make([]byte, MaxBytes-10)
	if _, err := l.Keep(t.Context(), "v=2&model=zoo:VGG16"); diag.CodeOf(err) != "link.store-full" {
		t.Errorf("more than %d bytes give %v", MaxBytes, err)
	}
	l, m = fresh()
	for i := range MaxRevoked {
		m.PutIf(t.Context(), fmt.Sprintf("%s%d", revoked, i), nil, "")
	}
	one, err := l.Keep(t.Context(), "v=2&model=zoo:VGG16")
	if err == nil {
		err = l.Revoke(t.Context(), one.ID)
	}
	marks, _ := m.List(t.Context(), revoked)
	if err != nil || len(marks) != MaxRevoked || !slices.ContainsFunc(marks, func(o cloud.ObjectInfo) bool { return o.Key == revoked+one.ID }) {
		t.Errorf("%d marks are kept, %v", len(marks), err)
	}
}
