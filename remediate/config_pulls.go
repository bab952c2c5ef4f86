package remediate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
)

// PullRequestConfig is what a repository says about the pull requests that
// oakum opens.
type PullRequestConfig struct {
	GroupBy   string    `yaml:"groupBy"`   // one of Groupings
	Labels    []string  `yaml:"labels"`    // nil: DefaultLabels
	Limits    Limits    `yaml:"limits"`    // of the bot
	Schedule  *Schedule `yaml:"schedule"`  // nil: at any time
	Reviewers []string  `yaml:"reviewers"` // logins, org/team, and Codeowners
	Assignees []string  `yaml:"assignees"` // logins
	Draft     []string  `yaml:"draft"`     // levels of evidence; nil: DefaultDraft
	AutoMerge string    `yaml:"autoMerge"` // off or safe; empty: off
}

// Limits bound how many pull requests the bot opens.
type Limits struct {
	Open     *int   `yaml:"open"`     // at once; 0: any number
	PerHour  *int   `yaml:"perHour"`  // 0: any number
	Critical string `yaml:"critical"` // exempt or counted; empty: exempt
}

// What holds where a configuration says nothing.
const (
	defaultOpen    = 10
	defaultPerHour = 4
)

// MaxOpen is how many pull requests may be open at once; 0: any number.
func (l Limits) MaxOpen() int { return value(l.Open, defaultOpen) }

// MaxPerHour is how many may be opened in an hour; 0: any number.
func (l Limits) MaxPerHour() int { return value(l.PerHour, defaultPerHour) }

// ExemptsCritical tells whether critical findings do not wait.
func (l Limits) ExemptsCritical() bool { return l.Critical != "counted" }

func value(given *int, otherwise int) int {
	if given == nil {
		return otherwise
	}
	return *given
}

// Codeowners among the reviewers stands for those whom CODEOWNERS names.
const Codeowners = "codeowners"

// LabelsOrDefault are the labels of oakum's pull requests.
func (c PullRequestConfig) LabelsOrDefault() []string {
	if c.Labels == nil {
		return []string{"security", "oakum"}
	}
	return c.Labels
}

// weakEvidence is every level of evidence but proven, the strongest first.
var weakEvidence = []string{"running", "observed", "declared", "assumed"}

// Drafts tells whether a pull request with these fixes is to be a draft: one of
// them is not safe, and nothing speaks for it but evidence of the given levels.
func (c PullRequestConfig) Drafts(fixes []*fixers.Fix) bool {
	weak := c.Draft
	if weak == nil {
		weak = weakEvidence[2:]
	}
	return slices.ContainsFunc(fixes, func(f *fixers.Fix) bool {
		return f.Safety != policy.Safe && !slices.ContainsFunc(f.Evidence, func(e fixers.Evidence) bool { return !slices.Contains(weak, e.Level) })
	})
}

var (
	loginPattern    = regexp.MustCompile(`^@?[0-9A-Za-z][0-9A-Za-z-]*$`)
	reviewerPattern = regexp.MustCompile(`^@?[0-9A-Za-z][0-9A-Za-z-]*(/[0-9A-Za-z._-]+)?$`)
)

// Bounds of lists.
const (
	maxReviewers = 15 // as many as GitHub takes
	maxAssignees = 10 // the same
	maxLabel     = 50 // characters, the same
)

func (c PullRequestConfig) check() error {
	if c.GroupBy != "" && !slices.Contains(Groupings, c.GroupBy) {
		return fmt.Errorf("groupBy is %q, want one of %s", c.GroupBy, strings.Join(Groupings, ", "))
	}
	if err := limited("open", c.Limits.Open); err != nil {
		return err
	}
	if err := limited("perHour", c.Limits.PerHour); err != nil {
		return err
	}
	if s := c.Limits.Critical; s != "" && s != "exempt" && s != "counted" {
		return fmt.Errorf("limits.critical is %q, want exempt or counted", s)
	}
	if s := c.AutoMerge; s != "" && s != "off" && s != "safe" {
		return fmt.Errorf("autoMerge is %q, want off or safe", s)
	}
	for _, l := range c.Labels {
		if l == "" || len([]rune(l)) > maxLabel {
			return fmt.Errorf("labels: %q is no label: it has 1 to %d characters", l, maxLabel)
		}
	}
	for i, level := range c.Draft {
		if !slices.Contains(weakEvidence, level) || slices.Contains(c.Draft[:i], level) {
			return fmt.Errorf("draft: %q: want each at most once of %s", level, strings.Join(weakEvidence, ", "))
		}
	}
	if len(c.Reviewers) > maxReviewers || slices.ContainsFunc(c.Reviewers, func(r string) bool { return !reviewerPattern.MatchString(r) }) {
		return fmt.Errorf("reviewers: want at most %d logins, organization/team, or %s", maxReviewers, Codeowners)
	}
	if len(c.Assignees) > maxAssignees || slices.ContainsFunc(c.Assignees, func(r string) bool { return !loginPattern.MatchString(r) }) {
		return fmt.Errorf("assignees: want at most %d logins", maxAssignees)
	}
	if c.Schedule != nil {
		if err := c.Schedule.check(); err != nil {
			return fmt.Errorf("schedule: %w", err)
		}
	}
	return nil
}

func limited(name string, n *int) error {
	if n != nil && (*n < 0 || *n > 1000) {
		return fmt.Errorf("limits.%s is %d, want 0 to 1000", name, *n)
	}
	return nil
}
