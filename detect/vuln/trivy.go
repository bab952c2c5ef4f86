package vuln

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// The parts of Trivy's JSON that are read (aquasecurity/trivy, pkg/types/report.go).
type trivyReport struct {
	CreatedAt    string
	ArtifactName string
	ArtifactType string
	Metadata     trivyMetadata
	Results      []trivyResult
}

type trivyMetadata struct {
	RepoTags    []string
	RepoDigests []string
}

type trivyResult struct {
	Vulnerabilities []trivyVulnerability
}

type trivyVulnerability struct {
	VulnerabilityID  string
	PkgName          string
	InstalledVersion string
	FixedVersion     string
	Severity         string
	SeveritySource   string
	Title            string
	PrimaryURL       string
	CVSS             map[string]trivyScores // by who gave them
}

// trivyScores has them by version of CVSS.
type trivyScores struct{ V2Score, V3Score, V40Score float64 }

func (s trivyScores) best() float64 {
	for _, score := range []float64{s.V40Score, s.V3Score, s.V2Score} {
		if score > 0 {
			return score
		}
	}
	return 0
}

func trivyImage(name string, src []byte) ([]*Report, error) {
	var t trivyReport
	if err := json.Unmarshal(src, &t); err != nil {
		return nil, fmt.Errorf("reading Trivy's JSON: %w", err)
	}
	if t.ArtifactType != "" && t.ArtifactType != "container_image" {
		return nil, fmt.Errorf("a report of Trivy about a %s: scan the image that a manifest names, with 'trivy image --format json'", clip(t.ArtifactType))
	}
	r := &Report{File: name, Scanner: "Trivy", Date: day(t.CreatedAt)}
	r.named(t.ArtifactName)
	r.trivy(t.Metadata, t.Results)
	r, err := checked(r)
	return []*Report{r}, err
}

// trivy adds what Trivy says of one image.
func (r *Report) trivy(m trivyMetadata, results []trivyResult) {
	r.named(m.RepoTags...)
	r.named(m.RepoDigests...)
	for _, result := range results {
		for _, v := range result.Vulnerabilities {
			r.Vulnerabilities = append(r.Vulnerabilities, v.model())
		}
	}
}

func (v trivyVulnerability) model() Vulnerability {
	score := v.CVSS[v.SeveritySource].best()
	for _, s := range v.CVSS {
		if v.CVSS[v.SeveritySource].best() == 0 {
			score = max(score, s.best())
		}
	}
	return Vulnerability{
		ID: v.VulnerabilityID, Severity: v.Severity, Package: v.PkgName, Installed: v.InstalledVersion,
		Fixed: strings.Split(v.FixedVersion, ","), Score: score, Title: v.Title, URL: v.PrimaryURL,
	}
}

// trivyCluster reads the report of 'trivy k8s': one of each image of each
// workload. Older versions write the image's metadata as it is, newer ones in a list.
func trivyCluster(name string, src []byte) ([]*Report, error) {
	var t struct {
		Resources []struct {
			Namespace, Kind, Name string
			Metadata              json.RawMessage
			Results               []trivyResult
		}
		Findings []json.RawMessage
	}
	if err := json.Unmarshal(src, &t); err != nil {
		return nil, fmt.Errorf("reading the JSON of 'trivy k8s': %w", err)
	}
	if len(t.Resources) == 0 && len(t.Findings) > 0 {
		return nil, fmt.Errorf("a summary of 'trivy k8s' does not say which image has what: write it with --report all")
	}
	out := []*Report{}
	for _, resource := range t.Resources {
		r := &Report{File: name, Object: clip(resource.Kind) + " " + strings.TrimPrefix(clip(resource.Namespace)+"/"+clip(resource.Name), "/"), Scanner: "Trivy"}
		var images []trivyMetadata
		var err error
		switch raw := bytes.TrimSpace(resource.Metadata); {
		case bytes.HasPrefix(raw, []byte("[")):
			err = json.Unmarshal(raw, &images)
		case len(raw) > 0:
			images = make([]trivyMetadata, 1)
			err = json.Unmarshal(raw, &images[0])
		}
		if err != nil {
			return nil, fmt.Errorf("%s: reading its metadata: %w", r.Object, err)
		}
		if len(images) == 0 || len(images) == 1 && len(images[0].RepoTags)+len(images[0].RepoDigests) == 0 {
			continue // a judgment of the workload itself, not of an image
		}
		if len(images) > 1 {
			return nil, fmt.Errorf("%s: its %d images are mixed: scan them one by one, with 'trivy image --format json'", r.Object, len(images))
		}
		r.trivy(images[0], resource.Results)
		if r, err = checked(r); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}
