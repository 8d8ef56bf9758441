package cli

import (
	"context"
	"io"
)

// output remembers that writing has failed, so that views need not look after it line by line: a command whose data did
// not arrive has not succeeded.
type output struct {
	to  io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(p)
	o.err = err
	return n, err
}

// input is standard input that stops waiting when the command is interrupted.
type input struct {
	ctx  context.Context
	from io.Reader
}

func (i *input) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	type result struct {
		data []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		data := make([]byte, len(p))
		n, err := i.from.Read(data)
		read <- result{data[:n], err}
	}()
	select {
	case r := <-read:
		return copy(p, r.data), r.err
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	}
}
