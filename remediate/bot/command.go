package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/store"
)

const markAnswer = "answer"

// maxOrders is how many commands of one comment are followed.
const maxOrders = 5

// asked is what a task was told; all of it is a hint but for the lines of the
// comment, which the forge signed when it was made.
func asked(t store.Task) (store.Ask, error) {
	var a store.Ask
	if len(t.Data) == 0 {
		return a, nil
	}
	if err := json.Unmarshal(t.Data, &a); err != nil {
		return a, store.Park(fmt.Errorf("reading what a task asks for: %w", err))
	}
	return a, nil
}

// command answers a comment, once: by what is true when it is done, and only if
// it is as it was when it was made and its author may write here now.
func (v *visit) command(ctx context.Context, t store.Task) error {
	ask, err := asked(t)
	if err != nil {
		return err
	}
	if ask.Comment == 0 || len(ask.Lines) == 0 {
		return nil
	}
	comment, err := v.host.Comment(ctx, ask.Comment)
	if refused(err, remediate.RefusedMissing) && t.Attempts >= patience {
		return nil // deleted, and so taken back
	}
	if err != nil {
		return err
	}
	if comment.Edited() || comment.Author.Bot || comment.App != 0 || v.mine(comment.Author, comment.App) {
		return nil
	}
	key := strconv.FormatInt(comment.ID, 10)
	comments, err := v.host.Comments(ctx, comment.Number)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(comments, func(c remediate.Comment) bool { return v.mine(c.Author, c.App) && v.marks.in(c.Body, markAnswer, key) }) {
		return nil
	}
	if ok, err := v.allowed(ctx, comment.Author.Login); err != nil {
		return err
	} else if !ok {
		v.log.Info("a command of somebody without write access was not followed", "comment", comment.ID)
		return v.host.React(ctx, comment.ID, remediate.ReactionRefused)
	}
	if err := v.host.React(ctx, comment.ID, remediate.ReactionSeen); err != nil {
		return err
	}
	var answers []string
	for _, text := range ask.Lines[:min(len(ask.Lines), maxOrders)] {
		answer, err := v.follows(ctx, comment, text)
		var refusal *remediate.Refusal
		var mistake *configError
		switch {
		case errors.As(err, &refusal) && !stops(err):
			answer = "That did not work: " + plain(refusal.Text) + "."
		case errors.As(err, &mistake), errors.Is(err, errNoConfig):
			answer = "The configuration cannot be read: " + plain(err.Error()) + "."
		case err != nil:
			return err
		}
		answers = append(answers, answer)
		if err := v.noteBy(ctx, comment.Author.Login, clip(line(text), 200), fmt.Sprintf("#%d", comment.Number), clip(line(answer), 500)); err != nil {
			return err
		}
	}
	text := "@" + comment.Author.Login + " " + strings.Join(answers, "\n\n")
	_, err = v.host.CreateComment(ctx, comment.Number, bounded(text, v.marks.of(markAnswer, key)))
	return err
}

// allowed asks whether somebody may write to the repository, now.
func (v *visit) allowed(ctx context.Context, login string) (bool, error) {
	p, err := v.host.Permission(ctx, login)
	return p == remediate.PermissionAdmin || p == remediate.PermissionWrite, err
}

// follows does what one line asks for and says what came of it, as Markdown.
func (v *visit) follows(ctx context.Context, c remediate.Comment, text string) (string, error) {
	o, err := parseOrder(text, v.b.o.Now().UTC().Truncate(24*60*60*1e9))
	if err != nil {
		return "I do not understand that: " + err.Error() + ".\n\n" + help, nil
	}
	switch o.verb {
	case verbFix:
		return v.orderFix(ctx, c, o)
	case verbRebase:
		return v.orderRebase(ctx, c)
	case verbIgnore:
		return v.orderIgnore(ctx, c, o)
	case verbExplain:
		return v.orderExplain(ctx, c, o)
	}
	return "these are the commands:\n\n" + help, nil
}

// pull is the pull request that a comment is on; ok is false on an issue.
func (v *visit) pull(ctx context.Context, number int) (p remediate.Pull, ok bool, err error) {
	p, err = v.host.Pull(ctx, number)
	if refused(err, remediate.RefusedMissing) {
		return p, false, nil
	}
	return p, err == nil, err
}

