package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/policy"
)

// maxResults is how many results GitHub code scanning keeps of a run.
const maxResults = 5000

// SARIF 2.1.0 (OASIS), the parts that code scanning reads.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations,omitempty"`
	Results     []sarifResult     `json:"results"`
}

// sarifInvocation says what went wrong (section 3.20); without one a file that
// could not be read would look clean.
type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications"`
}

type sarifNotification struct {
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations,omitempty"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Short      sarifText      `json:"shortDescription"`
	Full       sarifText      `json:"fullDescription"`
	Help       sarifText      `json:"help"`
	Config     sarifConfig    `json:"defaultConfiguration"`
	Properties map[string]any `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifConfig struct {
	Level string `json:"level"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Fingerprints map[string]string `json:"partialFingerprints"`
	Rank         int               `json:"rank,omitempty"` // 1 to 100 (section 3.27.25), absent where nothing ranks it
	Baseline     string            `json:"baselineState,omitempty"`
	Suppressions []sarifSuppressed `json:"suppressions,omitempty"`
}

// sarifSuppressed says that a result was exempted (section 3.35).
type sarifSuppressed struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn"`
}

type sarifLogical struct {
	FullName string `json:"fullyQualifiedName"`
	Kind     string `json:"kind"`
}

var sarifLevel = map[policy.Severity]string{"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}

// securitySeverity puts severities into the bands that GitHub shows them in.
var securitySeverity = map[policy.Severity]string{"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0", "info": "0.5"}

func (r *Report) sarif(o Options) sarifLog {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "oakum", Version: o.Version, Rules: []sarifRule{}}}, Results: []sarifResult{}}
	index := map[string]int{}
	for i, p := range r.policies {
		index[p.Name] = i
		help := strings.TrimSpace(p.Description)
		if p.Fix != nil && p.Fix.Advice != "" {
			help += "\n\n" + strings.TrimSpace(p.Fix.Advice)
		}
		tags := []string{"security", "kubernetes", p.Category}
		properties := map[string]any{"tags": tags, "security-severity": securitySeverity[p.Severity]}
		if r.controls != nil { // no tags: GitHub takes twenty of a rule at most
			properties["controls"] = r.controls(p.Name)
		}
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: p.Name, Name: p.Name, Short: sarifText{p.Title}, Full: sarifText{strings.TrimSpace(p.Description)}, Help: sarifText{help},
			Config:     sarifConfig{sarifLevel[p.Severity]},
			Properties: properties,
		})
	}
	run.Invocations = r.invocations()
	findings := slices.Clone(r.Findings)
	if len(findings) > maxResults {
		slices.SortStableFunc(findings, func(a, b Finding) int {
			return cmp.Compare(slices.Index(policy.Severities, a.Severity), slices.Index(policy.Severities, b.Severity))
		})
		findings = findings[:maxResults]
	}
	for _, f := range findings {
		rank := 0
		if f.Risk != nil {
			rank = f.Risk.Score
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: f.Policy, RuleIndex: index[f.Policy], Level: sarifLevel[f.Severity], Message: sarifMessage(f.says()),
			Locations: []sarifLocation{{
				Physical: physical(f.Location.File, f.Location.Line, f.Location.Column),
				Logical:  []sarifLogical{{f.Resource.id() + " " + f.Field, "resource"}},
			}},
			Fingerprints: map[string]string{"oakum/v1": f.Fingerprint},
			Rank:         rank,
			Baseline:     f.Baseline,
			Suppressions: suppressions(f),
		})
	}
	return sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

// invocations has at most one, of a scan that could not do everything.
func (r *Report) invocations() []sarifInvocation {
	if len(r.Errors)+len(r.NotEvaluated) == 0 {
		return nil
	}
	out := sarifInvocation{Successful: len(r.Errors) == 0}
	for _, e := range r.Errors {
		out.Notifications = append(out.Notifications, sarifNotification{
			Level: "error", Message: sarifMessage(e.Message), Locations: []sarifLocation{{Physical: physical(e.File, e.Line, e.Column)}},
		})
	}
	for _, u := range r.NotEvaluated {
		out.Notifications = append(out.Notifications, sarifNotification{Level: "warning", Message: sarifMessage(u.Message)})
	}
	return []sarifInvocation{out}
}

func suppressions(f Finding) []sarifSuppressed {
	if !f.Exempted() {
		return nil
	}
	kind := "external"
	if f.Exemption.Location.File == f.Location.File {
		kind = "inSource"
	}
	return []sarifSuppressed{{kind, "accepted", printable(f.Exemption.Reason)}}
}

func physical(file string, line, column int) sarifPhysical {
	p := sarifPhysical{Artifact: sarifArtifact{uri(file)}}
	if line > 0 { // what is in no file has no region
		p.Region = &sarifRegion{line, max(column, 1)}
	}
	return p
}

// sarifMessage keeps text that others chose from holding a link (section 3.11.6).
func sarifMessage(s string) sarifText {
	return sarifText{strings.ReplaceAll(printable(s), "](", "] (")}
}
