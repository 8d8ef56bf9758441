package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"partita/runtime/wire"
	"partita/server/deploy"
)

// Bounds of requests. Uploads are bounded by package deploy.
const (
	maxDeployBody     = 64 << 20 // a plan, and samples
	maxInvocationBody = 256 << 20
	bodyPatience      = 5 * time.Minute // for a JSON body to arrive
	uploadPatience    = time.Minute     // for the next piece of an upload
)

func (a *endpoints) register(h huma.API) {
	huma.Register(h, huma.Operation{OperationID: "info", Method: http.MethodGet, Path: "/api/v1/info", Summary: "Describe the server"}, a.info)
	huma.Register(h, huma.Operation{
		OperationID: "upload", Method: http.MethodPost, Path: "/api/v1/uploads", Summary: "Upload a weights file or a large input",
		Description: "The body is the file. An upload that is not used is removed after a day.", DefaultStatus: http.StatusCreated,
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}},
	}, a.upload)
	huma.Register(h, huma.Operation{OperationID: "drop-upload", Method: http.MethodDelete, Path: "/api/v1/uploads/{id}", Summary: "Remove an upload that will not be used", DefaultStatus: http.StatusNoContent}, a.dropUpload)
	huma.Register(h, huma.Operation{
		OperationID: "deploy", Method: http.MethodPost, Path: "/api/v1/deployments", Summary: "Deploy a plan",
		Description: "Answers when the plan has been accepted; the events of the deployment tell how it goes on.", DefaultStatus: http.StatusAccepted,
		MaxBodyBytes: maxDeployBody, BodyReadTimeout: bodyPatience,
	}, a.deploy)
	huma.Register(h, huma.Operation{OperationID: "list-deployments", Method: http.MethodGet, Path: "/api/v1/deployments", Summary: "List the deployments"}, a.list)
	huma.Register(h, huma.Operation{OperationID: "get-deployment", Method: http.MethodGet, Path: "/api/v1/deployments/{name}", Summary: "Describe a deployment"}, a.get)
	huma.Register(h, huma.Operation{OperationID: "destroy", Method: http.MethodDelete, Path: "/api/v1/deployments/{name}", Summary: "Remove a deployment and all that belongs to it", Description: "Answers when nothing is left."}, a.destroy)
	huma.Register(h, huma.Operation{
		OperationID: "invoke", Method: http.MethodPost, Path: "/api/v1/deployments/{name}/invocations", Summary: "Send inputs through a deployment",
		MaxBodyBytes: maxInvocationBody, BodyReadTimeout: bodyPatience,
	}, a.invoke)
	a.registerEvents(h)
	a.registerLinks(h)
}

// Named is the input of endpoints about one deployment.
type Named struct {
	Name string `path:"name" doc:"name of the deployment" example:"resnet"`
}

type infoOutput struct{ Body Info }

func (a *endpoints) info(context.Context, *struct{}) (*infoOutput, error) {
	return &infoOutput{a.o.Info}, nil
}

// uploadInput takes the body as it comes instead of letting the framework read it into memory.
type uploadInput struct {
	Name string `query:"name" maxLength:"255" doc:"the file's name, for messages" example:"resnet50.h5"`
	body io.Reader
}

// Resolve implements huma.Resolver.
func (in *uploadInput) Resolve(ctx huma.Context) []error {
	in.body = &patientReader{ctx}
	return nil
}

// patientReader gives each piece of a body its own time to arrive, so that a large file may take long and a silent
// client not.
type patientReader struct{ ctx huma.Context }

func (r *patientReader) Read(p []byte) (int, error) {
	r.ctx.SetReadDeadline(time.Now().Add(uploadPatience)) // a connection that cannot do this has its own limits
	n, err := r.ctx.BodyReader().Read(p)
	if err != nil {
		r.ctx.SetReadDeadline(time.Time{})
	}
	return n, err
}

type uploadOutput struct{ Body *deploy.Upload }

func (a *endpoints) upload(ctx context.Context, in *uploadInput) (*uploadOutput, error) {
	u, err := a.o.Deployments.ReceiveUpload(ctx, in.Name, in.body)
	if err != nil {
		return nil, problemOf(err)
	}
	return &uploadOutput{u}, nil
}

type uploadID struct {
	ID string `path:"id"`
}

func (a *endpoints) dropUpload(ctx context.Context, in *uploadID) (*struct{}, error) {
	if err := a.o.Deployments.DropUpload(ctx, in.ID); err != nil {
		return nil, problemOf(err)
	}
	return nil, nil
}

type deployInput struct {
	Body struct {
		Name       string          `json:"name" pattern:"^[a-z][a-z0-9-]{0,39}$" doc:"lower-case letters, digits and hyphens" example:"resnet"`
		Plan       json.RawMessage `json:"plan" doc:"a plan document, partita.plan/1"`
		Upload     string          `json:"upload" doc:"the upload that has the weights"`
		Preprocess string          `json:"preprocess,omitempty" doc:"how images are prepared; the plan's choice when left out"`
		// Of a plan that stores weights in less than float32:
		MeasureError string              `json:"measureError,omitempty" enum:"auto,on,off" doc:"whether to measure how far the outputs are from float32's, by a second deployment for a moment: auto does on the local cloud, and where samples are given"`
		Samples      [][]InvocationInput `json:"samples,omitempty" maxItems:"64" doc:"inputs to measure it with, each with all of the model's; made up when left out"`
	}
}

