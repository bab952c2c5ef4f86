package vuln

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Bounds on what is read.
const (
	MaxFileSize        = 64 << 20 // bytes of a report
	MaxReports         = 20_000   // in one run
	maxVulnerabilities = 20_000   // of an image
	maxText            = 1 << 10  // bytes of an id, a name, a version, a title
	maxFixed           = 20       // versions in which one is mended
)

// errFormat says what is understood.
var errFormat = errors.New("the format is not known: give JSON of Trivy or Grype for an image, SARIF of either, or VulnerabilityReport objects of trivy-operator")

// Read takes the reports from a file, whose format it tells by the content.
// The reports say the name; errors do not.
func Read(name string, src []byte) ([]*Report, error) {
	reports, err := read(name, src)
	if err == nil && len(reports) > MaxReports {
		return nil, fmt.Errorf("%d reports, more than the %d that are read", len(reports), MaxReports)
	}
	return reports, err
}

// marks are the keys at the top of a JSON document that tell its format.
type marks struct {
	APIVersion    string          `json:"apiVersion"`
	Kind          string          `json:"kind"`
	SchemaVersion json.RawMessage `json:"SchemaVersion"`
	ArtifactName  json.RawMessage `json:"ArtifactName"`
	ClusterName   json.RawMessage `json:"ClusterName"`
	Matches       json.RawMessage `json:"matches"`
	Descriptor    json.RawMessage `json:"descriptor"`
	Runs          json.RawMessage `json:"runs"`
}

func read(name string, src []byte) ([]*Report, error) {
	if len(src) > MaxFileSize {
		return nil, fmt.Errorf("%d MiB, more than the %d MiB that are read", len(src)>>20, MaxFileSize>>20)
	}
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if !bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		return objects(name, src)
	}
	var m marks
	if err := json.Unmarshal(src, &m); err != nil {
		if documents, err := objects(name, src); err == nil { // several documents, or YAML in braces
			return documents, nil
		}
		return nil, fmt.Errorf("it is no JSON that a scanner writes: %w", err)
	}
	switch {
	case m.APIVersion != "" && m.Kind != "":
		return operatorJSON(name, m, src)
	case m.ClusterName != nil:
		return trivyCluster(name, src)
	case m.ArtifactName != nil || m.SchemaVersion != nil:
		return trivyImage(name, src)
	case m.Matches != nil && m.Descriptor != nil:
		return grype(name, src)
	case m.Runs != nil:
		return sarif(name, src)
	}
	return nil, errFormat
}

// objects reads the VulnerabilityReports among the documents of a YAML file.
func objects(name string, src []byte) ([]*Report, error) {
	f, errs := manifest.Parse(name, src, manifest.Plain, IsReport)
	if len(errs) > 0 {
		return nil, fmt.Errorf("line %d: %s", errs[0].Line, errs[0].Message)
	}
	var out []*Report
	if f != nil {
		for _, r := range f.Resources {
			if !r.Decoded() {
				continue
			}
			report, err := FromResource(r)
			if err != nil {
				return nil, err
			}
			out = append(out, report)
		}
	}
	if len(out) == 0 {
		return nil, errFormat
	}
	return out, nil
}

// checked is a report in order, or why it cannot be used.
func checked(r *Report) (*Report, error) {
	which := "the report"
	if r.Object != "" {
		which = r.Object
	}
	switch {
	case len(r.Names) == 0 && len(r.Digests) == 0:
		return nil, fmt.Errorf("%s does not say which image was scanned", which)
	case len(r.Vulnerabilities) > maxVulnerabilities:
		return nil, fmt.Errorf("%s has %d vulnerabilities of one image, more than the %d that are read", which, len(r.Vulnerabilities), maxVulnerabilities)
	}
	r.finish()
	return r, nil
}

// day reads a time as scanners write it; one that makes no sense is not known.
func day(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
