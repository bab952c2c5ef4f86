package remediate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Writer is the git side of publishing: a push, or a forge's own interface.
type Writer interface {
	// Tip reads the branch; a branch that does not exist is no error.
	Tip(ctx context.Context, branch string) (Tip, error)
	// Commit makes the proposal's commit on its base commit and puts the
	// branch there, only if the branch is still at replace (else ErrMoved).
	Commit(ctx context.Context, p Proposal, replace Tip) (hash string, err error)
}

// The states of a pull request.
const (
	StateOpen   = "open"
	StateClosed = "closed" // without being merged
	StateMerged = "merged"
)

// PullRequest is a pull request as a forge has it.
type PullRequest struct {
	Number       int
	URL, State   string
	Branch, Base string
	Title, Body  string
	Labels       []string
	HeadCommit   string // the last one it had, if it is not open
	Draft        bool
}

// Forge is the side of publishing that people see.
type Forge interface {
	// PullRequests are those of a branch of this very repository, in every
	// state, newest first.
	PullRequests(ctx context.Context, branch string) ([]PullRequest, error)
	// Open opens one. ErrExists: another one is open for the same branches,
	// and PullRequests shows it by now.
	Open(ctx context.Context, p PullRequest) (PullRequest, error)
	// Update sets title, body and base, and adds the labels that are missing.
	Update(ctx context.Context, p PullRequest) error
	// SetDraft makes one a draft, or ready for review. A forge without drafts
	// refuses it as RefusedInvalid; Open opens one that is ready there.
	SetDraft(ctx context.Context, number int, draft bool) error
}

// ErrMoved means that a branch is not where it was a moment ago.
var ErrMoved = errors.New("the branch has moved since it was read")

// ErrExists means that there already is an open pull request for the branch.
var ErrExists = errors.New("a pull request for the branch is already open")

// What Publish did.
const (
	ActionOpened    = "opened"
	ActionUpdated   = "updated"
	ActionUnchanged = "unchanged" // nothing was sent
	ActionDeclined  = "declined"  // a person closed it, or took it back: nothing was sent
	ActionForeign   = "foreign"   // a person works on the branch: nothing was sent
)

// Outcome is what Publish did, for one line of output.
type Outcome struct {
	Action      string
	PullRequest PullRequest
	Detail      string   // why nothing was done, and what a person can do about it
	Reverted    []string // findings that merged pull requests had mended, and that are back
	Pushed      bool     // the branch has a new commit
}

// Publish makes the repository and its forge match the proposal. It keeps no
// state of its own, so a run that was cut off at any point is completed by the
// next one, and a run that finds everything in place writes nothing.
//
// What people did comes first: a branch with a commit that is not oakum's is
// left alone, and a pull request that was closed unmerged stays closed until
// there is a finding that it did not have. With a key, so does one whose merge
// was taken back: findings that are there again are told as Reverted, and nothing
// is sent while there are some; a proposal without them may be.
func Publish(ctx context.Context, w Writer, f Forge, p Proposal) (Outcome, error) {
	if err := p.check(); err != nil {
		return Outcome{}, fmt.Errorf("proposal for branch %q: %w", p.Branch, err)
	}
	var out Outcome
	var err error
	for range 3 { // someone else may be at it: look again, and decide anew
		out, err = publish(ctx, w, f, p)
		if !errors.Is(err, ErrMoved) && !errors.Is(err, ErrExists) {
			break
		}
	}
	if err != nil {
		return Outcome{}, RedactError(fmt.Errorf("publishing branch %s: %w", p.Branch, err))
	}
	return out, nil
}

func publish(ctx context.Context, w Writer, f Forge, p Proposal) (Outcome, error) {
	all, err := f.PullRequests(ctx, p.Branch)
	if err != nil {
		return Outcome{}, err
	}
	current := standing(all, p.Base)
	if out := p.decided(all, current); out.Action != "" {
		return out, nil
	}

	tip, err := w.Tip(ctx, p.Branch)
	if err != nil {
		return Outcome{}, err
	}
	// A head that was merged is in the base: replacing it loses nothing, and a
	// new pull request cannot be made of it.
	merged := current.State == StateMerged && current.HeadCommit == tip.Hash
	if tip.Hash != "" && !tip.Ours && !merged {
		return Outcome{Action: ActionForeign, PullRequest: current, Detail: fmt.Sprintf(
			"branch %s is at %.12s, which is not as oakum left it; nothing was pushed. "+
				"Merge or close that work, or delete the branch, then run again", p.Branch, tip.Hash)}, nil
	}

	want := PullRequest{Number: current.Number, Branch: p.Branch, Base: p.Base, Title: strings.TrimSpace(p.Title), Labels: p.Labels, Draft: p.Draft}
	if want.Body, err = p.body(); err != nil {
		return Outcome{}, err
	}
	retarget := current.State == StateOpen && current.Base != p.Base
	pushed := !tip.Ours || tip.Digest != p.Digest() || merged || retarget || p.Again && tip.Base != p.BaseCommit
	// People may overrule it: only when it is to be another than it was to be.
	_, was, known := marked(current.Body, p.Branch, p.Key)
	turn := current.State == StateOpen && known && was != p.Draft && current.Draft != p.Draft
	if turn && p.Draft { // before what makes it one can be merged
		if err := setDraft(ctx, f, current.Number, true); err != nil {
			return Outcome{}, err
		}
	}
	if pushed {
		if want.HeadCommit, err = w.Commit(ctx, p, tip); err != nil {
			return Outcome{}, err
		}
	} else {
		want.HeadCommit = tip.Hash
	}

	if current.State != StateOpen {
		opened, err := f.Open(ctx, want)
		return Outcome{Action: ActionOpened, PullRequest: opened, Pushed: pushed}, err
	}
	if turn && !p.Draft {
		if err := setDraft(ctx, f, current.Number, false); err != nil {
			return Outcome{}, err
		}
	}
	want.URL, want.State, want.Draft = current.URL, current.State, current.Draft != turn
	if same(current, want) {
		if pushed {
			return Outcome{Action: ActionUpdated, PullRequest: want, Pushed: true}, nil
		}
		return Outcome{Action: ActionUnchanged, PullRequest: current}, nil
	}
	if err := f.Update(ctx, want); err != nil {
		return Outcome{}, err
	}
	return Outcome{Action: ActionUpdated, PullRequest: want, Pushed: pushed}, nil
}

