package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/detect/drift"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/store"
)

// run is one attempt to make a repository's pull requests what its base branch
// asks for.
type run struct {
	*visit
	base, head string // branch and commit
	project    *remediate.Project
	drift      *drift.Result // of its cluster; nil: no cluster was read
	config     remediate.PullRequestConfig
	open       map[string]remediate.Pull // oakum's, by branch
	writer     remediate.Writer
	opened     []time.Time // within the last hour
	ticks      []tick      // on the dashboard, when this began
	failed     []error
	next       time.Time // when something that waits may go on; zero: nothing does
}

// errBaseMoved means that what was planned is not on the head of its base any more.
var errBaseMoved = errors.New("the base branch has moved meanwhile")

// reconcile makes the pull requests true. A full one plans and compares every
// group; otherwise those whose files, findings or state have changed.
func (v *visit) reconcile(ctx context.Context, full bool) error {
	next, err := v.truth(ctx, full)
	if err == nil && !next.IsZero() {
		return store.Later(next.Sub(v.b.o.Now()))
	}
	return err
}

// truth is reconcile, and says when something that waits may go on; zero:
// nothing does.
func (v *visit) truth(ctx context.Context, full bool) (next time.Time, err error) {
	for range 3 {
		next, err = v.converge(ctx, full)
		if !errors.Is(err, errBaseMoved) {
			return next, err
		}
	}
	return v.b.o.Now(), nil
}

func (v *visit) converge(ctx context.Context, full bool) (next time.Time, err error) {
	r := &run{visit: v, base: v.about.DefaultBranch}
	if r.head, err = v.head(ctx, r.base); errors.Is(err, errNoBranch) {
		return next, nil // nothing was pushed yet
	} else if err != nil {
		return next, err
	}
	v.seen = r.head
	tree, err := v.tree(ctx, r.head)
	if err != nil {
		return next, err
	}
	if err := r.list(ctx); err != nil {
		return next, err
	}
	o, err := v.settings(ctx, tree)
	var mistake *configError
	switch {
	case errors.Is(err, errNoConfig):
		return next, r.onboard(ctx)
	case errors.As(err, &mistake):
		return next, r.misconfigured(ctx, mistake)
	case err != nil:
		return next, err
	}
	r.config = o.Config.PullRequests
	read, err := v.read(ctx, r.head, o)
	if err != nil {
		return next, err
	}
	if r.project, err = r.joined(ctx, read); err != nil {
		return next, err
	}
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return r.plan(ctx, full) },
		r.obey, r.publish, r.settle, r.remember,
		func(ctx context.Context) error { return r.dashboard(ctx, r.overview()) },
	} {
		if err := step(ctx); err != nil {
			return next, together(append(r.failed, err))
		}
	}
	return r.next, together(r.failed)
}

// list finds oakum's open pull requests.
func (r *run) list(ctx context.Context) error {
	pulls, err := r.host.OpenPulls(ctx)
	if err != nil {
		return err
	}
	r.open = map[string]remediate.Pull{}
	hour := r.b.o.Now().Add(-time.Hour)
	for _, p := range pulls {
		if !r.ours(p) {
			continue
		}
		r.open[p.Branch] = p
		if p.Created.After(hour) && !config(p.Branch) {
			r.opened = append(r.opened, p.Created)
		}
	}
	r.writer, err = r.visit.writer()
	return err
}

// publish goes through all groups, those first that matter most.
func (r *run) publish(ctx context.Context) error {
	for _, key := range r.order() {
		p := r.memory.groups[key]
		if p.settled {
			continue
		}
		err := r.one(ctx, key, p)
		if err != nil && stops(err) {
			return err
		}
		if err != nil { // the others may succeed
			r.log.Warn("a pull request was not made true", "group", key, "error", err)
			r.failed = append(r.failed, err)
		}
	}
	return nil
}

