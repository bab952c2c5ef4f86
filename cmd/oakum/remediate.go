package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/github"
	"github.com/oakum-dev/oakum/remediate/repo"
)

// remediation is one run of the verb.
type remediation struct {
	*app
	base, apiURL, groupBy string
	dryRun                bool
	token                 string
}

func (a *app) remediateCommand() *cobra.Command {
	r := &remediation{app: a}
	c := &cobra.Command{
		Use:   "remediate REPO",
		Short: "open or update pull requests that mend a repository",
		Long: `Remediate reads a repository at the head of its branch, a clone by its path or
a repository on GitHub by its URL, plans and proves its fixes, and keeps one
pull request for each group of them. Running it again changes nothing as long
as nothing has changed; a pull request that a person closed stays closed until
its findings change.

The token is taken from GITHUB_TOKEN; it needs "Contents" and "Pull requests",
read and write, on the repository. With --dry-run none is needed: every branch,
diff and text is printed and nothing is sent.`,
		Example: "  oakum remediate . --dry-run\n  oakum remediate https://github.com/you/manifests --safety review",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r.token = os.Getenv("GITHUB_TOKEN")
			err := r.run(c.Context(), args[0])
			if err != nil && !errors.Is(err, errReported) {
				return remediate.RedactError(err, r.token)
			}
			return err
		},
	}
	a.safetyFlag(c)
	a.reportsFlag(c)
	f := c.Flags()
	f.BoolVar(&r.dryRun, "dry-run", false, "print everything, send nothing")
	f.StringVar(&r.base, "base", "", "branch to read and to open pull requests against (default: the checked-out or default branch)")
	f.StringVar(&r.apiURL, "github-url", "", "base URL of a GitHub Enterprise server, e.g. https://github.example.com")
	f.StringVar(&r.groupBy, "group-by", "", "one pull request for each "+strings.Join(remediate.Groupings, ", ")+" (default directory)")
	return c
}

func (r *remediation) run(ctx context.Context, address string) error {
	var client *github.Client
	if !r.dryRun {
		var err error
		client, err = github.New(github.Options{Token: r.token, BaseURL: r.apiURL, OnWait: func(why string, d time.Duration) {
			r.log.Warn("waiting for GitHub", "why", why, "for", d)
		}})
		if err != nil {
			return err
		}
	}
	repository, err := r.openRepository(ctx, address)
	if err != nil {
		return err
	}
	base, commit, err := r.target(repository)
	if err != nil {
		return err
	}
	r.remotePresets = r.presetsAt(repository, address)
	project, err := r.read(ctx, repository, commit)
	if err != nil {
		return err
	}
	config := project.Settings.Config.PullRequests
	groups, err := project.Groups(ctx, cmp.Or(r.groupBy, config.GroupBy, remediate.Groupings[0]))
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		fmt.Fprintf(r.out, "nothing to open: %s, none of which can be mended at safety %s\n", plural(len(project.Result.Findings), "finding"), project.Safety())
	}
	failed := r.unread(&project)
	var publish func(context.Context, remediate.Proposal) (remediate.Outcome, error)
	if client != nil {
		if publish, err = r.publisher(ctx, client, repository, address, base, commit); err != nil {
			return err
		}
	}
	for _, g := range groups {
		p := g.Proposal(base, commit, config.LabelsOrDefault())
		p.Draft = config.Drafts(g.Fixes())
		if r.dryRun {
			r.show(p, g)
			continue
		}
		outcome, err := publish(ctx, p)
		if err != nil {
			fmt.Fprintf(r.err, "oakum: %v\n", remediate.RedactError(err, r.token))
			failed = true
			continue
		}
		line := fmt.Sprintf("%-10s %s", outcome.Action, p.Title)
		if outcome.PullRequest.URL != "" {
			line += "  " + outcome.PullRequest.URL
		}
		if outcome.Detail != "" {
			line += "\n           " + outcome.Detail
		}
		fmt.Fprintln(r.out, line)
	}
	if failed {
		return errReported
	}
	return nil
}

