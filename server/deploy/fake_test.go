package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"

	"partita/planner/diag"
	"partita/runtime/wire"
	"partita/server/cloud"
)

// errDown is what a fake cloud answers that has been switched off.
var errDown = errors.New("the cloud is down")

// fakeCloud is a bucket and functions in memory. It counts the calls that change something and can fail any of them, once
// or from then on.
type fakeCloud struct {
	mu        sync.Mutex
	objects   map[string][]byte
	versions  map[string]int
	functions map[string]cloud.FunctionSpec
	changes   int
	failAt    int  // the change that fails; 0: none
	dead      bool // and everything after it
	down      bool
	applied   bool // the failing change is made nevertheless: its answer was lost
	invoked   []string
	invoke    func(name string, payload []byte) (*cloud.Invoked, error)
}

func newFakeCloud() *fakeCloud {
	return &fakeCloud{objects: map[string][]byte{}, versions: map[string]int{}, functions: map[string]cloud.FunctionSpec{}}
}

// change counts a change and does it unless it has to fail.
func (f *fakeCloud) change(ctx context.Context, do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return diag.New(diag.Interrupted, "interrupted", "", "cancelled", "").Because(err)
	}
	if f.down {
		return errDown
	}
	f.changes++
	if f.changes == f.failAt {
		f.down = f.dead
		if f.applied {
			if err := do(); err != nil {
				return err
			}
		}
		return fmt.Errorf("change %d: %w", f.changes, errDown)
	}
	return do()
}

func (f *fakeCloud) read(do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return errDown
	}
	return do()
}

func absent(name string) error {
	return diag.New(diag.NotFound, cloud.CodeNotFound, "", name+" is absent", "")
}

func (f *fakeCloud) Bucket() string { return "bucket" }

func (f *fakeCloud) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, _ string) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if int64(len(data)) != size {
		return fmt.Errorf("%s has %d bytes, %d were announced", key, len(data), size)
	}
	return f.change(ctx, func() error {
		f.objects[key] = data
		f.versions[key]++
		return nil
	})
}

func (f *fakeCloud) PutIf(ctx context.Context, key string, data []byte, version string) (newVersion string, err error) {
	err = f.change(ctx, func() error {
		stored := ""
		if _, ok := f.objects[key]; ok {
			stored = fmt.Sprint(f.versions[key])
		}
		if stored != version {
			return diag.New(diag.Conflict, cloud.CodeChanged, "", "another version is there", "")
		}
		f.objects[key] = bytes.Clone(data)
		f.versions[key]++
		newVersion = fmt.Sprint(f.versions[key])
		return nil
	})
	return newVersion, err
}

func (f *fakeCloud) Get(_ context.Context, key string, limit int64) (data []byte, version string, err error) {
	err = f.read(func() error {
		stored, ok := f.objects[key]
		if !ok {
			return absent(key)
		}
		data, version = bytes.Clone(stored), fmt.Sprint(f.versions[key])
		return nil
	})
	return data, version, err
}

func (f *fakeCloud) Read(ctx context.Context, key string) (io.ReaderAt, int64, error) {
	data, _, err := f.Get(ctx, key, 0)
	return bytes.NewReader(data), int64(len(data)), err
}

func (f *fakeCloud) List(_ context.Context, prefix string) (all []cloud.ObjectInfo, err error) {
	err = f.read(func() error {
		for key, data := range f.objects {
			if strings.HasPrefix(key, prefix) {
				all = append(all, cloud.ObjectInfo{Key: key, Bytes: int64(len(data))})
			}
		}
		return nil
	})
	sort.Slice(all, func(i, j int) bool { return all[i].Key < all[j].Key })
	return all, err
}

func (f *fakeCloud) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := f.change(ctx, func() error { delete(f.objects, key); return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeCloud) CreateFunction(ctx context.Context, spec cloud.FunctionSpec) error {
	return f.change(ctx, func() error {
		if _, ok := f.functions[spec.Name]; ok {
			return diag.New(diag.Conflict, cloud.CodeConflict, "", spec.Name+" exists", "")
		}
		if _, ok := f.objects[spec.PackageKey]; !ok {
			return fmt.Errorf("the package %s of %s is absent", spec.PackageKey, spec.Name)
		}
		f.functions[spec.Name] = spec
		return nil
	})
}

func (f *fakeCloud) WaitActive(ctx context.Context, name string) error {
	_, err := f.Function(ctx, name)
	return err
}

func (f *fakeCloud) Function(_ context.Context, name string) (info *cloud.FunctionInfo, err error) {
	err = f.read(func() error {
		spec, ok := f.functions[name]
		if !ok {
			return absent(name)
		}
		info = &cloud.FunctionInfo{Name: name, State: "Active", MemoryMB: spec.MemoryMB, Tags: spec.Tags}
		return nil
	})
	return info, err
}

func (f *fakeCloud) DeleteFunction(ctx context.Context, name string) error {
	return f.change(ctx, func() error { delete(f.functions, name); return nil })
}

func (f *fakeCloud) Functions(_ context.Context, prefix string) (all []cloud.FunctionInfo, err error) {
	err = f.read(func() error {
		for name := range f.functions {
			if strings.HasPrefix(name, prefix) {
				all = append(all, cloud.FunctionInfo{Name: name})
			}
		}
		return nil
	})
	return all, err
}

func (f *fakeCloud) Invoke(ctx context.Context, name string, payload []byte) (*cloud.Invoked, error) {
	if err := f.change(ctx, func() error {
		if _, ok := f.functions[name]; !ok {
			return absent(name)
		}
		f.invoked = append(f.invoked, name)
		return nil
	}); err != nil {
		return nil, err
	}
	if f.invoke != nil {
		return f.invoke(name, payload)
	}
	return wakened(name), nil
}

// wakened is how a function answers the event that wakes it.
func wakened(name string) *cloud.Invoked {
	if strings.HasSuffix(name, "-gateway") {
		text := `{"errorType":"gateway.missing-input","errorMessage":"m","diagnostic":{"kind":"invalid","found":"there is no input"}}`
		return &cloud.Invoked{Failed: "Unhandled", Payload: []byte(text)}
	}
	return &cloud.Invoked{Payload: []byte(`{"format":"` + wire.ReplyFormat + `"}`)}
}

// leftovers lists all that is in the cloud.
func (f *fakeCloud) leftovers() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for key := range f.objects {
		all = append(all, "object "+key)
	}
	for name := range f.functions {
		all = append(all, "function "+name)
	}
	sort.Strings(all)
	return all
}

var (
	_ Store     = (*fakeCloud)(nil)
	_ Functions = (*fakeCloud)(nil)
)
