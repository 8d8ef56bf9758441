package deploy

import (
	"context"
	"io"
	"os"
	"strings"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/server/cloud"
	"partita/server/image"
	"partita/server/split"
)

// Images are the account's repositories of container images. *cloud.Cloud is one.
type Images interface {
	CreateRepository(ctx context.Context, name string, tags map[string]string) (*cloud.RepositoryInfo, error)
	Repository(ctx context.Context, name string) (*cloud.RepositoryInfo, error)
	DeleteRepository(ctx context.Context, name string) error
	RegistryLogin(ctx context.Context) (user, password string, err error)
}

// DefaultBaseImage is what images on AWS go on from: Amazon's own for programs that are their own runtime, with the C library
// that the bootstrap and ONNX Runtime need (AWS Lambda developer guide, "OS-only runtimes", 2026). On the local cloud a
// function sees the host's system, and images go on from nothing.
const DefaultBaseImage = "public.ecr.aws/lambda/provided:al2023"

// repositoryOf names a deployment's repository of images: all its stages share it, so that what they have in common is kept once.
func repositoryOf(name string) string { return "partita-" + name }

// checkRepository refuses a deployment's name that makes no repository's (ECR API reference, CreateRepository).
func checkRepository(name string) error {
	if !strings.Contains(name, "--") && !strings.HasSuffix(name, "-") {
		return nil
	}
	return diag.New(diag.Usage, "deploy.bad-name", "naming a deployment of container images", "the name is "+quote(name),
		"take a name without two hyphens together or one at the end, as image repositories have them, or plan with packaging zip,s3")
}

// inImage makes a part one whose package is a container image.
func inImage(part *Part, write func(io.Writer) error) {
	part.Packaging, part.WriteLayer, part.Write = plan.PackagingImage, write, nil
}

// pushImages packs the parts that are container images: a repository, the layer that they share, and for each part a layer of its
// own on top of it. One layer is on the disk beside the shared one at a time.
func (d *Deployer) pushImages(ctx context.Context, name string, b *Blueprint, j *journal, feed *Feed) error {
	var parts []*Part
	for i := range b.Stages {
		if b.Stages[i].WriteLayer != nil {
			parts = append(parts, &b.Stages[i])
		}
	}
	if len(parts) == 0 {
		return nil
	}
	if d.options.Images == nil {
		return diag.New(diag.Internal, "deploy.no-registry", "packaging "+name, "this server has no registry of images", "plan with packaging zip,s3")
	}
	repository, err := d.createRepository(ctx, name, b, j, feed)
	if err != nil {
		return err
	}
	user, password, err := d.options.Images.RegistryLogin(ctx)
	if err != nil {
		return err
	}
	shared, remove, err := d.layer(ctx, "layer runtime", 0, b.RuntimeLayer, feed)
	if err != nil {
		return err
	}
	defer remove()
	for _, p := range parts {
		own, remove, err := d.layer(ctx, "layer "+p.Name, p.PackageBytes-shared.Bytes(), p.WriteLayer, feed)
		if err != nil {
			return err
		}
		step := feed.Start("upload", "image "+p.Name, shared.Bytes()+own.Bytes())
		digest, err := image.Push(ctx, b.image(d.options.BaseImage, shared, own), image.Target{Address: repository.Address + ":" + p.Name, User: user, Password: password}, step.progress)
		remove()
		if step.End(err) != nil {
			return err
		}
		p.Image = repository.Address + "@" + digest
	}
	return nil
}

// image says what the image of a part is made of.
func (b *Blueprint) image(base string, layers ...*image.Layer) image.Image {
	return image.Image{Base: base, Architecture: b.Architecture, Layers: layers, Entry: []string{"/" + split.TaskFolder + "/" + split.BootstrapFile},
		Dir: "/" + split.TaskFolder, Env: []string{"LAMBDA_TASK_ROOT=/" + split.TaskFolder}}
}

func (d *Deployer) createRepository(ctx context.Context, name string, b *Blueprint, j *journal, feed *Feed) (*cloud.RepositoryInfo, error) {
	var made *cloud.RepositoryInfo
	err := j.create(ctx, feed, Resource{repositoryKind, repositoryOf(name)}, "image repository", func(creating context.Context) (err error) {
		made, err = d.options.Images.CreateRepository(creating, repositoryOf(name), map[string]string{tagDeployment: name, tagPlan: b.Plan.Hash})
		return err
	})
	return made, err
}

// layer writes a layer into a temporary file of about so many bytes, which remove removes.
func (d *Deployer) layer(ctx context.Context, what string, about int64, write func(io.Writer) error, feed *Feed) (l *image.Layer, remove func(), err error) {
	step := feed.Start("package", what, max(about, 0))
	l, remove, err = writeLayer(ctx, d.options.Folder, what, write, step.progress)
	return l, remove, step.End(err)
}

func writeLayer(ctx context.Context, folder, what string, write func(io.Writer) error, tell func(int64)) (l *image.Layer, remove func(), err error) {
	file, err := os.CreateTemp(folder, "layer-*")
	if err != nil {
		return nil, nil, diag.New(diag.Internal, "deploy.no-temporary-file", "packaging "+what, "no temporary file can be made", "check the data folder").Because(err)
	}
	remove = func() { os.Remove(file.Name()) }
	l, err = image.NewLayer(file.Name(), &packageFile{File: file, ctx: ctx, tell: tell}, write)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if full := noRoom(err, "packaging "+what); full != nil {
		err = full
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	return l, remove, nil
}

// ownRepository gives the repository of images that belongs to a deployment, by its name and its tag; "" when there is none.
func (d *Deployer) ownRepository(ctx context.Context, name string, journaled bool) (string, error) {
	if d.options.Images == nil || checkRepository(name) != nil {
		return "", nil
	}
	found, err := d.options.Images.Repository(ctx, repositoryOf(name))
	if err != nil {
		return "", unlessAbsent(err, journaled)
	}
	if found.Tags[tagDeployment] != name {
		return "", nil
	}
	return found.Name, nil
}
