package engine

import (
	"context"
	"io"

	"partita/app/state"
	"partita/planner/load"
)

// readable is a file as the planner reads it; its reads fail once ctx is cancelled.
func readable(ctx context.Context, f state.File) load.File {
	return load.File{Name: f.Name(), Size: f.Size(), Reader: cancellable{ctx, f}}
}

type cancellable struct {
	ctx context.Context
	io.ReaderAt
}

func (c cancellable) ReadAt(p []byte, offset int64) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.ReaderAt.ReadAt(p, offset)
}