func (r *remediation) openRepository(ctx context.Context, address string) (*repo.Repository, error) {
	if repo.IsURL(address) {
		return repo.Clone(ctx, address, repo.Options{Access: repo.Access{Token: r.token}, Branch: r.base, Depth: 1})
	}
	repository, err := repo.Open(address)
	if err != nil {
		return nil, err
	}
	dirty, err := repository.Dirty()
	if err != nil {
		return nil, err
	}
	if len(dirty) > 0 {
		r.log.Warn("the work tree has changes that are not committed; only commits are read", "files", len(dirty), "first", dirty[0])
	}
	return repository, nil
}

// target is the branch that is read, and its commit.
func (r *remediation) target(repository *repo.Repository) (base, commit string, err error) {
	if r.base == "" {
		return repository.Head()
	}
	commit, err = repository.Branch(r.base)
	return r.base, commit, err
}

func (r *remediation) read(ctx context.Context, repository *repo.Repository, commit string) (project, error) {
	tree, err := repository.FS(commit)
	if err != nil {
		return project{}, err
	}
	return r.readTree(ctx, tree)
}

func (r *remediation) readTree(ctx context.Context, tree fs.FS) (project, error) {
	o, frameworks, err := r.settings(ctx, tree)
	if err != nil {
		return project{}, err
	}
	if r.groupBy != "" {
		if _, err := oneOf("group-by", r.groupBy, remediate.Groupings); err != nil {
			return project{}, err
		}
	}
	p, err := remediate.ReadProject(tree, o)
	return project{Project: p, catalogue: frameworks}, err
}

// presetsAt reads presets from where the repository is; nil where nobody knows.
func (r *remediation) presetsAt(repository *repo.Repository, address string) remediate.Presets {
	if !repo.IsURL(address) {
		address = repository.Origin()
	}
	u, err := url.Parse(strings.TrimSuffix(strings.TrimSuffix(address, "/"), ".git"))
	if err != nil || u.Host == "" {
		return nil
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 {
		return nil
	}
	owner := parts[len(parts)-2]
	u.Path = "/" + strings.Join(parts[:len(parts)-2], "/")
	return presetsOf(u.String(), owner, r.token)
}

// publisher sends proposals to the repository on GitHub.
func (r *remediation) publisher(ctx context.Context, client *github.Client, repository *repo.Repository, address, base, commit string) (func(context.Context, remediate.Proposal) (remediate.Outcome, error), error) {
	if !repo.IsURL(address) {
		if address = repository.Origin(); address == "" {
			return nil, errors.New("the repository has no remote called origin: add one, or give the URL of the repository instead of a path")
		}
	}
	on, err := client.Repo(address)
	if err != nil {
		return nil, err
	}
	pusher, err := repository.Push(on.CloneURL(), repo.Access{Token: r.token})
	if err != nil {
		return nil, err
	}
	writer := on.Writer(pusher)
	tip, err := writer.Tip(ctx, base)
	if err != nil {
		return nil, err
	}
	if tip.Hash != commit {
		return nil, fmt.Errorf("branch %s is at %.12s here and at %.12s on GitHub: push or pull it first, so that pull requests stand on what is there", base, commit, tip.Hash)
	}
	return func(ctx context.Context, p remediate.Proposal) (remediate.Outcome, error) {
		return remediate.Publish(ctx, writer, on, p)
	}, nil
}

// show prints what would be sent.
func (r *remediation) show(p remediate.Proposal, g remediate.Group) {
	title, diff := p.Title, r.display(g.Plan.Diff())
	state := "ready for review"
	if p.Draft {
		state = "draft"
	}
	if r.color(r.out) {
		title = "\x1b[1m" + title + "\x1b[0m"
	}
	fmt.Fprintf(r.out, "pull request  %s\nbranch        %s -> %s\nlabels        %s\nstate         %s\n\n%s\n%s\n", title, p.Branch, p.Base, strings.Join(p.Labels, ", "), state, p.Text(), diff)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
