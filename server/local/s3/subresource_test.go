package s3

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestTags: an object has none, which clients ask for before they copy it in parts; removing them all removes no object.
func TestTags(t *testing.T) {
	client, _, _ := withBucket(t)
	put(t, client, "a", []byte("content"))
	tags, err := client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: ptr("box"), Key: ptr("a")})
	if err != nil || len(tags.TagSet) != 0 {
		t.Errorf("%v %v", tags, err)
	}
	if _, err := client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: ptr("box"), Key: ptr("absent")}); code(err) != "NoSuchKey" {
		t.Errorf("of an absent object: %v", err)
	}
	if _, err := client.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: ptr("box"), Key: ptr("a")}); err != nil {
		t.Error(err)
	}
	_, err = client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: ptr("box"), Key: ptr("a"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: ptr("k"), Value: ptr("v")}}}})
	if code(err) != "NotImplemented" {
		t.Errorf("tags are taken: %v", err)
	}
	if got := get(t, client, "a"); string(got) != "content" {
		t.Errorf("the object is %q now", got)
	}
}

// TestSubresources asks for, sets and deletes what the store does not have of buckets and objects: that must not touch the bucket or object
// itself, nor give it as the answer.
func TestSubresources(t *testing.T) {
	client, _, url := withBucket(t)
	ask := func(method, path string) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, url+path, strings.NewReader("<x/>"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusNotImplemented {
			t.Errorf("%s %s: %s", method, path, answer.Status)
		}
	}
	methods := []string{http.MethodGet, http.MethodPut, http.MethodDelete}
	for _, method := range methods { // while the bucket is empty, so that it could be deleted
		for _, name := range []string{"acl", "cors", "encryption", "lifecycle", "ownershipControls", "policy", "publicAccessBlock", "replication", "tagging", "website"} {
			ask(method, "/box?"+name)
		}
	}
	put(t, client, "a", []byte("content"))
	for _, method := range methods {
		for _, name := range []string{"acl", "legal-hold", "retention", "torrent"} {
			ask(method, "/box/a?"+name)
		}
	}
	if got := get(t, client, "a"); string(got) != "content" {
		t.Errorf("the object is %q now", got)
	}
}
