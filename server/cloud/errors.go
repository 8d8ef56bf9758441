package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/aws/smithy-go"

	"partita/planner/diag"
)

// Codes of the errors that callers test for.
const (
	CodeNotFound = "cloud.not-found"
	CodeChanged  = "cloud.changed" // a conditional put found another version
	CodeConflict = "cloud.conflict"
	CodeDenied   = "cloud.access-denied"
)

// IsNotFound tells whether err says that an object or function is absent.
func IsNotFound(err error) bool { return diag.CodeOf(err) == CodeNotFound }

// IsChanged tells whether err says that a conditional put found another version.
func IsChanged(err error) bool { return diag.CodeOf(err) == CodeChanged }

// explain turns an error of the SDK into a diagnostic. What the AWS codes mean is from the service models of botocore
// (2026-05) and the Lambda and S3 API references.
func explain(err error, doing string, args ...any) error {
	if err == nil {
		return nil
	}
	if diag.As(err) != nil {
		return err
	}
	doing = fmt.Sprintf(doing, args...)
	if errors.Is(err, context.Canceled) {
		return diag.New(diag.Interrupted, "interrupted", doing, "it was cancelled", "").Because(context.Canceled)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return diag.New(diag.Unavailable, "cloud.timed-out", doing, "the cloud did not answer in time", "try again").Because(context.DeadlineExceeded)
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return explainAPI(err, api, doing)
	}
	var dial *net.OpError
	if errors.As(err, &dial) {
		return diag.New(diag.Unavailable, "cloud.unreachable", doing, "the cloud's endpoint cannot be reached",
			"check the network and the endpoint").Because(dial)
	}
	return diag.New(diag.Unavailable, "cloud.failed", doing, "the cloud did not answer as it should", "try again").Because(err)
}

func explainAPI(err error, api smithy.APIError, doing string) error {
	message := api.ErrorMessage()
	if message == "" {
		message = api.ErrorCode()
	}
	found := func(kind diag.Kind, code, what, fix string) error {
		return diag.New(kind, code, doing, what, fix)
	}
	switch api.ErrorCode() {
	case "NoSuchKey", "NotFound", "NoSuchBucket", "ResourceNotFoundException", "RepositoryNotFoundException", "StateMachineDoesNotExist", "ResourceNotFound":
		return found(diag.NotFound, CodeNotFound, "it is absent: "+message, "")
	case "PreconditionFailed", "ConditionalRequestConflict":
		return found(diag.Conflict, CodeChanged, "another version is there", "")
	case "ResourceConflictException", "BucketAlreadyExists", "OperationAborted", "RepositoryAlreadyExistsException", "StateMachineAlreadyExists", "StateMachineDeleting":
		return found(diag.Conflict, CodeConflict, message, "wait for the other operation, or take another name")
	case "AccessDenied", "AccessDeniedException", "Forbidden", "AllAccessDisabled":
		return found(diag.Limit, CodeDenied, "the credentials may not do this: "+message, "allow the action "+action(err))
	case "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException":
		return found(diag.Limit, "cloud.bad-credentials", "the credentials are not accepted: "+message, "renew them")
	case "TooManyRequestsException", "ThrottlingException", "SlowDown", "RequestLimitExceeded":
		return found(diag.Unavailable, "cloud.throttled", "too many requests: "+message, "try again in a minute")
	case "LimitExceededException":
		return found(diag.Limit, "cloud.limit-exceeded", message, "delete what is no longer used, or have the quota raised")
	case "CodeStorageExceededException":
		return found(diag.Limit, "cloud.code-storage-full", message, "delete functions or versions that are no longer used")
	case "InsufficientStorage": // the local cloud's
		return found(diag.Limit, "cloud.full", message, "free some space, for example with partita destroy, and try again")
	case "RequestEntityTooLargeException", "RequestTooLargeException", "EntityTooLarge":
		return found(diag.Limit, "cloud.too-large", message, "")
	case "InvalidDefinition", "InvalidExecutionInput", "InvalidName", "InvalidArn", "StateMachineTypeNotSupported":
		return found(diag.Invalid, "cloud.refused", message, "")
	case "InvalidParameterValueException", "ValidationException", "InvalidRequestContentException", "InvalidParameterException", "InvalidTagParameterException":
		if strings.Contains(strings.ToLower(message), "memorysize") {
			return found(diag.Limit, "cloud.memory-refused", message, "plan with the memory sizes the account may use, as in --memory 512,1024,2048,3008")
		}
		return found(diag.Invalid, "cloud.refused", message, "")
	case "ServiceException", "ServerException", "InternalError", "ServiceUnavailable", "EC2ThrottledException", "ResourceNotReadyException":
		return found(diag.Unavailable, "cloud.unavailable", message, "try again")
	}
	return diag.New(diag.Unavailable, "cloud.failed", doing, api.ErrorCode()+": "+message, "")
}

// action names the IAM action that the failed call needs, as "s3:PutObject".
func action(err error) string {
	var operation *smithy.OperationError
	if !errors.As(err, &operation) {
		return "that the call needs"
	}
	name := operation.Operation()
	switch name { // operations whose action has another name
	case "Invoke":
		name = "InvokeFunction"
	case "HeadObject":
		name = "GetObject"
	case "HeadBucket", "ListObjectsV2":
		name = "ListBucket"
	case "DeleteObjects":
		name = "DeleteObject"
	}
	return strings.ToLower(operation.Service()) + ":" + name
}
