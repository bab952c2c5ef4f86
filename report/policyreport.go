package report

import (
	"io"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// A policyReport is the report of a namespace or, without one, of the cluster,
// in the two API groups that tools for policy reports read: wgpolicyk8s.io
// (v1alpha2) and its successor openreports.io (v1alpha1). Both have these fields.
type policyReport struct {
	APIVersion string               `yaml:"apiVersion"`
	Kind       string               `yaml:"kind"`
	Metadata   policyReportMeta     `yaml:"metadata"`
	Source     string               `yaml:"source,omitempty"`
	Summary    map[string]int       `yaml:"summary"`
	Results    []policyReportResult `yaml:"results"`
}

type policyReportMeta struct {
	Name      string            `yaml:"name"`
	Namespace string            `yaml:"namespace,omitempty"`
	Labels    map[string]string `yaml:"labels"`
}

type policyReportResult struct {
	Source     string               `yaml:"source"`
	Policy     string               `yaml:"policy"`
	Category   string               `yaml:"category,omitempty"`
	Severity   string               `yaml:"severity,omitempty"`
	Result     string               `yaml:"result"` // fail, warn, skip or error
	Scored     bool                 `yaml:"scored"`
	Message    string               `yaml:"message"`
	Resources  []policyReportObject `yaml:"resources"`
	Properties map[string]string    `yaml:"properties,omitempty"`
	Timestamp  policyReportTime     `yaml:"timestamp"`
}

type policyReportObject struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Namespace  string `yaml:"namespace,omitempty"`
	Name       string `yaml:"name"`
}

type policyReportTime struct {
	Seconds int64 `yaml:"seconds"`
	Nanos   int   `yaml:"nanos"`
}

// policyReports prints one report a namespace, and one for what has none, be it
// that nothing was found.
func (r *Report) policyReports(w io.Writer, open bool, at time.Time) error {
	byNamespace := map[string]*policyReport{"": newPolicyReport("", open)}
	add := func(object Resource, result policyReportResult) {
		namespace := object.Namespace
		p := byNamespace[namespace]
		if p == nil {
			p = newPolicyReport(namespace, open)
			byNamespace[namespace] = p
		}
		result.Source, result.Timestamp = "oakum", policyReportTime{Seconds: at.Unix()}
		result.Resources = []policyReportObject{{object.APIVersion, object.Kind, namespace, printable(object.Name)}}
		p.Summary[result.Result]++
		p.Results = append(p.Results, result)
	}
	for _, f := range r.Findings {
		result := policyReportResult{
			Policy: f.Policy, Category: f.Category, Severity: string(f.Severity), Result: "fail", Scored: true, Message: printable(f.says()),
			Properties: map[string]string{"file": printable(f.Location.File), "line": f.Location.line(), "field": printable(f.Field), "fingerprint": f.Fingerprint},
		}
		switch {
		case f.Exempted():
			result.Result, result.Properties["exemption"] = "skip", printable(f.Exemption.Reason)
		case f.Severity == "info":
			result.Result, result.Scored = "warn", false
		}
		add(f.Resource, result)
	}
	for _, u := range r.NotEvaluated {
		add(u.Resource, policyReportResult{
			Policy: u.Policy, Result: "error", Message: printable(u.Message), Properties: map[string]string{"file": printable(u.File)},
		})
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	for _, namespace := range slices.Sorted(maps.Keys(byNamespace)) {
		if err := enc.Encode(byNamespace[namespace]); err != nil {
			return err
		}
	}
	return enc.Close()
}

func newPolicyReport(namespace string, open bool) *policyReport {
	p := &policyReport{APIVersion: "wgpolicyk8s.io/v1alpha2", Kind: "PolicyReport"}
	if open {
		p.APIVersion, p.Kind, p.Source = "openreports.io/v1alpha1", "Report", "oakum"
	}
	if namespace == "" {
		p.Kind = "Cluster" + p.Kind
	}
	p.Metadata = policyReportMeta{"oakum", namespace, map[string]string{"app.kubernetes.io/managed-by": "oakum"}}
	p.Results = []policyReportResult{}
	p.Summary = map[string]int{"pass": 0, "fail": 0, "warn": 0, "error": 0, "skip": 0}
	return p
}
