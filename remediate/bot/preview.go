package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/store"
)

// comparison is what a change does to a repository's findings: head against the
// commit at which it parted from its base, judged as the base's configuration
// says now.
type comparison struct {
	before, after *remediate.Project
	base, head    string // commits
	failOn        policy.Severity
	fresh         []*detect.Finding // that the change brings
	old           int               // that were there before
	gone          int
	plan          *remediate.Plan // of the fresh ones; nil: there are none
	mistake       string          // in the configuration that the change brings
}

// compare judges a head against the branch that it is to be merged into.
func (v *visit) compare(ctx context.Context, branch, head string) (*comparison, error) {
	base, err := v.head(ctx, branch)
	if err != nil {
		return nil, err
	}
	tree, err := v.tree(ctx, base)
	if err != nil {
		return nil, err
	}
	o, err := v.settings(ctx, tree)
	if err != nil {
		return nil, err
	}
	if o.Config.Previews == "off" {
		return nil, errOff
	}
	c := &comparison{head: head, failOn: policy.Severity(o.Config.FailOn)}
	if c.failOn == "" {
		c.failOn = "high"
	}
	if c.base, err = v.host.MergeBase(ctx, base, head); err != nil {
		return nil, err
	}
	if c.before, err = v.read(ctx, c.base, o); err != nil {
		return nil, err
	}
	if c.after, err = v.read(ctx, head, o); err != nil {
		return nil, err
	}
	if src, err := readConfig(c.after.Tree); err == nil {
		if _, err := remediate.ParseConfig(remediate.ConfigName, src); err != nil {
			c.mistake = err.Error()
		}
	} else if !errors.Is(err, errNoConfig) {
		c.mistake = err.Error()
	}
	known := map[string]bool{}
	for _, f := range slices.Concat(c.before.Result.Findings, c.before.Result.Exempted) {
		known[f.Fingerprint] = true
	}
	there := map[string]bool{}
	for _, f := range c.after.Result.Findings {
		there[f.Fingerprint] = true
		if known[f.Fingerprint] {
			c.old++
		} else {
			c.fresh = append(c.fresh, f)
		}
	}
	for _, f := range c.before.Result.Findings {
		if !there[f.Fingerprint] {
			c.gone++
		}
	}
	slices.SortStableFunc(c.fresh, func(a, b *detect.Finding) int {
		return slices.Index(policy.Severities, a.Severity) - slices.Index(policy.Severities, b.Severity)
	})
	if len(c.fresh) > 0 {
		c.plan, err = c.after.Plan(ctx, func(f *detect.Finding) bool { return slices.Contains(c.fresh, f) })
	}
	return c, err
}

// errOff means that a repository does not want its pull requests judged.
var errOff = errors.New("previews are off")

// fails tells whether the change brings what the repository does not take.
func (c *comparison) fails() bool {
	return c.failOn != "none" && slices.ContainsFunc(c.fresh, func(f *detect.Finding) bool { return f.Severity.AtLeast(c.failOn) })
}

// fixes are those of the plan, by the fingerprint of their finding.
func (c *comparison) fixes() map[string]*fixers.Fix {
	out := map[string]*fixers.Fix{}
	if c.plan != nil {
		for _, change := range c.plan.Changes {
			for _, f := range change.Fixes {
				out[f.Finding.Fingerprint] = f
			}
		}
	}
	return out
}

// quiet turns what keeps a preview from being made into nothing to do.
func quiet(err error) error {
	var mistake *configError
	if errors.Is(err, errNoConfig) || errors.Is(err, errOff) || errors.As(err, &mistake) || errors.Is(err, errNoBranch) {
		return nil // reconcile tells of a mistake
	}
	return err
}

// preview judges a pull request: a check, and a comment and suggestions where
// there is something to say.
func (v *visit) preview(ctx context.Context, t store.Task) error {
	pull, err := v.told(ctx, t)
	if err != nil {
		return err
	}
	if pull.State != remediate.StateOpen {
		return nil
	}
	c, err := v.compare(ctx, pull.Base, pull.HeadCommit)
	if err != nil {
		return quiet(err)
	}
	if err := v.check(ctx, c, v.may(pull)); err != nil {
		return err
	}
	if v.ours(pull) {
		return nil // its text says it all
	}
	var diff lines
	inDiff := map[string]bool{}
	if pull.From(v.about.Repository) && c.plan != nil {
		if diff, err = v.diffLines(ctx, pull.Number); err != nil {
			return err
		}
		if inDiff, err = v.suggest(ctx, pull, c, diff); err != nil {
			return err
		}
	}
	return v.stick(ctx, pull, c, inDiff)
}

// may says whether the fix may be pushed to the branch of a pull request: it is
// in this repository.
func (v *visit) may(pull remediate.Pull) bool {
	return pull.From(v.about.Repository) && pull.State == remediate.StateOpen
}

// stick keeps the one comment of a preview: made when there is something to say,
// and kept true from then on.
func (v *visit) stick(ctx context.Context, pull remediate.Pull, c *comparison, suggested map[string]bool) error {
	comments, err := v.host.Comments(ctx, pull.Number)
	if err != nil {
		return err
	}
	key := fmt.Sprint(pull.Number)
	body := bounded(c.comment(v.may(pull), suggested), v.marks.of(markPreview, key))
	for _, found := range comments {
		if !v.mine(found.Author, found.App) || !v.marks.in(found.Body, markPreview, key) {
			continue
		}
		if sameText(found.Body, body) {
			return nil
		}
		_, err := v.host.UpdateComment(ctx, found.ID, body)
		return err
	}
	if len(c.fresh) == 0 && c.mistake == "" {
		return nil
	}
	_, err = v.host.CreateComment(ctx, pull.Number, body)
	return err
}

const markPreview = "preview"

// queue judges what a merge queue is about to merge.
func (v *visit) queue(ctx context.Context, t store.Task) error {
	ask, err := asked(t)
	if err != nil {
		return err
	}
	c, err := v.compare(ctx, queuedOnto(ask.Ref, v.about.DefaultBranch), t.Key)
	if err != nil && quiet(err) == nil {
		return v.pass(ctx, t.Key) // a queue waits for whoever is asked
	}
	if err != nil {
		return err
	}
	return v.check(ctx, c, false)
}

// queuedOnto is the branch that a merge group is for, from the name of its own:
// refs/heads/gh-readonly-queue/BRANCH/pr-NUMBER-COMMIT.
func queuedOnto(ref, otherwise string) string {
	branch, ok := strings.CutPrefix(ref, "refs/heads/gh-readonly-queue/")
	i := strings.LastIndex(branch, "/pr-")
	if !ok || i < 1 {
		return otherwise
	}
	return branch[:i]
}
