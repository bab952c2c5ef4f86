package bot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

// plan divides the findings into groups and plans those that may have changed.
func (r *run) plan(ctx context.Context, full bool) error {
	m := r.memory
	by := cmp.Or(r.config.GroupBy, remediate.Groupings[0])
	division := r.project.Division(by)
	signs := r.signatures(division)
	maps.DeleteFunc(m.groups, func(key string, _ *planned) bool { return division[key] == nil })

	todo := map[string]bool{}
	for key := range division {
		p := m.groups[key]
		switch {
		case p == nil || p.signature != signs[key]:
			todo[key] = true
		case full:
			p.settled, p.undecided, p.reverted = false, false, nil
			todo[key] = true
		}
	}
	if len(todo) == 0 {
		return nil
	}
	wanted := map[*detect.Finding]bool{}
	for key := range todo {
		for _, f := range division[key] {
			wanted[f] = true
		}
	}
	groups, err := r.project.GroupsOf(ctx, by, func(f *detect.Finding) bool { return wanted[f] })
	if err != nil {
		return err
	}
	for key := range todo {
		m.groups[key] = &planned{signature: signs[key]}
	}
	for i := range groups {
		if p := m.groups[groups[i].Key]; p != nil {
			p.group = &groups[i]
		}
	}
	return nil
}

// replan plans one group without the findings that people brought back.
func (r *run) replan(ctx context.Context, key string, p *planned) error {
	by := cmp.Or(r.config.GroupBy, remediate.Groupings[0])
	wanted := map[*detect.Finding]bool{}
	for _, f := range r.project.Division(by)[key] {
		if !slices.Contains(p.reverted, f.Fingerprint) {
			wanted[f] = true
		}
	}
	p.group = nil
	if len(wanted) == 0 {
		return nil
	}
	groups, err := r.project.GroupsOf(ctx, by, func(f *detect.Finding) bool { return wanted[f] })
	if err != nil {
		return err
	}
	if len(groups) == 1 && groups[0].Key == key {
		p.group = &groups[0]
	}
	return nil
}

// signatures say of each group what its plan is made from: the findings, the
// files that have them and those beside them, and the kustomizations.
func (r *run) signatures(division map[string][]*detect.Finding) map[string]string {
	identity := identities(r.project.Tree)
	common := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(r.project.Kustomizations)) {
		fmt.Fprintf(common, "%s\x00%s\x00", name, identity(name))
	}
	shared := common.Sum(nil)
	out := map[string]string{}
	for key, findings := range division {
		h := sha256.New()
		h.Write(shared)
		for _, f := range findings {
			fmt.Fprintf(h, "%s\x00%s\x00%s\x00%s\x00%s\x00", f.Fingerprint, f.Severity, f.Message, identity(f.Position.File), identity(path.Dir(f.Position.File)))
		}
		out[key] = hex.EncodeToString(h.Sum(nil))
	}
	return out
}

// order is the keys of all groups: the worst finding first, then what is open
// already, then where there is more to mend.
func (r *run) order() []string {
	rank := func(key string) (worst, open, fixes int) {
		p := r.memory.groups[key]
		if p.group == nil {
			return len(policy.Severities), 0, 0
		}
		if _, ok := r.open[remediate.BranchName(key)]; !ok {
			open = 1
		}
		all := p.group.Fixes()
		worst = len(policy.Severities)
		for _, f := range all {
			worst = min(worst, slices.Index(policy.Severities, f.Finding.Severity))
		}
		return worst, open, -len(all)
	}
	keys := slices.Sorted(maps.Keys(r.memory.groups))
	slices.SortStableFunc(keys, func(a, b string) int {
		aw, ao, af := rank(a)
		bw, bo, bf := rank(b)
		return cmp.Or(cmp.Compare(aw, bw), cmp.Compare(ao, bo), cmp.Compare(af, bf))
	})
	return keys
}

// limited says why a pull request is not opened now; empty: it may be.
func (r *run) limited(p *planned) string {
	limits := r.config.Limits
	if limits.ExemptsCritical() && slices.ContainsFunc(p.group.Plan.Changes, func(c remediate.Change) bool {
		for _, f := range c.Fixes {
			if f.Finding.Severity == "critical" {
				return true
			}
		}
		return false
	}) {
		return ""
	}
	now := r.b.o.Now()
	if open, next := r.config.Schedule.Open(now); !open {
		r.wake(next)
		return "the schedule opens none before " + next.Format("Mon 2006-01-02 15:04 MST")
	}
	if most := limits.MaxOpen(); most > 0 && r.openNow() >= most {
		return fmt.Sprintf("%d are open, which is the limit", most)
	}
	if most := limits.MaxPerHour(); most > 0 && len(r.opened) >= most {
		oldest := slices.MinFunc(r.opened, time.Time.Compare)
		r.wake(oldest.Add(time.Hour + time.Second))
		return fmt.Sprintf("%d were opened within an hour, which is the limit", most)
	}
	return ""
}

// openNow counts the pull requests with fixes that are open.
func (r *run) openNow() int {
	n := 0
	for branch := range r.open {
		if !config(branch) {
			n++
		}
	}
	return n
}

// wake has the repository looked at again.
func (r *run) wake(at time.Time) {
	if r.next.IsZero() || at.Before(r.next) {
		r.next = at
	}
}
