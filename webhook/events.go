package webhook

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/remediate/store"
)

// rule says what an event asks for. Nothing here asks GitHub: what needs that is
// decided when the task is done, by what is true then.
type rule func(Config, payload) []store.Task

// rules are by event and action. What is not listed asks for nothing.
var rules = map[string]map[string]rule{
	"push": {"": pushed}, // to the default branch
	"pull_request": {
		"opened":           changed,
		"synchronize":      changed,
		"reopened":         changed,
		"ready_for_review": changed,
		"edited":           rebased, // onto another base
		"closed":           closed,
	},
	"check_run": {
		"rerequested":      rerun,
		"requested_action": button,
	},
	"check_suite":   {"rerequested": rerunAll},
	"issue_comment": {"created": commented}, // with a line that begins with /oakum; edits count for nothing
	"issues": { // that are a dashboard
		"edited":   ticked,
		"closed":   ticked,
		"reopened": ticked,
		"deleted":  ticked,
	},
	"merge_group": {"checks_requested": queued},
	"installation": {
		"created":                  installation(store.Installed),
		"unsuspend":                installation(store.Installed),
		"new_permissions_accepted": installation(store.Installed),
		"suspend":                  installation(store.Removed),
		"deleted":                  installation(store.Removed),
	},
	"installation_target": {"renamed": installation(store.Installed)}, // the account has another name
	"installation_repositories": {
		"added":   repositories,
		"removed": repositories,
	},
	"repository": {
		"renamed":     reconcile,
		"transferred": reconcile,
		"archived":    reconcile,
		"unarchived":  reconcile,
		"edited":      rebranched, // another default branch
		"deleted":     removed,
	},
}

const (
	command    = "/oakum"
	dashboard  = "<!-- oakum:" // begins the marker in texts of oakum's
	maxLines   = 8 << 10       // bytes of a comment's lines
	maxListed  = 5000          // repositories of one event
	maxButton  = 40            // bytes of its name; GitHub takes 20
	branchRefs = "refs/heads/"
)

var (
	hashPattern = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	namePattern = regexp.MustCompile(`^[0-9A-Za-z._-]{1,100}/[0-9A-Za-z._-]{1,100}$`)
)

// tasks reads a payload of an event that has rules, completes the delivery, and
// says what it asks for.
func (c Config) tasks(d *store.Delivery, body []byte) ([]store.Task, error) {
	actions := rules[d.Event]
	if actions == nil {
		return nil, nil
	}
	p := payload{delivery: d.ID}
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, fmt.Errorf("event %s: %w", d.Event, err)
	}
	then := actions[p.Action]
	if then == nil {
		return nil, nil
	}
	d.Action, d.Repository = p.Action, p.repository(p.Repository)
	return then(c, p), nil
}

func pushed(_ Config, p payload) []store.Task {
	branch, isBranch := strings.CutPrefix(p.Ref, branchRefs)
	if !isBranch || p.Deleted || branch != p.Repository.DefaultBranch {
		return nil
	}
	return p.task(store.Reconcile, "", store.Ask{Commit: hash(p.After)})
}

// changed: somebody's pull request is to be judged, oakum's own to be looked
// after, unless oakum itself changed it.
func changed(c Config, p payload) []store.Task {
	pull := p.PullRequest
	ask := store.Ask{Number: pull.Number, Commit: hash(pull.Head.SHA), Updated: pull.Updated.time()}
	switch {
	case !c.ours(p):
		return p.numbered(store.Preview, ask)
	case c.self(p.Sender):
		return nil
	}
	return p.numbered(store.Follow, ask)
}

func rebased(c Config, p payload) []store.Task {
	if p.Changes.Base == nil {
		return nil
	}
	return changed(c, p)
}

func closed(_ Config, p payload) []store.Task {
	return p.numbered(store.Follow, store.Ask{Number: p.PullRequest.Number, Commit: hash(p.PullRequest.Head.SHA), Updated: p.PullRequest.Updated.time()})
}

// rerun and rerunAll judge the pull requests again that GitHub names; it names
// none of a fork, and then the commit has to do.
func rerun(c Config, p payload) []store.Task {
	return again(c, p, p.CheckRun, store.Ask{CheckRun: p.CheckRun.ID, Commit: hash(p.CheckRun.HeadSHA)}, "run/")
}

