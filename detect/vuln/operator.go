package vuln

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// The parts of a VulnerabilityReport that are read (aquasecurity/trivy-operator,
// pkg/apis/aquasecurity/v1alpha1/vulnerability_types.go).
type operatorObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct{ Namespace, Name string }
	Report     struct {
		UpdateTimestamp string
		Scanner         struct{ Name string }
		Registry        struct{ Server string }
		Artifact        struct{ Repository, Digest, Tag string }
		Vulnerabilities []struct {
			VulnerabilityID, Resource, InstalledVersion, FixedVersion, Severity, Title, PrimaryLink string
			Score                                                                                   float64
		}
	}
}

const operatorGroup = "aquasecurity.github.io/"

// IsReport tells the kind of trivy-operator's reports on images.
func IsReport(apiVersion, kind string) bool {
	return kind == "VulnerabilityReport" && strings.HasPrefix(apiVersion, operatorGroup)
}

// FromResource is the report that a VulnerabilityReport of trivy-operator holds.
func FromResource(r *manifest.Resource) (*Report, error) {
	src, err := json.Marshal(r.Value)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", r.ID(), err)
	}
	var o operatorObject
	if err := json.Unmarshal(src, &o); err != nil {
		return nil, fmt.Errorf("reading %s: %w", r.ID(), err)
	}
	return o.model(r.File.Path)
}

// operatorJSON reads one object, or a list of them as kubectl prints it.
func operatorJSON(name string, m marks, src []byte) ([]*Report, error) {
	var list struct{ Items []operatorObject }
	switch {
	case IsReport(m.APIVersion, m.Kind):
		list.Items = make([]operatorObject, 1)
		if err := json.Unmarshal(src, &list.Items[0]); err != nil {
			return nil, fmt.Errorf("reading a VulnerabilityReport: %w", err)
		}
	case m.Kind == "List" || m.Kind == "VulnerabilityReportList":
		if err := json.Unmarshal(src, &list); err != nil {
			return nil, fmt.Errorf("reading a %s of VulnerabilityReports: %w", m.Kind, err)
		}
	default:
		return nil, fmt.Errorf("a %s is no report: %w", clip(m.Kind), errFormat)
	}
	out := []*Report{}
	for _, o := range list.Items {
		if m.Kind != "VulnerabilityReportList" && !IsReport(o.APIVersion, o.Kind) {
			continue // something else in the same list
		}
		r, err := o.model(name)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (o operatorObject) model(file string) (*Report, error) {
	r := &Report{
		File: file, Object: "VulnerabilityReport " + strings.TrimPrefix(clip(o.Metadata.Namespace)+"/"+clip(o.Metadata.Name), "/"),
		Date: day(o.Report.UpdateTimestamp), Scanner: clip(o.Report.Scanner.Name),
	}
	if r.Scanner == "" {
		r.Scanner = "Trivy"
	}
	a := o.Report.Artifact
	if a.Repository != "" {
		image := a.Repository
		if o.Report.Registry.Server != "" {
			image = o.Report.Registry.Server + "/" + image
		}
		if a.Tag != "" {
			image += ":" + a.Tag
		}
		if a.Digest != "" {
			image += "@" + a.Digest
		}
		r.named(image)
	}
	for _, v := range o.Report.Vulnerabilities {
		r.Vulnerabilities = append(r.Vulnerabilities, Vulnerability{
			ID: v.VulnerabilityID, Severity: v.Severity, Package: v.Resource, Installed: v.InstalledVersion,
			Fixed: strings.Split(v.FixedVersion, ","), Score: v.Score, Title: v.Title, URL: v.PrimaryLink,
		})
	}
	return checked(r)
}
