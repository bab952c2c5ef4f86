package remediate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect"
)

// Groupings are the ways to divide fixes into pull requests. Fixes of one
// file meet only in a grouping that keeps the file whole, so the others may
// conflict with one another once one of them is merged.
var Groupings = []string{"directory", "file", "policy"}

// Group is the fixes that make one pull request.
type Group struct {
	Key  string // the directory, file or policy
	Plan *Plan
}

// Groups divides the findings of a project into plans of their own, each
// proved by itself.
func (p *Project) Groups(ctx context.Context, by string) ([]Group, error) {
	whole, err := p.Plan(ctx, nil)
	if err != nil {
		return nil, err
	}
	keys := map[string]map[string]bool{} // group -> fingerprints
	for _, c := range whole.Changes {
		for _, f := range c.Fixes {
			k := groupKey(f.Finding, by)
			if keys[k] == nil {
				keys[k] = map[string]bool{}
			}
			keys[k][f.Finding.Fingerprint] = true
		}
	}
	var out []Group
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		plan, ok := whole, len(keys) == 1
		if !ok && wholeFiles(whole, k, by) {
			plan, ok = part(p.input(), whole, func(c Change) bool { return groupKey(c.Fixes[0].Finding, by) == k })
		}
		if !ok {
			plan, err = p.Plan(ctx, func(f *detect.Finding) bool { return keys[k][f.Fingerprint] })
			if err != nil {
				return nil, err
			}
		}
		if len(plan.Changes) > 0 {
			plan.Held = heldOf(whole, k, by)
			out = append(out, Group{Key: k, Plan: plan})
		}
	}
	return out, nil
}

// wholeFiles tells whether a group shares no file with another.
func wholeFiles(whole *Plan, key, by string) bool {
	for _, c := range whole.Changes {
		of := 0
		for _, f := range c.Fixes {
			if groupKey(f.Finding, by) == key {
				of++
			}
		}
		if of > 0 && of < len(c.Fixes) {
			return false
		}
	}
	return true
}

func groupKey(f *detect.Finding, by string) string {
	switch by {
	case "policy":
		return f.Policy.Name
	case "file":
		return f.Position.File
	}
	return path.Dir(f.Position.File)
}

// branchName is the same for the same group, whatever is found in it; only
// characters that need no quoting anywhere are in it.
func branchName(key string) string {
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
	return fmt.Sprintf("oakum/%s-%s", slug, hex.EncodeToString(sum[:4]))
}
