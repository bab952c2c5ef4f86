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

// Options of New and NewHub.
type Options struct {
	Token        string   // of an App installation, an Actions job or a person
	App          App      // instead of a token; for NewHub
	Repositories []string // owner/name: those that a hub with a token looks after
	BaseURL      string   // of GitHub Enterprise, e.g. https://github.example.com; empty: github.com

	Transport http.RoundTripper // nil: net/http's, with the proxy of the environment
	Clock     Clock             // nil: the real one
	// MaxWait is for one request, over all its attempts; 0: ten minutes. What
	// would take longer is a remediate.Later.
	MaxWait time.Duration

	// Processes is how many processes write as the same App or person, this one
	// among them, and so have the limits of writing together; nil: one.
	Processes func() int

	// Who hears of what happens, if set; they may be called concurrently.
	OnWait    func(why string, d time.Duration)
	OnRequest func(method string, status int, took time.Duration) // status 0: no answer
	OnBudget  func(Budget)
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

// Client talks to one GitHub with the tokens of one source. It may be used
// concurrently; requests that write are sent one at a time.
type Client struct {
	api     *github.Client
	graphql *url.URL
	web     *url.URL // where people and git go
	source  source
	clock   Clock
	signs   bool // GitHub signs its commits: its tokens are an App's
	self    *identity
}

// ErrNoToken means that there is nothing to authenticate with.
var ErrNoToken = errors.New("no GitHub token: set GITHUB_TOKEN to a token with \"Contents: read and write\" " +
	"and \"Pull requests: read and write\" on the repository")

// New makes a client for a token. Nothing is sent yet.
func New(o Options) (*Client, error) {
	h, err := newHub(o)
	if err != nil {
		return nil, err
	}
	return h.withToken(o.Token)
}

func checkToken(token string) error {
	if strings.TrimSpace(token) == "" {
		return ErrNoToken
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the GitHub token has a blank or another character that no token has: set GITHUB_TOKEN to the token alone")
	}
	return nil
}

// redact takes out what this client must not show.
func (c *Client) redact(text string) string { return remediate.Redact(text, c.source.secrets()...) }

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

// graphqlOf is where GraphQL is served, beside the REST API.
func graphqlOf(api *url.URL) *url.URL {
	return api.ResolveReference(&url.URL{Path: strings.TrimSuffix(api.Path, "v3/") + "graphql"})
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
		return &remediate.Refusal{Reason: remediate.RefusedMoved, Text: remediate.NextStep(remediate.RefusedMoved)}
	case len(via) > 3:
		return errors.New("the server redirects in circles")
	}
	return nil
}

// Repo is one repository on GitHub. It is a remediate.Forge.
type Repo struct {
	c           *Client
	id          int64 // zero: not known yet
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
		return nil, fmt.Errorf("%q is not a GitHub repository: write owner/name", c.redact(slug))
	}
	owner, name, _ := strings.Cut(slug, "/")
	return &Repo{c: c, owner: owner, name: name}, nil
}

// String is owner/name.
func (r *Repo) String() string { return r.owner + "/" + r.name }

// CloneURL is where git reaches the repository: always on the host that the
// token is for, whatever a local clone's configuration says.
func (r *Repo) CloneURL() string { return r.c.web.JoinPath(r.owner, r.name+".git").String() }

// Token is one that git may use for the repository, now and for some minutes.
func (r *Repo) Token(ctx context.Context) (string, error) { return r.c.source.token(ctx) }

// Writer chooses how commits are made. A token of an App or of an Actions job
// commits through the API, for GitHub signs such commits in the App's name; a
// person's token would sign nothing there, so git pushes.
func (r *Repo) Writer(git remediate.Writer) remediate.Writer {
	if r.c.signs {
		return &writer{repo: r, objects: &objects{repo: r, trees: map[string][]remediate.Entry{}}}
	}
	return git
}
