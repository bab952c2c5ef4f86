package bot

import (
	"context"
	"fmt"
	"strings"

	"github.com/oakum-dev/oakum/remediate"
)

// configPrefix begins branches that change the configuration. No group has such
// a branch: the names of theirs have one slash.
const configPrefix = remediate.BranchPrefix + "config/"

// onboardingBranch is where a repository is asked whether it wants oakum.
const onboardingBranch = configPrefix + "onboarding"

// config says whether a branch is about the configuration, and not about fixes.
func config(branch string) bool { return strings.HasPrefix(branch, configPrefix) }

// starter is the configuration that the onboarding pull request brings.
const starter = `# How oakum looks after this repository. Every key may be left out;
# 'oakum config schema' prints the JSON schema of this file.
safety: evidence        # how bold fixes may be: safe, evidence or review
failOn: high            # from which severity on the check of a pull request fails
pullRequests:
  groupBy: directory    # or file, policy, workload, namespace, owner, severity
  limits: {open: 10, perHour: 4}
`

// onboard asks by a pull request whether the repository wants oakum. Until it is
// merged nothing else is opened; once it is closed, oakum stays away.
func (r *run) onboard(ctx context.Context) error {
	p := remediate.Proposal{
		Branch: onboardingBranch, Base: r.base, BaseCommit: r.head,
		Title: "Configure oakum", Message: "Configure oakum",
		Files:    map[string][]byte{remediate.ConfigName: []byte(starter)},
		Labels:   []string{"oakum"},
		Findings: []string{"onboarding"}, Key: r.marks.key,
	}
	out, err := remediate.Decided(ctx, r.host, p)
	if err != nil {
		return err
	}
	if len(out.Reverted) > 0 {
		r.log.Info("the configuration was taken away again: nothing is done here")
		return nil
	}
	if out.Action != "" {
		return nil // declined: the repository stays off
	}
	o, err := r.settingsOf(ctx, []byte(starter))
	if err != nil {
		return err
	}
	if r.project, err = r.read(ctx, r.head, o); err != nil {
		return err
	}
	groups, err := r.project.Groups(ctx, o.Config.PullRequests.GroupBy)
	if err != nil {
		return err
	}
	p.Body = onboarding(r.project, groups)
	out, err = remediate.Publish(ctx, r.writer, r.host, p)
	if err != nil {
		return err
	}
	if out.Action == remediate.ActionOpened {
		r.log.Info("asked whether oakum is wanted", "number", out.PullRequest.Number)
		return r.note(ctx, "open pull request", fmt.Sprintf("#%d", out.PullRequest.Number), p.Title)
	}
	return nil
}

// maxPreviewed is how many pull requests an onboarding lists.
const maxPreviewed = 50

func onboarding(p *remediate.Project, groups []remediate.Group) string {
	var b strings.Builder
	b.WriteString("Hello. oakum finds what is wrong with Kubernetes manifests and mends it by small, proved pull requests.\n\n" +
		"**Merge this to begin**, with the configuration as you want it. Until then nothing else is opened. " +
		"**Close it** if you do not want oakum here: it stays away.\n\n")
	fixed := 0
	for _, g := range groups {
		fixed += len(g.Fixes())
	}
	found := len(p.Result.Findings)
	fmt.Fprintf(&b, "### What it would do\n\n%s in %s; %d of them can be mended, by %s:\n\n",
		count(found, "finding"), count(len(p.Set.Files), "file"), fixed, count(len(groups), "pull request"))
	for i, g := range groups {
		if i == maxPreviewed {
			fmt.Fprintf(&b, "- …and %d more\n", len(groups)-i)
			break
		}
		s := g.Plan.Summary()
		fmt.Fprintf(&b, "- %s: **+%d −%d lines** in %s\n", plain(g.Proposal("-", "-", nil).Title), s.LinesAdded, s.LinesRemoved, count(s.Files, "file"))
	}
	if found > fixed {
		fmt.Fprintf(&b, "\nThe other %s would be listed on a dashboard issue, each with the reason why it is held back.\n", count(found-fixed, "finding"))
	}
	b.WriteString("\n### What it needs to know\n\nPull requests that you close stay closed. Branches that you push to are left alone. " +
		"Your own pull requests get a check, and a comment where there is something to say; `previews: off` in the configuration switches that off.\n")
	return b.String()
}
