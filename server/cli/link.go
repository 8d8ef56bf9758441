package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"partita/planner/plan"
	"partita/planner/report"
	"partita/server/api"
	"partita/server/links"
)

func linkFlags() []flag {
	return append([]flag{
		{name: "long", help: "print the whole link, which needs no server to open"},
		{name: "list", help: "list the short links that the server keeps; takes no PLAN"},
		{name: "revoke", value: "ID", help: "end a short link; takes no PLAN"},
		jsonFlag}, serverFlags...)
}

// link keeps the link to a plan on the server, lists such links, and revokes them.
func link(ctx context.Context, a *arguments, env *environment) error {
	given := 0
	for _, one := range []bool{len(a.words) > 0, a.on("list"), a.text("revoke") != ""} {
		if one {
			given++
		}
	}
	if given != 1 || a.on("long") && len(a.words) == 0 {
		return usage(find("link"), "it takes PLAN, --list or --revoke ID")
	}
	c, err := newClient(a, env)
	if err != nil {
		return err
	}
	switch {
	case a.on("list"):
		return listLinks(ctx, c, a, env)
	case a.text("revoke") != "":
		id := idIn(a.text("revoke"))
		if err := c.json(ctx, "revoking the short link "+id, http.MethodDelete, "/api/v1/links/"+url.PathEscape(id), nil, nil); err != nil {
			return err
		}
		env.say("The short link %s is revoked.", id)
		return nil
	}
	fragment, err := fragmentOf(a.words[0], env)
	if err != nil {
		return err
	}
	if a.on("long") {
		_, err := fmt.Fprintln(env.out, c.base+"/#"+fragment)
		return err
	}
	kept := &links.Link{}
	request := map[string]string{"fragment": fragment}
	if err := c.json(ctx, "keeping the link", http.MethodPost, "/api/v1/links", request, kept); err != nil {
		return err
	}
	if a.on("json") {
		return writeJSON(env.out, kept)
	}
	_, err = fmt.Fprintln(env.out, c.base+"/s/"+kept.ID)
	return err
}

// idIn takes the name out of a short link that is given whole.
func idIn(text string) string { return text[strings.LastIndexByte(text, '/')+1:] }

// fragmentOf gives the fragment of the link to the plan in a file, which may hold a link itself.
func fragmentOf(name string, env *environment) (string, error) {
	data, err := readFile(name, plan.MaxDocumentBytes, env)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	if _, fragment, found := strings.Cut(text, "#"); found && !strings.HasPrefix(text, "{") {
		return fragment, nil
	}
	p, err := decodePlan(data)
	if err != nil {
		return "", inFile(name, err)
	}
	encoded, err := p.EncodeLink()
	if err != nil {
		return "", inFile(name, err)
	}
	return "plan=" + encoded, nil
}

func listLinks(ctx context.Context, c *client, a *arguments, env *environment) error {
	var list api.LinkList
	if err := c.json(ctx, "listing the short links", http.MethodGet, "/api/v1/links", nil, &list); err != nil {
		return err
	}
	if a.on("json") {
		return writeJSON(env.out, list)
	}
	table := tabwriter.NewWriter(env.out, 0, 0, 3, ' ', 0)
	for _, l := range list.Links {
		fmt.Fprintf(table, "%s/s/%s\t%s\t%s\t%s\n", c.base, l.ID, l.Created.Format(time.DateTime), report.Bytes(l.Bytes), l.Model)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	env.say("%s", report.Count(list.All, "short link"))
	return nil
}
