package bot

import (
	"context"

	"github.com/oakum-dev/oakum/remediate"
)

// Hub is a forge as oakum sees it: the repositories that it was given.
type Hub interface {
	// Repositories are all that the App is installed on, or that the token names.
	Repositories(ctx context.Context) ([]remediate.Repository, error)
	// Host talks about one repository, with a token for it alone.
	Host(ctx context.Context, r remediate.Repository) (Host, error)
	// Identity is who oakum is there: a login such as oakum[bot], and the App's
	// ID, 0 with a token.
	Identity(ctx context.Context) (login string, app int64, err error)
}

// Host is one repository on a forge. Every method asks the forge; errors are
// remediate.Refusal where repeating does not help, and remediate.Later where the
// forge wants patience.
type Host interface {
	remediate.Forge

	About(ctx context.Context) (remediate.About, error)
	// Token is what git reaches CloneURL with.
	Token(ctx context.Context) (string, error)
	CloneURL() string
	// Writer chooses how commits are made: by the given one, or through the forge.
	Writer(git remediate.Writer) remediate.Writer

	Pull(ctx context.Context, number int) (remediate.Pull, error)
	// OpenPulls are those whose branch is in the repository itself.
	OpenPulls(ctx context.Context) ([]remediate.Pull, error)
	Files(ctx context.Context, number int) ([]remediate.PullFile, error)
	// MergeBase is the commit at which two others parted.
	MergeBase(ctx context.Context, base, head string) (string, error)
	Close(ctx context.Context, number int) error
	// DeleteBranch deletes a branch that is still at a commit.
	DeleteBranch(ctx context.Context, branch, commit string) error
	// AutoMerge has the forge merge by a method once its conditions are met, if the
	// head is the given one; an empty method calls it off.
	AutoMerge(ctx context.Context, number int, method, head string) error
	Reviewers(ctx context.Context, number int, users, teams []string) error
	Assign(ctx context.Context, number int, users []string) error

	// Checks are oakum's own at a commit.
	Checks(ctx context.Context, commit string) ([]remediate.Check, error)
	// CreateCheck makes a check with all its annotations, or completes the one
	// with its key.
	CreateCheck(ctx context.Context, c remediate.Check) (remediate.Check, error)

	Comments(ctx context.Context, number int) ([]remediate.Comment, error)
	Comment(ctx context.Context, id int64) (remediate.Comment, error)
	CreateComment(ctx context.Context, number int, body string) (remediate.Comment, error)
	UpdateComment(ctx context.Context, id int64, body string) (remediate.Comment, error)
	React(ctx context.Context, comment int64, reaction string) error
	ReviewComments(ctx context.Context, number int) ([]remediate.ReviewComment, error)
	// Review remarks on lines; those that the diff does not have are left.
	Review(ctx context.Context, number int, r remediate.Review) (left []remediate.Suggestion, err error)

	// Permission is one of remediate.Permission…, asked now.
	Permission(ctx context.Context, login string) (string, error)

	Issues(ctx context.Context, label string) ([]remediate.Issue, error)
	CreateIssue(ctx context.Context, i remediate.Issue) (remediate.Issue, error)
	UpdateIssue(ctx context.Context, i remediate.Issue) (remediate.Issue, error)
}
