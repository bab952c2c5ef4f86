package detect

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// bindings are the role bindings of a set by the service accounts they name.
type bindings struct {
	ordered  bool
	accounts map[string][]grant // by name of the service account
	groups   []grant            // those that name service accounts by a group
}

// grant is one subject of a role binding.
type grant struct {
	namespace string // of the service accounts it is for; empty when the file leaves it open
	binding   *manifest.Resource
}

// subject is whom a role binding means: a service account or, where that is
// empty, all of a namespace. An empty namespace is any.
type subject struct{ namespace, account string }

// subjectsOf lists the service accounts that a role binding is for.
func subjectsOf(r *manifest.Resource) []subject {
	var out []subject
	subjects, _ := r.Value["subjects"].([]any)
	for _, s := range subjects {
		of, _ := s.(map[string]any)
		name, _ := of["name"].(string)
		switch kind, _ := of["kind"].(string); kind {
		case "ServiceAccount":
			namespace, _ := of["namespace"].(string)
			if name != "" {
				out = append(out, subject{namespace, name})
			}
		case "User":
			if account, ok := strings.CutPrefix(name, "system:serviceaccount:"); ok {
				if namespace, account, ok := strings.Cut(account, ":"); ok && account != "" {
					out = append(out, subject{namespace, account})
				}
			}
		case "Group":
			switch namespace, all := strings.CutPrefix(name, "system:serviceaccounts"); {
			case all:
				out = append(out, subject{strings.TrimPrefix(namespace, ":"), ""})
			case name == "system:authenticated":
				out = append(out, subject{})
			}
		}
	}
	return out
}

// place adds a role binding, or takes it away.
func (b *bindings) place(r *manifest.Resource, in bool) {
	for _, s := range subjectsOf(r) {
		list := b.groups
		if s.account != "" {
			list = b.accounts[s.account]
		}
		switch {
		case !in:
			list = slices.DeleteFunc(list, func(g grant) bool { return g.binding == r })
		case !b.ordered:
			list = append(list, grant{s.namespace, r})
		default:
			i, _ := slices.BinarySearchFunc(list, r, func(g grant, r *manifest.Resource) int {
				if c := manifest.CompareObjects(g.binding, r); c != 0 {
					return c
				}
				return -1 // behind the other subjects of the same binding
			})
			list = slices.Insert(list, i, grant{s.namespace, r})
		}
		if s.account != "" {
			b.accounts[s.account] = list
		} else {
			b.groups = list
		}
	}
}

// of lists the bindings that may be for a service account. A namespace that a
// file leaves open may turn out to be any: it is taken as the same.
func (b *bindings) of(namespace, serviceAccount string) []string {
	ids := []string{}
	for _, list := range [][]grant{b.accounts[serviceAccount], b.groups} {
		for _, g := range list {
			if g.namespace != namespace && g.namespace != "" && namespace != "" {
				continue
			}
			if id := g.binding.ID(); !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}