// orderFix pushes the fixes of a pull request's new findings to its branch: the
// person who asked reviews them where the change is, and there is no second pull
// request to be merged first. It is bound to the commit that was judged when
// the command was written.
func (v *visit) orderFix(ctx context.Context, c remediate.Comment, o order) (string, error) {
	pull, ok, err := v.pull(ctx, c.Number)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "there is no pull request here to fix.", nil
	case v.ours(pull):
		return v.orderRebase(ctx, c)
	case pull.State != remediate.StateOpen:
		return "this pull request is not open any more.", nil
	}
	by := fmt.Sprintf("comment %d", c.ID)
	if done, err := v.pushedBy(ctx, pull, by); err != nil || done != "" {
		return done, err
	}
	switch seen, err := v.judgedBefore(ctx, pull.HeadCommit, c); {
	case err != nil:
		return "", err
	case o.commit != "" && !strings.HasPrefix(pull.HeadCommit, o.commit), o.commit == "" && !seen:
		return fmt.Sprintf("the branch is at %.12[1]s now, and that is not what was judged when you wrote. "+
			"Look at what it is, then comment `/oakum fix %.12[1]s`.", pull.HeadCommit), nil
	}
	return v.push(ctx, pull, by, c.Author.Login)
}

// judgedBefore says whether oakum had judged a commit when a comment was made.
func (v *visit) judgedBefore(ctx context.Context, commit string, c remediate.Comment) (bool, error) {
	checks, err := v.host.Checks(ctx, commit)
	return slices.ContainsFunc(checks, func(k remediate.Check) bool {
		return k.Name == CheckName && k.Status == remediate.CheckCompleted && !k.Completed.After(c.Created)
	}), err
}

// pushedBy tells of the commit that something asked for, if it is there already.
func (v *visit) pushedBy(ctx context.Context, pull remediate.Pull, by string) (string, error) {
	if !v.may(pull) {
		return "", nil
	}
	if _, err := v.tree(ctx, pull.HeadCommit); err != nil {
		return "", err
	}
	commit, err := v.mirror.Message(ctx, pull.HeadCommit)
	if err != nil || !strings.Contains(commit.Message, "\n"+askedFor(by)+"\n") {
		return "", err
	}
	return fmt.Sprintf("the fixes are in %.12s.", pull.HeadCommit), nil
}

func askedFor(by string) string { return "Asked for by " + by + "." }

// push puts the fixes of the new findings on the branch of a pull request, on
// top of the commit that was judged.
func (v *visit) push(ctx context.Context, pull remediate.Pull, by, who string) (string, error) {
	if !v.may(pull) {
		return "this pull request comes from a fork, to which oakum does not push. The patch is in the comment above.", nil
	}
	c, err := v.compare(ctx, pull.Base, pull.HeadCommit)
	if errors.Is(err, errOff) {
		return "previews are switched off here.", nil
	}
	if err != nil {
		return "", err
	}
	if c.plan == nil || len(c.plan.Changes) == 0 {
		return "there is nothing that oakum can fix in what this pull request brings.", nil
	}
	p := remediate.Group{Key: "this pull request", Plan: c.plan}.Proposal(pull.Base, pull.HeadCommit, nil)
	p.Branch = pull.Branch
	p.Message += "\n" + askedFor(by) + "\n"
	writer, err := v.writer()
	if err != nil {
		return "", err
	}
	commit, err := writer.Commit(ctx, p, remediate.Tip{Hash: pull.HeadCommit})
	if errors.Is(err, remediate.ErrMoved) {
		return "somebody pushed at the same time; look at what the branch is now, and ask again.", nil
	}
	if err != nil {
		return "", err
	}
	v.log.Info("pushed fixes to a pull request", "number", pull.Number, "commit", commit)
	s := c.plan.Summary()
	return fmt.Sprintf("pushed %.12s: %s, **+%d −%d lines** in %s.", commit, count(s.Fixes, "fix"), s.LinesAdded, s.LinesRemoved, count(s.Files, "file")), nil
}

// orderRebase makes a branch of oakum's anew on the head of its base.
func (v *visit) orderRebase(ctx context.Context, c remediate.Comment) (string, error) {
	pull, ok, err := v.pull(ctx, c.Number)
	switch {
	case err != nil:
		return "", err
	case !ok || !v.ours(pull):
		return "only pull requests of oakum's are rebased.", nil
	case pull.State != remediate.StateOpen:
		return "this pull request is not open any more; tick it on the dashboard to have it proposed again.", nil
	case config(pull.Branch):
		return "a pull request for the configuration is kept up to date by itself.", nil
	}
	branch := pull.Branch
	v.again = append(v.again, branch)
	if _, err := v.truth(ctx, false); err != nil {
		return "", err
	}
	for key, p := range v.memory.groups {
		if remediate.BranchName(key) != branch {
			continue
		}
		if p.outcome.Action == remediate.ActionForeign {
			return plain(p.outcome.Detail) + ".", nil
		}
		if p.group != nil {
			return fmt.Sprintf("the branch is one commit on %s, as of now.", code(pull.Base)), nil
		}
	}
	return "its findings are gone: it is closed.", nil
}

