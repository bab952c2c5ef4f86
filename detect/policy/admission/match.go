package admission

import (
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// matcher tells which requests a policy, or a binding of it, is about.
type matcher interface {
	// wants tells whether a request for a kind may match.
	wants(kind schema.GroupVersionKind) bool
	match(q *request) match
}

// match is the answer of a matcher. Where it is not known whether a request
// matches, unknown says why.
type match struct {
	ok      bool
	unknown string
}

// and is the answer of two matchers that must both match.
func (m match) and(n match) match {
	switch {
	case m.no() || n.no():
		return match{}
	case m.unknown != "":
		return m
	}
	return n
}

func (m match) no() bool { return !m.ok && m.unknown == "" }

func (m match) not() match {
	if m.unknown != "" {
		return m
	}
	return match{ok: !m.ok}
}

// resources is the matcher of admission policies of Kubernetes.
type resources struct {
	objects           *objects
	rules             []admissionv1.NamedRuleWithOperations
	exclude           []admissionv1.NamedRuleWithOperations
	equivalent        bool // a rule for another version of the kind matches too
	namespaces, named labels.Selector
}

func newResources(o *objects, m *admissionv1.MatchResources) (*resources, error) {
	out := &resources{objects: o, namespaces: labels.Everything(), named: labels.Everything(), equivalent: true}
	if m == nil {
		return out, nil
	}
	out.rules, out.exclude = m.ResourceRules, m.ExcludeResourceRules
	out.equivalent = m.MatchPolicy == nil || *m.MatchPolicy == admissionv1.Equivalent
	var err error
	if m.NamespaceSelector != nil {
		if out.namespaces, err = metav1.LabelSelectorAsSelector(m.NamespaceSelector); err != nil {
			return nil, fmt.Errorf("namespaceSelector: %w", err)
		}
	}
	if m.ObjectSelector != nil {
		if out.named, err = metav1.LabelSelectorAsSelector(m.ObjectSelector); err != nil {
			return nil, fmt.Errorf("objectSelector: %w", err)
		}
	}
	return out, nil
}

// creates tells whether any rule is about objects that are made; a manifest
// shows nothing else.
func (m *resources) creates() bool {
	return len(m.rules) == 0 || slices.ContainsFunc(m.rules, func(r admissionv1.NamedRuleWithOperations) bool { return does(r, admissionv1.Create) })
}

// updates tells whether any rule is about objects that are changed.
func (m *resources) updates() bool {
	return slices.ContainsFunc(m.rules, func(r admissionv1.NamedRuleWithOperations) bool { return does(r, admissionv1.Update) })
}

func does(r admissionv1.NamedRuleWithOperations, op admissionv1.OperationType) bool {
	return slices.Contains(r.Operations, op) || slices.Contains(r.Operations, admissionv1.OperationAll)
}

func (m *resources) wants(kind schema.GroupVersionKind) bool {
	resource := resourceOf(kind)
	return !exemptKind(kind) && (len(m.rules) == 0 || slices.ContainsFunc(m.rules, func(r admissionv1.NamedRuleWithOperations) bool {
		return has(r.APIGroups, kind.Group) && named(r, resource.Resource)
	}))
}

func exemptKind(kind schema.GroupVersionKind) bool {
	return kind.Group == admissionv1.GroupName && exempt[kind.Kind]
}

func has(list []string, s string) bool { return slices.Contains(list, "*") || slices.Contains(list, s) }

// named tells whether a rule names a resource itself, and not a part of it
// such as pods/exec.
func named(r admissionv1.NamedRuleWithOperations, resource string) bool {
	return slices.ContainsFunc(r.Resources, func(s string) bool {
		name, part, _ := strings.Cut(s, "/")
		return (name == "*" || name == resource) && (part == "" || part == "*")
	})
}

func (m *resources) match(q *request) match {
	if exemptKind(q.kind) {
		return match{}
	}
	out := selected(m.namespaces, q).and(match{ok: m.named.Matches(labels.Set(q.labels))})
	out = out.and(m.matchRules(m.exclude, q).not())
	if len(m.rules) == 0 {
		return out
	}
	return out.and(m.matchRules(m.rules, q))
}

// matchRules tells whether one of several rules is about a request.
func (m *resources) matchRules(rules []admissionv1.NamedRuleWithOperations, q *request) match {
	var unknown match
	for _, r := range rules {
		if !does(r, admissionv1.Create) || !has(r.APIGroups, q.resource.Group) || !named(r, q.resource.Resource) ||
			len(r.ResourceNames) > 0 && !slices.Contains(r.ResourceNames, q.name) {
			continue
		}
		got := inScope(r, q)
		if !has(r.APIVersions, q.resource.Version) {
			if !m.equivalent {
				continue
			}
			got = got.and(m.converted(r, q))
		}
		if got.ok {
			return got
		}
		if got.unknown != "" {
			unknown = got
		}
	}
	return unknown
}

// converted is the answer of a rule that names another version of the kind:
// where the API server has it, it shows the object to the policy as that version.
func (m *resources) converted(r admissionv1.NamedRuleWithOperations, q *request) match {
	for _, version := range r.APIVersions {
		other := schema.GroupVersionKind{Group: q.kind.Group, Version: version, Kind: q.kind.Kind}
		if m.objects.knows(other) || !builtin(q.kind.Group) {
			return match{unknown: fmt.Sprintf("the policy is for %s, to which only the API server can convert %s", other.GroupVersion(), q.kind.GroupVersion())}
		}
	}
	return match{}
}

func inScope(r admissionv1.NamedRuleWithOperations, q *request) match {
	if r.Scope == nil || *r.Scope == admissionv1.AllScopes {
		return match{ok: true}
	}
	if q.scope == inEither {
		return match{unknown: fmt.Sprintf("the policy is for scope %s, and no file says whether %s stands in a namespace", *r.Scope, q.kind.Kind)}
	}
	return match{ok: (*r.Scope == admissionv1.NamespacedScope) == (q.scope == inNamespace)}
}

// selected tells whether the namespace of a request is selected.
func selected(s labels.Selector, q *request) match {
	requirements, selectable := s.Requirements()
	switch {
	case q.isNamespace():
		set := labels.Set{corev1.LabelMetadataName: q.name}
		return match{ok: s.Matches(labels.Merge(q.labels, set))}
	case q.scope == inCluster || s.Empty():
		return match{ok: true}
	case !selectable:
		return match{}
	}
	if r, known := q.namespaceObject(); known {
		meta, _ := r.Value["metadata"].(map[string]any)
		set := stringMap(meta["labels"])
		set[corev1.LabelMetadataName] = r.Name
		return match{ok: s.Matches(labels.Set(set))}
	}
	// The API server gives every namespace its name as a label.
	out := match{ok: true}
	for _, r := range requirements {
		switch {
		case q.namespace != "" && r.Key() == corev1.LabelMetadataName:
			out = out.and(match{ok: r.Matches(labels.Set{r.Key(): q.namespace})})
		case q.namespace == "":
			out = out.and(match{unknown: "the policy selects namespaces, and no file says in which this stands"})
		default:
			out = out.and(match{unknown: fmt.Sprintf("the policy selects namespaces by label %s, and no file has Namespace %s", r.Key(), q.namespace)})
		}
	}
	return out
}
