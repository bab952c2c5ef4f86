// Package bot is what a task means: it keeps the pull requests of a repository
// true, judges those of people, answers commands, and shows on an issue what it
// does and what waits. It keeps no truth of its own: every task reads git and
// the forge as they are, so that order and repetition do not matter.
package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/repo"
	"github.com/oakum-dev/oakum/remediate/store"
)

// Library is what repositories are judged by, whatever they say themselves.
type Library struct {
	Policies []*policy.Policy // strict ones included
	Safety   policy.Safety    // where a repository says nothing; empty: evidence
	Only     []string         // names of those whose findings are asked for; empty: all
	Least    policy.Severity  // findings that are less bad are not told; empty: all are
}

// selected are those of a repository's policies whose findings are asked for.
func (l *Library) selected(all []*policy.Policy) []*policy.Policy {
	return slices.DeleteFunc(slices.Clone(all), func(p *policy.Policy) bool {
		return len(l.Only) > 0 && !slices.Contains(l.Only, p.Name) || l.Least != "" && !p.Worst().AtLeast(l.Least)
	})
}

// Options of New.
type Options struct {
	Hub      Hub
	Store    *store.Store
	Library  Library
	Dir      string // where copies of repositories are kept
	MaxBytes int64  // of one copy on disk; 0: 1 GiB
	Key      []byte // signs marks; at least 32 bytes
	Clusters []*Cluster
	Access   repo.Access // how git reaches repositories; the token is that of each
	Log      *slog.Logger
	Now      func() time.Time // nil: the real one
}

// Bot does tasks.
type Bot struct {
	o       Options
	library atomic.Pointer[Library]
	memory  memories
	presets presetCache
	self    sync.Mutex
	login   string
	app     int64
}

// New makes a bot. Nothing is asked yet.
func New(o Options) (*Bot, error) {
	switch {
	case len(o.Key) < 32:
		return nil, errors.New("the key that signs marks has less than 32 bytes")
	case o.Dir == "":
		return nil, errors.New("no directory for copies of repositories is named")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	b := &Bot{o: o}
	b.memory.known = map[int64]*memory{}
	b.SetLibrary(o.Library)
	return b, nil
}

// SetLibrary replaces what repositories are judged by, from the next task on.
func (b *Bot) SetLibrary(l Library) { b.library.Store(&l) }

// identity is who oakum is on the forge; asked once.
func (b *Bot) identity(ctx context.Context) (login string, app int64, err error) {
	b.self.Lock()
	defer b.self.Unlock()
	if b.login == "" {
		if b.login, b.app, err = b.o.Hub.Identity(ctx); err != nil {
			return "", 0, err
		}
	}
	return b.login, b.app, nil
}

// Work does one task; it is a store.Handler.
func (b *Bot) Work(ctx context.Context, r store.Repository, t store.Task) error {
	err := b.work(ctx, r, t)
	var wait *remediate.Later
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wait):
		return store.Later(wait.Until.Sub(b.o.Now()))
	case hopeless(err):
		return store.Park(err)
	}
	return err
}

// hopeless says that trying again helps with nothing of what failed. Where
// several things did, it may help with one of them.
func hopeless(err error) bool {
	var all failures
	if errors.As(err, &all) {
		return !slices.ContainsFunc(all, func(err error) bool { return !hopeless(err) })
	}
	var refusal *remediate.Refusal
	return errors.As(err, &refusal) && final[refusal.Reason] || errors.Is(err, repo.ErrTooLarge) || errors.Is(err, errParked) || store.IsParked(err)
}

// errParked is a state of the repository in which nothing can be done until a
// person changes it.
var errParked = errors.New("nothing is done until somebody changes this")

// final are refusals that only a person can change. What is missing may be a
// forge that lags behind its own events, so it is tried again for a while.
var final = map[string]bool{
	remediate.RefusedToken: true, remediate.RefusedSuspended: true, remediate.RefusedRemoved: true, remediate.RefusedRight: true,
	remediate.RefusedArchived: true, remediate.RefusedDisabled: true, remediate.RefusedRules: true, remediate.RefusedSigned: true,
}

func (b *Bot) work(ctx context.Context, r store.Repository, t store.Task) error {
	switch t.Kind {
	case store.Removed:
		return b.removed(ctx, r)
	case store.Installed:
		if r.ID == 0 {
			return b.installed(ctx, r.Installation)
		}
	}
	v, err := b.visit(ctx, r)
	if err != nil {
		return err
	}
	defer v.close()
	switch t.Kind {
	case store.Reconcile, store.Installed:
		ask, err := asked(t)
		if err != nil {
			return err
		}
		// A push says to what; whatever else asks wants all of it looked at.
		err = v.reconcile(ctx, ask.Commit == "")
		if err == nil || store.IsLater(err) {
			if lags := v.behind(ctx, t, ask.Commit); lags != nil {
				return lags // and whatever is to be done later is found again
			}
		}
		return err
	case store.Preview:
		return v.preview(ctx, t)
	case store.Follow:
		return v.follow(ctx, t)
	case store.Command:
		return v.command(ctx, t)
	case store.Action:
		return v.action(ctx, t)
	case store.Tick:
		return v.tick(ctx, t)
	case store.Queue:
		return v.queue(ctx, t)
	case store.Live:
		return v.live(ctx)
	}
	return store.Park(fmt.Errorf("nobody knows what a task %q asks for", t.Kind))
}

// failures are what went wrong with several pull requests.
type failures []error

func (f failures) Error() string   { return errors.Join(f...).Error() }
func (f failures) Unwrap() []error { return f }

// together is nil for no failures.
func together(failed []error) error {
	if len(failed) == 0 {
		return nil
	}
	return failures(failed)
}

func stored(r remediate.Repository) store.Repository {
	return store.Repository{ID: r.ID, Installation: r.Installation, Name: r.Name}
}

// installed asks for a first look at every repository of an installation, and
// has done again what was parked: it may have been for want of a right, or
// because the installation was suspended.
func (b *Bot) installed(ctx context.Context, installation int64) error {
	all, err := b.o.Hub.Repositories(ctx)
	if err != nil {
		return fmt.Errorf("listing the repositories: %w", err)
	}
	for _, r := range all {
		if r.Installation != installation {
			continue
		}
		if err := b.o.Store.Add(ctx, 0, store.Task{Repository: stored(r), Kind: store.Reconcile}); err != nil {
			return err
		}
		waiting, err := b.o.Store.Waiting(ctx, r.ID)
		if err != nil {
			return err
		}
		for _, w := range waiting {
			if w.State != store.StateParked {
				continue
			}
			if err := b.o.Store.Retry(ctx, w.ID); err != nil && !errors.Is(err, store.ErrNone) {
				return err
			}
		}
	}
	return nil
}

// removed forgets a repository: what is on the forge stays as it is.
func (b *Bot) removed(ctx context.Context, r store.Repository) error {
	b.memory.drop(r.ID)
	if r.ID == 0 {
		return nil
	}
	if err := b.forgetCopy(r.ID); err != nil {
		return err
	}
	b.o.Log.Info("a repository was taken away", "repository", r.Name)
	return nil
}
