package bot

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/drift"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/store"
)

const (
	dashboardTitle = "oakum dashboard"
	dashboardLabel = "oakum"
)

// Marks of the dashboard and of what can be ticked on it.
const (
	markDashboard = "dashboard"
	markOpen      = "open"  // a pull request that waits, by branch
	markUndo      = "undo"  // one that was declined, by branch
	markRetry     = "retry" // a parked task, by ID
	markAgain     = "again" // look at everything
)

// overview is what the dashboard tells.
type overview struct {
	problem  string // what keeps oakum from working here at all
	score    int
	counts   map[policy.Severity]int
	history  []store.Scan // oldest first
	open     []remediate.Pull
	waiting  []item
	declined []item
	foreign  []item
	held     []fixers.Held
	weakened []*drift.Drift // objects that the cluster has weaker than Git
	parked   []store.Waiting
}

// item is a group that has no pull request of its own, or not one that oakum works on.
type item struct {
	branch, title, why string
	number             int // of the pull request; 0: none
}

func (r *run) overview() overview {
	o := overview{score: score(r.project), counts: severities(r.project)}
	for _, branch := range slices.Sorted(maps.Keys(r.open)) {
		o.open = append(o.open, r.open[branch])
	}
	slices.SortFunc(o.open, func(a, b remediate.Pull) int { return a.Number - b.Number })
	for _, key := range r.order() {
		p := r.memory.groups[key]
		i := item{branch: remediate.BranchName(key), title: key, why: p.outcome.Detail, number: p.outcome.PullRequest.Number}
		if p.group != nil {
			i.title = p.group.Title()
		} else if p.outcome.PullRequest.Title != "" {
			i.title = p.outcome.PullRequest.Title
		}
		switch {
		case p.waits != "":
			i.why = p.waits
			o.waiting = append(o.waiting, i)
		case p.outcome.Action == remediate.ActionDeclined:
			o.declined = append(o.declined, i)
		case p.outcome.Action == remediate.ActionForeign:
			o.foreign = append(o.foreign, i)
		}
	}
	o.held = r.held()
	if r.drift != nil {
		o.weakened = slices.DeleteFunc(slices.Clone(r.drift.Drifts), func(d *drift.Drift) bool { return len(d.Weakens) == 0 })
	}
	return o
}

// held are the findings that no pull request mends, and why.
func (r *run) held() []fixers.Held {
	propose := r.project.Proposer()
	mended := map[string]bool{}
	var out []fixers.Held
	for _, key := range slices.Sorted(maps.Keys(r.memory.groups)) {
		if p := r.memory.groups[key]; p.group != nil {
			for _, f := range p.group.Fixes() {
				mended[f.Finding.Fingerprint] = true
			}
			for _, h := range p.group.Plan.Held {
				mended[h.Finding.Fingerprint] = true
				out = append(out, h)
			}
		}
	}
	for _, f := range r.project.Result.Findings {
		if mended[f.Fingerprint] {
			continue
		}
		if _, h := propose(f, r.project.Safety()); h != nil {
			out = append(out, *h)
		}
	}
	slices.SortStableFunc(out, func(a, b fixers.Held) int {
		return cmp.Or(cmp.Compare(slices.Index(policy.Severities, a.Finding.Severity), slices.Index(policy.Severities, b.Finding.Severity)),
			cmp.Compare(a.Finding.Position.File, b.Finding.Position.File), cmp.Compare(a.Finding.Position.Line, b.Finding.Position.Line),
			cmp.Compare(a.Finding.Fingerprint, b.Finding.Fingerprint))
	})
	return out
}

