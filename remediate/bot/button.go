package bot

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/store"
)

// action is a button of a check, or the wish that it runs again.
func (v *visit) action(ctx context.Context, t store.Task) error {
	ask, err := asked(t)
	if err != nil {
		return err
	}
	pull, ok, err := v.pullAt(ctx, ask)
	if err != nil {
		return err
	}
	if ask.Button == "" {
		if ok {
			return v.preview(ctx, store.Task{Repository: t.Repository, Kind: store.Preview, Key: strconv.Itoa(pull.Number)})
		}
		c, err := v.compare(ctx, v.about.DefaultBranch, ask.Commit) // of a fork: the forge does not say whose
		if err != nil {
			return quiet(err)
		}
		return v.check(ctx, c, false)
	}
	if ask.Button != actionFix || !ok || pull.State != remediate.StateOpen || pull.HeadCommit != ask.Commit || v.ours(pull) {
		return nil // bound to the commit that the button was shown at
	}
	allowed, err := v.allowed(ctx, ask.Sender)
	if err != nil || !allowed {
		return err
	}
	answer, err := v.push(ctx, pull, fmt.Sprintf("check %d", ask.CheckRun), ask.Sender)
	if err != nil {
		return quiet(err)
	}
	return v.noteBy(ctx, ask.Sender, "fix", fmt.Sprintf("#%d", pull.Number), answer)
}

// pullAt is the pull request that a check is about.
func (v *visit) pullAt(ctx context.Context, ask store.Ask) (p remediate.Pull, ok bool, err error) {
	if ask.Number != 0 {
		return v.pull(ctx, ask.Number)
	}
	open, err := v.host.OpenPulls(ctx)
	if err != nil {
		return p, false, err
	}
	i := slices.IndexFunc(open, func(p remediate.Pull) bool { return p.HeadCommit == ask.Commit })
	if i < 0 {
		return p, false, nil
	}
	return open[i], true, nil
}
