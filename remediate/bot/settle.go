package bot

import (
	"context"
	"fmt"
	"slices"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/store"
)

// settle closes oakum's pull requests that nothing asks for any more.
func (r *run) settle(ctx context.Context) error {
	wanted := map[string]bool{}
	for key := range r.memory.groups {
		wanted[remediate.BranchName(key)] = true
	}
	for branch, pull := range r.open {
		switch {
		case wanted[branch] || pull.State != remediate.StateOpen:
		case config(branch):
			if err := r.keepConfig(ctx, pull); err != nil {
				return err
			}
		default:
			if err := r.withdraw(ctx, pull, fmt.Sprintf("its findings are gone from %s as of %.12s", r.base, r.head)); err != nil {
				return err
			}
		}
	}
	return nil
}

// withdraw closes a pull request of oakum's with a sentence, and deletes its
// branch. One with commits of others stays, for whoever made them.
func (r *run) withdraw(ctx context.Context, pull remediate.Pull, why string) error {
	tip, err := r.writer.Tip(ctx, pull.Branch)
	if err != nil {
		return err
	}
	if tip.Hash != "" && !tip.Ours {
		return nil
	}
	change := pull.PullRequest
	if change.Body = remediate.Withdraw(pull.Body, pull.Branch, r.marks.key); change.Body != pull.Body {
		change.Labels = nil
		if err := r.host.Update(ctx, change); err != nil {
			return err
		}
	}
	if err := r.say(ctx, pull.Number, "closed", fmt.Sprintf("%d", pull.Number), "Closed by oakum: "+why+"."); err != nil {
		return err
	}
	if err := r.host.Close(ctx, pull.Number); err != nil {
		return err
	}
	if tip.Hash != "" {
		if err := r.host.DeleteBranch(ctx, pull.Branch, tip.Hash); err != nil {
			return err
		}
	}
	delete(r.open, pull.Branch)
	r.log.Info("closed a pull request", "number", pull.Number, "why", why)
	return r.note(ctx, "close pull request", fmt.Sprintf("#%d", pull.Number), why)
}

// say writes a comment once: it is known again by its mark.
func (v *visit) say(ctx context.Context, number int, what, key, text string) error {
	comments, err := v.host.Comments(ctx, number)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(comments, func(c remediate.Comment) bool { return v.mine(c.Author, c.App) && v.marks.in(c.Body, what, key) }) {
		return nil
	}
	_, err = v.host.CreateComment(ctx, number, bounded(text, v.marks.of(what, key)))
	return err
}

// follow looks at what became of a pull request of oakum's: closed, reopened,
// pushed to, edited. What is remembered of its group is not believed.
func (v *visit) follow(ctx context.Context, t store.Task) error {
	pull, err := v.told(ctx, t)
	if err != nil || !v.ours(pull) {
		return err
	}
	for key, p := range v.memory.groups {
		if remediate.BranchName(key) == pull.Branch {
			p.settled, p.undecided = false, false
			p.outcome = remediate.Outcome{}
		}
	}
	return v.reconcile(ctx, false)
}
