// Package store keeps what a service must not lose between one event and the
// next: deliveries and the tasks they ask for, findings over time, pull requests
// and what became of them, and who did what. A SQLite file by default;
// PostgreSQL where several replicas share the work.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Repository names a repository of a forge.
type Repository struct {
	ID           int64  // stays when it is renamed; 0: none, the task is about the installation
	Installation int64  // of the App; 0 with a token
	Name         string // owner/name, as last heard
}

// Delivery is one event as a forge delivered it.
type Delivery struct {
	ID         string   // X-GitHub-Delivery; not signed, so told but never trusted
	Digest     [32]byte // SHA-256 of the body
	Event      string   // such as pull_request
	Action     string   // such as opened; empty where the event has none
	Repository Repository
	Received   time.Time
}

// Kind says what a task is about.
type Kind string

// What a task asks for. The key says which one of its kind; handlers read the
// present state from the forge, so that order and repetition do not matter.
const (
	Reconcile Kind = "reconcile" // make the repository's pull requests true; no key
	Preview   Kind = "preview"   // judge somebody's pull request; key: its number
	Follow    Kind = "follow"    // look at what became of a pull request; key: its number
	Command   Kind = "command"   // answer a comment; key: the comment's id
	Action    Kind = "action"    // a button of a check run; key: check run id and button
	Tick      Kind = "tick"      // the dashboard issue was edited; key: its number
	Queue     Kind = "queue"     // a merge group needs its check; key: its head commit
	Live      Kind = "live"      // look at what runs in clusters; no key
	Installed Kind = "installed" // the App was given the repository (ID 0: the installation began or changed); no key
	Removed   Kind = "removed"   // it was taken away, deleted, suspended; no key
)

// Task is what a delivery asks for. A newer one with the same repository, kind
// and key replaces one that waits; it is done after one that has begun.
type Task struct {
	Repository Repository
	Kind       Kind
	Key        string          // at most 200 bytes
	Data       json.RawMessage // at most 64 KiB
	Attempts   int             // that failed before; told to handlers, and not kept
}

// Ask is the data of a task that comes from a delivery: what the forge cannot be
// asked for later, or not as cheaply. What does not apply is empty.
type Ask struct {
	Delivery string    `json:"delivery,omitempty"` // its ID, for the audit trail
	Sender   string    `json:"sender,omitempty"`   // login of who caused it
	Number   int       `json:"number,omitempty"`   // of the pull request or issue
	Commit   string    `json:"commit,omitempty"`   // the head, when the event was made
	Updated  time.Time `json:"updated,omitzero"`   // when the pull request or issue was changed last, as of the event
	Ref      string    `json:"ref,omitempty"`      // of a merge group
	Comment  int64     `json:"comment,omitempty"`  // its ID
	Lines    []string  `json:"lines,omitempty"`    // of the comment as it was created: those that begin with /oakum
	CheckRun int64     `json:"checkRun,omitempty"` // its ID
	Button   string    `json:"button,omitempty"`   // of a check run; empty: it is to run again
}

// Handler does one task. A nil error ends the task. Later and Park say what
// else may become of it; with any other error it is tried again, later each
// time, and parked in the end. The context ends when the claim on the repository
// is lost: whatever is not done by then is another's.
type Handler func(context.Context, Repository, Task) error

// later and park are what Later and Park return.
type later struct{ after time.Duration }

func (l later) Error() string { return "later: in " + l.after.String() }

type park struct{ reason error }

func (p park) Error() string { return p.reason.Error() }
func (p park) Unwrap() error { return p.reason }

// Later says that a task is to be done again after a while, and that this is no
// failure: a rate limit, a schedule, a budget. It is not counted. A while is a
// second at least.
func Later(after time.Duration) error { return later{max(after, time.Second)} }

// Park says that trying again would not help: the task is kept, with the error
// as its reason, until somebody retries it or a newer one replaces it.
func Park(reason error) error { return park{reason} }

// IsLater says whether an error is what Later gave.
func IsLater(err error) bool { return errors.As(err, new(later)) }

// IsParked says whether an error is what Park gave.
func IsParked(err error) bool { return errors.As(err, new(park)) }

// Errors that callers tell apart.
var (
	ErrClosed = errors.New("the store is closed")
	ErrNone   = errors.New("not in the store")
)

// Waiting is a task that is not done: it waits, runs, or is parked.
type Waiting struct {
	Task
	ID       int64
	State    State
	Attempts int       // that failed
	Since    time.Time // when it was first asked for
	Next     time.Time // not before; zero when parked
	Reason   string    // of the last failure
}

// State of a task.
type State string

// The states of tasks. A done task is not kept.
const (
	StateOpen    State = "open"
	StateRunning State = "running"
	StateParked  State = "parked"
)

// Load is how much there is to do.
type Load struct {
	Open, Running, Parked int
	Oldest                time.Time // when the oldest open task that is due became so; zero: none
}

// Scan is what one scan of a branch found.
type Scan struct {
	Repository int64
	Branch     string
	Commit     string
	At         time.Time
	Score      int            // 0 to 100
	Counts     map[string]int // severity -> open findings
}

// Finding is one open finding of a branch.
type Finding struct {
	Fingerprint      string
	Policy, Severity string
	First, Last      time.Time // seen
}

// PullState is what became of a pull request.
type PullState string

// The states of pull requests.
const (
	PullOpen   PullState = "open"
	PullMerged PullState = "merged"
	PullClosed PullState = "closed" // without a merge
)

// Pull is a pull request of oakum's.
type Pull struct {
	Repository int64
	Number     int
	Branch     string
	Title      string
	State      PullState
	Findings   []string // fingerprints
	Decision   Decision
	Why        string // in words, for people
	Updated    time.Time
}

// Decision is what people made of a pull request.
type Decision string

// The decisions.
const (
	Undecided Decision = ""
	Declined  Decision = "declined" // closed without a merge, or reverted
	Undone    Decision = "undone"   // declined, and taken back
	Fixed     Decision = "fixed"    // needed no more: mended elsewhere
)

// Entry is one line of the audit trail: who asked for what, and what oakum did.
type Entry struct {
	ID         int64 // rises
	At         time.Time
	Repository int64
	Actor      string // login; empty: oakum by itself
	Action     string // such as "ignore", "open pull request"
	Subject    string // such as "#12", a branch, a policy
	Result     string // what came of it
	Delivery   string // ID of the delivery that led to it
}
