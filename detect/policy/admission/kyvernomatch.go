package admission

import (
	"fmt"
	"path"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// kyvernoFilters are the resources that a rule is about, or leaves out.
type kyvernoFilters struct {
	Any       []kyvernoFilter `json:"any"`
	All       []kyvernoFilter `json:"all"`
	Resources *kyvernoSet     `json:"resources"`
	kyvernoWho
}

type kyvernoFilter struct {
	Resources kyvernoSet `json:"resources"`
	kyvernoWho
}

// kyvernoWho asks who makes a request, which no manifest tells.
type kyvernoWho struct {
	Subjects     []any    `json:"subjects"`
	Roles        []string `json:"roles"`
	ClusterRoles []string `json:"clusterRoles"`
}

func (w kyvernoWho) asks() bool { return len(w.Subjects)+len(w.Roles)+len(w.ClusterRoles) > 0 }

type kyvernoSet struct {
	Kinds             []string              `json:"kinds"`
	Name              string                `json:"name"`
	Names             []string              `json:"names"`
	Namespaces        []string              `json:"namespaces"`
	Annotations       map[string]string     `json:"annotations"`
	Selector          *metav1.LabelSelector `json:"selector"`
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector"`
	Operations        []string              `json:"operations"`
}

// kyvernoMatch is the matcher of a rule of a ClusterPolicy.
type kyvernoMatch struct {
	in, out   []kyvernoTest
	allIn     bool // every one of in must match, and not just one
	allOut    bool
	namespace string // of a Policy, which is for its own alone
}

type kyvernoTest struct {
	kyvernoSet
	who               bool
	selector, spaces  labels.Selector
	kinds             []kyvernoKind
	names, namespaces []string
}

// kyvernoKind is a kind as rules name it, with wildcards.
type kyvernoKind struct{ group, version, kind string }

func newKyvernoMatch(in, out kyvernoFilters) (*kyvernoMatch, error) {
	m := &kyvernoMatch{}
	var err error
	if m.in, m.allIn, err = in.tests(); err != nil {
		return nil, err
	}
	if len(m.in) == 0 {
		return nil, fmt.Errorf("it matches no kinds")
	}
	m.out, m.allOut, err = out.tests()
	return m, err
}

func (f kyvernoFilters) tests() (out []kyvernoTest, all bool, err error) {
	filters := slices.Concat(f.Any, f.All)
	if f.Resources != nil || f.asks() {
		filter := kyvernoFilter{kyvernoWho: f.kyvernoWho}
		if f.Resources != nil {
			filter.Resources = *f.Resources
		}
		filters = append(filters, filter)
	}
	for _, filter := range filters {
		t := kyvernoTest{kyvernoSet: filter.Resources, who: filter.asks(), selector: labels.Everything(), spaces: labels.Everything()}
		for _, k := range t.Kinds {
			if kind, ok := parseKyvernoKind(k); ok {
				t.kinds = append(t.kinds, kind)
			}
		}
		t.names, t.namespaces = t.Names, t.Namespaces
		if t.Name != "" {
			t.names = append(t.names, t.Name)
		}
		if t.Selector != nil {
			if t.selector, err = metav1.LabelSelectorAsSelector(t.Selector); err != nil {
				return nil, false, fmt.Errorf("selector: %w", err)
			}
		}
		if t.NamespaceSelector != nil {
			if t.spaces, err = metav1.LabelSelectorAsSelector(t.NamespaceSelector); err != nil {
				return nil, false, fmt.Errorf("namespaceSelector: %w", err)
			}
		}
		out = append(out, t)
	}
	return out, len(f.All) > 0, nil
}

// parseKyvernoKind reads Kind, version/Kind and group/version/Kind. A part of
// a resource, such as Pod/exec, is no object of a manifest.
func parseKyvernoKind(s string) (kyvernoKind, bool) {
	parts := strings.Split(s, "/")
	last := parts[len(parts)-1]
	if last == "" || last != "*" && !strings.HasPrefix(last, "*") && strings.ToLower(last[:1]) == last[:1] || strings.Contains(last, ".") {
		return kyvernoKind{}, false
	}
	switch len(parts) {
	case 1:
		return kyvernoKind{"*", "*", last}, true
	case 2:
		return kyvernoKind{"*", parts[0], last}, true
	case 3:
		return kyvernoKind{parts[0], parts[1], last}, true
	}
	return kyvernoKind{}, false
}

// wild tells whether a text is like one of some patterns, in which * is
// anything and ? one character.
func wild(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		// A slash is a character like any other here.
		ok, err := path.Match(strings.ReplaceAll(p, "/", "\x00"), strings.ReplaceAll(s, "/", "\x00"))
		return err == nil && ok
	})
}

