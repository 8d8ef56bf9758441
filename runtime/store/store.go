// Package store hands tensors over through S3, or whatever speaks its API at AWS_ENDPOINT_URL.
package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// maxObject bounds what Get reads into memory.
const maxObject = 1 << 30

// S3 is a store. Its client is made at the first use, so that functions that never use it start without it.
type S3 struct {
	client func() (*s3.Client, error)
}

// New makes a store configured by the environment, as the AWS SDK reads it.
func New() *S3 { return &S3{client: sync.OnceValues(connect)} }

func connect() (*s3.Client, error) {
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRetryer(func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 5 })
	}))
	if err != nil {
		return nil, err
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		// Buckets as host names need DNS entries, which other servers than AWS seldom have.
		o.UsePathStyle = os.Getenv("AWS_ENDPOINT_URL") != "" || os.Getenv("AWS_ENDPOINT_URL_S3") != ""
		// Checksums and signatures of the payload cost processor time, which the function's memory buys, and TLS guards
		// the bytes already.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	}), nil
}

func failed(doing string, object wire.Object, err error) error {
	where := fmt.Sprintf("s3://%s/%s", object.Bucket, object.Key)
	// GetObject's model has no NoSuchBucket: it comes as an error without a type of its own.
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) && (api.ErrorCode() == "NoSuchKey" || api.ErrorCode() == "NoSuchBucket") {
		return diag.New(diag.NotFound, "store.no-object", doing, where+" does not exist", "check the bucket, and that nothing else deletes from it")
	}
	return diag.New(diag.Unavailable, "store.unavailable", doing, where+" could not be reached", "check the network and the role's permissions").Because(err)
}

// Get reads an object, which must have the size that its name says.
func (s *S3) Get(ctx context.Context, object wire.Object) ([]byte, error) {
	const doing = "getting a tensor from S3"
	client, err := s.client()
	if err != nil {
		return nil, failed(doing, object, err)
	}
	if object.Bytes < 0 || object.Bytes > maxObject {
		return nil, diag.New(diag.Limit, "store.object-too-large", doing, fmt.Sprintf("it has %d bytes; at most %d are read", object.Bytes, maxObject), "send a smaller batch")
	}
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &object.Bucket, Key: &object.Key})
	if err != nil {
		return nil, failed(doing, object, err)
	}
	defer out.Body.Close()
	data := make([]byte, object.Bytes)
	if n, err := io.ReadFull(out.Body, data); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, wrongSize(object, fmt.Sprint(n))
	} else if err != nil {
		return nil, failed(doing, object, err)
	}
	if n, _ := out.Body.Read(make([]byte, 1)); n > 0 {
		return nil, wrongSize(object, "more")
	}
	return data, nil
}

func wrongSize(object wire.Object, found string) error {
	return diag.New(diag.Invalid, "store.wrong-size", "getting a tensor from S3", fmt.Sprintf("s3://%s/%s has %s bytes, expected %d",
		object.Bucket, object.Key, found, object.Bytes), "send it again")
}

// Put writes an object.
func (s *S3) Put(ctx context.Context, object wire.Object, data []byte) error {
	const doing = "putting a tensor into S3"
	client, err := s.client()
	if err != nil {
		return failed(doing, object, err)
	}
	_, err = client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &object.Bucket, Key: &object.Key, Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
		ContentType: aws.String("application/octet-stream"),
	})
	if err != nil {
		return failed(doing, object, err)
	}
	return nil
}

// Delete removes an object; one that is not there is no error.
func (s *S3) Delete(ctx context.Context, object wire.Object) error {
	const doing = "deleting a tensor from S3"
	client, err := s.client()
	if err != nil {
		return failed(doing, object, err)
	}
	if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &object.Bucket, Key: &object.Key}); err != nil {
		return failed(doing, object, err)
	}
	return nil
}

// DeletePrefix removes all objects whose key begins with a prefix.
func (s *S3) DeletePrefix(ctx context.Context, bucket, prefix string) error {
	const doing = "deleting tensors from S3"
	client, err := s.client()
	if err != nil {
		return failed(doing, wire.Object{Bucket: bucket, Key: prefix}, err)
	}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return failed(doing, wire.Object{Bucket: bucket, Key: prefix}, err)
		}
		for i := range page.Contents {
			if err := s.Delete(ctx, wire.Object{Bucket: bucket, Key: aws.ToString(page.Contents[i].Key)}); err != nil {
				return err
			}
		}
	}
	return nil
}