// stops tells errors that every further group would meet as well.
func stops(err error) bool {
	var wait *remediate.Later
	var refusal *remediate.Refusal
	return errors.Is(err, errBaseMoved) || errors.As(err, &wait) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &refusal) && slices.Contains([]string{remediate.RefusedToken, remediate.RefusedSuspended, remediate.RefusedRemoved, remediate.RefusedArchived, remediate.RefusedMoved}, refusal.Reason)
}

// one makes the pull request of a group true, unless it has to wait.
func (r *run) one(ctx context.Context, key string, p *planned) error {
	branch := remediate.BranchName(key)
	pull, isOpen := r.open[branch]
	p.waits = ""
	if p.group == nil {
		if isOpen {
			if err := r.withdraw(ctx, pull, "what it mended cannot be mended by oakum any more"); err != nil {
				return err
			}
		}
		p.settled = true
		return nil
	}
	if !isOpen && !p.again {
		p.waits = r.limited(p)
	}
	if p.waits != "" && p.undecided {
		return nil // and when that changes, an event tells
	}
	proposal := r.proposal(p)
	proposal.Again = p.again
	if p.waits != "" {
		out, err := remediate.Decided(ctx, r.host, proposal)
		if err != nil {
			return err
		}
		p.outcome = out
		if out.Action != "" && len(out.Reverted) == 0 {
			p.waits, p.settled = "", true
		}
		p.undecided = out.Action == ""
		return nil
	}
	out, err := remediate.Publish(ctx, r.writer, r.host, proposal)
	if err != nil {
		return err
	}
	if len(out.Reverted) > 0 {
		return r.takenBack(ctx, key, p, out)
	}
	p.outcome, p.settled, p.again = out, true, false
	return r.followUp(ctx, p, out, pull)
}

// proposal is the pull request for a group.
func (r *run) proposal(p *planned) remediate.Proposal {
	out := p.group.Proposal(r.base, r.head, r.config.LabelsOrDefault())
	out.Key = r.marks.key
	out.Draft = r.config.Drafts(p.group.Fixes())
	out.Body += "\nComment `/oakum rebase` to have the branch made anew on its base, `/oakum help` for more.\n"
	return out
}

// takenBack plans a group without the findings that people brought back.
func (r *run) takenBack(ctx context.Context, key string, p *planned, out remediate.Outcome) error {
	// A merge that came after the files were read looks the same.
	at, err := r.visit.head(ctx, r.base)
	if err != nil {
		return err
	}
	if at != r.head {
		return errBaseMoved
	}
	p.reverted = append(p.reverted, out.Reverted...)
	p.outcome = out
	if err := r.replan(ctx, key, p); err != nil {
		return err
	}
	if p.group == nil {
		p.settled = true
		return r.note(ctx, "decline", "#"+fmt.Sprint(out.PullRequest.Number), out.Detail)
	}
	return r.one(ctx, key, p)
}

// followUp does what belongs to a pull request besides its text: people, and
// how it is merged.
func (r *run) followUp(ctx context.Context, p *planned, out remediate.Outcome, before remediate.Pull) error {
	switch out.Action {
	case remediate.ActionOpened:
		r.opened = append(r.opened, r.b.o.Now())
		r.log.Info("opened a pull request", "number", out.PullRequest.Number, "group", p.group.Key)
		if err := r.note(ctx, "open pull request", "#"+fmt.Sprint(out.PullRequest.Number), out.PullRequest.Title); err != nil {
			return err
		}
	case remediate.ActionUpdated:
		r.log.Info("updated a pull request", "number", out.PullRequest.Number, "group", p.group.Key)
	case remediate.ActionForeign:
		if before.AutoMerge != "" && r.config.AutoMerge == "safe" {
			return r.host.AutoMerge(ctx, before.Number, "", "")
		}
		return nil
	case remediate.ActionDeclined:
		return nil
	}
	young := !before.Created.IsZero() && r.b.o.Now().Sub(before.Created) < time.Hour
	if out.Action != remediate.ActionOpened && !young && !(out.Pushed && before.AutoMerge != "") {
		return nil
	}
	pull, err := r.host.Pull(ctx, out.PullRequest.Number)
	if err != nil {
		return err
	}
	r.open[pull.Branch] = pull
	if err := r.people(ctx, p, pull); err != nil {
		return err
	}
	return r.merging(ctx, p, pull)
}

