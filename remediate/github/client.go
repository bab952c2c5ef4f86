// Package github is the half of remediation that talks to GitHub's REST API:
// pull requests, and commits where git push is not the better way. It is the
// only room besides webhook that knows go-github.
package github

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/oakum-dev/oakum/remediate"
)

// Options of New.
type Options struct {
	Token   string // of an App installation, an Actions job or a person
	BaseURL string // of GitHub Enterprise, e.g. https://github.example.com; empty: github.com

	Transport http.RoundTripper // nil: net/http's, with the proxy of the environment
	Clock     Clock             // nil: the real one
	MaxWait   time.Duration     // for one request, over all its attempts; 0: ten minutes
	OnWait    func(why string, d time.Duration)
}

// Clock tells the time and lets it pass.
type Clock interface {
	Now() time.Time
	Sleep(ctx context.Context, d time.Duration) error
}

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Client talks to one GitHub with one token. It may be used concurrently;
// requests that write are sent one at a time, a second apart.
type Client struct {
	api   *github.Client
	web   *url.URL // where people and git go
	token string
	clock Clock
}

// ErrNoToken means that there is nothing to authenticate with.
var ErrNoToken = errors.New("no GitHub token: set GITHUB_TOKEN to a token with \"Contents: read and write\" " +
	"and \"Pull requests: read and write\" on the repository")

// New makes a client. Nothing is sent yet.
func New(o Options) (*Client, error) {
	if strings.TrimSpace(o.Token) == "" {
		return nil, ErrNoToken
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the GitHub token has a blank or another character that no token has: set GITHUB_TOKEN to the token alone")
	}
	api, web, err := endpoints(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Clock == nil {
		o.Clock = realClock{}
	}
	if o.MaxWait == 0 {
		o.MaxWait = 10 * time.Minute
	}
	if o.OnWait == nil {
		o.OnWait = func(string, time.Duration) {}
	}
	c := &Client{web: web, token: o.Token, clock: o.Clock}
	c.api = github.NewClient(&http.Client{
		Transport: &patient{
			next:  guard{next: o.Transport, token: o.Token, api: api},
			clock: o.Clock, maxWait: o.MaxWait,
			onWait: func(why string, d time.Duration) { o.OnWait(remediate.Redact(why, o.Token), d) },
		},
		CheckRedirect: stayHome,
	})
	c.api.BaseURL = api
	c.api.UserAgent = "oakum"
	return c, nil
}

// endpoints are the roots of the API (with a slash at the end) and of the web.
func endpoints(base string) (api, web *url.URL, err error) {
	if base == "" {
		return &url.URL{Scheme: "https", Host: "api.github.com", Path: "/"}, &url.URL{Scheme: "https", Host: "github.com"}, nil
	}
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "":
		return nil, nil, errors.New("the GitHub base URL does not parse: write https://github.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, nil, fmt.Errorf("the GitHub base URL of %s has more than a host and a path: write https://%s", u.Host, u.Host)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, nil, fmt.Errorf("the GitHub base URL must be https: the token would be sent in clear to %s", u.Host)
	case u.Host == "github.com" || u.Host == "api.github.com":
		return endpoints("")
	}
	root := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/api/v3"), "/")
	host := u.Host
	// GitHub Enterprise Cloud with data residency: api.<name>.ghe.com.
	if name, ok := strings.CutSuffix(strings.TrimPrefix(host, "api."), ".ghe.com"); ok {
		return &url.URL{Scheme: "https", Host: "api." + name + ".ghe.com", Path: "/"},
			&url.URL{Scheme: "https", Host: name + ".ghe.com"}, nil
	}
	return &url.URL{Scheme: u.Scheme, Host: host, Path: root + "/api/v3/"}, &url.URL{Scheme: u.Scheme, Host: host, Path: root}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// stayHome follows what GitHub answers for a renamed repository, but neither
// to another host nor by turning a write into a read.
func stayHome(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme:
		return fmt.Errorf("the server redirects to another host, %s, which is not followed: check the base URL", req.URL.Host)
	case req.Method != first.Method:
		return errors.New("the repository has moved: use its new name")
	case len(via) > 3:
		return errors.New("the server redirects in circles")
	}
	return nil
}

// Repo is one repository on GitHub. It is a remediate.Forge.
type Repo struct {
	c           *Client
	owner, name string
}

var _ remediate.Forge = (*Repo)(nil)

var slugPattern = regexp.MustCompile(`^[0-9A-Za-z](?:[0-9A-Za-z_-]*)/[0-9A-Za-z._-]+$`)

// Repo finds a repository by owner/name or by its https URL, which must be on
// the client's own GitHub: a token is for one host.
func (c *Client) Repo(address string) (*Repo, error) {
	slug := strings.TrimSuffix(address, "/")
	if strings.Contains(address, "://") {
		u, err := url.Parse(slug)
		if err != nil {
			return nil, errors.New("the repository's URL does not parse")
		}
		if u.Scheme != c.web.Scheme || !strings.EqualFold(u.Host, c.web.Host) || !strings.HasPrefix(u.Path, c.web.Path+"/") {
			return nil, fmt.Errorf("the repository is on %s, but the token is for %s: name the GitHub it is on with the base URL", u.Host, c.web.Host)
		}
		slug = strings.Trim(strings.TrimPrefix(u.Path, c.web.Path), "/")
	}
	slug = strings.TrimSuffix(slug, ".git")
	if !slugPattern.MatchString(slug) || strings.HasSuffix(slug, "/.") || strings.HasSuffix(slug, "/..") {
		return nil, fmt.Errorf("%q is not a GitHub repository: write owner/name", remediate.Redact(slug, c.token))
	}
	owner, name, _ := strings.Cut(slug, "/")
	return &Repo{c: c, owner: owner, name: name}, nil
}

// String is owner/name.
func (r *Repo) String() string { return r.owner + "/" + r.name }

// CloneURL is where git reaches the repository: always on the host that the
// token is for, whatever a local clone's configuration says.
func (r *Repo) CloneURL() string { return r.c.web.JoinPath(r.owner, r.name+".git").String() }

// Writer chooses how commits are made. A token of an App or of an Actions job
// commits through the API, for GitHub signs such commits in the App's name; a
// person's token would sign nothing there, so git pushes.
func (r *Repo) Writer(git remediate.Writer) remediate.Writer {
	if strings.HasPrefix(r.c.token, "ghs_") {
		return &writer{repo: r, objects: &objects{repo: r, trees: map[string][]remediate.Entry{}}}
	}
	return git
}
