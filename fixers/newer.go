package fixers

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/vuln"
)

// newerImage puts another build of an image in its place: one that the
// scanners looked at as well, of the same name, a newer version of the same
// line, with strictly fewer of the vulnerabilities that the finding counts.
// What was not scanned is not known, and never written.
func newerImage(f *detect.Finding, c Context) (Fix, *Held) {
	written := f.Resource.Field(f.Field)
	if !written.Present {
		return Fix{}, &Held{Reason: HeldManual}
	}
	image := written.Node.Value
	now := c.Scans().Of(image)
	if now == nil {
		return Fix{}, &Held{Reason: HeldManual}
	}
	best, elsewhere, err := candidates(f, c.Scans(), image)
	switch {
	case err != nil:
		return Fix{}, &Held{Reason: HeldUnproved, Detail: err.Error()}
	case best == nil && elsewhere != nil:
		return Fix{}, &Held{Reason: HeldManual, Detail: fmt.Sprintf("%s has %s of them (%s), but is of another line of versions: see what changed before taking it",
			elsewhere.image, few(len(elsewhere.found)), elsewhere.report.Source())}
	case best == nil:
		return Fix{}, &Held{Reason: HeldManual}
	}
	was := len(f.Violation.Vulnerabilities)
	return Fix{
		Title:  fmt.Sprintf("let container %q run %s", f.Container, best.image),
		Safety: policy.Review,
		Evidence: []Evidence{
			{"declared", fmt.Sprintf("%s has %d of the vulnerabilities that count (%s), and this one %s (%s)",
				image, was, now.Source(), few(len(best.found)), best.report.Source())},
			{"assumed", "the newer image serves those who use it as the old one does"},
		},
		Edits:   []policy.Edit{{Op: policy.Set, Path: f.Field, Value: best.image}},
		Lessens: len(best.found) > 0,
	}, nil
}

// few is a count in words, where it is none.
func few(n int) string {
	if n == 0 {
		return "none"
	}
	return strconv.Itoa(n)
}

// candidate is an image that could take another's place.
type candidate struct {
	image  string // as it would be written
	tag    version
	report *vuln.Report
	found  []vuln.Vulnerability // of those that count
}

// candidates picks among the images of the same name that were scanned: the
// best of the same line of versions, and the best of another line.
func candidates(f *detect.Finding, scans *vuln.Index, image string) (best, elsewhere *candidate, err error) {
	is := vuln.ParseReference(image)
	from, ok := parseVersion(is.Tag)
	now := scans.Of(image)
	for _, r := range scans.Named(is.Name) {
		for _, n := range r.Names {
			if n.Name != is.Name || r == now || !alike(now, r) {
				continue
			}
			rebuilt := n.Tag == is.Tag && is.Digest != "" && r.Date.After(now.Date) // the same tag, moved
			to, versioned := parseVersion(n.Tag)
			if !rebuilt && (!ok || !versioned || !to.newer(from)) {
				continue
			}
			c := candidate{tag: to, report: r}
			var known bool
			if c.image, known = rewritten(image, is, n.Tag, r); !known || scans.Of(c.image) != r {
				continue
			}
			if c.found, known, err = f.Violation.VulnerabilitiesOf(c.image); err != nil {
				return nil, nil, err
			}
			if !known || len(c.found) >= len(f.Violation.Vulnerabilities) {
				continue
			}
			if rebuilt || to.sameLine(from) {
				best = better(best, &c)
			} else {
				elsewhere = better(elsewhere, &c)
			}
		}
	}
	return best, elsewhere, nil
}

// alike tells whether fewer vulnerabilities in a report mean a better
// image: another scanner, or the same one with what was known long before,
// finds fewer in any.
func alike(now, other *vuln.Report) bool {
	return other.Scanner == now.Scanner && !other.Date.Before(now.Date.Add(-24*time.Hour))
}

// better is the candidate with fewer vulnerabilities; of two alike, the
// smaller step.
func better(a, b *candidate) *candidate {
	if a == nil || cmp.Or(cmp.Compare(len(b.found), len(a.found)), slices.Compare(b.tag.numbers, a.tag.numbers)) < 0 {
		return b
	}
	return a
}

// rewritten is a reference with another tag, and with the digest of a report
// where it had one. ok is false where that digest is not known.
func rewritten(image string, is vuln.Reference, tag string, r *vuln.Report) (string, bool) {
	name, _, _ := strings.Cut(image, "@")
	if is.Tag != "" {
		name = strings.TrimSuffix(name, ":"+is.Tag)
	}
	name += ":" + tag
	if is.Digest == "" {
		return name, true
	}
	digest, ok := r.Pinned(is.Name)
	return name + "@" + digest, ok
}

// version is a tag that counts: v1.25.3-alpine is 1, 25, 3 between v and -alpine.
type version struct {
	before, after string
	numbers       []int
}

var versionTag = regexp.MustCompile(`^(v?)([0-9]{1,9}(?:\.[0-9]{1,9}){0,5})([-_+][A-Za-z0-9._-]*)?$`)

func parseVersion(tag string) (version, bool) {
	m := versionTag.FindStringSubmatch(tag)
	if m == nil {
		return version{}, false
	}
	v := version{before: m[1], after: m[3]}
	for _, s := range strings.Split(m[2], ".") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return version{}, false
		}
		v.numbers = append(v.numbers, n)
	}
	return v, true
}

// newer tells whether v comes after other, and is written like it.
func (v version) newer(other version) bool {
	return v.before == other.before && v.after == other.after && len(v.numbers) == len(other.numbers) &&
		slices.Compare(v.numbers, other.numbers) > 0
}

// sameLine tells whether a step between two versions keeps what users rely on
// (semver.org, 4 and 8): the first number stays and, below 1.0, the second too.
func (v version) sameLine(other version) bool {
	if len(v.numbers) < 2 || v.numbers[0] != other.numbers[0] {
		return false
	}
	return v.numbers[0] > 0 || v.numbers[1] == other.numbers[1]
}