// people asks for reviews and assigns, where nobody was asked yet.
func (r *run) people(ctx context.Context, p *planned, pull remediate.Pull) error {
	if len(pull.Reviewers)+len(pull.Teams) == 0 && len(r.config.Reviewers) > 0 {
		users, teams := r.reviewers(p, pull.Author.Login)
		if len(users)+len(teams) > 0 {
			if err := r.host.Reviewers(ctx, pull.Number, users, teams); err != nil && !invalid(err) {
				return err
			} else if err != nil { // somebody without access: the pull request is worth more
				r.log.Warn("reviewers were not asked", "number", pull.Number, "error", err)
			}
		}
	}
	if len(pull.Assignees) == 0 && len(r.config.Assignees) > 0 {
		var users []string
		for _, a := range r.config.Assignees {
			users = append(users, strings.TrimPrefix(a, "@"))
		}
		if err := r.host.Assign(ctx, pull.Number, users); err != nil && !invalid(err) {
			return err
		}
	}
	return nil
}

func invalid(err error) bool { return refused(err, remediate.RefusedInvalid) }

func refused(err error, reason string) bool {
	var refusal *remediate.Refusal
	return errors.As(err, &refusal) && refusal.Reason == reason
}

// maxReviewers is how many a forge takes for one pull request.
const maxReviewers = 15

// reviewers are users and slugs of teams.
func (r *run) reviewers(p *planned, author string) (users, teams []string) {
	add := func(name string) {
		name = strings.TrimPrefix(name, "@")
		if _, slug, team := strings.Cut(name, "/"); team {
			teams = append(teams, slug)
		} else if !strings.EqualFold(name, author) {
			users = append(users, name)
		}
	}
	for _, name := range r.config.Reviewers {
		if name != remediate.Codeowners {
			add(name)
			continue
		}
		var files []string
		for _, c := range p.group.Plan.Changes {
			files = append(files, c.Path)
		}
		u, t := r.project.Owners(files)
		for _, name := range slices.Concat(u, t) {
			add(name)
		}
	}
	slices.Sort(users)
	slices.Sort(teams)
	users, teams = slices.Compact(users), slices.Compact(teams)
	users = users[:min(len(users), maxReviewers)]
	return users, teams[:min(len(teams), maxReviewers-len(users))]
}

// merging switches the forge's own auto-merge on for a pull request of safe and
// proved fixes, and off for one that is no longer.
func (r *run) merging(ctx context.Context, p *planned, pull remediate.Pull) error {
	if r.config.AutoMerge != "safe" {
		return nil
	}
	want := p.group.Safe() && !pull.Draft
	switch {
	case want && pull.AutoMerge == "" && r.about.AutoMerge:
		method := "merge"
		if len(r.about.Methods) > 0 && !slices.Contains(r.about.Methods, method) {
			method = r.about.Methods[0]
		}
		err := r.host.AutoMerge(ctx, pull.Number, method, p.outcome.PullRequest.HeadCommit)
		if errors.Is(err, remediate.ErrMoved) {
			return nil // somebody pushed: it is theirs to merge
		}
		if err != nil && invalid(err) { // such as: it could be merged at once
			r.log.Warn("auto-merge was not switched on", "number", pull.Number, "error", err)
			return nil
		}
		return err
	case !want && pull.AutoMerge != "":
		return r.host.AutoMerge(ctx, pull.Number, "", "")
	}
	return nil
}
