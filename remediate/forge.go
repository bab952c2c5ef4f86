package remediate

import (
	"fmt"
	"time"
)

// What a forge knows, as plain data: the room that talks to it fills these in,
// and the bot decides by them. Bounds are GitHub's, in characters where it says
// so; counting bytes is never less.
const (
	MaxBody        = 65_536 // of a pull request, an issue or a comment
	MaxOutput      = 65_535 // of a check's summary, and of its text
	MaxAnnotations = 50     // a request; more are sent in further ones
	MaxActions     = 3      // buttons of a check
)

// Repository names a repository of a forge. The ID stays when it is renamed or
// moved to another owner. Installation is the App's there; zero with a token.
type Repository struct {
	ID, Installation int64
	Name             string // owner/name, as last heard
}

// About is what a repository is, and what may be done there.
type About struct {
	Repository
	DefaultBranch string
	Archived      bool // nothing can be written
	Disabled      bool // the forge has locked it
	Fork, Private bool
	Issues        bool // they are switched on
	AutoMerge     bool // pull requests may merge by themselves
	Size          int  // KiB, as of some hours ago
	Methods       []string
	// Rights are those of an App's token, such as contents: write. With another
	// token they are not told, and there is only "push: write" or nothing.
	Rights map[string]string
}

// Account is somebody on a forge.
type Account struct {
	ID    int64
	Login string
	Bot   bool // an App; its login ends in [bot]
}

// Pull is a pull request with all that decides what may be done with it.
type Pull struct {
	PullRequest // HeadCommit is the present one, whatever the state
	Author      Account
	Head        Repository // where its branch is; zero: that repository is gone
	BaseCommit  string     // the head of its base branch, when GitHub looked last
	// Mergeable is GitHub's mergeable_state: clean, dirty (conflicts), blocked,
	// behind, unstable, draft, has_hooks; unknown while GitHub works it out.
	Mergeable   string
	AutoMerge   string // the method it will merge by, by itself; empty: off
	MergeCommit string // of a merged one
	Reviewers   []string
	Teams       []string // slugs
	Assignees   []string
	Created     time.Time
	Updated     time.Time
	Closed      time.Time // zero: open
	Node        string    // its name in GraphQL
}

// From says whether the branch of the pull request is in this very repository;
// what comes from a fork is read only.
func (p Pull) From(r Repository) bool { return p.Head.ID != 0 && p.Head.ID == r.ID }

// PullFile is a file that a pull request changes.
type PullFile struct {
	Path   string
	Was    string // before a renaming
	Status string // added, removed, modified, renamed, copied, changed, unchanged
	Patch  string // hunks of a unified diff; empty: too large, or no text
}

// The states of a check.
const (
	CheckQueued     = "queued"
	CheckInProgress = "in_progress"
	CheckCompleted  = "completed"
)

// The conclusions of a completed check.
const (
	CheckSuccess        = "success"
	CheckFailure        = "failure"
	CheckNeutral        = "neutral"
	CheckSkipped        = "skipped"
	CheckCancelled      = "cancelled"
	CheckTimedOut       = "timed_out"
	CheckActionRequired = "action_required"
)

// Check is a check run. A forge shows the newest of a name and commit.
type Check struct {
	ID           int64
	App          int64 // whose it is
	Name, Commit string
	Key          string // external ID: what oakum knows it again by; unique for a commit and name
	Status       string
	Conclusion   string // empty: not completed
	Title        string // needed with a summary
	Summary      string // Markdown, at most MaxOutput
	Text         string // Markdown, at most MaxOutput
	Annotations  []Annotation
	Annotated    int // how many annotations the forge has
	Actions      []CheckAction
	URL          string // where people see it
	Started      time.Time
	Completed    time.Time
}

// The levels of an annotation.
const (
	LevelNotice  = "notice"
	LevelWarning = "warning"
	LevelFailure = "failure"
)

// Annotation is a remark of a check at lines of a file.
type Annotation struct {
	Path               string // slash, relative to the repository's root
	Line, EndLine      int    // from 1; EndLine zero: Line
	Column, EndColumn  int    // from 1, only if the lines are one; zero: none
	Level              string
	Title              string // at most 255 characters
	Message, RawDetail string // at most 64 KiB each
}

