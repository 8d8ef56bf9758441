package ecr

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"partita/server/local/awsjson"
)

// TargetPrefix begins the X-Amz-Target header of this service's requests.
const TargetPrefix = "AmazonEC2ContainerRegistry_V20150921."

var protocol = awsjson.Protocol{Version: "1.1", TargetPrefix: TargetPrefix, Invalid: "InvalidParameterException", Fault: "ServerException", MaxRequestBytes: 6 << 20}

// registryUser is who logs in to the registry; tokenLife is how long ECR lets a password be used (ECR user guide,
// "Private registry authentication", 2026). Here any password is good for ever.
const (
	registryUser = "AWS"
	tokenLife    = 12 * time.Hour
)

const immutable = "IMMUTABLE"

func invalid(format string, args ...any) error {
	return awsjson.Errorf(protocol.Invalid, format, args...)
}

func notFound(name string) error {
	return awsjson.Errorf("RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", name, Account)
}

// request holds the parameters of every operation.
type request struct {
	RepositoryName     string
	RepositoryNames    []string
	RegistryId         string
	Tags               []label
	TagKeys            []string
	ResourceArn        string
	Force              bool
	ImageTagMutability string
	ImageIds           []imageID
	PolicyText         string
	LayerDigests       []string
	MaxResults         *int
	NextToken          string
}

type label struct{ Key, Value string }

type imageID struct {
	ImageDigest string `json:"imageDigest,omitempty"`
	ImageTag    string `json:"imageTag,omitempty"`
}

type answer = awsjson.Answer

// operations are those of the service's API that clients need to make repositories and to look at images; layers are sent by
// the distribution protocol.
var operations = map[string]func(s *Store, r *request) (answer, error){
	"GetAuthorizationToken": (*Store).getAuthorizationToken, "CreateRepository": (*Store).createRepository, "DescribeRepositories": (*Store).describeRepositories,
	"DeleteRepository": (*Store).deleteRepository, "DescribeImages": (*Store).describeImages, "ListImages": (*Store).listImages, "BatchGetImage": (*Store).batchGetImage,
	"BatchDeleteImage": (*Store).batchDeleteImage, "BatchCheckLayerAvailability": (*Store).checkLayers, "ListTagsForResource": (*Store).listLabels,
	"TagResource": (*Store).addLabels, "UntagResource": (*Store).removeLabels, "SetRepositoryPolicy": (*Store).setPolicy, "GetRepositoryPolicy": (*Store).getPolicy,
	"DeleteRepositoryPolicy": (*Store).deletePolicy,
}

// ServeHTTP answers a request to the ECR interface.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	awsjson.Serve(&protocol, s.options.Logger, w, r, operations, func(do func(*Store, *request) (answer, error), q *request) (answer, error) {
		if q.RegistryId != "" && q.RegistryId != Account {
			return nil, invalid("the local cloud has no other registry than %s", Account)
		}
		made, err := do(s, q)
		if errors.Is(err, errNoRepository) { // deleted at this moment
			err = awsjson.Errorf("RepositoryNotFoundException", "%s", err)
		}
		return made, err
	})
}

// WriteDenied answers a request that is not signed.
func WriteDenied(w http.ResponseWriter, message string) { protocol.WriteDenied(w, message) }

func (s *Store) arn(name string) string {
	return "arn:aws:ecr:" + s.options.Region + ":" + Account + ":repository/" + name
}

// describe words a repository.
func (s *Store) describe(r *repository) answer {
	return answer{
		"repositoryArn": s.arn(r.Name), "registryId": Account, "repositoryName": r.Name, "repositoryUri": s.options.Host + "/" + r.Name,
		"createdAt": awsjson.Seconds(r.Created), "imageTagMutability": r.Mutability, "imageScanningConfiguration": answer{"scanOnPush": false},
		"encryptionConfiguration": answer{"encryptionType": "AES256"},
	}
}

