package vuln

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The parts of SARIF 2.1.0 (OASIS) that Trivy and Grype put vulnerabilities of
// images into (aquasecurity/trivy, pkg/report/sarif.go; anchore/grype,
// grype/presenter/sarif).
type sarifLog struct{ Runs []sarifRun }

type sarifRun struct {
	Tool struct {
		Driver struct {
			Name  string
			Rules []sarifRule
		}
	}
	Results    []sarifResult
	Properties struct {
		ImageName             string
		RepoTags, RepoDigests []string
	}
}

type sarifRule struct {
	ID               string
	ShortDescription struct{ Text string }
	Help             struct{ Text string }
	HelpURI          string
	Properties       struct {
		Severity json.RawMessage `json:"security-severity"`
	}
}

type sarifResult struct {
	RuleID  string
	Message struct{ Text string }
}

func sarif(name string, src []byte) ([]*Report, error) {
	var log sarifLog
	if err := json.Unmarshal(src, &log); err != nil {
		return nil, fmt.Errorf("reading SARIF: %w", err)
	}
	var out []*Report
	for _, run := range log.Runs {
		var found []*Report
		switch scanner := strings.ToLower(run.Tool.Driver.Name); scanner {
		case "trivy":
			found = run.trivy(name)
		case "grype":
			found = run.grype(name)
		default:
			return nil, fmt.Errorf("SARIF of %q: that of Trivy and Grype is read", clip(run.Tool.Driver.Name))
		}
		for _, r := range found {
			r, err := checked(r)
			if err != nil {
				return nil, fmt.Errorf("%w; SARIF does so only for images in which something was found: give JSON", err)
			}
			out = append(out, r)
		}
	}
	return out, nil
}

func (run sarifRun) rules() map[string]sarifRule {
	out := map[string]sarifRule{}
	for _, r := range run.Tool.Driver.Rules {
		out[r.ID] = r
	}
	return out
}

// trivy reads a run of Trivy: the image is said once, each result has its
// package and versions in the lines of its message.
func (run sarifRun) trivy(name string) []*Report {
	r := &Report{File: name, Scanner: "Trivy"}
	r.named(run.Properties.ImageName)
	r.named(run.Properties.RepoTags...)
	r.named(run.Properties.RepoDigests...)
	rules := run.rules()
	for _, result := range run.Results {
		is := fields(result.Message.Text)
		if is["Package"] == "" || is["Installed Version"] == "" {
			continue // a secret, a misconfiguration or a license
		}
		rule := rules[result.RuleID]
		r.Vulnerabilities = append(r.Vulnerabilities, Vulnerability{
			ID: result.RuleID, Severity: is["Severity"], Package: is["Package"], Installed: is["Installed Version"],
			Fixed: strings.Split(is["Fixed Version"], ","), Score: rule.score(), Title: rule.ShortDescription.Text, URL: rule.HelpURI,
		})
	}
	return []*Report{r}
}

// grypeFound is what Grype says in a result, which is where it names the image.
var grypeFound = regexp.MustCompile(`^An? (\w+) vulnerability in \S+ package: (.+), version (.+) was found in image (\S+) at: `)

// grype reads a run of Grype, whose rules have the rest.
func (run sarifRun) grype(name string) []*Report {
	rules := run.rules()
	var out []*Report
	images := map[string]*Report{}
	for _, result := range run.Results {
		found := grypeFound.FindStringSubmatch(result.Message.Text)
		if found == nil {
			continue
		}
		r := images[found[4]]
		if r == nil {
			r = &Report{File: name, Scanner: "Grype"}
			r.named(found[4])
			images[found[4]] = r
			out = append(out, r)
		}
		rule := rules[result.RuleID]
		is := fields(rule.Help.Text)
		id, _, _ := strings.Cut(result.RuleID, "-"+found[2])
		link := is["Link"]
		if i := strings.Index(link, "]("); i >= 0 {
			link = strings.TrimSuffix(link[i+2:], ")")
		}
		r.Vulnerabilities = append(r.Vulnerabilities, Vulnerability{
			ID: id, Severity: found[1], Package: found[2], Installed: found[3],
			Fixed: strings.Split(is["Fix Version"], ","), Score: rule.score(), Title: rule.ShortDescription.Text, URL: link,
		})
	}
	if len(out) == 0 {
		return []*Report{{File: name, Scanner: "Grype"}}
	}
	return out
}

func (r sarifRule) score() float64 {
	score, _ := strconv.ParseFloat(strings.Trim(string(r.Properties.Severity), `"`), 64)
	return score
}

// fields reads lines of the form "Name: value"; the first of a name counts.
func fields(text string) map[string]string {
	out := map[string]string{}
	lines := strings.Split(text, "\n")
	for _, line := range slices.Backward(lines[:min(len(lines), 20)]) {
		if k, v, ok := strings.Cut(line, ": "); ok {
			out[k] = strings.TrimSpace(v)
		}
	}
	return out
}