// issue finds the dashboard; nil: there is none yet. Of several, which a forge
// that lags can cause, the oldest counts and the others are closed.
func (v *visit) issue(ctx context.Context) (*remediate.Issue, error) {
	if !v.about.Issues {
		return nil, nil
	}
	all, err := v.host.Issues(ctx, dashboardLabel)
	if err != nil {
		return nil, err
	}
	var found *remediate.Issue
	slices.SortFunc(all, func(a, b remediate.Issue) int { return a.Number - b.Number })
	for i := range all {
		if !v.mine(all[i].Author, all[i].App) || !v.marks.in(all[i].Body, markDashboard, "1") {
			continue
		}
		if found == nil {
			found = &all[i]
			continue
		}
		if all[i].State == remediate.StateOpen {
			all[i].State = remediate.StateClosed
			if _, err := v.host.UpdateIssue(ctx, all[i]); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// dashboard makes the issue tell the overview. There is none until there is
// something to tell.
func (r *run) dashboard(ctx context.Context, o overview) error {
	if !r.about.Issues {
		return nil
	}
	var err error
	if o.parked, err = r.parked(ctx); err != nil {
		return err
	}
	if o.history, err = r.history(ctx); err != nil {
		return err
	}
	body := r.dashboardBody(o)
	issue, err := r.issue(ctx)
	switch {
	case err != nil:
		return err
	case issue == nil && o.empty():
		return nil
	case issue == nil:
		_, err := r.host.CreateIssue(ctx, remediate.Issue{Title: dashboardTitle, Body: body, Labels: []string{dashboardLabel}, State: remediate.StateOpen})
		return err
	case sameText(issue.Body, body):
		return nil
	}
	if fresh := r.visit.ticked(issue.Body); !slices.Equal(fresh, r.ticks) {
		r.wake(r.b.o.Now()) // somebody ticked while this was under way: it is done next
		r.log.Info("the dashboard was ticked meanwhile")
		return nil
	}
	issue.Body = body
	_, err = r.host.UpdateIssue(ctx, *issue)
	return err
}

func (o overview) empty() bool {
	return o.problem == "" && len(o.open)+len(o.waiting)+len(o.declined)+len(o.foreign)+len(o.held)+len(o.weakened)+len(o.parked) == 0
}

// sameText ignores what a forge may change by itself.
func sameText(a, b string) bool {
	text := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return text(a) == text(b)
}

// tick is one box that somebody ticked.
type tick struct{ what, key string }

var tickPattern = regexp.MustCompile(`(?m)^- \[[xX]\] (<!-- oakum:([a-z]+) ([0-9A-Za-z_._/:-]+) sig=[0-9a-f]{32} -->)`)

// ticked are the boxes of a dashboard that are ticked; those that oakum did not
// make are none.
func (v *visit) ticked(body string) []tick {
	var out []tick
	for _, m := range tickPattern.FindAllStringSubmatch(strings.ReplaceAll(body, "\r\n", "\n"), -1) {
		if m[1] == v.marks.of(m[2], m[3]) {
			out = append(out, tick{m[2], m[3]})
		}
	}
	return out
}

// tick looks what was ticked on the dashboard, and does it once: the boxes are
// empty again afterwards.
func (v *visit) tick(ctx context.Context, t store.Task) error {
	number, err := numbered(t.Key)
	if err != nil {
		return store.Park(err)
	}
	ask, err := asked(t)
	if err != nil {
		return err
	}
	issue, err := v.issue(ctx)
	if err != nil || issue == nil || issue.Number != number {
		return err
	}
	if err := lags(t, ask.Updated, issue.Updated); err != nil {
		return err
	}
	if len(v.ticked(issue.Body)) == 0 {
		return nil
	}
	return v.reconcile(ctx, slices.ContainsFunc(v.ticked(issue.Body), func(t tick) bool { return t.what == markAgain }))
}

// obey takes note of what people asked for, on the dashboard or by a command,
// for publish to do.
func (r *run) obey(ctx context.Context) error {
	for key, p := range r.memory.groups {
		if slices.Contains(r.again, remediate.BranchName(key)) {
			p.again, p.settled = true, false
		}
	}
	issue, err := r.issue(ctx)
	if issue == nil || err != nil {
		return err
	}
	r.ticks = r.visit.ticked(issue.Body)
	for _, t := range r.ticks {
		switch t.what {
		case markOpen, markUndo:
			for key, p := range r.memory.groups {
				if remediate.BranchName(key) != t.key {
					continue
				}
				p.again, p.settled = true, false
				if len(p.reverted) > 0 {
					p.reverted = nil
					if err := r.replan(ctx, key, p); err != nil {
						return err
					}
				}
				if err := r.note(ctx, t.what, t.key, "ticked on the dashboard"); err != nil {
					return err
				}
			}
		case markRetry:
			if err := r.retry(ctx, t.key); err != nil {
				return err
			}
		}
	}
	return nil
}