func (s *Store) getAuthorizationToken(*request) (answer, error) {
	return answer{"authorizationData": []answer{{
		"authorizationToken": base64.StdEncoding.EncodeToString([]byte(registryUser + ":local")), "expiresAt": awsjson.Seconds(time.Now().Add(tokenLife)),
		"proxyEndpoint": "http://" + s.options.Host,
	}}}, nil
}

func (s *Store) createRepository(q *request) (answer, error) {
	if !validName(q.RepositoryName) {
		return nil, invalid("Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression %s'", namePattern)
	}
	r := &repository{Name: q.RepositoryName, Created: time.Now().UTC().Truncate(time.Millisecond), Mutability: "MUTABLE"}
	switch q.ImageTagMutability {
	case "", r.Mutability:
	case immutable:
		r.Mutability = immutable
	default:
		return nil, invalid("Invalid parameter at 'imageTagMutability' failed to satisfy constraint: 'Member must satisfy enum value set: [MUTABLE, IMMUTABLE]'")
	}
	r.complete()
	for _, l := range q.Tags {
		r.Labels[l.Key] = l.Value
	}
	if err := checkLabels(r.Labels); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.repositories[r.Name] != nil:
		return nil, awsjson.Errorf("RepositoryAlreadyExistsException", "The repository with name '%s' already exists in the registry with id '%s'", r.Name, Account)
	case len(s.repositories) >= maxRepositories:
		return nil, awsjson.Errorf("LimitExceededException", "there are %d repositories already", maxRepositories)
	}
	if err := os.MkdirAll(s.dir(r.Name), 0o700); err != nil {
		return nil, err
	}
	if err := s.save(r); err != nil {
		_ = os.RemoveAll(s.dir(r.Name))
		return nil, err
	}
	s.repositories[r.Name] = r
	return answer{"repository": s.describe(r)}, nil
}

// page gives the part of a sorted list that a request asks for, and the token of the next.
func page(q *request, names []string) (part []string, next string, err error) {
	size := 100
	if q.MaxResults != nil {
		if size = *q.MaxResults; size < 1 || size > 1000 {
			return nil, "", invalid("Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value between 1 and 1000'")
		}
	}
	part, next, ok := awsjson.Page(names, func(name string) string { return name }, q.NextToken, size)
	if !ok {
		return nil, "", invalid("Invalid parameter at 'nextToken'")
	}
	return part, next, nil
}

// paged makes an answer of a list that may go on.
func paged(member string, list []answer, next string) answer {
	if list == nil {
		list = []answer{}
	}
	made := answer{member: list}
	if next != "" {
		made["nextToken"] = next
	}
	return made
}

func (s *Store) describeRepositories(q *request) (answer, error) {
	names, next := q.RepositoryNames, ""
	if len(names) == 0 {
		var err error
		if names, next, err = page(q, s.names()); err != nil {
			return nil, err
		}
	}
	var list []answer
	for _, name := range names {
		r := s.get(name)
		if r == nil && len(q.RepositoryNames) == 0 {
			continue // deleted in between
		}
		if r == nil {
			return nil, notFound(name)
		}
		list = append(list, s.describe(r))
	}
	return paged("repositories", list, next), nil
}

func (s *Store) deleteRepository(q *request) (answer, error) {
	r := s.get(q.RepositoryName)
	if r == nil {
		return nil, notFound(q.RepositoryName)
	}
	if len(r.Images) > 0 && !q.Force {
		return nil, awsjson.Errorf("RepositoryNotEmptyException", "The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", r.Name, Account)
	}
	if err := s.remove(r.Name); err != nil {
		return nil, err
	}
	return answer{"repository": s.describe(r)}, nil
}

