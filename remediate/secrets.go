package remediate

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// minSecret is the length in bytes from which a value is taken for a secret:
// shorter ones are words that stand everywhere.
const minSecret = 6

// secrets lists what the changed files hold that no pull request may show
// beside a fix: the data of Secrets, and what policies of category secrets find.
func (p *planner) secrets() []string {
	names := map[string]bool{}
	set := &manifest.Set{}
	for _, f := range p.changed() {
		if f.file == nil {
			continue
		}
		names[f.path] = true
		if !bytes.Contains(f.before, []byte("Secret")) {
			continue
		}
		// What no policy asks about was not decoded.
		if parsed, _ := manifest.Parse(f.path, f.before, f.file.Form, nil); parsed != nil {
			set.Files = append(set.Files, parsed)
		}
	}
	var out []string
	for r := range set.Resources {
		if r.Kind != "Secret" {
			continue
		}
		for _, field := range []string{"data", "stringData"} {
			values, _ := r.Value[field].(map[string]any)
			for _, v := range values {
				out = appendSecret(out, v)
			}
		}
	}
	o := p.in.Detect
	o.Policies = slices.DeleteFunc(slices.Clone(o.Policies), func(p *policy.Policy) bool { return p.Category != "secrets" })
	for _, f := range detect.ScanFiles(p.in.Set, o, names).Findings {
		if at := f.Resource.Field(f.Field); at.Present {
			v, _ := manifest.ToValue(at.Node)
			out = appendSecret(out, v)
		}
	}
	// The longest first: one may be part of another.
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(out)
}

func appendSecret(out []string, value any) []string {
	text, _ := value.(string)
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); len(line) >= minSecret {
			out = append(out, line)
		}
	}
	return out
}

// masked is text without the secrets of the changed files.
func (p *Plan) masked(text string) string {
	for _, s := range p.secrets {
		text = strings.ReplaceAll(text, s, "•••")
	}
	return text
}
