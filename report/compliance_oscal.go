package report

import (
	"crypto/sha1"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/detect/compliance"
)

// OSCAL assessment results 1.1 (NIST), the parts that a scan can fill.
type oscalDocument struct {
	Results oscalResults `json:"assessment-results"`
}

type oscalResults struct {
	UUID     string        `json:"uuid"`
	Metadata oscalMetadata `json:"metadata"`
	Plan     oscalLink     `json:"import-ap"`
	Results  []oscalResult `json:"results"`
	Back     oscalBack     `json:"back-matter"`
}

type oscalMetadata struct {
	Title    string `json:"title"`
	Modified string `json:"last-modified"`
	Version  string `json:"version"`
	OSCAL    string `json:"oscal-version"`
}

type oscalLink struct {
	Href string `json:"href"`
}

type oscalBack struct {
	Resources []oscalResource `json:"resources"`
}

type oscalResource struct {
	UUID        string `json:"uuid"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

type oscalResult struct {
	UUID         string             `json:"uuid"`
	Title        string             `json:"title"`
	Description  string             `json:"description"`
	Start        string             `json:"start"`
	Reviewed     oscalReviewed      `json:"reviewed-controls"`
	Observations []oscalObservation `json:"observations,omitempty"`
	Findings     []oscalFinding     `json:"findings,omitempty"`
	Remarks      string             `json:"remarks,omitempty"`
}

type oscalReviewed struct {
	Selections []oscalSelection `json:"control-selections"`
}

type oscalSelection struct {
	Controls []oscalControl `json:"include-controls"`
}

type oscalControl struct {
	ID string `json:"control-id"`
}

type oscalObservation struct {
	UUID        string          `json:"uuid"`
	Description string          `json:"description"`
	Methods     []string        `json:"methods"`
	Evidence    []oscalEvidence `json:"relevant-evidence,omitempty"`
	Collected   string          `json:"collected"`
}

type oscalEvidence struct {
	Href        string `json:"href"`
	Description string `json:"description"`
}

type oscalFinding struct {
	UUID        string         `json:"uuid"`
	Title       string         `json:"title"`
	Description string         `json:"description"`
	Target      oscalTarget    `json:"target"`
	Related     []oscalRelated `json:"related-observations,omitempty"`
}

type oscalTarget struct {
	Type   string      `json:"type"`
	ID     string      `json:"target-id"`
	Status oscalStatus `json:"status"`
}

type oscalStatus struct {
	State   string `json:"state"`
	Reason  string `json:"reason,omitempty"`
	Remarks string `json:"remarks,omitempty"`
}

type oscalRelated struct {
	Observation string `json:"observation-uuid"`
}

// oscal has a result for each framework and a finding for each control that
// passed, failed or was exempted. OSCAL has no word for the others: they are
// named in the remarks.
func (r *Compliance) oscal(when time.Time) oscalDocument {
	stamp := when.UTC().Format(time.RFC3339)
	plan := uuid("plan", r.Version)
	doc := oscalResults{
		UUID:     uuid("results", stamp, r.commit()),
		Metadata: oscalMetadata{"Compliance report of oakum", stamp, r.Version, "1.1.3"},
		Plan:     oscalLink{"#" + plan}, Results: []oscalResult{},
		Back: oscalBack{[]oscalResource{{plan, "Policies of oakum", "Manifests are judged by the policies of oakum; there is no other plan."}}},
	}
	for _, f := range r.Frameworks {
		doc.Results = append(doc.Results, f.oscal(doc.UUID, stamp, strings.Join(r.head(), " ")))
	}
	return oscalDocument{doc}
}

func (f Framework) oscal(document, stamp, description string) oscalResult {
	result := oscalResult{
		UUID: uuid(document, f.Name), Title: printable(f.full()), Description: printable(description), Start: stamp,
		Reviewed: oscalReviewed{[]oscalSelection{{}}},
	}
	var open []string
	observed := map[string]string{} // policy → UUID
	for _, c := range f.Controls {
		id := f.oscalID(c.ID)
		if c.Verdict == compliance.Manual || c.Verdict == compliance.NotEvaluated {
			open = append(open, fmt.Sprintf("%s: %s. %s", c.ID, word(c.Verdict), c.why()))
			continue
		}
		selected := &result.Reviewed.Selections[0].Controls
		*selected = append(*selected, oscalControl{id})
		finding := oscalFinding{
			UUID: uuid(document, f.Name, c.ID), Title: printable(c.ID + " " + c.Title), Description: printable(c.Title),
			Target: oscalTarget{"objective-id", id, c.oscalStatus()},
		}
		for _, p := range c.Policies {
			if observed[p.Name] == "" {
				o := c.observation(p, uuid(document, f.Name, "policy", p.Name), stamp)
				observed[p.Name] = o.UUID
				result.Observations = append(result.Observations, o)
			}
			finding.Related = append(finding.Related, oscalRelated{observed[p.Name]})
		}
		result.Findings = append(result.Findings, finding)
	}
	if len(result.Reviewed.Selections[0].Controls) == 0 { // the schema wants one
		for _, c := range f.Controls {
			result.Reviewed.Selections[0].Controls = append(result.Reviewed.Selections[0].Controls, oscalControl{f.oscalID(c.ID)})
		}
	}
	result.Remarks = strings.Join(open, "\n")
	return result
}

func (c Control) oscalStatus() oscalStatus {
	switch c.Verdict {
	case compliance.Pass:
		return oscalStatus{State: "satisfied", Reason: "pass"}
	case compliance.Exempted:
		return oscalStatus{State: "not-satisfied", Reason: "other", Remarks: "All that was found is exempted by its owners, with reasons."}
	}
	return oscalStatus{State: "not-satisfied", Reason: "fail"}
}

// observation is what one policy of a control saw.
func (c Control) observation(p ControlPolicy, id, stamp string) oscalObservation {
	o := oscalObservation{
		UUID: id, Methods: []string{"TEST"}, Collected: stamp,
		Description: fmt.Sprintf("Policy %s judged %s: %s, %d exempted.", p.Name, plural(p.Judged, "resource"), plural(p.Findings, "finding"), p.Exempted),
	}
	for _, e := range c.found {
		if e.Policy == p.Name {
			o.Evidence = append(o.Evidence, oscalEvidence{reference(e.Location), printable(e.says())})
		}
	}
	return o
}

var (
	enhancement = regexp.MustCompile(`\((\d+)\)`)
	noToken     = regexp.MustCompile(`[^\pL\pN._-]+`)
)

// oscalID is a control as OSCAL writes one: a token that begins with a letter.
// NIST's own catalogue has AC-6(10) as ac-6.10.
func (f Framework) oscalID(id string) string {
	if f.Name == "nist-800-53" {
		return strings.ToLower(enhancement.ReplaceAllString(id, ".$1"))
	}
	return "oakum_" + f.Name + "_" + strings.Trim(noToken.ReplaceAllString(id, "_"), "_")
}

// uuid is the same for the same names: a UUID of version 5 (RFC 9562), in a
// name space of oakum's own.
func uuid(names ...string) string {
	sum := sha1.Sum([]byte("oakum.dev/oscal\x00" + strings.Join(names, "\x00")))
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// reference is a place as a relative reference.
func reference(l Location) string {
	if l.Line == 0 {
		return uri(l.File)
	}
	return fmt.Sprintf("%s#L%d", uri(l.File), l.Line)
}
