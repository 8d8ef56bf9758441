package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"partita/planner/plan"
	"partita/server/links"
)

// Links is what the interface needs done about short links. *links.Links does it.
type Links interface {
	Keep(ctx context.Context, fragment string) (*links.Link, error)
	Open(ctx context.Context, id string) (*links.Link, error)
	List(ctx context.Context) (latest []*links.Link, all int, err error)
	Revoke(ctx context.Context, id string) error
}

var _ Links = (*links.Links)(nil)

// LinkListFormat is the format of LinkList.
const LinkListFormat = "partita.links/1"

// LinkList is the list of short links.
type LinkList struct {
	Format string        `json:"format"`
	All    int           `json:"all" doc:"how many are kept; the latest are listed"`
	Links  []*links.Link `json:"links"`
}

func (a *endpoints) registerLinks(h huma.API) {
	huma.Register(h, huma.Operation{
		OperationID: "keep-link", Method: http.MethodPost, Path: "/api/v1/links", Summary: "Keep a link under a short name",
		Description: "The name is made of the content: the same link has the same name. The page opens it as /s/ID.", DefaultStatus: http.StatusCreated,
		MaxBodyBytes: plan.MaxLinkBytes + 4096, BodyReadTimeout: bodyPatience,
	}, a.keepLink)
	huma.Register(h, huma.Operation{OperationID: "list-links", Method: http.MethodGet, Path: "/api/v1/links", Summary: "List the latest short links"}, a.listLinks)
	huma.Register(h, huma.Operation{OperationID: "get-link", Method: http.MethodGet, Path: "/api/v1/links/{id}", Summary: "Give the link that a short name leads to",
		Description: "A link that was revoked answers 404 with the code link.revoked."}, a.getLink)
	huma.Register(h, huma.Operation{OperationID: "revoke-link", Method: http.MethodDelete, Path: "/api/v1/links/{id}", Summary: "Revoke a short link: it opens no more", DefaultStatus: http.StatusNoContent}, a.revokeLink)
}

// linkNamed is the input of endpoints about one link.
type linkNamed struct {
	ID string `path:"id" doc:"the short name" example:"k5vydq2mzx3a7hjw4tqe"`
}

type keepLinkInput struct {
	Body struct {
		Fragment string `json:"fragment" doc:"what stands behind the # of a link to a plan" example:"v=2&model=zoo:ResNet50&slo=500ms"`
	}
}

type linkOutput struct{ Body *links.Link }

func (a *endpoints) keepLink(ctx context.Context, in *keepLinkInput) (*linkOutput, error) {
	link, err := a.o.Links.Keep(ctx, in.Body.Fragment)
	if err != nil {
		return nil, problemOf(err)
	}
	return &linkOutput{link}, nil
}

type linkListOutput struct{ Body LinkList }

func (a *endpoints) listLinks(ctx context.Context, _ *struct{}) (*linkListOutput, error) {
	latest, all, err := a.o.Links.List(ctx)
	if err != nil {
		return nil, problemOf(err)
	}
	return &linkListOutput{LinkList{LinkListFormat, all, latest}}, nil
}

func (a *endpoints) getLink(ctx context.Context, in *linkNamed) (*linkOutput, error) {
	link, err := a.o.Links.Open(ctx, in.ID)
	if err != nil {
		return nil, problemOf(err)
	}
	return &linkOutput{link}, nil
}

func (a *endpoints) revokeLink(ctx context.Context, in *linkNamed) (*struct{}, error) {
	if err := a.o.Links.Revoke(ctx, in.ID); err != nil {
		return nil, problemOf(err)
	}
	return nil, nil
}
