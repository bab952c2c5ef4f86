package vuln

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The parts of Grype's JSON that are read (anchore/grype, grype/presenter/models).
type grypeReport struct {
	Matches []struct {
		Vulnerability grypeVulnerability
		Related       []grypeVulnerability `json:"relatedVulnerabilities"`
		Artifact      struct{ Name, Version string }
	}
	Source struct {
		Type   string
		Target json.RawMessage // an object for an image, text for anything else
	}
	Descriptor struct{ Timestamp string }
}

type grypeVulnerability struct {
	ID          string
	DataSource  string
	Severity    string
	Description string
	Cvss        []struct{ Metrics struct{ BaseScore float64 } }
	Fix         struct {
		State    string
		Versions []string
	}
}

func (v grypeVulnerability) score() float64 {
	var score float64
	for _, c := range v.Cvss {
		score = max(score, c.Metrics.BaseScore)
	}
	return score
}

func grype(name string, src []byte) ([]*Report, error) {
	var g grypeReport
	if err := json.Unmarshal(src, &g); err != nil {
		return nil, fmt.Errorf("reading Grype's JSON: %w", err)
	}
	var image struct {
		UserInput   string
		Tags        []string
		RepoDigests []string
	}
	if !bytes.HasPrefix(bytes.TrimSpace(g.Source.Target), []byte("{")) {
		return nil, fmt.Errorf("a report of Grype about a %s: scan the image that a manifest names, with 'grype IMAGE -o json'", clip(g.Source.Type))
	}
	if err := json.Unmarshal(g.Source.Target, &image); err != nil {
		return nil, fmt.Errorf("reading Grype's JSON: source: %w", err)
	}
	r := &Report{File: name, Scanner: "Grype", Date: day(g.Descriptor.Timestamp)}
	r.named(image.UserInput)
	r.named(image.Tags...)
	r.named(image.RepoDigests...)
	for _, m := range g.Matches {
		v := Vulnerability{
			ID: m.Vulnerability.ID, Severity: m.Vulnerability.Severity, Package: m.Artifact.Name, Installed: m.Artifact.Version,
			Score: m.Vulnerability.score(), Title: m.Vulnerability.Description, URL: m.Vulnerability.DataSource,
		}
		if m.Vulnerability.Fix.State == "fixed" {
			v.Fixed = m.Vulnerability.Fix.Versions
		}
		for _, related := range m.Related {
			if m.Vulnerability.score() == 0 {
				v.Score = max(v.Score, related.score())
			}
			if v.Title == "" {
				v.Title = related.Description
			}
		}
		r.Vulnerabilities = append(r.Vulnerabilities, v)
	}
	r, err := checked(r)
	return []*Report{r}, err
}