// setDraft does without where a forge has no drafts.
func setDraft(ctx context.Context, f Forge, number int, draft bool) error {
	err := f.SetDraft(ctx, number, draft)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Reason == RefusedInvalid {
		return nil
	}
	return err
}

// Decided tells whether people decided against a proposal: the outcome is that
// of Publish then, and has no action otherwise. Nothing is sent.
func Decided(ctx context.Context, f Forge, p Proposal) (Outcome, error) {
	all, err := f.PullRequests(ctx, p.Branch)
	if err != nil {
		return Outcome{}, RedactError(fmt.Errorf("looking at branch %s: %w", p.Branch, err))
	}
	return p.decided(all, standing(all, p.Base)), nil
}

func (p Proposal) decided(all []PullRequest, current PullRequest) Outcome {
	if p.Again {
		return Outcome{}
	}
	if current.State == StateClosed {
		if why := declined(current, p); why != "" {
			return Outcome{Action: ActionDeclined, PullRequest: current, Detail: why}
		}
	}
	if back, merged := p.reverted(all, current); len(back) > 0 {
		return Outcome{Action: ActionDeclined, PullRequest: merged, Reverted: back, Detail: fmt.Sprintf(
			"pull request #%d had mended this, and a later commit brought it back", merged.Number)}
	}
	return Outcome{}
}

// standing picks the pull request that speaks for the branch: an open one,
// best on the wanted base, or else the newest.
func standing(all []PullRequest, base string) PullRequest {
	if len(all) == 0 {
		return PullRequest{}
	}
	rank := func(p PullRequest) int {
		switch {
		case p.State == StateOpen && p.Base == base:
			return 0
		case p.State == StateOpen:
			return 1
		}
		return 2
	}
	return slices.MinFunc(all, func(a, b PullRequest) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Number, a.Number))
	})
}

// declined says why a closed pull request stays closed, or nothing if the
// proposal has a finding that nobody declined.
func declined(closed PullRequest, p Proposal) string {
	if Withdrawn(closed.Body, p.Branch, p.Key) {
		return ""
	}
	refused, ok := Marked(closed.Body, p.Branch, p.Key)
	if !ok {
		return fmt.Sprintf("pull request #%d was closed unmerged and its marker is gone, so nobody can tell which findings were declined; "+
			"reopen it to have oakum go on", closed.Number)
	}
	if slices.ContainsFunc(p.Findings, func(f string) bool { return !slices.Contains(refused, f) }) {
		return ""
	}
	return fmt.Sprintf("pull request #%d with these findings was closed unmerged; reopen it to have oakum go on", closed.Number)
}

// reverted are findings of the proposal that merged pull requests of the branch
// mended, and the newest of those. What the open one has was asked for since.
// Without a key nobody can tell whose markers these are.
func (p Proposal) reverted(all []PullRequest, current PullRequest) (back []string, merged PullRequest) {
	if p.Key == nil {
		return nil, merged
	}
	var wanted []string
	if current.State == StateOpen {
		wanted, _ = Marked(current.Body, p.Branch, p.Key)
	}
	for _, pull := range all {
		if pull.State != StateMerged {
			continue
		}
		mended, _ := Marked(pull.Body, p.Branch, p.Key)
		for _, f := range mended {
			if slices.Contains(p.Findings, f) && !slices.Contains(p.Lessened, f) && !slices.Contains(wanted, f) && !slices.Contains(back, f) {
				back = append(back, f)
				if pull.Number > merged.Number {
					merged = pull
				}
			}
		}
	}
	return back, merged
}

// same ignores what a forge may change by itself (line endings, blanks at the
// ends) and the labels that people added.
func same(have, want PullRequest) bool {
	text := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return have.Title == want.Title && have.Base == want.Base && text(have.Body) == text(want.Body) &&
		!slices.ContainsFunc(want.Labels, func(l string) bool {
			return !slices.ContainsFunc(have.Labels, func(h string) bool { return strings.EqualFold(h, l) })
		})
}
