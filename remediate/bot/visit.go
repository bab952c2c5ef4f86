package bot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/repo"
	"github.com/oakum-dev/oakum/remediate/store"
)

// visit is one task's look at one repository.
type visit struct {
	b      *Bot
	host   Host
	about  remediate.About
	marks  marks
	mirror *repo.Mirror
	access repo.Access
	memory *memory
	log    *slog.Logger
	login  string
	app    int64
	again  []string // branches that a person wants to be made anew
	seen   string   // head of the base branch that was looked at
}

// visit meets a repository where it is now, whatever it was called before.
func (b *Bot) visit(ctx context.Context, r store.Repository) (*visit, error) {
	host, err := b.o.Hub.Host(ctx, remediate.Repository{ID: r.ID, Installation: r.Installation, Name: r.Name})
	if err != nil {
		return nil, err
	}
	about, err := host.About(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case about.Archived:
		return nil, fmt.Errorf("%s is archived and takes no changes: unarchive it, or take it out of the installation: %w", about.Name, errParked)
	case about.Disabled:
		return nil, fmt.Errorf("%s is disabled by the forge: %w", about.Name, errParked)
	}
	v := &visit{b: b, host: host, about: about, marks: marksFor(b.o.Key, about.ID), log: b.o.Log.With("repository", about.Name)}
	if v.login, v.app, err = b.identity(ctx); err != nil {
		return nil, err
	}
	v.access = b.o.Access
	if v.access.Token, err = host.Token(ctx); err != nil {
		return nil, err
	}
	v.memory = b.memory.of(about.ID)
	if v.mirror, err = repo.OpenMirror(b.copyDir(about.ID), b.o.MaxBytes); err != nil {
		v.memory.mu.Unlock()
		return nil, err
	}
	return v, nil
}

func (v *visit) close() {
	if err := v.mirror.Close(); err != nil {
		v.log.Warn("closing the copy of a repository", "error", err)
	}
	v.memory.tidy()
	v.memory.mu.Unlock()
}

func (b *Bot) copyDir(id int64) string {
	return filepath.Join(b.o.Dir, strconv.FormatInt(id, 10)+".git")
}

func (b *Bot) forgetCopy(id int64) error {
	if err := os.RemoveAll(b.copyDir(id)); err != nil {
		return fmt.Errorf("deleting the copy of a repository: %w", err)
	}
	return nil
}

// tree is the files of a commit, which is fetched if it is not here.
func (v *visit) tree(ctx context.Context, commit string) (fs.FS, error) {
	if err := v.mirror.Fetch(ctx, v.host.CloneURL(), v.access, commit); err != nil {
		return nil, err
	}
	return v.mirror.FS(commit)
}

// head is where a branch is now.
func (v *visit) head(ctx context.Context, branch string) (string, error) {
	commit, err := repo.Head(ctx, v.host.CloneURL(), v.access, branch)
	if err != nil {
		return "", err
	}
	if commit == "" {
		return "", fmt.Errorf("branch %q of %s: %w", branch, v.about.Name, errNoBranch)
	}
	return commit, nil
}

var errNoBranch = errors.New("there is no such branch")

// errNoConfig means that a repository has no configuration: it is not on board.
var errNoConfig = errors.New("the repository has no " + remediate.ConfigName)

// settings are how the repository is judged: by the configuration at a commit
// of a base branch, never by that of a pull request. The memory is held to them.
func (v *visit) settings(ctx context.Context, tree fs.FS) (remediate.Settings, error) {
	src, err := readConfig(tree)
	if err != nil {
		return remediate.Settings{}, err
	}
	return v.settingsOf(ctx, src)
}

func readConfig(tree fs.FS) ([]byte, error) {
	info, err := fs.Stat(tree, remediate.ConfigName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errNoConfig
	case err != nil:
		return nil, fmt.Errorf("reading the configuration: %w", err)
	case info.Size() > remediate.MaxConfig:
		return nil, &configError{fmt.Errorf("%s has %d bytes, more than the %d that are read", remediate.ConfigName, info.Size(), remediate.MaxConfig)}
	}
	src, err := fs.ReadFile(tree, remediate.ConfigName)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return src, nil
}

