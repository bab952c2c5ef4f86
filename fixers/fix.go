// Package fixers knows what right looks like: it turns a finding into the
// desired state of its resource, and says how bold that repair is and on what
// evidence. Most repairs are declared by the policy; the few that need
// judgment across resources are Go, named by the policy.
package fixers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/vuln"
)

// Reason is why a finding is held back instead of mended.
type Reason string

// The reasons, as they are printed.
const (
	HeldManual    Reason = "manual"
	HeldConflict  Reason = "conflict"
	HeldUnproved  Reason = "unproved"
	HeldAnchor    Reason = "shared-anchor"
	HeldTemplate  Reason = "template"
	HeldEncrypted Reason = "encrypted"
	HeldSafety    Reason = "below-safety"
	HeldExempted  Reason = "exempted"
	HeldUnmanaged Reason = "unmanaged" // nothing in Git is known to decide the live object
	HeldElsewhere Reason = "elsewhere" // what decides the live object is not in the tree, or not as a manifest
	HeldLive      Reason = "live-only" // the cluster says so, and Git does not
)

// Held says why a finding is not mended, and what a person can do.
type Held struct {
	Finding *detect.Finding
	Reason  Reason
	Detail  string
}

// Evidence is a fact that makes a fix as safe as it is said to be, and how it
// is known: proven (it holds whatever runs), running (something runs so),
// observed (somebody watched), declared (the repository says so) or assumed.
type Evidence struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// Fix is one repair of one finding. It is made whole or not at all.
type Fix struct {
	Finding  *detect.Finding
	Title    string // a verb phrase
	Safety   policy.Safety
	Evidence []Evidence
	Edits    []policy.Edit // on the finding's resource
	Create   []NewFile
	Register []Registration
	Lessens  bool // the finding may stay, of fewer vulnerabilities
}

// levels are how a policy knows what it says of its fix.
var levels = map[policy.Safety]string{policy.Safe: "proven", policy.Evidence: "declared", policy.Review: "assumed"}

// NewFile is a manifest that a fix adds or, where there is a file already, its
// documents that it adds to the end of that.
type NewFile struct {
	Path      string
	Documents []*yaml.Node
}

// Registration adds a new file to the resources of a kustomization.
type Registration struct {
	Kustomization string // its path
	Resource      string // the new file, relative to it
}

// Context is what fixers may look at besides the finding.
type Context struct {
	Kustomization func(dir string) (path string, ok bool) // of a directory
	Exists        func(path string) bool
	File          func(path string) *manifest.File // nil: it was not read as a manifest
	Neighbours    func() *Neighbours
	Images        func() map[string][]Image // digests that the set pins, by name:tag
	Scans         func() *vuln.Index        // what scanners found in images
	Live          *Live                     // what runs; nil: no cluster was read
}

// Image is an image that a container pins by digest.
type Image struct {
	Reference string
	Where     manifest.Position
}

// fixer is a repair written in Go. It returns a fix without Title, Safety or
// Evidence where the policy's own are right.
type fixer func(*detect.Finding, Context) (Fix, *Held)

var byName = map[string]fixer{
	"network-policy": networkPolicy,
	"pod-security":   podSecurity,
	"wildcard-verbs": wildcardVerbs,
	"newer-image":    newerImage,
	"pin-image":      pinImage,
	"resources":      resources,
}

// Names lists the fixers that a policy may name.
func Names() []string { return slices.Sorted(maps.Keys(byName)) }

// Propose says how a finding is mended, or why it is not.
func Propose(f *detect.Finding, limit policy.Safety, c Context) (Fix, *Held) {
	hold := func(reason Reason, format string, args ...any) (Fix, *Held) {
		return Fix{}, &Held{Finding: f, Reason: reason, Detail: fmt.Sprintf(format, args...)}
	}
	switch f.Resource.File.Form {
	case manifest.Template:
		return hold(HeldTemplate, "%s is a template", f.Resource.File.Path)
	case manifest.Encrypted:
		return hold(HeldEncrypted, "%s is encrypted: an edit would break its authentication code", f.Resource.File.Path)
	case manifest.Live:
		return Fix{}, live(f)
	}
	r, err := f.Violation.Repair()
	if err != nil {
		return hold(HeldUnproved, "%v", err)
	}
	fix := Fix{Finding: f, Title: r.Title, Safety: r.Safety, Edits: r.Edits}
	if r.Because != "" && r.Safety != policy.Manual {
		fix.Evidence = []Evidence{{levels[r.Safety], r.Because}}
	}
	if r.Safety == policy.Manual && r.Fixer == "" {
		detail := r.Because
		if r.Advice != "" && r.Advice != detail {
			detail = r.Advice + " (" + detail + ")"
		}
		return hold(HeldManual, "%s", detail)
	}
	if r.Fixer != "" {
		made, held := byName[r.Fixer](f, c)
		if held != nil {
			held.Finding = f
			if held.Detail == "" {
				held.Detail = r.Advice
			}
			return Fix{}, held
		}
		fix.Edits, fix.Create, fix.Register = made.Edits, made.Create, made.Register
		fix.Lessens = made.Lessens
		if made.Title != "" {
			fix.Title = made.Title
		}
		if made.Safety != "" {
			fix.Safety, fix.Evidence = made.Safety, made.Evidence
		}
	}
	if len(fix.Edits) == 0 && len(fix.Create) == 0 {
		return hold(HeldManual, "%s", r.Advice)
	}
	if c.Live != nil {
		if held := c.Live.observe(f, r, &fix); held != nil {
			return Fix{}, held
		}
	}
	if s := f.Policy.FixSafety; s != "" {
		fix.Safety = s
		fix.Evidence = append(fix.Evidence, Evidence{"declared", "the configuration says that this fix is " + string(s)})
	}
	if fix.Safety == policy.Manual {
		return hold(HeldManual, "%s: the configuration leaves it to a person", fix.Title)
	}
	if !fix.Safety.Within(limit) {
		why := r.Because
		if len(fix.Evidence) > 0 {
			why = fix.Evidence[0].Text
		}
		return hold(HeldSafety, "%s: safety is %s (%s)", fix.Title, fix.Safety, why)
	}
	return fix, nil
}

// live says why a finding of the cluster alone is not mended.
func live(f *detect.Finding) *Held {
	s := f.Source
	held := &Held{Finding: f}
	switch {
	case s == nil:
		held.Reason, held.Detail = HeldUnmanaged, "give the path of the repository as well, to see what decides it"
	case s.Unmanaged():
		held.Reason, held.Detail = HeldUnmanaged, "nothing in Git is known to decide it: bring it into a repository, or delete it"
	case len(s.Among) > 0:
		files := make([]string, len(s.Among))
		for i, r := range s.Among {
			at := r.Position(nil)
			files[i] = fmt.Sprintf("%s:%d", at.File, at.Line)
		}
		held.Reason, held.Detail = HeldElsewhere, "any of these may decide it: "+strings.Join(files, ", ")
	case s.Resource == nil || s.Owner != "":
		held.Reason, held.Detail = HeldElsewhere, "decided by "+s.String()
	default:
		held.Reason, held.Detail = HeldLive, fmt.Sprintf("the cluster has it and %s has not: 'oakum diff --live' tells what differs", s.Resource.File.Path)
	}
	return held
}
