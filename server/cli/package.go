package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"partita/planner/export"
	"partita/planner/report"
	"partita/server/deploy"
)

// packagesDocument is what package --json prints.
type packagesDocument struct {
	Format   string        `json:"format"`
	Name     string        `json:"name"`
	Plan     string        `json:"plan"`
	Bucket   string        `json:"bucket"`
	Prefix   string        `json:"prefix"` // where the exported templates look for the packages
	Packages []packageFile `json:"packages"`
}

type packageFile struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

// gatewayConcurrency is how many items of a batch a gateway has under way at once, as when the server deploys on AWS.
const gatewayConcurrency = 4

func packagePlan(ctx context.Context, a *arguments, env *environment) error {
	weights, folder := a.text("weights"), a.text("output-dir")
	if weights == "" || folder == "" {
		return usage(find("package"), "it needs --weights FILE and --output-dir DIR")
	}
	p, err := openPlan(a.words[0], env)
	if err != nil {
		return err
	}
	name, bucket, err := export.Place(p, export.Options{Name: a.text("name"), Bucket: a.text("bucket")})
	if err != nil {
		return err
	}
	document, err := p.Encode()
	if err != nil {
		return err
	}
	file, size, err := openFile(weights, env)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fileError("making "+folder, err)
	}
	d := packagesDocument{Format: "partita.packages/1", Name: name, Plan: p.Hash, Bucket: bucket, Prefix: export.PackagePrefix(name)}
	native, foreign := nativeFiles(env)
	base := a.text("base-image")
	if base == "" {
		base = deploy.DefaultBaseImage
	}
	_, err = deploy.Package(ctx, deploy.Options{Native: native, Foreign: foreign, Concurrency: gatewayConcurrency, BaseImage: base}, bucket, folder,
		deploy.Request{Name: name, Plan: document, Preprocess: a.text("preprocess")}, deploy.Weights{Name: baseName(weights), Size: size, Reader: file},
		func(path string, bytes int64) {
			d.Packages = append(d.Packages, packageFile{filepath.Base(path), bytes})
			if !a.on("json") {
				env.say("wrote %s (%s)", path, report.Bytes(bytes))
			}
		})
	if err != nil {
		return err
	}
	if a.on("json") {
		return writeJSON(env.out, d)
	}
	page := report.NewPage(env.out)
	images := slices.DeleteFunc(slices.Clone(d.Packages), func(p packageFile) bool { return filepath.Ext(p.File) != ".tar" })
	if len(images) == 0 {
		page.Line("aws s3 cp --recursive %s s3://%s/%s/", folder, bucket, d.Prefix)
		return page.Err()
	}
	page.Line("aws s3 cp --recursive --exclude '*.tar' %s s3://%s/%s/", folder, bucket, d.Prefix)
	repository := export.RepositoryName(name)
	page.Line("registry=$(aws ecr create-repository --repository-name %s --query repository.repositoryUri --output text)", repository)
	page.Line("aws ecr get-login-password | docker login --username AWS --password-stdin ${registry%%%%/*}")
	for _, i := range images {
		tag := strings.TrimSuffix(i.File, ".tar")
		page.Line("docker load -i %s && docker tag %s:%s $registry:%s && docker push $registry:%s", filepath.Join(folder, i.File), repository, tag, tag, tag)
	}
	return page.Err()
}