func (k kyvernoKind) is(kind schema.GroupVersionKind) bool {
	return wild([]string{k.kind}, kind.Kind) && wild([]string{k.version}, kind.Version) && wild([]string{k.group}, kind.Group)
}

// onlyPods tells whether the rule is about pods and nothing else: Kyverno then
// asks the same of what makes pods.
func (m *kyvernoMatch) onlyPods() bool {
	return !slices.ContainsFunc(m.in, func(t kyvernoTest) bool {
		return slices.ContainsFunc(t.kinds, func(k kyvernoKind) bool { return k.kind != manifest.PodKind })
	})
}

func (m *kyvernoMatch) wants(kind schema.GroupVersionKind) bool {
	return !exemptKind(kind) && slices.ContainsFunc(m.in, func(t kyvernoTest) bool { return t.about(kind) })
}

func (t kyvernoTest) about(kind schema.GroupVersionKind) bool {
	return slices.ContainsFunc(t.kinds, func(k kyvernoKind) bool { return k.is(kind) })
}

func (m *kyvernoMatch) match(q *request) match {
	if exemptKind(q.kind) {
		return match{}
	}
	out := several(m.in, m.allIn, q)
	if m.namespace != "" {
		switch q.namespace {
		case m.namespace:
		case "":
			out = out.and(match{unknown: "the policy is for namespace " + m.namespace + ", and no file says in which this stands"})
		default:
			return match{}
		}
	}
	if len(m.out) > 0 {
		out = out.and(several(m.out, m.allOut, q).not())
	}
	return out
}

// several is the answer of tests of which all must match, or one.
func several(tests []kyvernoTest, all bool, q *request) match {
	out := match{ok: all}
	for _, t := range tests {
		got := t.match(q)
		switch {
		case all:
			out = out.and(got)
		case got.ok:
			return got
		case got.unknown != "":
			out = got
		}
	}
	return out
}

func (t kyvernoTest) match(q *request) match {
	out := match{ok: (len(t.Kinds) == 0 || t.about(q.kind)) && t.selector.Matches(labels.Set(q.labels)) &&
		(len(t.Operations) == 0 || slices.Contains(t.Operations, "CREATE")) &&
		(len(t.names) == 0 || wild(t.names, q.name))}
	if len(t.Annotations) > 0 {
		has := stringMap(nested(q.value, "metadata", "annotations"))
		for _, k := range sortedKeys(t.Annotations) {
			out = out.and(match{ok: wild([]string{t.Annotations[k]}, has[k])})
		}
	}
	if len(t.namespaces) > 0 {
		space := q.namespace
		if q.isNamespace() {
			space = q.name
		}
		if space == "" && q.scope != inCluster {
			out = out.and(match{unknown: "the rule names namespaces, and no file says in which this stands"})
		} else {
			out = out.and(match{ok: wild(t.namespaces, space)})
		}
	}
	out = out.and(selected(t.spaces, q))
	if t.who {
		out = out.and(match{unknown: "the rule asks who makes the request"})
	}
	return out
}
