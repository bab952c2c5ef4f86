package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage"

	"github.com/oakum-dev/oakum/remediate"
)

// Access says how a remote is reached. The zero value reads public
// repositories.
type Access struct {
	Token     string            // sent as the password of x-access-token, to the host of the URL only
	MaxBytes  int64             // of one answer, and of what it becomes in memory; 0: 1 GiB
	Transport http.RoundTripper // nil: net/http's, with the proxy of the environment
	// Pause waits between attempts; nil waits in real time.
	Pause func(context.Context, time.Duration) error
}

// remote speaks git's smart HTTP. It does so below go-git's Remote, whose HTTP
// client is one for the whole process: here every remote has its own, which
// follows no redirect to another host, and a push carries the old hash for
// the server itself to compare.
type remote struct {
	url    string
	access Access
	client transport.Transport
	point  transport.Endpoint
}

func newRemote(url string, access Access) (*remote, error) {
	if _, err := checkURL(url); err != nil {
		return nil, err
	}
	point, err := transport.NewEndpoint(url)
	if err != nil {
		return nil, fmt.Errorf("reading the URL: %w", err)
	}
	if access.MaxBytes == 0 {
		access.MaxBytes = 1 << 30
	}
	if access.Transport == nil {
		access.Transport = http.DefaultTransport
	}
	if access.Pause == nil {
		access.Pause = pause
	}
	client := githttp.NewClient(&http.Client{
		Transport: capped{access.Transport, access.MaxBytes},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if first := via[0].URL; req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
				return fmt.Errorf("%w, %s, which is not followed: use the repository's new URL", errRedirected, req.URL.Host)
			}
			return nil
		},
	})
	return &remote{url: url, access: access, client: client, point: *point}, nil
}

var errRedirected = errors.New("the server redirects to another host")

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// capped cuts off answers that are larger than anything expected.
type capped struct {
	next http.RoundTripper
	max  int64
}

func (c capped) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	limit := c.max
	if res.StatusCode >= 300 {
		limit = 4 << 10 // it ends up in an error
	}
	res.Body = &cappedBody{res.Body, limit}
	return res, nil
}