// orderIgnore opens a pull request that exempts the findings shown here.
func (v *visit) orderIgnore(ctx context.Context, c remediate.Comment, o order) (string, error) {
	i := slices.IndexFunc(v.b.library.Load().Policies, func(p *policy.Policy) bool { return p.Name == o.policy })
	if i < 0 {
		return fmt.Sprintf("no policy is called %s.", code(o.policy)), nil
	}
	if v.b.library.Load().Policies[i].Strict {
		return fmt.Sprintf("%s is strict: those who run oakum do not let it be exempted from here.", code(o.policy)), nil
	}
	found, everywhere, err := v.shown(ctx, c.Number)
	if err != nil {
		return "", err
	}
	e := exemption{Policy: o.policy, Reason: o.reason, Owner: "@" + c.Author.Login, Until: o.until.Format("2006-01-02")}
	for _, f := range found {
		if f.Policy.Name == o.policy {
			e.Kinds, e.Names, e.Paths = append(e.Kinds, f.Resource.Kind), append(e.Names, f.Resource.Name), append(e.Paths, f.Position.File)
		}
	}
	if len(e.Paths) == 0 && !everywhere {
		return fmt.Sprintf("there is no finding of %s here.", code(o.policy)), nil
	}
	e.Kinds, e.Names, e.Paths = globsOf(e.Kinds), globsOf(e.Names), globsOf(e.Paths)
	r := &run{visit: v, base: v.about.DefaultBranch}
	if r.head, err = v.head(ctx, r.base); err != nil {
		return "", err
	}
	if r.writer, err = v.writer(); err != nil {
		return "", err
	}
	src, err := v.configAt(ctx, r.head)
	if err != nil {
		return "", err
	}
	p, err := e.proposal(r, src)
	if errors.Is(err, remediate.ErrExempted) {
		return "the configuration exempts that already.", nil
	}
	if err != nil {
		return "", err
	}
	p.Again = true // whoever asks anew wants it anew
	out, err := remediate.Publish(ctx, r.writer, v.host, p)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("#%d adds the exemption to %s: once it is merged, these findings count no more until %s.", out.PullRequest.Number, code(remediate.ConfigName), e.Until), nil
}

// globsOf escapes names for where globs are read.
func globsOf(names []string) []string {
	var out []string
	for _, n := range sortedUnique(names) {
		out = append(out, globEscape.Replace(n))
	}
	return out
}

var globEscape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`)

// shown are the findings that a pull request is about: those that it mends, if
// it is oakum's, or else those that it brings. On an issue it is all there are.
func (v *visit) shown(ctx context.Context, number int) (found []*detect.Finding, everywhere bool, err error) {
	pull, ok, err := v.pull(ctx, number)
	if err != nil || !ok {
		return nil, err == nil, err
	}
	if !v.ours(pull) {
		c, err := v.compare(ctx, pull.Base, pull.HeadCommit)
		if err != nil {
			return nil, false, err
		}
		return c.fresh, false, nil
	}
	base, err := v.head(ctx, v.about.DefaultBranch)
	if err != nil {
		return nil, false, err
	}
	tree, err := v.tree(ctx, base)
	if err != nil {
		return nil, false, err
	}
	o, err := v.settings(ctx, tree)
	if err != nil {
		return nil, false, err
	}
	p, err := v.read(ctx, base, o)
	if err != nil {
		return nil, false, err
	}
	mended, _ := remediate.Marked(pull.Body, pull.Branch, v.marks.key)
	for _, f := range p.Result.Findings {
		if slices.Contains(mended, f.Fingerprint) {
			found = append(found, f)
		}
	}
	return found, false, nil
}

// maxExplained is how many policies one answer explains.
const maxExplained = 10

func (v *visit) orderExplain(ctx context.Context, c remediate.Comment, o order) (string, error) {
	var names []string
	if o.policy != "" {
		names = []string{o.policy}
	} else {
		found, _, err := v.shown(ctx, c.Number)
		if err != nil {
			return "", err
		}
		for _, f := range found {
			names = append(names, f.Policy.Name)
		}
	}
	names = sortedUnique(names)
	if len(names) == 0 {
		return "there is no finding here; name a policy to have it explained.", nil
	}
	var b strings.Builder
	for i, name := range names {
		if i == maxExplained {
			fmt.Fprintf(&b, "\n…and %d more; name one.\n", len(names)-i)
			break
		}
		b.WriteString(v.explained(name))
	}
	return strings.TrimSpace(b.String()), nil
}

func (v *visit) explained(name string) string {
	all := v.b.library.Load().Policies
	i := slices.IndexFunc(all, func(p *policy.Policy) bool { return p.Name == name })
	if i < 0 {
		return fmt.Sprintf("no policy is called %s.\n", code(name))
	}
	p := all[i]
	return fmt.Sprintf("**%s** (%s, %s)\n\n%s\n\n", plain(p.Title), code(p.Name), p.Severity, plain(p.Description))
}
