// Package vuln reads what image scanners found: the reports of Trivy, Grype
// and trivy-operator, and SARIF of the first two. It is pure: bytes in, a
// model out; which container a report speaks of is for others to ask.
package vuln

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Severities of vulnerabilities, worst first. What scanners call negligible is low.
var Severities = []string{"critical", "high", "medium", "low", "unknown"}

// Vulnerability is one that a scanner found in an image.
type Vulnerability struct {
	ID        string   `json:"id"`        // CVE-2024-0001, GHSA-…
	Severity  string   `json:"severity"`  // one of Severities
	Package   string   `json:"package"`   // in which it was found
	Installed string   `json:"installed"` // version of the package
	Fixed     []string `json:"fixed"`     // versions in which it is mended; empty: none is known
	Score     float64  `json:"score"`     // CVSS base score, 0 where none is known
	Title     string   `json:"title"`
	URL       string   `json:"url"`
}

// Report is what one scan says of one image.
type Report struct {
	File            string          // where it was read
	Object          string          // in the file, where it has several
	Given           bool            // by who runs oakum, not by the tree that is judged
	Scanner         string          // Trivy, Grype, …
	Date            time.Time       // of the scan; zero where the report does not say
	Names           []Reference     // what the image was called when it was scanned
	Digests         []Reference     // its digests in registries, each with the name that it has there
	Vulnerabilities []Vulnerability // the worst first

	once   sync.Once
	values []any
}

// Values are the vulnerabilities in the shapes that resources have.
func (r *Report) Values() []any {
	r.once.Do(func() {
		r.values = make([]any, len(r.Vulnerabilities))
		for i, v := range r.Vulnerabilities {
			fixed := make([]any, len(v.Fixed))
			for j, f := range v.Fixed {
				fixed[j] = f
			}
			r.values[i] = map[string]any{
				"id": v.ID, "severity": v.Severity, "package": v.Package, "installed": v.Installed, "fixed": fixed,
				"score": v.Score, "title": v.Title, "url": v.URL,
			}
		}
	})
	return r.values
}

// Pinned is the digest that the scanner saw under a name. ok is false where
// it saw none, or more than one.
func (r *Report) Pinned(name string) (digest string, ok bool) {
	for _, d := range r.Digests {
		if d.Name != name {
			continue
		}
		if digest != "" && digest != d.Digest {
			return "", false
		}
		digest = d.Digest
	}
	return digest, digest != ""
}

// Source says where the report is, by whom and of which day.
func (r *Report) Source() string {
	s := r.Scanner + " in " + r.File
	if r.Object != "" {
		s += ", " + r.Object
	}
	if !r.Date.IsZero() {
		s += " of " + r.Date.Format(time.DateOnly)
	}
	return s
}

// named gives the report the names that an image was scanned by.
func (r *Report) named(references ...string) {
	for _, s := range references {
		ref := ParseReference(clip(s))
		if ref.Name == "" || strings.ContainsAny(ref.Name, " \t\n") {
			continue
		}
		if d := (Reference{Name: ref.Name, Digest: ref.Digest}); isDigest(ref.Digest) && !slices.Contains(r.Digests, d) {
			r.Digests = append(r.Digests, d)
		}
		if ref.Digest == "" && ref.Tag == "" {
			ref.Tag = latest
		}
		if n := (Reference{Name: ref.Name, Tag: ref.Tag}); ref.Tag != "" && !slices.Contains(r.Names, n) {
			r.Names = append(r.Names, n)
		}
	}
}

// latest is the tag of an image that is named without one.
const latest = "latest"

// isDigest tells a digest that can stand in a manifest.
func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

