// Package detect says what is wrong, and where. It is pure: resources in,
// findings out; no I/O and no clock.
package detect

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/trace"
)

// Finding is one policy broken at one field of one resource.
type Finding struct {
	Policy      *policy.Policy
	Resource    *manifest.Resource
	Container   string        // the container concerned, if it is about one
	Field       manifest.Path // the exact field, from the root of the resource; it may be absent
	Position    manifest.Position
	Message     string
	Severity    policy.Severity // of this finding; those of one policy may differ
	Risk        *Risk           // nil where nothing ranks it
	Fingerprint string          // the same as long as policy, file, resource and field are
	Violation   policy.Violation
	Exemption   *Exemption    // that covers it, expired or not; nil: nobody exempted it
	Git, Live   bool          // where it was seen: in a tree, in a cluster
	Twins       []*Finding    // of the live objects that the resource decides
	Source      *trace.Source // what decides the live object; nil where nobody looked
}

func newFinding(p *policy.Policy, r *manifest.Resource, v policy.Violation) *Finding {
	return &Finding{
		Policy: p, Resource: r, Container: v.Container, Field: v.Path, Message: v.Message, Severity: cmp.Or(v.Severity, p.Severity), Risk: riskOf(v.Vulnerabilities, v.Exposure), Violation: v,
		Position:    r.Position(v.Path),
		Git:         r.File.Form != manifest.Live,
		Live:        r.File.Form == manifest.Live,
		Fingerprint: fingerprint(p, r, v.Place),
	}
}

// fingerprint identifies a finding by names, never by lines: an item of a
// list that has no name counts by what it holds.
func fingerprint(p *policy.Policy, r *manifest.Resource, path manifest.Path) string {
	var field strings.Builder
	for i, s := range path {
		if s.Item && s.By == "" && s.Value == "" {
			if v, ok := r.ValueAt(path[:i+1]); ok {
				content, _ := json.Marshal(v)
				sum := sha256.Sum256(content)
				fmt.Fprintf(&field, "[#%x]", sum[:4])
				continue
			}
		}
		field.WriteString("/" + manifest.Path{s}.String())
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{
		p.Name, r.File.Path, r.Group(), r.Kind, r.Namespace, r.Name, field.String(),
	}, "\x00")))
	return hex.EncodeToString(sum[:8])
}
