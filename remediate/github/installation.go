package github

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/oakum-dev/oakum/remediate"
)

// needed are the rights that oakum asks for, no more, in GitHub's words.
var needed = map[string]string{
	"checks": "write", "contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write",
}

// early is how long before its end a token is replaced: longer than any task
// should take with one.
const early = 10 * time.Minute

// installation is the App where somebody installed it.
type installation struct {
	hub    *Hub
	id     int64
	budget *budget
	asking chan struct{} // one request for a token at a time

	mu      sync.Mutex
	clients map[int64]*Client // by repository; zero: all of them
}

// narrowed is the source of tokens for one repository, or for none in
// particular, of an installation.
type narrowed struct {
	in         *installation
	repository int64 // zero: all of them
	rights     map[string]string

	mu      sync.Mutex
	text    string
	expires time.Time
	name    string            // of the repository
	granted map[string]string // rights
	last    string            // the token before
}

func (n *narrowed) known() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.text != "" && n.in.hub.clock.Now().Before(n.expires.Add(-early)) {
		return n.text
	}
	return ""
}

func (n *narrowed) token(ctx context.Context) (string, error) {
	if text := n.known(); text != "" {
		return text, nil
	}
	select {
	case n.in.asking <- struct{}{}:
		defer func() { <-n.in.asking }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if text := n.known(); text != "" { // somebody was faster
		return text, nil
	}
	got, err := n.ask(ctx)
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last, n.text, n.expires = n.text, got.Token, got.ExpiresAt
	n.granted = got.Permissions
	n.name = ""
	for _, r := range got.Repositories {
		if r.ID == n.repository {
			n.name = r.FullName
		}
	}
	return n.text, nil
}

func (n *narrowed) refused(token string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.text == token {
		n.last, n.text = n.text, ""
	}
	return true
}

func (n *narrowed) secrets() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return []string{n.text, n.last}
}

// told is what the token's answer said of the repository.
func (n *narrowed) told() (name string, rights map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.name, n.granted
}

type installationToken struct {
	Token        string            `json:"token"`
	ExpiresAt    time.Time         `json:"expires_at"`
	Permissions  map[string]string `json:"permissions"`
	Repositories []struct {
		ID       int64  `json:"id"`
		FullName string `json:"full_name"`
	} `json:"repositories"`
}

// ask gets a token. Where the installation was not granted all that is asked
// for, one with what it has is better than none: whoever needs more is told so.
func (n *narrowed) ask(ctx context.Context) (installationToken, error) {
	doing := fmt.Sprintf("getting a token of installation %d", n.in.id)
	got, err := n.request(ctx, n.rights)
	var plain *github.ErrorResponse
	if errors.As(err, &plain) && plain.Response.StatusCode == http.StatusUnprocessableEntity &&
		strings.Contains(strings.ToLower(plain.Error()), "permissions requested are not granted") {
		has, err := n.in.hub.app.installation(ctx, n.in.id)
		if err != nil {
			return installationToken{}, err
		}
		fewer := maps.Clone(n.rights)
		maps.DeleteFunc(fewer, func(right, _ string) bool { return has.Permissions[right] == "" })
		for right := range fewer {
			if has.Permissions[right] == "read" {
				fewer[right] = "read"
			}
		}
		got, err = n.request(ctx, fewer)
		return got, n.in.hub.app.c.tokenError(doing, err)
	}
	return got, n.in.hub.app.c.tokenError(doing, err)
}

func (n *narrowed) request(ctx context.Context, rights map[string]string) (installationToken, error) {
	body := map[string]any{"permissions": rights}
	if n.repository != 0 {
		body["repository_ids"] = []int64{n.repository}
	}
	var got installationToken
	// A second token does no harm, should the answer with the first get lost.
	_, err := n.in.hub.app.c.send(repeatable(ctx), http.MethodPost, fmt.Sprintf("app/installations/%d/access_tokens", n.in.id), body, &got)
	if err == nil && got.Token == "" {
		err = errors.New("the answer has no token")
	}
	return got, err
}

// tokenError says why an installation cannot be used.
func (c *Client) tokenError(doing string, err error) error {
	res, said := answer(err)
	if res == nil {
		return c.explain(doing, "", err)
	}
	reason := ""
	switch res.StatusCode {
	case http.StatusForbidden:
		reason = remediate.RefusalOf(said)
	case http.StatusNotFound, http.StatusUnprocessableEntity:
		reason = remediate.RefusedRemoved
	}
	if reason == "" {
		return c.explain(doing, "", err)
	}
	return &remediate.Refusal{Reason: reason, Text: fmt.Sprintf("%s: GitHub answered %d (%s): %s",
		doing, res.StatusCode, c.redact(clip(said)), remediate.NextStep(reason))}
}
