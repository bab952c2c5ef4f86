package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/oakum-dev/oakum/remediate"
)

// Hub is oakum on one GitHub: as an App, with tokens for one repository at a
// time, or with one token that somebody gave. It may be used concurrently.
type Hub struct {
	o        Options
	api, web *url.URL
	clock    Clock
	watch    watch
	content  *spacing // over all installations
	memory   *memory
	app      *appClient // nil: with a token
	token    *Client    // nil: as an App

	mu            sync.Mutex
	installations map[int64]*installation
}

// NewHub makes a hub, for an App or else for a token. Nothing is sent yet.
func NewHub(o Options) (*Hub, error) {
	h, err := newHub(o)
	if err != nil {
		return nil, err
	}
	if o.App.zero() {
		h.token, err = h.withToken(o.Token)
		return h, err
	}
	if err := o.App.check(); err != nil {
		return nil, err
	}
	c := h.client(&signer{app: o.App, clock: h.clock}, newBudget(0), "app")
	h.app = &appClient{c: c}
	c.self = &identity{find: h.app.identity}
	return h, nil
}

func newHub(o Options) (*Hub, error) {
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
	o.MaxWait = cmp.Or(o.MaxWait, 10*time.Minute)
	if o.Processes == nil {
		o.Processes = func() int { return 1 }
	}
	h := &Hub{
		o: o, api: api, web: web, clock: o.Clock, content: newContent(), memory: newMemory(),
		installations: map[int64]*installation{},
		watch: watch{
			wait:    func(string, time.Duration) {},
			request: func(string, int, time.Duration) {},
			budget:  func(Budget) {},
		},
	}
	if o.OnWait != nil {
		h.watch.wait = o.OnWait
	}
	if o.OnRequest != nil {
		h.watch.request = o.OnRequest
	}
	if o.OnBudget != nil {
		h.watch.budget = o.OnBudget
	}
	return h, nil
}

func (h *Hub) withToken(token string) (*Client, error) {
	if err := checkToken(token); err != nil {
		return nil, err
	}
	c := h.client(fixed(token), newBudget(0), "token")
	c.signs = strings.HasPrefix(token, "ghs_")
	c.self = &identity{find: c.viewer}
	return c, nil
}

// client puts together what each request goes through.
func (h *Hub) client(from source, limits *budget, whose string) *Client {
	c := &Client{web: h.web, graphql: graphqlOf(h.api), source: from, clock: h.clock}
	c.api = github.NewClient(&http.Client{
		Transport: conditional{memory: h.memory, whose: whose, next: authorized{source: from, next: &patient{
			next:  guard{next: h.o.Transport, api: h.api},
			clock: h.clock, maxWait: h.o.MaxWait, budget: limits, content: h.content, processes: h.o.Processes, watch: h.watch,
		}}},
		CheckRedirect: stayHome,
	})
	c.api.BaseURL = h.api
	c.api.UserAgent = "oakum"
	return c
}

// identity is who a client is, asked once.
type identity struct {
	find func(context.Context) (login string, app int64, err error)

	mu    sync.Mutex
	login string
	app   int64
}

func (i *identity) get(ctx context.Context) (login string, app int64, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.login == "" {
		i.login, i.app, err = i.find(ctx)
	}
	return i.login, i.app, err
}

// Identity is who oakum is on GitHub, such as oakum[bot], and the App's number,
// which is zero with a token.
func (h *Hub) Identity(ctx context.Context) (login string, app int64, err error) {
	if h.app != nil {
		return h.app.c.self.get(ctx)
	}
	return h.token.self.get(ctx)
}

// installation remembers the limits and tokens of one.
func (h *Hub) installation(id int64) *installation {
	h.mu.Lock()
	defer h.mu.Unlock()
	in := h.installations[id]
	if in == nil {
		in = &installation{hub: h, id: id, budget: newBudget(id), asking: make(chan struct{}, 1), clients: map[int64]*Client{}}
		h.installations[id] = in
	}
	return in
}

// client is the one whose tokens are for a repository alone; zero: for reading
// what there is.
func (in *installation) client(repository int64) *Client {
	in.mu.Lock()
	defer in.mu.Unlock()
	c := in.clients[repository]
	if c == nil {
		rights := needed
		if repository == 0 {
			rights = map[string]string{"metadata": "read"}
		}
		c = in.hub.client(&narrowed{in: in, repository: repository, rights: rights}, in.budget, fmt.Sprintf("%d/%d", in.id, repository))
		c.signs, c.self = true, in.hub.app.c.self
		in.clients[repository] = c
	}
	return c
}

// Host is a repository with a client whose tokens are for it alone. As an App
// that takes the repository's ID, and its installation or its name; with a
// token its name.
func (h *Hub) Host(ctx context.Context, of remediate.Repository) (*Repo, error) {
	if h.app == nil {
		r, err := h.token.Repo(of.Name)
		if err == nil {
			r.id = of.ID
		}
		return r, err
	}
	if of.ID == 0 {
		return nil, fmt.Errorf("repository %q has no ID: an App's tokens are for repositories by their ID", of.Name)
	}
	if of.Installation == 0 {
		r, err := h.app.c.Repo(of.Name)
		if err != nil {
			return nil, err
		}
		in, err := h.app.installed(ctx, r)
		if err != nil {
			return nil, err
		}
		of.Installation = in.ID
	}
	c := h.installation(of.Installation).client(of.ID)
	if _, err := c.source.token(ctx); err != nil {
		return nil, err
	}
	if name, _ := c.source.(*narrowed).told(); name != "" {
		of.Name = name // as it is now
	}
	r, err := c.Repo(of.Name)
	if err == nil {
		r.id = of.ID
	}
	return r, err
}

// maxRepositories bounds a listing: pages of a hundred.
const maxRepositoryPages = 100

// Repositories are all that the App is installed on, or that the token is to
// look after. Suspended installations are left out. An installation that
// cannot be read does not keep the others from being listed: its error comes
// along.
func (h *Hub) Repositories(ctx context.Context) ([]remediate.Repository, error) {
	if h.app == nil {
		return h.named(ctx)
	}
	all, err := h.app.installations(ctx)
	if err != nil {
		return nil, err
	}
	var repositories []remediate.Repository
	var failed []error
	for _, in := range all {
		if in.SuspendedAt != nil {
			continue
		}
		some, err := h.installation(in.ID).list(ctx)
		repositories = append(repositories, some...)
		if refusal := (*remediate.Refusal)(nil); errors.As(err, &refusal) &&
			(refusal.Reason == remediate.RefusedSuspended || refusal.Reason == remediate.RefusedRemoved) {
			continue // in the meantime
		}
		failed = append(failed, err)
	}
	return repositories, errors.Join(failed...)
}

func (in *installation) list(ctx context.Context) ([]remediate.Repository, error) {
	c := in.client(0)
	var all []remediate.Repository
	err := c.pages(ctx, "installation/repositories", url.Values{}, maxRepositoryPages, func() any {
		return &struct{ Repositories []repository }{}
	}, func(page any) {
		for _, r := range page.(*struct{ Repositories []repository }).Repositories {
			all = append(all, remediate.Repository{ID: r.ID, Installation: in.id, Name: r.FullName})
		}
	})
	return all, c.tokenError(fmt.Sprintf("listing the repositories of installation %d", in.id), err)
}

func (h *Hub) named(ctx context.Context) ([]remediate.Repository, error) {
	var all []remediate.Repository
	var failed []error
	for _, name := range h.o.Repositories {
		r, err := h.token.Repo(name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		about, err := r.About(ctx)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, about.Repository)
	}
	return all, errors.Join(failed...)
}