func (s *Store) describeImages(q *request) (answer, error) {
	r := s.get(q.RepositoryName)
	if r == nil {
		return nil, notFound(q.RepositoryName)
	}
	digests, next := []string{}, ""
	if len(q.ImageIds) > 0 {
		for _, id := range q.ImageIds {
			digest := r.findID(id)
			if digest == "" {
				return nil, awsjson.Errorf("ImageNotFoundException", "The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s'", id.ImageDigest, id.ImageTag, r.Name)
			}
			digests = append(digests, digest)
		}
	} else {
		var err error
		if digests, next, err = page(q, sortedKeys(r.Images)); err != nil {
			return nil, err
		}
	}
	var list []answer
	for _, digest := range digests {
		i := r.Images[digest]
		one := answer{"registryId": Account, "repositoryName": r.Name, "imageDigest": digest, "imageSizeInBytes": i.Bytes, "imagePushedAt": awsjson.Seconds(i.Pushed),
			"imageManifestMediaType": i.MediaType}
		if tags := r.tagsOf(digest); len(tags) > 0 {
			one["imageTags"] = tags
		}
		list = append(list, one)
	}
	return paged("imageDetails", list, next), nil
}

// findID gives the digest of the image that an id names; "" when there is none.
func (r *repository) findID(id imageID) string {
	switch {
	case id.ImageDigest == "":
		return r.Tags[id.ImageTag]
	case r.Images[id.ImageDigest] == nil || id.ImageTag != "" && r.Tags[id.ImageTag] != id.ImageDigest:
		return ""
	}
	return id.ImageDigest
}

func (s *Store) listImages(q *request) (answer, error) {
	r := s.get(q.RepositoryName)
	if r == nil {
		return nil, notFound(q.RepositoryName)
	}
	digests, next, err := page(q, sortedKeys(r.Images))
	if err != nil {
		return nil, err
	}
	list := []imageID{}
	for _, digest := range digests {
		tags := r.tagsOf(digest)
		if len(tags) == 0 {
			tags = []string{""}
		}
		for _, tag := range tags {
			list = append(list, imageID{digest, tag})
		}
	}
	made := answer{"imageIds": list}
	if next != "" {
		made["nextToken"] = next
	}
	return made, nil
}

func (s *Store) batchGetImage(q *request) (answer, error) {
	r := s.get(q.RepositoryName)
	if r == nil {
		return nil, notFound(q.RepositoryName)
	}
	images, failures := []answer{}, []answer{}
	for _, id := range q.ImageIds {
		digest := r.findID(id)
		if digest == "" {
			failures = append(failures, missing(id))
			continue
		}
		data, err := os.ReadFile(s.manifestPath(r.Name, digest))
		if err != nil {
			return nil, err
		}
		images = append(images, answer{"registryId": Account, "repositoryName": r.Name, "imageId": imageID{digest, id.ImageTag}, "imageManifest": string(data),
			"imageManifestMediaType": r.Images[digest].MediaType})
	}
	return answer{"images": images, "failures": failures}, nil
}