// configError is a mistake in a configuration, which its authors have to mend.
type configError struct{ err error }

func (e *configError) Error() string { return e.err.Error() }
func (e *configError) Unwrap() error { return e.err }

func (v *visit) settingsOf(ctx context.Context, src []byte) (remediate.Settings, error) {
	digest := sha256.New()
	digest.Write(src)
	config, err := remediate.LoadConfig(ctx, remediate.ConfigName, src, func(ctx context.Context, p remediate.Preset) ([]byte, error) {
		text, err := v.preset(ctx, p)
		fmt.Fprintf(digest, "\x00%s\x00%d\x00%s", p, len(text), text)
		return text, err
	})
	if err != nil {
		return remediate.Settings{}, &configError{err}
	}
	library := v.b.library.Load()
	o := remediate.Settings{Config: config, Today: v.b.o.Now(), Exclude: config.Exclude}
	for _, p := range library.Policies {
		o.Known = append(o.Known, p.Name)
	}
	if o.Policies, err = config.Apply(library.Policies); err != nil {
		return remediate.Settings{}, &configError{err}
	}
	o.Selected, o.Least = library.selected(o.Policies), library.Least
	if o.Kubernetes, err = config.Minor(); err != nil {
		return remediate.Settings{}, &configError{err}
	}
	if o.Config.Safety == "" {
		o.Config.Safety = library.Safety
	}
	if v.b.cluster(v.about.Name) != nil {
		o.Wants = remediate.Everything // what the cluster is compared with
	}
	// Exemptions expire at midnight.
	fmt.Fprintf(digest, "\x00%p\x00%s", library, o.Today.Format("2006-01-02"))
	if sum := hex.EncodeToString(digest.Sum(nil)); v.memory.settings != sum {
		v.memory.reset(sum)
		v.memory.policies, v.memory.selected = o.Policies, o.Selected
	}
	// The very same, so that what was judged by them counts.
	o.Policies, o.Selected = v.memory.policies, v.memory.selected
	return o, nil
}

// read reads and judges the files of a commit.
func (v *visit) read(ctx context.Context, commit string, o remediate.Settings) (*remediate.Project, error) {
	tree, err := v.tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	identity := identities(tree)
	root := identity(".")
	if p := v.memory.trees[root]; p != nil {
		return p, nil
	}
	o.Reuse, o.Before = v.memory.reuse(identity), v.memory.last
	p, err := remediate.ReadProject(tree, o)
	if err != nil {
		return nil, err
	}
	v.memory.trees[root], v.memory.last = p, p
	return p, nil
}

// identities tells content by its hash.
func identities(tree fs.FS) func(string) string {
	if t, ok := tree.(interface{ Identity(string) string }); ok {
		return t.Identity
	}
	return func(string) string { return "" }
}

// git is how commits get to the repository.
func (v *visit) writer() (remediate.Writer, error) {
	push, err := v.mirror.Push(v.host.CloneURL(), v.access)
	if err != nil {
		return nil, err
	}
	return v.host.Writer(push), nil
}

// ours says whether a pull request is one that oakum keeps: its branch is in
// this repository under oakum's prefix, and oakum opened it.
func (v *visit) ours(p remediate.Pull) bool {
	return strings.HasPrefix(p.Branch, remediate.BranchPrefix) && p.From(v.about.Repository) && strings.EqualFold(p.Author.Login, v.login)
}

// mine says whether oakum wrote a comment.
func (v *visit) mine(author remediate.Account, app int64) bool {
	if v.app != 0 {
		return app == v.app || app == 0 && author.Bot && strings.EqualFold(author.Login, v.login)
	}
	return strings.EqualFold(author.Login, v.login)
}