// CheckAction is a button of a check. Pressing it sends a check_run event with
// action requested_action and this identifier.
type CheckAction struct {
	Identifier  string // at most 20 characters, as is the label
	Label       string
	Description string // at most 40
}

// Comment is one on an issue or a pull request.
type Comment struct {
	ID               int64
	Number           int // of the issue or pull request
	URL, Body        string
	Author           Account
	App              int64 // that wrote it; zero: a person
	Created, Updated time.Time
}

// Edited says whether somebody changed it, who need not be its author.
func (c Comment) Edited() bool { return c.Updated.After(c.Created) }

// Review is one set of remarks on the lines of a pull request's diff.
type Review struct {
	Commit      string // the head that it is about
	Body        string
	Suggestions []Suggestion
}

// Suggestion is a remark on lines of the new side of the diff, which may hold a
// fenced block "suggestion". All its lines must be in one hunk.
type Suggestion struct {
	Path          string
	Line, EndLine int // from 1; EndLine zero: Line
	Body          string
}

// ReviewComment is a Suggestion as the forge has it.
type ReviewComment struct {
	ID            int64
	URL           string
	Author        Account
	Commit        string
	Path          string
	Line, EndLine int // zero: the diff has moved on
	Body          string
	ReplyTo       int64
	Created       time.Time
}

// The reactions that answer a command.
const (
	ReactionSeen     = "eyes"
	ReactionDone     = "+1"
	ReactionRefused  = "-1"
	ReactionConfused = "confused"
)

// Issue is an issue; a pull request is none.
type Issue struct {
	Number           int
	URL, Title, Body string
	State            string // StateOpen or StateClosed
	Author           Account
	App              int64
	Labels           []string
	Created, Updated time.Time
}

// The permissions of a person on a repository.
const (
	PermissionAdmin = "admin"
	PermissionWrite = "write" // and maintain
	PermissionRead  = "read"  // and triage
	PermissionNone  = "none"
)

// Rules are what protects a branch, as far as it concerns a push.
type Rules struct {
	PullRequest bool // changes come by pull request only
	Signed      bool // commits have to be signed
	Linear      bool // no merge commits
	NoForce     bool // nothing may be replaced
	NoCreate    bool // such branches may not be made
	MergeQueue  bool
	Checks      []string // that have to pass, by name
}

// FailedDelivery is a webhook delivery that was not answered with success.
type FailedDelivery struct {
	ID        int64  // of the attempt
	GUID      string // of the event, the same for all attempts
	Event     string
	Action    string
	Status    int // zero: nobody answered
	Attempted time.Time
}

// Later means that the forge asks for more patience than a request may have.
// Nothing was done; the same can be tried again at Until. It is no failure.
type Later struct {
	Why   string
	Until time.Time
}

func (e *Later) Error() string {
	return fmt.Sprintf("%s: run again after %s", e.Why, e.Until.UTC().Format(time.RFC3339))
}

// Why a forge refuses a thing however often it is asked: somebody has to act.
const (
	RefusedToken     = "token"     // wrong, expired or revoked
	RefusedSuspended = "suspended" // the App's installation
	RefusedRemoved   = "removed"   // the App is installed no more, or the repository was taken from it
	RefusedRight     = "right"     // the token lacks one
	RefusedMissing   = "missing"   // does not exist, or may not be seen
	RefusedArchived  = "archived"
	RefusedDisabled  = "disabled" // by a setting of the repository, or by the forge
	RefusedRules     = "rules"    // the branch is protected against it
	RefusedSigned    = "signed"   // and only because the commit is not signed
	RefusedMoved     = "moved"    // the repository has another name now
	RefusedInvalid   = "invalid"  // the forge does not take what was sent
)

// Refusal is the typed part of an error that repeating does not help. It holds
// no secret; errors.As finds it.
type Refusal struct {
	Reason string // one of the above
	Text   string // what was being done, why it failed, and what to do about it
}

func (e *Refusal) Error() string { return e.Text }
