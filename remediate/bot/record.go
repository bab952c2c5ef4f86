package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/store"
)

// note adds a line to the audit trail.
func (v *visit) note(ctx context.Context, action, subject, result string) error {
	return v.noteBy(ctx, "", action, subject, result)
}

func (v *visit) noteBy(ctx context.Context, actor, action, subject, result string) error {
	return v.b.o.Store.Record(ctx, store.Entry{
		Repository: v.about.ID, Actor: actor, Action: action, Subject: subject, Result: remediate.Redact(result),
	})
}

// remember keeps what was found, and what is known of pull requests. Git and
// the forge have the truth: this is for people to look at.
func (r *run) remember(ctx context.Context) error {
	scan := store.Scan{
		Repository: r.about.ID, Branch: r.base, Commit: r.head, At: r.b.o.Now(),
		Score: score(r.project), Counts: map[string]int{},
	}
	for s, n := range severities(r.project) {
		scan.Counts[string(s)] = n
	}
	last, err := r.b.o.Store.Scans(ctx, r.about.ID, r.base, 1)
	if err != nil {
		return err
	}
	if len(last) == 0 || last[0].Commit != r.head || last[0].Score != scan.Score {
		var open []store.Finding
		for _, f := range r.project.Result.Findings {
			open = append(open, store.Finding{Fingerprint: f.Fingerprint, Policy: f.Policy.Name, Severity: string(f.Severity)})
		}
		if err := r.b.o.Store.SaveScan(ctx, scan, open); err != nil {
			return err
		}
	}
	return r.rememberPulls(ctx)
}

func (r *run) rememberPulls(ctx context.Context) error {
	known, err := r.b.o.Store.Pulls(ctx, r.about.ID)
	if err != nil {
		return err
	}
	was := map[int]store.Pull{}
	for _, p := range known {
		was[p.Number] = p
	}
	save := func(p store.Pull) error {
		old := was[p.Number]
		if old.State == p.State && old.Title == p.Title && old.Decision == p.Decision && slices.Equal(old.Findings, p.Findings) {
			return nil
		}
		was[p.Number] = p
		return r.b.o.Store.SavePull(ctx, p)
	}
	for _, p := range r.open {
		findings, _ := remediate.Marked(p.Body, p.Branch, r.marks.key)
		if err := save(store.Pull{Repository: r.about.ID, Number: p.Number, Branch: p.Branch, Title: p.Title, State: store.PullOpen, Findings: findings}); err != nil {
			return err
		}
	}
	for _, p := range r.memory.groups {
		if pull := p.outcome.PullRequest; p.outcome.Action == remediate.ActionDeclined && pull.Number != 0 {
			findings, _ := remediate.Marked(pull.Body, pull.Branch, r.marks.key)
			if err := save(store.Pull{
				Repository: r.about.ID, Number: pull.Number, Branch: pull.Branch, Title: pull.Title, State: store.PullState(pull.State),
				Findings: findings, Decision: store.Declined, Why: p.outcome.Detail,
			}); err != nil {
				return err
			}
		}
	}
	for _, p := range known { // what is open no more, and nobody declined
		if p.State == store.PullOpen && was[p.Number].State == store.PullOpen && !r.isOpen(p.Number) {
			pull, err := r.host.Pull(ctx, p.Number)
			if refused(err, remediate.RefusedMissing) {
				continue
			}
			if err != nil {
				return err
			}
			p.State = store.PullState(pull.State)
			if remediate.Withdrawn(pull.Body, pull.Branch, r.marks.key) {
				p.Decision = store.Fixed
			}
			if err := save(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) isOpen(number int) bool {
	for _, p := range r.open {
		if p.Number == number {
			return true
		}
	}
	return false
}

// parked are the repository's tasks that failed for good.
func (v *visit) parked(ctx context.Context) ([]store.Waiting, error) {
	all, err := v.b.o.Store.Waiting(ctx, v.about.ID)
	return slices.DeleteFunc(all, func(w store.Waiting) bool { return w.State != store.StateParked }), err
}

// maxHistory is how many scans the dashboard draws.
const maxHistory = 30

// history is the last scans of the base branch, oldest first.
func (r *run) history(ctx context.Context) ([]store.Scan, error) {
	scans, err := r.b.o.Store.Scans(ctx, r.about.ID, r.base, maxHistory)
	slices.Reverse(scans)
	return scans, err
}

// retry has a parked task of this repository done again.
func (r *run) retry(ctx context.Context, key string) error {
	id, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		return nil // not what oakum writes
	}
	parked, err := r.parked(ctx)
	if err != nil || !slices.ContainsFunc(parked, func(w store.Waiting) bool { return w.ID == id }) {
		return err
	}
	if err := r.b.o.Store.Retry(ctx, id); err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	return r.note(ctx, "retry", fmt.Sprintf("task %d", id), "ticked on the dashboard")
}

// misconfigured says on the dashboard what is wrong with the configuration, and
// parks the task: the next push brings another.
func (r *run) misconfigured(ctx context.Context, mistake *configError) error {
	if issue, err := r.issue(ctx); err != nil {
		return err
	} else if issue != nil {
		r.ticks = r.visit.ticked(issue.Body)
	}
	problem := "The configuration cannot be read, so nothing is judged and no pull request is touched:\n\n    " + line(mistake.Error())
	if err := r.dashboard(ctx, overview{problem: problem}); err != nil {
		return err
	}
	return store.Park(mistake)
}
