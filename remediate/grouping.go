package remediate

import (
	"bytes"
	"io/fs"
	"path"
	"strings"

	"github.com/hmarr/codeowners"

	"github.com/oakum-dev/oakum/detect"
)

// Groupings are the ways to divide fixes into pull requests. Fixes of one
// file meet only in a grouping that keeps the file whole, so the others may
// conflict with one another once one of them is merged.
var Groupings = []string{"directory", "file", "policy", "workload", "namespace", "owner", "severity"}

// grouping tells which group a finding is in.
type grouping struct {
	by     string
	owners codeowners.Ruleset
}

func (p *Project) grouping(by string) grouping {
	g := grouping{by: by}
	if by == "owner" {
		g.owners = p.codeowners()
	}
	return g
}

// Unowned is the group of what CODEOWNERS gives to nobody.
const Unowned = "nobody"

// key is the group's name: the directory, file, policy, and so on.
func (g grouping) key(f *detect.Finding) string {
	switch g.by {
	case "policy":
		return f.Policy.Name
	case "file":
		return f.Position.File
	case "workload":
		return f.Resource.ID()
	case "namespace":
		if f.Resource.Kind == "Namespace" {
			return f.Resource.Name
		}
		return f.Resource.Namespace // empty: the file does not say
	case "owner":
		if owners := ownersOf(g.owners, f.Position.File); len(owners) > 0 {
			return strings.Join(owners, " ")
		}
		return Unowned
	case "severity":
		return string(f.Severity)
	}
	return path.Dir(f.Position.File)
}

// codeownersFiles is where a forge looks for CODEOWNERS; the first counts.
var codeownersFiles = []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"}

// maxCodeowners is how large the file may be, as on GitHub, in bytes.
const maxCodeowners = 3 << 20

// codeowners are the rules of the tree; none where the file does not parse, as
// a forge ignores it then, too.
func (p *Project) codeowners() codeowners.Ruleset {
	for _, name := range codeownersFiles {
		if info, err := fs.Stat(p.Tree, name); err != nil || info.Size() > maxCodeowners {
			continue
		}
		src, err := fs.ReadFile(p.Tree, name)
		if err != nil {
			continue
		}
		rules, err := codeowners.ParseFile(bytes.NewReader(src))
		if err != nil {
			return nil
		}
		return rules
	}
	return nil
}

// ownersOf are the owners of a file as CODEOWNERS writes them; the last rule
// that matches decides.
func ownersOf(rules codeowners.Ruleset, file string) []string {
	rule, err := rules.Match(file)
	if err != nil || rule == nil {
		return nil
	}
	var out []string
	for _, o := range rule.Owners {
		out = append(out, o.String())
	}
	return out
}

// Owners are the users and teams (organization/team) whom CODEOWNERS names for
// files, in order and once each. Addresses of mail are left out.
func (p *Project) Owners(files []string) (users, teams []string) {
	rules := p.codeowners()
	seen := map[string]bool{}
	for _, file := range files {
		for _, owner := range ownersOf(rules, file) {
			name, is := strings.CutPrefix(owner, "@")
			if !is || seen[name] {
				continue
			}
			seen[name] = true
			if strings.Contains(name, "/") {
				teams = append(teams, name)
			} else {
				users = append(users, name)
			}
		}
	}
	return users, teams
}
