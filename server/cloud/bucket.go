package cloud

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"partita/planner/diag"
)

// maxPutBytes is the most that one PutObject takes: 5 GiB (Amazon S3 User Guide, "Uploading objects").
const maxPutBytes = 5 << 30

// ObjectInfo is an object as a listing shows it.
type ObjectInfo struct {
	Key      string
	Bytes    int64
	Modified time.Time
}

// EnsureBucket makes the bucket unless it is there.
func (c *Cloud) EnsureBucket(ctx context.Context) error {
	_, err := c.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &c.config.Bucket})
	if err == nil {
		return nil
	}
	if err := explain(err, "looking for bucket %s", c.config.Bucket); !IsNotFound(err) {
		return err
	}
	in := &s3.CreateBucketInput{Bucket: &c.config.Bucket}
	if !c.Local() && c.region != "us-east-1" { // the one region that must not be named
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(c.region)}
	}
	_, err = c.s3.CreateBucket(ctx, in)
	var owned *types.BucketAlreadyOwnedByYou
	if errors.As(err, &owned) {
		return nil
	}
	return explain(err, "creating bucket %s", c.config.Bucket)
}

// Put stores an object. The body is read from its current position, and again from there when the SDK retries.
func (c *Cloud) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, contentType string) error {
	if size > maxPutBytes {
		return diag.New(diag.Limit, "cloud.object-too-large", "storing "+key, fmt.Sprintf("it has %d bytes; one object takes at most %d", size, int64(maxPutBytes)), "")
	}
	_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &c.config.Bucket, Key: &key, Body: body, ContentLength: &size, ContentType: optional(contentType)})
	return explain(err, "storing %s", key)
}

// PutIf stores a small document if the stored version is the one that version names; "" demands that there is none. It
// gives the new version. When another version is there, IsChanged(err).
func (c *Cloud) PutIf(ctx context.Context, key string, data []byte, version string) (string, error) {
	in := &s3.PutObjectInput{Bucket: &c.config.Bucket, Key: &key, Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))), ContentType: aws.String("application/json")}
	if version == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &version
	}
	out, err := c.s3.PutObject(ctx, in)
	if err != nil {
		return "", explain(err, "storing %s", key)
	}
	return aws.ToString(out.ETag), nil
}

// Get reads an object of at most limit bytes and gives its version.
func (c *Cloud) Get(ctx context.Context, key string, limit int64) (data []byte, version string, err error) {
	out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &c.config.Bucket, Key: &key})
	if err != nil {
		return nil, "", explain(err, "reading %s", key)
	}
	defer out.Body.Close()
	data, err = io.ReadAll(io.LimitReader(out.Body, limit+1))
	if err != nil {
		return nil, "", explain(err, "reading %s", key)
	}
	if int64(len(data)) > limit {
		return nil, "", diag.New(diag.Limit, "cloud.object-too-large", "reading "+key, fmt.Sprintf("it has more than %d bytes", limit), "")
	}
	return data, aws.ToString(out.ETag), nil
}

// List gives the objects under a prefix, by key.
func (c *Cloud) List(ctx context.Context, prefix string) ([]ObjectInfo, error) {
	var all []ObjectInfo
	pages := s3.NewListObjectsV2Paginator(c.s3, &s3.ListObjectsV2Input{Bucket: &c.config.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain(err, "listing %s*", prefix)
		}
		for _, o := range page.Contents {
			all = append(all, ObjectInfo{Key: aws.ToString(o.Key), Bytes: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)})
		}
	}
	return all, nil
}

// Delete removes objects; one that is absent is no error.
func (c *Cloud) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		_, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.config.Bucket, Key: &key})
		if err := explain(err, "deleting %s", key); err != nil && !IsNotFound(err) {
			return err
		}
	}
	return nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