func rerunAll(c Config, p payload) []store.Task {
	return again(c, p, p.CheckSuite, store.Ask{Commit: hash(p.CheckSuite.HeadSHA)}, "suite/")
}

func again(c Config, p payload, check check, ask store.Ask, key string) []store.Task {
	if c.AppID == 0 || check.App.ID != c.AppID || ask.Commit == "" {
		return nil
	}
	var tasks []store.Task
	for _, number := range p.pulls(check) {
		ask.Number = number
		tasks = append(tasks, p.numbered(store.Preview, ask)...)
	}
	if len(tasks) > 0 {
		return tasks
	}
	return p.task(store.Action, key+strconv.FormatInt(check.ID, 10), ask)
}

func button(c Config, p payload) []store.Task {
	check, name := p.CheckRun, p.RequestedAction.Identifier
	ask := store.Ask{CheckRun: check.ID, Commit: hash(check.HeadSHA), Button: name}
	if c.AppID == 0 || check.App.ID != c.AppID || ask.Commit == "" || name == "" || len(name) > maxButton || strings.ContainsFunc(name, unprintable) {
		return nil
	}
	if numbers := p.pulls(check); len(numbers) == 1 {
		ask.Number = numbers[0]
	}
	return p.task(store.Action, fmt.Sprintf("run/%d/%s", check.ID, name), ask)
}

func commented(c Config, p payload) []store.Task {
	lines := commands(p.Comment.Body)
	if len(lines) == 0 || p.Sender.Type == "Bot" || p.Comment.User.Type == "Bot" || c.self(p.Sender) || p.Comment.ID <= 0 || p.Issue.Number <= 0 {
		return nil
	}
	return p.task(store.Command, strconv.FormatInt(p.Comment.ID, 10),
		store.Ask{Number: p.Issue.Number, Comment: p.Comment.ID, Lines: lines})
}

// commands are the lines that begin with /oakum as a word of its own. What is too
// long for a command is left out.
func commands(text string) []string {
	var lines []string
	room := maxLines
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		rest, ok := strings.CutPrefix(line, command)
		if !ok || rest != "" && rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		if room -= len(line); room < 0 {
			break
		}
		lines = append(lines, line)
	}
	return lines
}

func ticked(c Config, p payload) []store.Task {
	if !strings.Contains(p.Issue.Body, dashboard) || c.self(p.Sender) {
		return nil
	}
	return p.numbered(store.Tick, store.Ask{Number: p.Issue.Number, Updated: p.Issue.Updated.time()})
}

func queued(_ Config, p payload) []store.Task {
	head := hash(p.MergeGroup.HeadSHA)
	if head == "" {
		return nil
	}
	return p.task(store.Queue, head, store.Ask{Commit: head, Ref: p.MergeGroup.HeadRef})
}

func reconcile(_ Config, p payload) []store.Task {
	return p.task(store.Reconcile, "", store.Ask{})
}

func rebranched(c Config, p payload) []store.Task {
	if p.Changes.DefaultBranch == nil {
		return nil
	}
	return reconcile(c, p)
}

func removed(_ Config, p payload) []store.Task { return p.task(store.Removed, "", store.Ask{}) }

// installation is about all its repositories, which the worker asks for.
func installation(kind store.Kind) rule {
	return func(_ Config, p payload) []store.Task {
		p.Repository = repository{}
		return p.task(kind, "", store.Ask{})
	}
}

// repositories were added or removed. More than can be kept at once are a matter
// of the whole installation.
func repositories(c Config, p payload) []store.Task {
	if len(p.RepositoriesAdded)+len(p.RepositoriesRemoved) > maxListed {
		return installation(store.Installed)(c, p)
	}
	var tasks []store.Task
	for _, r := range p.RepositoriesAdded {
		p.Repository = r
		tasks = append(tasks, p.task(store.Installed, "", store.Ask{})...)
	}
	for _, r := range p.RepositoriesRemoved {
		p.Repository = r
		tasks = append(tasks, p.task(store.Removed, "", store.Ask{})...)
	}
	return tasks
}