type cappedBody struct {
	io.ReadCloser
	left int64
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

var errTooLarge = errors.New("the server sent more than is accepted: clone a smaller part, or raise the limit")

// auth is made anew for every session, because a session forgets it when it is
// redirected.
func (r *remote) auth() transport.AuthMethod {
	if r.access.Token == "" {
		return nil
	}
	return &githttp.BasicAuth{Username: "x-access-token", Password: r.access.Token}
}

// advertised is what a server says it has.
type advertised struct{ *packp.AdvRefs }

// branch is the hash of a branch; empty if there is none.
func (a advertised) branch(name string) string {
	hash := a.References[plumbing.NewBranchReferenceName(name).String()]
	if hash.IsZero() {
		return ""
	}
	return hash.String()
}

// head is the default branch; empty if HEAD names none.
func (a advertised) head() string {
	for _, link := range a.Capabilities.Get(capability.SymRef) {
		if target, ok := strings.CutPrefix(link, "HEAD:refs/heads/"); ok {
			return target
		}
	}
	return ""
}

func (r *remote) list(ctx context.Context) (advertised, error) {
	var a advertised
	err := r.retry(ctx, func() error {
		point := r.point
		session, err := r.client.NewUploadPackSession(&point, r.auth())
		if err != nil {
			return err
		}
		a.AdvRefs, err = session.AdvertisedReferencesContext(ctx)
		return err
	})
	return a, r.explain("reading from", err)
}

// tip is the hash of a branch at the remote; empty if there is none.
func (r *remote) tip(ctx context.Context, branch string) (string, error) {
	a, err := r.list(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return a.branch(branch), nil
}

// fetch brings a commit and its ancestors (depth of them; 0: all) into store.
func (r *remote) fetch(ctx context.Context, store storage.Storer, want plumbing.Hash, haves []plumbing.Hash, depth int) error {
	err := r.retry(ctx, func() error {
		point := r.point
		session, err := r.client.NewUploadPackSession(&point, r.auth())
		if err != nil {
			return err
		}
		adv, err := session.AdvertisedReferencesContext(ctx)
		if err != nil {
			return err
		}
		req := packp.NewUploadPackRequestFromCapabilities(adv.Capabilities)
		req.Wants, req.Haves = []plumbing.Hash{want}, haves
		if req.Shallows, err = store.Shallow(); err != nil {
			return err
		}
		if depth > 0 {
			req.Depth = packp.DepthCommits(depth)
			if err := req.Capabilities.Set(capability.Shallow); err != nil {
				return err
			}
		}
		res, err := session.UploadPack(ctx, req)
		if err != nil {
			return err
		}
		defer res.Close()
		var into storer.Storer = store
		if _, onDisk := store.(storer.PackfileWriter); !onDisk {
			into = &inflating{store, r.access.MaxBytes}
		}
		if err := packfile.UpdateObjectStorage(into, demux(req.Capabilities, res)); err != nil {
			return err
		}
		if len(res.Shallows) > 0 {
			return store.SetShallow(append(req.Shallows, res.Shallows...))
		}
		return nil
	})
	return r.explain("fetching from", err)
}

// inflating bounds what a pack becomes in memory: a thousand times its size, if
// its author wants it to.
type inflating struct {
	storage.Storer
	left int64
}

func (s *inflating) SetEncodedObject(o plumbing.EncodedObject) (plumbing.Hash, error) {
	if s.left -= o.Size(); s.left < 0 {
		return plumbing.ZeroHash, errTooLarge
	}
	return s.Storer.SetEncodedObject(o)
}

func demux(l *capability.List, r io.Reader) io.Reader {
	switch {
	case l.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case l.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}

// push sends a pack and asks the server to move a branch from old (empty:
// create it) to hash. It is one attempt, and its error is not the last word:
// an answer can be lost after the server has done as asked.
func (r *remote) push(ctx context.Context, branch, old, hash string, pack []byte) error {
	point := r.point
	session, err := r.client.NewReceivePackSession(&point, r.auth())
	if err != nil {
		return err
	}
	adv, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return err
	}
	req := packp.NewReferenceUpdateRequestFromCapabilities(adv.Capabilities)
	var said transcript
	if adv.Capabilities.Supports(capability.Sideband64k) {
		if err := req.Capabilities.Set(capability.Sideband64k); err != nil {
			return err
		}
		req.Progress = &said
	}
	req.Commands = []*packp.Command{{
		Name: plumbing.NewBranchReferenceName(branch), Old: plumbing.NewHash(old), New: plumbing.NewHash(hash),
	}}
	req.Packfile = io.NopCloser(bytes.NewReader(pack))
	report, err := session.ReceivePack(ctx, req)
	if err != nil && report != nil { // the server took note, and decided against it
		return fmt.Errorf("%w: %w (it says: %s)", errRefused, err, said.text())
	}
	return err
}

// errRefused: a protected branch, a rule, a hook, a base commit that the
// server does not have.
var errRefused = errors.New("the server refused the push")

// transcript keeps the beginning of what a server says for people.
type transcript struct{ bytes.Buffer }

func (t *transcript) Write(p []byte) (int, error) {
	t.Buffer.Write(p[:min(len(p), 1024-min(t.Len(), 1024))])
	return len(p), nil
}

func (t *transcript) text() string { return strings.Join(strings.Fields(t.String()), " ") }

// attempts of one request, with a pause that grows between them.
const attempts = 3

func (r *remote) retry(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		if err == nil || n == attempts || !transient(err) || ctx.Err() != nil {
			return err
		}
		if err := r.access.Pause(ctx, time.Duration(n*n)*time.Second); err != nil {
			return err
		}
	}
}

// transient leaves out what a second attempt cannot change.
func transient(err error) bool {
	for _, final := range []error{
		transport.ErrAuthenticationRequired, transport.ErrAuthorizationFailed, transport.ErrRepositoryNotFound,
		transport.ErrEmptyRemoteRepository, errRedirected, errTooLarge, errRefused, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

// explain names the remote and says what to do.
func (r *remote) explain(doing string, err error) error {
	var hint string
	switch {
	case err == nil:
		return nil
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		hint = "push a first commit to it"
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrRepositoryNotFound):
		hint = "check the URL"
		if r.access.Token == "" {
			hint += ", and if it is private set GITHUB_TOKEN to a token that may read and write its contents"
		} else {
			hint += " and that the token in GITHUB_TOKEN is valid for this host and repository"
		}
	case errors.Is(err, transport.ErrAuthorizationFailed):
		hint = "the token in GITHUB_TOKEN lacks a right: give it \"Contents: read and write\" on this repository"
	case errors.Is(err, errRefused):
		if reason := remediate.RefusalOf(err.Error()); reason != "" {
			text := fmt.Sprintf("%s %s: %v: %s", doing, r.url, err, remediate.NextStep(reason))
			return &remediate.Refusal{Reason: reason, Text: remediate.Redact(text, r.access.Token)}
		}
		hint = "check that its base commit has been pushed and that no protection rule covers the branch"
	default:
		return r.redact(fmt.Errorf("%s %s: %w", doing, r.url, err))
	}
	return r.redact(fmt.Errorf("%s %s: %w: %s", doing, r.url, err, hint))
}

func (r *remote) redact(err error) error { return remediate.RedactError(err, r.access.Token) }
