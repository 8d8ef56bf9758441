package s3

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"partita/internal/fixture"
)

// TestFullDisk stores objects on a disk that has no room for them: the client learns why, and nothing is left of them.
func TestFullDisk(t *testing.T) {
	dir, _ := fixture.SmallDisk(t, "1m")
	client, _, _ := serve(t, dir)
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: ptr("box")}); err != nil {
		t.Fatal(err)
	}
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: ptr("box"), Key: ptr("large"), Body: bytes.NewReader(make([]byte, 8<<20))})
	if code(err) != string(ErrFull) {
		t.Errorf("a large object: %v", err)
	}
	// With no room at all, not even for an object's entry.
	if err := os.WriteFile(filepath.Join(dir, "rest"), make([]byte, 2<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: ptr("box"), Key: ptr("empty"), Body: bytes.NewReader(nil)})
	if code(err) != string(ErrFull) {
		t.Errorf("an empty object: %v", err)
	}
	for _, folder := range []string{entriesFolder, dataFolder} {
		if left, err := os.ReadDir(filepath.Join(dir, "box", folder)); err != nil || len(left) != 0 {
			t.Errorf("left in %s: %v, %v", folder, left, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "rest")); err != nil {
		t.Fatal(err)
	}
	put(t, client, "small", []byte("small"))
}