type deploymentOutput struct{ Body *deploy.Deployment }

func (a *endpoints) deploy(ctx context.Context, in *deployInput) (*deploymentOutput, error) {
	request := deploy.Request{Name: in.Body.Name, Plan: in.Body.Plan, Upload: in.Body.Upload, Preprocess: in.Body.Preprocess, MeasureError: in.Body.MeasureError}
	for _, sample := range in.Body.Samples {
		request.Samples = append(request.Samples, inputsOf(sample))
	}
	d, err := a.o.Deployments.Start(ctx, request)
	if err != nil {
		return nil, problemOf(err)
	}
	return &deploymentOutput{d}, nil
}

// DeploymentList is the list of deployments.
type DeploymentList struct {
	Format      string               `json:"format"`
	Deployments []*deploy.Deployment `json:"deployments"`
}

// DeploymentListFormat is the format of DeploymentList.
const DeploymentListFormat = "partita.deployments/1"

type listOutput struct{ Body DeploymentList }

func (a *endpoints) list(ctx context.Context, _ *struct{}) (*listOutput, error) {
	all, err := a.o.Deployments.List(ctx)
	if err != nil {
		return nil, problemOf(err)
	}
	return &listOutput{DeploymentList{Format: DeploymentListFormat, Deployments: all}}, nil
}

func (a *endpoints) get(ctx context.Context, in *Named) (*deploymentOutput, error) {
	d, err := a.o.Deployments.Get(ctx, in.Name)
	if err != nil {
		return nil, problemOf(err)
	}
	return &deploymentOutput{d}, nil
}

type destroyOutput struct{ Body *deploy.Destroyed }

func (a *endpoints) destroy(ctx context.Context, in *Named) (*destroyOutput, error) {
	d, err := a.o.Deployments.Destroy(ctx, in.Name)
	if err != nil {
		return nil, problemOf(err)
	}
	return &destroyOutput{d}, nil
}

// InvocationRequest is the body of an invocation.
type InvocationRequest struct {
	Inputs     []InvocationInput `json:"inputs" minItems:"1" maxItems:"1000"`
	Preprocess string            `json:"preprocess,omitempty" doc:"how images are prepared: caffe, tf, torch, unit or none; the deployment's choice when left out"`
	Top        int               `json:"top,omitempty" minimum:"0" maximum:"1000" doc:"classes wanted of each item; 0 is 5"`
}

// InvocationInput is one input of the model: a file in the request, or an upload.
type InvocationInput struct {
	Name        string `json:"name,omitempty" doc:"the model's input; may be left out when it has one"`
	ContentType string `json:"contentType,omitempty" doc:"told by its content when left out" example:"image/png"`
	Data        []byte `json:"data,omitempty" doc:"the file in base64: an image, .npy, a pickled array or a JSON tensor"`
	Upload      string `json:"upload,omitempty" doc:"an upload instead of data; it is removed afterwards"`
}

func inputsOf(list []InvocationInput) (inputs []deploy.InvocationInput) {
	for _, i := range list {
		inputs = append(inputs, deploy.InvocationInput{Name: i.Name, ContentType: i.ContentType, Data: i.Data, Upload: i.Upload})
	}
	return inputs
}

// InvocationReply is the answer to an invocation.
type InvocationReply struct {
	Format  string         `json:"format"`
	Outputs []OutputTensor `json:"outputs"`
	Top     [][]wire.Class `json:"top" doc:"of each item, the classes with the highest scores"`
	Trace   wire.Trace     `json:"trace"`
}

// OutputTensor is one output of the model.
type OutputTensor struct {
	Name  string  `json:"name"`
	Shape []int64 `json:"shape"`
	DType string  `json:"dtype"`
	Data  []byte  `json:"data" doc:"the numbers in base64, little-endian, in C order"`
}

type invokeInput struct {
	Named
	Body InvocationRequest
}

type invokeOutput struct{ Body InvocationReply }

func (a *endpoints) invoke(ctx context.Context, in *invokeInput) (*invokeOutput, error) {
	request := deploy.Invocation{Preprocess: in.Body.Preprocess, Top: in.Body.Top}
	request.Inputs = inputsOf(in.Body.Inputs)
	reply, err := a.o.Deployments.Invoke(ctx, in.Name, request)
	if err != nil {
		return nil, problemOf(err)
	}
	out := &invokeOutput{InvocationReply{Format: deploy.InvocationFormat, Outputs: []OutputTensor{}, Top: reply.Top, Trace: reply.Trace}}
	for i := range reply.Outputs {
		t := &reply.Outputs[i]
		out.Body.Outputs = append(out.Body.Outputs, OutputTensor{Name: t.Name, Shape: t.Shape, DType: t.DType, Data: t.Data})
	}
	return out, nil
}
