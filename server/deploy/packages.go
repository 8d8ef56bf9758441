package deploy

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"partita/planner/diag"
	"partita/server/image"
)

// bucketName is a store of which only the name is known: nothing is read or written.
type bucketName struct {
	Store
	name string
}

func (b bucketName) Bucket() string { return b.name }

// Package works a deployment out, as Start does, and writes its packages into a folder instead of deploying them: for
// other tools, which create the functions themselves. A container image is written as docker save does. The bucket is where
// they will find what stages hand over. Options need neither a store nor functions. What is written is told to written.
func Package(ctx context.Context, o Options, bucket, folder string, r Request, w Weights, written func(file string, bytes int64)) (*Blueprint, error) {
	if err := CheckName(r.Name); err != nil {
		return nil, err
	}
	if err := checkPreprocess(r.Preprocess); err != nil {
		return nil, err
	}
	var err error
	if r.plan, err = o.readPlan(r.Plan); err != nil {
		return nil, err
	}
	o.Store = bucketName{name: bucket}
	if o.BaseImage == "" {
		o.BaseImage = image.Scratch
	}
	blueprint, err := New(o).options.Prepare(ctx, &r, w)
	if err != nil {
		return nil, err
	}
	for _, part := range append(append([]Part{}, blueprint.Stages...), blueprint.Gateway) {
		if part.WriteLayer != nil {
			path, bytes, err := o.saveImage(ctx, r.Name, folder, &part, blueprint)
			if err != nil {
				return nil, err
			}
			written(path, bytes)
			continue
		}
		if part.WriteWeights != nil {
			path := filepath.Join(folder, part.Name+".weights")
			bytes, err := writePackage(ctx, path, part.WriteWeights)
			if err != nil {
				return nil, err
			}
			written(path, bytes)
		}
		path := filepath.Join(folder, part.Name+".zip")
		bytes, err := writePackage(ctx, path, part.Write)
		if err != nil {
			return nil, err
		}
		written(path, bytes)
	}
	return blueprint, nil
}

// saveImage writes the container image of a part as docker save does. Its layers are temporary files in the same folder.
func (o *Options) saveImage(ctx context.Context, name, folder string, p *Part, b *Blueprint) (path string, bytes int64, err error) {
	shared, remove, err := writeLayer(ctx, folder, "the runtime", b.RuntimeLayer, func(int64) {})
	if err != nil {
		return "", 0, err
	}
	defer remove()
	own, remove, err := writeLayer(ctx, folder, p.Name, p.WriteLayer, func(int64) {})
	if err != nil {
		return "", 0, err
	}
	defer remove()
	path = filepath.Join(folder, p.Name+".tar")
	bytes, err = writePackage(ctx, path, func(w io.Writer) error {
		return image.Save(ctx, b.image(o.BaseImage, shared, own), repositoryOf(name)+":"+p.Name, w)
	})
	return path, bytes, err
}

// writePackage writes a file whole or not at all.
func writePackage(ctx context.Context, path string, write func(io.Writer) error) (int64, error) {
	unusable := func(err error) error {
		return diag.New(diag.Invalid, "file.unusable", "writing "+path, "it cannot be written", "check the folder and its permissions").Because(err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".package-*")
	if err != nil {
		return 0, unusable(err)
	}
	defer os.Remove(file.Name()) // gone once renamed
	defer file.Close()
	if err := write(&packageFile{File: file, ctx: ctx, tell: func(int64) {}}); err != nil {
		if diag.As(err) == nil && ctx.Err() == nil {
			err = unusable(err)
		}
		return 0, err
	}
	info, err := file.Stat()
	if err == nil {
		err = file.Chmod(0o644)
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return 0, unusable(err)
	}
	return info.Size(), nil
}
