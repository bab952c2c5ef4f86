// Package policy is the policy language: it loads policies from YAML,
// compiles and type-checks their CEL expressions once, and evaluates them
// over resources.
//
// A policy says what must hold, why, which outside controls it answers, and
// how a breach is mended. Built-in policies and a user's own are the same.
package policy

import (
	"fmt"
	"slices"
)

// APIVersion and Kind of a policy file.
const (
	APIVersion = "oakum.dev/v1alpha1"
	Kind       = "Policy"
)

// Severity says how bad a finding is.
type Severity string

// Severities lists them, worst first.
var Severities = []Severity{"critical", "high", "medium", "low", "info"}

// AtLeast tells whether s is as bad as other or worse.
func (s Severity) AtLeast(other Severity) bool {
	return slices.Index(Severities, s) <= slices.Index(Severities, other)
}

// Safety says how bold a fix is.
type Safety string

// The safeties, from the boldest that oakum does alone to advice.
const (
	Safe     Safety = "safe"     // cannot break a running workload
	Evidence Safety = "evidence" // safe given the evidence that is shown
	Review   Safety = "review"   // a person must judge
	Manual   Safety = "manual"   // advice only, never an edit
)

// Safeties lists them in order.
var Safeties = []Safety{Safe, Evidence, Review, Manual}

// Within tells whether a fix of safety s may be made when limit is allowed.
func (s Safety) Within(limit Safety) bool {
	return s != Manual && slices.Index(Safeties, s) <= slices.Index(Safeties, limit)
}

// Policy is one policy file. The field comments of the file format are in
// docs/policy.md; expressions are CEL, texts may hold {expression}.
type Policy struct {
	Name            string               `yaml:"-"`
	File            string               `yaml:"-"` // where it was read, for messages
	Title           string               `yaml:"title"`
	Description     string               `yaml:"description"`
	Severity        Severity             `yaml:"severity"`
	Severities      []SeverityRule       `yaml:"severities"` // in place of Severity where one holds
	Category        string               `yaml:"category"`
	Controls        map[string][]string  `yaml:"controls"`
	Kubernetes      VersionRange         `yaml:"kubernetes"`
	Strict          bool                 `yaml:"strict"`   // no exemption of a repository counts, nor its configuration
	ScanOnly        string               `yaml:"scanOnly"` // why it is not for the API server to enforce
	Match           Match                `yaml:"match"`
	Parameters      map[string]Parameter `yaml:"parameters"`
	Related         []Related            `yaml:"related"`
	Variables       []Variable           `yaml:"variables"`
	Require         string               `yaml:"require"`
	Analyzer        string               `yaml:"analyzer"` // Go code that looks across resources, instead of Require
	At              Paths                `yaml:"at"`
	Message         string               `yaml:"message"`
	Vulnerabilities string               `yaml:"vulnerabilities"` // an expression: those that a finding is about, and is ranked by
	Fix             *Fix                 `yaml:"fix"`
	Language        string               `yaml:"-"` // the kind of a foreign policy, empty for oakum's own
	Mutates         bool                 `yaml:"-"` // the foreign policy says how what breaks it should be
	Unjudged        string               `yaml:"-"` // why nothing at all is judged by it

	FixSafety Safety `yaml:"-"` // in place of what Fix says, where it is not empty

	code  *code
	judge Judge // of a foreign policy
}

// Overrides change a policy for a repository.
type Overrides struct {
	Severity   Severity       // empty leaves it
	Safety     Safety         // of its fixes; empty leaves it
	Parameters map[string]any // those that have another value
}

// VersionRange limits a policy to minor versions of Kubernetes 1.x, both ends included.
type VersionRange struct {
	Since int `yaml:"since"`
	Until int `yaml:"until"` // 0 means no end
}

// Match says what a policy looks at.
type Match struct {
	Kinds      []string `yaml:"kinds"`      // Kind, or group/Kind; Pod also means every pod template
	Components []string `yaml:"components"` // instead of Kinds: parts of Kubernetes itself, whatever configures them
	Each       string   `yaml:"each"`       // containers, or a path to a list or map whose items are judged one by one
	Where      string   `yaml:"where"`      // only where this holds
}

// Related names other resources of the tree that a policy looks at: Name is
// the list that its expressions see.
type Related struct {
	Name  string   `yaml:"name"`
	Kinds []string `yaml:"kinds"` // as in Match
	In    string   `yaml:"in"`    // namespace, which is the default, or cluster
}

// Parameter is a value of a policy that its user may change.
type Parameter struct {
	Description string `yaml:"description"`
	Default     any    `yaml:"default"`
}

// SeverityRule gives the severity of a finding where When holds; the first that does counts.
type SeverityRule struct {
	Level Severity `yaml:"level"`
	When  string   `yaml:"when"`
}

// Variable names an expression for the ones that follow.
type Variable struct {
	Name       string `yaml:"name"`
	Expression string `yaml:"expression"`
}

// Fix says how a breach is mended: by Edits, or by a Fixer written in Go.
type Fix struct {
	Title  string       `yaml:"title"`
	Safety []SafetyRule `yaml:"safety"`
	Edits  []EditRule   `yaml:"edits"`
	Fixer  string       `yaml:"fixer"`
	After  string       `yaml:"after"`  // must hold of the resource once every fix of the plan is made
	Advice string       `yaml:"advice"` // what a person can do where no fix is made
}

// SafetyRule gives the safety of a fix where When holds; the first that does counts.
type SafetyRule struct {
	Level   Safety `yaml:"level"`
	When    string `yaml:"when"`
	Because string `yaml:"because"`
}

// EditRule is one operation of a fix; exactly one of Set, Remove and Append is given.
type EditRule struct {
	Set        string `yaml:"set"`
	Remove     string `yaml:"remove"`
	Append     string `yaml:"append"`
	Value      any    `yaml:"value"`
	Expression string `yaml:"expression"` // the value, computed
	When       string `yaml:"when"`
}

// Error is a policy file that cannot be used.
type Error struct {
	File    string
	Line    int
	Column  int
	Message string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}
