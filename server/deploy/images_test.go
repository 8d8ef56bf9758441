package deploy

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/server/cloud"
)

func (f *failing) CreateRepository(ctx context.Context, name string, tags map[string]string) (info *cloud.RepositoryInfo, err error) {
	err = f.change(func() error {
		info, err = f.Cloud.CreateRepository(ctx, name, tags)
		return err
	})
	return info, err
}

func (f *failing) DeleteRepository(ctx context.Context, name string) error {
	return f.change(func() error { return f.Cloud.DeleteRepository(ctx, name) })
}

func (f *failing) RegistryLogin(ctx context.Context) (user, password string, err error) {
	err = f.change(func() error {
		user, password, err = f.Cloud.RegistryLogin(ctx)
		return err
	})
	return user, password, err
}

// repositories lists the image repositories that deployments have.
func repositories(t testing.TB, c *cloud.Cloud, names ...string) (all []string) {
	t.Helper()
	for _, name := range names {
		if _, err := c.Repository(t.Context(), repositoryOf(name)); err == nil {
			all = append(all, "image repository of "+name)
		} else if !cloud.IsNotFound(err) {
			t.Fatal(err)
		}
	}
	return all
}

// imagePlan plans a small real model in stages that are container images.
func imagePlan(t testing.TB, stages int) (document, weights []byte) {
	t.Helper()
	document, weights = tinyPlan(t, stages)
	p, err := plan.Decode(document)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Stages {
		p.Stages[i].Packaging = plan.PackagingImage
	}
	if document, err = p.Encode(); err != nil {
		t.Fatal(err)
	}
	return document, weights
}

// TestImageFailureAnywhere fails each change of a deployment of container images in turn: whatever it is, nothing is left.
func TestImageFailureAnywhere(t *testing.T) {
	document, weights := imagePlan(t, 2)
	c := startCloud(t)
	failAnywhere(t, c, document, weights, 13)
	// What was deployed at last says what it is made of, and the same again is the same to the byte.
	d := realDeployer(t, c, c)
	first, err := d.Get(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	digest := func(one *Deployment, stage int) string {
		_, digest, _ := strings.Cut(one.Stages[stage].Image, "@")
		return digest
	}
	for i, s := range first.Stages {
		if s.Packaging != plan.PackagingImage || !strings.Contains(s.Image, "/partita-demo@sha256:") {
			t.Errorf("stage %d: %+v", i+1, s)
		}
	}
	if _, err := d.Destroy(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	feed, err := start(d, "demo", document, string(weights))
	if err == nil {
		err = outcome(t, feed)
	}
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.Get(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if digest(first, 0) != digest(second, 0) || digest(first, 1) != digest(second, 1) || digest(first, 0) == digest(first, 1) {
		t.Errorf("%+v\n%+v", first.Stages, second.Stages)
	}
	removed, err := d.Destroy(t.Context(), "demo")
	if err != nil || removed.Repository != "partita-demo" {
		t.Errorf("%+v %v", removed, err)
	}
	if left := append(everything(t, c), repositories(t, c, "demo")...); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestImageNames refuses names that no repository can have, and repositories that are another's, before anything is made.
func TestImageNames(t *testing.T) {
	document, weights := imagePlan(t, 1)
	c := startCloud(t)
	for name, code := range map[string]string{"a--b": "deploy.bad-name", "a-": "deploy.bad-name", "taken": "deploy.repository-exists"} {
		if name == "taken" {
			if _, err := c.CreateRepository(t.Context(), repositoryOf(name), nil); err != nil {
				t.Fatal(err)
			}
		}
		feed, err := start(realDeployer(t, c, c), name, document, string(weights))
		if err == nil {
			err = outcome(t, feed)
		}
		if diag.CodeOf(err) != code {
			t.Errorf("%s: %v", name, err)
		}
		if left := everything(t, c); len(left) != 0 {
			t.Errorf("%s leaves %v", name, left)
		}
	}
	if len(repositories(t, c, "taken")) != 1 {
		t.Error("another's repository was deleted")
	}
	// A base image that cannot be had is said to be so.
	d := realDeployer(t, c, c)
	d.options.BaseImage = "127.0.0.1:1/none:x"
	feed, err := start(d, "demo", document, string(weights))
	if err == nil {
		err = outcome(t, feed)
	}
	if diag.CodeOf(err) != "image.no-base" || !strings.Contains(err.Error(), "--base-image") {
		t.Errorf("%v", err)
	}
	if left := append(everything(t, c), repositories(t, c, "demo")...); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if left, err := filepath.Glob(filepath.Join(d.options.Folder, "*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files: %v %v", left, err)
	}
}
