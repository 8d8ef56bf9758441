package gateway

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// spill puts into the store those tensors that do not go on in the payload.
func (r *run) spill(tensors []wire.Tensor, all bool, prefix string) error {
	return r.spillBeyond(tensors, all, 0, prefix)
}

// spillBeyond is spill where the payload has room for so many bytes of tensors; 0 is what the platform's has.
func (r *run) spillBeyond(tensors []wire.Tensor, all bool, most int64, prefix string) error {
	for i, t := range wire.Spill(tensors, all, most) {
		if r.manifest.Bucket == "" {
			return diag.New(diag.Limit, "gateway.no-bucket", "handing tensors over", fmt.Sprintf("tensor %q does not fit into a payload, and the deployment has no bucket", t.Name), "deploy with a bucket, or send a smaller batch")
		}
		if err := t.Decode(); err != nil {
			return err
		}
		if err := r.ctx.Err(); err != nil {
			return diag.New(diag.Limit, "gateway.deadline", "handing tensors over", "the time for this request ran out", "plan with more memory per function, or send a smaller batch").Because(err)
		}
		object := wire.Object{Bucket: r.manifest.Bucket, Key: prefix + strconv.Itoa(i), Bytes: int64(len(t.Data))}
		r.mayStore()
		if err := r.store.Put(r.ctx, object, t.Data); err != nil {
			return err
		}
		t.Data, t.Object = nil, &object
	}
	return nil
}

// keep leaves outputs that are too large for the reply in the store, for the caller to fetch and delete.
func (r *run) keep(outputs []wire.Tensor) error {
	return r.spill(outputs, false, r.prefix+"outputs/")
}

func (r *run) mayStore() {
	r.mutex.Lock()
	r.stored = true
	r.mutex.Unlock()
}

// forget deletes the objects of tensors that nobody reads any more: those of a hop that is done, less those that the
// next hop names again.
func (r *run) forget(tensors, next []wire.Tensor) {
	needed := map[string]bool{}
	for i := range next {
		if o := next[i].Object; o != nil {
			needed[o.Key] = true
		}
	}
	for i := range tensors {
		o := tensors[i].Object
		if o == nil || needed[o.Key] {
			continue
		}
		needed[o.Key] = true // once
		r.deletes.Add(1)
		go func() {
			defer r.deletes.Done()
			// Not under the request's context, which ends first. What cannot be deleted stays for the bucket's lifecycle rule.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 20*time.Second)
			defer cancel()
			_ = r.store.Delete(ctx, *o)
		}()
	}
}

// finish waits for what need not keep the caller waiting.
func (r *run) finish() {
	r.cancel()
	r.woken.Wait()
	r.deletes.Wait()
}

// abandon leaves nothing behind of a request that failed: no invocation under way, no object.
func (r *run) abandon() {
	r.finish()
	r.mutex.Lock()
	stored := r.stored
	r.mutex.Unlock()
	if !stored {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 10*time.Second)
	defer cancel()
	_ = r.store.DeletePrefix(ctx, r.manifest.Bucket, r.prefix)
}
