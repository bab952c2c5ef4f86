package remediate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
)

// Division is the findings of a project by group, before anything is planned.
func (p *Project) Division(by string) map[string][]*detect.Finding {
	division := p.grouping(by)
	out := map[string][]*detect.Finding{}
	for _, f := range p.Result.Findings {
		k := division.key(f)
		out[k] = append(out[k], f)
	}
	return out
}

// Group is the fixes that make one pull request.
type Group struct {
	Key  string // the directory, file, policy and so on
	Plan *Plan
}

// Groups divides the findings of a project into plans of their own, each
// proved by itself.
func (p *Project) Groups(ctx context.Context, by string) ([]Group, error) {
	return p.GroupsOf(ctx, by, nil)
}

// GroupsOf is Groups for the findings that pick chooses; nil means all.
func (p *Project) GroupsOf(ctx context.Context, by string, pick func(*detect.Finding) bool) ([]Group, error) {
	whole, err := p.Plan(ctx, pick)
	if err != nil {
		return nil, err
	}
	division := p.grouping(by)
	keys := map[string]map[string]bool{} // group -> fingerprints
	for _, c := range whole.Changes {
		for _, f := range c.Fixes {
			k := division.key(f.Finding)
			if keys[k] == nil {
				keys[k] = map[string]bool{}
			}
			keys[k][f.Finding.Fingerprint] = true
		}
	}
	var out []Group
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		plan, ok := whole, len(keys) == 1
		if !ok && wholeFiles(whole, k, division) {
			plan, ok = part(p.input(), whole, func(c Change) bool { return division.key(c.Fixes[0].Finding) == k })
		}
		if !ok {
			plan, err = p.Plan(ctx, func(f *detect.Finding) bool { return keys[k][f.Fingerprint] })
			if err != nil {
				return nil, err
			}
		}
		if len(plan.Changes) > 0 {
			plan.Held = heldOf(whole, k, division)
			out = append(out, Group{Key: k, Plan: plan})
		}
	}
	return out, nil
}

// wholeFiles tells whether a group shares no file with another.
func wholeFiles(whole *Plan, key string, division grouping) bool {
	for _, c := range whole.Changes {
		of := 0
		for _, f := range c.Fixes {
			if division.key(f.Finding) == key {
				of++
			}
		}
		if of > 0 && of < len(c.Fixes) {
			return false
		}
	}
	return true
}

// Title is that of the group's pull request.
func (g Group) Title() string { return g.title(fixesOf(g.Plan)) }

// Fixes are those of the group, once each, in order of place.
func (g Group) Fixes() []*fixers.Fix { return fixesOf(g.Plan) }

// Safe tells whether every fix of the group is safe, and was proved as far as
// there was something to prove it with.
func (g Group) Safe() bool {
	return !slices.ContainsFunc(g.Plan.Changes, func(c Change) bool {
		return c.Proof.Parse != "ok" || c.Proof.Rescan != "ok" ||
			slices.ContainsFunc(c.Fixes, func(f *fixers.Fix) bool { return f.Safety != policy.Safe })
	})
}

// Branch is the branch of the group's pull request.
func (g Group) Branch() string { return BranchName(g.Key) }

// BranchPrefix begins the name of every branch that oakum makes.
const BranchPrefix = "oakum/"

// BranchName is the same for the same group, whatever is found in it; only
// characters that need no quoting anywhere are in it.
func BranchName(key string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(key) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	slug := strings.Trim(b.String(), "-")
	if slug == "" {
		slug = "root"
	}
	if len(slug) > 40 {
		slug = strings.Trim(slug[:40], "-")
	}
	sum := sha256.Sum256([]byte(key))
	return fmt.Sprintf(BranchPrefix+"%s-%s", slug, hex.EncodeToString(sum[:4]))
}
