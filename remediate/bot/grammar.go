package bot

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/detect"
)

// Verbs of commands.
const (
	verbFix     = "fix"
	verbRebase  = "rebase"
	verbIgnore  = "ignore"
	verbExplain = "explain"
	verbHelp    = "help"
)

// order is one command as it was written.
type order struct {
	verb   string
	commit string // of fix: the beginning of the head's hash; empty: not named
	policy string // of ignore and explain
	reason string // of ignore
	until  time.Time
}

// maxReason bounds what a person writes into a configuration by a command.
const maxReason = 300

var (
	policyWord = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	commitWord = regexp.MustCompile(`^[0-9a-f]{7,40}$`)
)

// parseOrder reads a line that begins with /oakum. Words are parted by blanks;
// nothing in them means anything to a shell, for none is asked.
func parseOrder(text string, today time.Time) (order, error) {
	words := strings.Fields(text)
	if len(words) < 2 {
		return order{verb: verbHelp}, nil
	}
	verb, args := words[1], words[2:]
	switch verb {
	case verbHelp, verbRebase:
		if len(args) > 0 {
			return order{}, fmt.Errorf("%s takes nothing more", verb)
		}
		return order{verb: verb}, nil
	case verbFix:
		if len(args) > 1 || len(args) == 1 && !commitWord.MatchString(args[0]) {
			return order{}, fmt.Errorf("fix takes the hash of the commit to be fixed, or nothing")
		}
		return order{verb: verb, commit: strings.Join(args, "")}, nil
	case verbExplain:
		if len(args) > 1 || len(args) == 1 && !policyWord.MatchString(args[0]) {
			return order{}, fmt.Errorf("explain takes the name of a policy, or nothing")
		}
		return order{verb: verb, policy: strings.Join(args, "")}, nil
	case verbIgnore:
		return parseIgnore(args, today)
	}
	return order{}, fmt.Errorf("there is no such command")
}

func parseIgnore(args []string, today time.Time) (order, error) {
	const usage = "write `/oakum ignore POLICY REASON until 2027-01-31`"
	n := len(args)
	if n < 4 || args[n-2] != "until" {
		return order{}, fmt.Errorf("an exemption needs a policy, a reason and an end: %s", usage)
	}
	o := order{verb: verbIgnore, policy: args[0], reason: strings.Join(args[1:n-2], " ")}
	if !policyWord.MatchString(o.policy) {
		return order{}, fmt.Errorf("this is no name of a policy: %s", usage)
	}
	if len(o.reason) > maxReason {
		return order{}, fmt.Errorf("the reason is longer than %d bytes", maxReason)
	}
	var err error
	if o.until, err = detect.ParseDay(args[n-1]); err != nil {
		return order{}, fmt.Errorf("the end is no day: %s", usage)
	}
	if o.until.Before(today) || o.until.After(today.AddDate(2, 0, 0)) {
		return order{}, fmt.Errorf("the end has to be a day within the next two years")
	}
	return o, nil
}

// help lists the commands.
const help = "| command | does |\n|---|---|\n" +
	"| `/oakum fix [COMMIT]` | pushes the fixes of this pull request's new findings to its branch |\n" +
	"| `/oakum rebase` | makes a branch of oakum's anew on its base |\n" +
	"| `/oakum ignore POLICY REASON until 2027-01-31` | opens a pull request that exempts the findings shown here |\n" +
	"| `/oakum explain [POLICY]` | says what a policy is about, and why |\n" +
	"| `/oakum help` | this |\n\n" +
	"Commands count from people with write access, at the beginning of a line, in a new comment."