func missing(id imageID) answer {
	return answer{"imageId": id, "failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
}

func (s *Store) batchDeleteImage(q *request) (answer, error) {
	deleted, failures := []imageID{}, []answer{}
	if s.get(q.RepositoryName) == nil {
		return nil, notFound(q.RepositoryName)
	}
	err := s.change(q.RepositoryName, func(r *repository) error {
		for _, id := range q.ImageIds {
			digest := r.findID(id)
			reference := id.ImageTag
			if reference == "" {
				reference = digest
			}
			if digest == "" || !drop(r, reference) {
				failures = append(failures, missing(id))
				continue
			}
			deleted = append(deleted, imageID{digest, id.ImageTag})
		}
		return nil
	})
	return answer{"imageIds": deleted, "failures": failures}, err
}

func (s *Store) checkLayers(q *request) (answer, error) {
	if s.get(q.RepositoryName) == nil {
		return nil, notFound(q.RepositoryName)
	}
	layers, failures := []answer{}, []answer{}
	for _, digest := range q.LayerDigests {
		if !digestPattern.MatchString(digest) {
			failures = append(failures, answer{"layerDigest": digest, "failureCode": "InvalidLayerDigest", "failureReason": "Invalid layer digest"})
			continue
		}
		one := answer{"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}
		if info, err := os.Stat(s.blobPath(q.RepositoryName, digest)); err == nil {
			one["layerAvailability"], one["layerSize"] = "AVAILABLE", info.Size()
		}
		layers = append(layers, one)
	}
	return answer{"layers": layers, "failures": failures}, nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return awsjson.Errorf("TooManyTagsException", "a repository has at most %d tags", maxLabels)
	}
	for key, value := range labels {
		if key == "" || utf8.RuneCountInString(key) > 128 || utf8.RuneCountInString(value) > 256 || strings.HasPrefix(strings.ToLower(key), "aws:") {
			return awsjson.Errorf("InvalidTagParameterException", "the tag %.140q cannot be given", key)
		}
	}
	return nil
}

// named finds the repository of a resource name.
func (s *Store) named(arn string) (string, error) {
	name, ok := strings.CutPrefix(arn, s.arn(""))
	if !ok || s.get(name) == nil {
		return "", notFound(filepath.Base(arn))
	}
	return name, nil
}

func (s *Store) listLabels(q *request) (answer, error) {
	name, err := s.named(q.ResourceArn)
	if err != nil {
		return nil, err
	}
	list := []label{}
	r := s.get(name)
	if r == nil {
		return nil, notFound(name)
	}
	for _, key := range sortedKeys(r.Labels) {
		list = append(list, label{key, r.Labels[key]})
	}
	return answer{"tags": list}, nil
}

func (s *Store) addLabels(q *request) (answer, error) {
	name, err := s.named(q.ResourceArn)
	if err != nil {
		return nil, err
	}
	return answer{}, s.change(name, func(r *repository) error {
		for _, l := range q.Tags {
			r.Labels[l.Key] = l.Value
		}
		return checkLabels(r.Labels)
	})
}

func (s *Store) removeLabels(q *request) (answer, error) {
	name, err := s.named(q.ResourceArn)
	if err != nil {
		return nil, err
	}
	return answer{}, s.change(name, func(r *repository) error {
		for _, key := range q.TagKeys {
			delete(r.Labels, key)
		}
		return nil
	})
}

func (s *Store) policyAnswer(r *repository) answer {
	return answer{"registryId": Account, "repositoryName": r.Name, "policyText": r.Policy}
}

func (s *Store) setPolicy(q *request) (answer, error) {
	if s.get(q.RepositoryName) == nil {
		return nil, notFound(q.RepositoryName)
	}
	if !json.Valid([]byte(q.PolicyText)) || len(q.PolicyText) > 10240 {
		return nil, invalid("Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'")
	}
	var made answer
	err := s.change(q.RepositoryName, func(r *repository) error {
		r.Policy = q.PolicyText
		made = s.policyAnswer(r)
		return nil
	})
	return made, err
}

func (s *Store) getPolicy(q *request) (answer, error) {
	r := s.get(q.RepositoryName)
	if r == nil {
		return nil, notFound(q.RepositoryName)
	}
	if r.Policy == "" {
		return nil, noPolicy(r.Name)
	}
	return s.policyAnswer(r), nil
}

func noPolicy(name string) error {
	return awsjson.Errorf("RepositoryPolicyNotFoundException", "Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", name, Account)
}

func (s *Store) deletePolicy(q *request) (answer, error) {
	if s.get(q.RepositoryName) == nil {
		return nil, notFound(q.RepositoryName)
	}
	var made answer
	err := s.change(q.RepositoryName, func(r *repository) error {
		if r.Policy == "" {
			return noPolicy(r.Name)
		}
		made = s.policyAnswer(r)
		r.Policy = ""
		return nil
	})
	return made, err
}

func sortedKeys[V any](m map[string]V) []string {
	keys := slices.Sorted(maps.Keys(m))
	if keys == nil {
		keys = []string{}
	}
	return keys
}
