package bot

import (
	"context"
	"errors"
	"time"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/store"
)

// errLags means that the forge does not show yet what it told of: it answers
// from copies, and an event may be faster. The task is tried again.
var errLags = errors.New("the forge does not show yet what it told of")

// patience is how often a task is tried again for that, which takes a quarter
// of a minute: what is not there by then was taken back.
const patience = 4

// lags compares when a pull request or an issue was changed, as told by an
// event and as shown by the forge.
func lags(t store.Task, told, shown time.Time) error {
	if shown.Before(told) && t.Attempts < patience {
		return errLags
	}
	return nil
}

// told is the pull request that a task is about, as new as the event that asks
// for the task.
func (v *visit) told(ctx context.Context, t store.Task) (remediate.Pull, error) {
	number, err := numbered(t.Key)
	if err != nil {
		return remediate.Pull{}, store.Park(err)
	}
	ask, err := asked(t)
	if err != nil {
		return remediate.Pull{}, err
	}
	pull, err := v.host.Pull(ctx, number)
	if err != nil {
		return pull, err
	}
	return pull, lags(t, ask.Updated, pull.Updated)
}

// behind says whether the branch that was looked at is not where a push had put
// it already.
func (v *visit) behind(ctx context.Context, t store.Task, pushed string) error {
	if pushed == "" || v.seen == "" || v.seen == pushed || t.Attempts >= patience {
		return nil
	}
	parted, err := v.host.MergeBase(ctx, v.seen, pushed)
	switch {
	case refused(err, remediate.RefusedMissing), err == nil && parted == v.seen:
		return errLags
	}
	return err // nil: it went on since, or was put somewhere else
}
