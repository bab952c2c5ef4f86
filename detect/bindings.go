package detect

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// bindings are the role bindings of a tree by the service accounts they name.
type bindings struct {
	accounts map[string][]grant // by name of the service account
	groups   []grant            // those that name service accounts by a group
}

type grant struct {
	namespace string // of the service accounts it is for; empty when the file leaves it open
	binding   string // its ID
}

func (b *bindings) add(r *manifest.Resource) {
	subjects, _ := r.Value["subjects"].([]any)
	for _, s := range subjects {
		subject, _ := s.(map[string]any)
		name, _ := subject["name"].(string)
		switch kind, _ := subject["kind"].(string); kind {
		case "ServiceAccount":
			namespace, _ := subject["namespace"].(string)
			if b.accounts == nil {
				b.accounts = map[string][]grant{}
			}
			b.accounts[name] = append(b.accounts[name], grant{namespace, r.ID()})
		case "Group":
			switch namespace, all := strings.CutPrefix(name, "system:serviceaccounts"); {
			case all:
				b.groups = append(b.groups, grant{strings.TrimPrefix(namespace, ":"), r.ID()})
			case name == "system:authenticated":
				b.groups = append(b.groups, grant{"", r.ID()})
			}
		}
	}
}

// of lists the bindings that may be for a service account. A namespace that a
// file leaves open may turn out to be any: it is taken as the same.
func (b *bindings) of(namespace, serviceAccount string) []string {
	ids := []string{}
	for _, g := range slices.Concat(b.accounts[serviceAccount], b.groups) {
		if (g.namespace == namespace || g.namespace == "" || namespace == "") && !slices.Contains(ids, g.binding) {
			ids = append(ids, g.binding)
		}
	}
	return ids
}
