package cloud

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"partita/planner/diag"
)

// RepositoryInfo is a repository of container images.
type RepositoryInfo struct {
	Name    string
	Address string // of images in it, less tag or digest: HOST/NAME
	Tags    map[string]string
}

// CreateRepository makes a repository of images. One of that name is a conflict.
func (c *Cloud) CreateRepository(ctx context.Context, name string, tags map[string]string) (*RepositoryInfo, error) {
	in := &ecr.CreateRepositoryInput{RepositoryName: &name}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	out, err := c.ecr.CreateRepository(ctx, in)
	if err != nil {
		return nil, explain(err, "creating the image repository %s", name)
	}
	return &RepositoryInfo{Name: name, Address: aws.ToString(out.Repository.RepositoryUri), Tags: tags}, nil
}

// Repository describes a repository of images.
func (c *Cloud) Repository(ctx context.Context, name string) (*RepositoryInfo, error) {
	out, err := c.ecr.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{name}})
	if err != nil {
		return nil, explain(err, "looking at the image repository %s", name)
	}
	if len(out.Repositories) != 1 {
		return nil, diag.New(diag.NotFound, CodeNotFound, "looking at the image repository "+name, "it is absent", "")
	}
	info := &RepositoryInfo{Name: name, Address: aws.ToString(out.Repositories[0].RepositoryUri), Tags: map[string]string{}}
	tags, err := c.ecr.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: out.Repositories[0].RepositoryArn})
	if err != nil {
		return nil, explain(err, "looking at the image repository %s", name)
	}
	for _, t := range tags.Tags {
		info.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return info, nil
}

// DeleteRepository removes a repository with its images; one that is absent is no error.
func (c *Cloud) DeleteRepository(ctx context.Context, name string) error {
	_, err := c.ecr.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: &name, Force: true})
	if err := explain(err, "deleting the image repository %s", name); err != nil && !IsNotFound(err) {
		return err
	}
	return nil
}

// RegistryLogin gives a name and a password for the registry of images, good for some hours.
func (c *Cloud) RegistryLogin(ctx context.Context) (user, password string, err error) {
	const doing = "logging in to the registry of images"
	out, err := c.ecr.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return "", "", explain(err, doing)
	}
	if len(out.AuthorizationData) > 0 {
		token, err := base64.StdEncoding.DecodeString(aws.ToString(out.AuthorizationData[0].AuthorizationToken))
		if user, password, ok := strings.Cut(string(token), ":"); err == nil && ok {
			return user, password, nil
		}
	}
	return "", "", diag.New(diag.Unavailable, "cloud.failed", doing, "the answer holds no password", "try again")
}
