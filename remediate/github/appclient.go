package github

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// appClient speaks as the App itself, for no installation.
type appClient struct{ c *Client }

type installed struct {
	ID          int64             `json:"id"`
	SuspendedAt *time.Time        `json:"suspended_at"`
	Permissions map[string]string `json:"permissions"`
}

func (a *appClient) identity(ctx context.Context) (string, int64, error) {
	var app via
	if _, err := a.c.send(ctx, http.MethodGet, "app", nil, &app); err != nil {
		return "", 0, a.c.explain("asking who the App is", "", err)
	}
	return app.Slug + "[bot]", app.ID, nil
}

func (a *appClient) installations(ctx context.Context) ([]installed, error) {
	var all []installed
	err := a.c.pages(ctx, "app/installations", url.Values{}, maxRepositoryPages,
		func() any { return new([]installed) }, func(page any) { all = append(all, *page.(*[]installed)...) })
	return all, a.c.explain("listing the App's installations", "", err)
}

// installation is one by its number.
func (a *appClient) installation(ctx context.Context, id int64) (installed, error) {
	var in installed
	_, err := a.c.send(ctx, http.MethodGet, fmt.Sprintf("app/installations/%d", id), nil, &in)
	return in, a.c.tokenError(fmt.Sprintf("reading installation %d", id), err)
}

// installed is the installation that has a repository.
func (a *appClient) installed(ctx context.Context, r *Repo) (installed, error) {
	var in installed
	_, err := a.c.send(ctx, http.MethodGet, r.path("installation"), nil, &in)
	return in, a.c.tokenError(fmt.Sprintf("looking for the App's installation on %s", r), err)
}