// finish brings a report into the order that readers rely on: the worst
// first, each once.
func (r *Report) finish() {
	for i := range r.Vulnerabilities {
		r.Vulnerabilities[i].clean()
	}
	slices.SortStableFunc(r.Vulnerabilities, func(a, b Vulnerability) int {
		return cmp.Or(cmp.Compare(slices.Index(Severities, a.Severity), slices.Index(Severities, b.Severity)), cmp.Compare(b.Score, a.Score),
			cmp.Compare(a.ID, b.ID), cmp.Compare(a.Package, b.Package), cmp.Compare(a.Installed, b.Installed))
	})
	type key struct{ id, pkg, installed string }
	seen := map[key]bool{}
	r.Vulnerabilities = slices.DeleteFunc(r.Vulnerabilities, func(v Vulnerability) bool {
		k := key{v.ID, v.Package, v.Installed}
		again := seen[k]
		seen[k] = true
		return again
	})
}

func (v *Vulnerability) clean() {
	v.Severity = strings.ToLower(v.Severity)
	switch {
	case v.Severity == "negligible":
		v.Severity = "low"
	case !slices.Contains(Severities, v.Severity):
		v.Severity = "unknown"
	}
	if v.Score < 0 || v.Score > 10 {
		v.Score = 0
	}
	for _, s := range []*string{&v.ID, &v.Package, &v.Installed, &v.Title, &v.URL} {
		*s = clip(*s)
	}
	if !strings.HasPrefix(v.URL, "https://") && !strings.HasPrefix(v.URL, "http://") {
		v.URL = ""
	}
	fixed := []string{}
	for _, s := range v.Fixed[:min(len(v.Fixed), maxFixed)] {
		if s = clip(strings.TrimSpace(s)); s != "" {
			fixed = append(fixed, s)
		}
	}
	v.Fixed = fixed
}

// clip bounds a text that others wrote, and makes it one that can be printed.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	return s
}

// Index answers which report speaks of an image. A nil Index has none.
type Index struct {
	tags    map[Reference][]*Report // by name and tag
	digests map[string][]*Report
	names   map[string][]*Report
}

// NewIndex sorts reports by the images they are about.
func NewIndex(reports []*Report) *Index {
	x := &Index{tags: map[Reference][]*Report{}, digests: map[string][]*Report{}, names: map[string][]*Report{}}
	for _, r := range reports {
		for _, n := range r.Names {
			x.tags[n] = append(x.tags[n], r)
			x.name(n.Name, r)
		}
		for _, d := range r.Digests {
			x.digests[d.Digest] = append(x.digests[d.Digest], r)
			x.name(d.Name, r)
		}
	}
	return x
}

func (x *Index) name(name string, r *Report) {
	if !slices.Contains(x.names[name], r) {
		x.names[name] = append(x.names[name], r)
	}
}

// Of is the report that counts for an image, nil where there is none: one that
// was given before those of the tree, and of these the newest. An image that
// is named by digest is that one only: a report that knows another digest is
// not about it, whatever its tag.
func (x *Index) Of(image string) *Report {
	if x == nil || image == "" {
		return nil
	}
	ref := ParseReference(image)
	if ref.Digest == "" {
		return foremost(x.tags[Reference{Name: ref.Name, Tag: cmp.Or(ref.Tag, latest)}])
	}
	known := foremost(x.digests[ref.Digest])
	tagged := foremost(slices.DeleteFunc(slices.Clone(x.tags[Reference{Name: ref.Name, Tag: ref.Tag}]), func(r *Report) bool { return len(r.Digests) > 0 }))
	if known == nil || tagged != nil && tagged.Given && !known.Given {
		return tagged
	}
	return known
}

// Named lists the reports of all images of a name, in the order they were given.
func (x *Index) Named(name string) []*Report {
	if x == nil {
		return nil
	}
	return x.names[name]
}

// foremost is the report that counts of several about the same image: what the
// tree says never outdoes what was given, and the newer counts; of two alike
// it is the later in the list.
func foremost(reports []*Report) *Report {
	var out *Report
	for _, r := range reports {
		if out == nil || r.Given && !out.Given || r.Given == out.Given && !r.Date.Before(out.Date) {
			out = r
		}
	}
	return out
}
