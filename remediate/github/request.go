package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/oakum-dev/oakum/remediate"
)

// send sends a request to the API and reads its answer into out, if there is
// one to be had. A path is relative to the API's root.
func (c *Client) send(ctx context.Context, method, path string, in, out any) (*github.Response, error) {
	req, err := c.api.NewRequest(method, path, in)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, req, out)
}

func (c *Client) do(ctx context.Context, req *http.Request, out any) (*github.Response, error) {
	res, err := c.api.Do(ctx, req, out)
	if accepted := (*github.AcceptedError)(nil); errors.As(err, &accepted) {
		return res, nil // it will be done
	}
	return res, err
}

// call is send to something of the repository. parts are path segments.
func (r *Repo) call(ctx context.Context, method string, in, out any, parts ...any) error {
	_, err := r.c.send(ctx, method, r.path(parts...), in, out)
	return err
}

// path is that of something of the repository, each part escaped.
func (r *Repo) path(parts ...any) string {
	path := fmt.Sprintf("repos/%s/%s", r.owner, r.name)
	for _, p := range parts {
		path += "/" + url.PathEscape(fmt.Sprint(p))
	}
	return path
}

// pages reads a listing page by page, a hundred at a time and most of them at
// most. make makes room for a page, and take takes it.
func (c *Client) pages(ctx context.Context, path string, query url.Values, most int, room func() any, take func(page any)) error {
	query.Set("per_page", "100")
	for n := range most {
		if n > 0 {
			query.Set("page", strconv.Itoa(n+1))
		}
		page := room()
		res, err := c.send(ctx, http.MethodGet, path+"?"+query.Encode(), nil, page)
		if err != nil {
			return err
		}
		take(page)
		if res.NextPage == 0 {
			break
		}
	}
	return nil
}

// all reads a listing whose pages are arrays.
func all[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	var list []T
	err := c.pages(ctx, path, query, maxPages, func() any { return new([]T) }, func(page any) { list = append(list, *page.(*[]T)...) })
	return list, err
}

// pause is for the nth time that something has to be looked at again.
func (c *Client) pause(ctx context.Context, n int) error {
	return c.clock.Sleep(ctx, time.Duration(1<<n)*time.Second)
}

// again looks for what a write whose answer got lost may have made, more and
// more rarely, for a listing lags. found says whether to stop looking.
func (c *Client) again(ctx context.Context, look func() (found bool, err error)) (bool, error) {
	for n := range attempts {
		if err := c.pause(ctx, n); err != nil {
			return false, err
		}
		if found, err := look(); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// lost says whether a write may have been done although it failed: its answer
// never arrived, or was one of a server out of order.
func lost(err error) bool {
	var api *apiError
	var later *remediate.Later
	var refusal *remediate.Refusal
	switch {
	case err == nil, errors.As(err, &later):
		return false
	case errors.As(err, &api):
		return api.status >= 500
	}
	return !errors.As(err, &refusal) && !errors.Is(err, errStopped)
}

// repository is what is read of one.
type repository struct {
	ID       int64  `json:"id"`
	FullName string `json:"full_name"`
}

// account is what is read of a user.
type account struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
}

func (a *account) get() remediate.Account {
	if a == nil { // a person who is gone
		return remediate.Account{Login: "ghost"}
	}
	return remediate.Account{ID: a.ID, Login: a.Login, Bot: a.Type == "Bot"}
}

// via is the App that something was done through.
type via struct {
	ID   int64  `json:"id"`
	Slug string `json:"slug"`
}

func (v *via) id() int64 {
	if v == nil {
		return 0
	}
	return v.ID
}
