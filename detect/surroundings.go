package detect

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/vuln"
)

// surroundings are what of a set policies know beyond the resource that they
// judge. Resources may come and go between judgments, and never during one.
type surroundings struct {
	ordered  bool // resources come and go in any order; otherwise they come in that of the set
	kinds    map[kindOf][]*manifest.Resource
	accounts map[[2]string]map[string]any // by namespace and name
	bound    bindings
	exposed  exposures
	scans    *vuln.Index

	mu    sync.Mutex // of what is made when somebody asks
	lists map[string]*relatedList
	named map[[2]string]*namesakes // by group and kind
}

type kindOf struct{ apiVersion, kind string }

func newSurroundings(ordered bool) *surroundings {
	s := &surroundings{
		ordered: ordered, kinds: map[kindOf][]*manifest.Resource{}, accounts: map[[2]string]map[string]any{},
		lists: map[string]*relatedList{}, named: map[[2]string]*namesakes{},
	}
	s.bound = bindings{ordered: ordered, accounts: map[string][]grant{}}
	s.exposed = newExposures(ordered, s.accounts)
	return s
}

// replace puts a resource into the place of another: nil was none, or is none.
func (s *surroundings) replace(was, is *manifest.Resource) {
	for _, r := range []*manifest.Resource{was, is} {
		if r == nil {
			continue
		}
		k := kindOf{r.APIVersion, r.Kind}
		if s.kinds[k] = arranged(s.kinds[k], r, r == is, s.ordered); len(s.kinds[k]) == 0 {
			delete(s.kinds, k)
		}
		switch {
		case isAccount(r) && r == is:
			s.accounts[[2]string{r.Namespace, r.Name}] = r.Value
		case isAccount(r):
			delete(s.accounts, [2]string{r.Namespace, r.Name})
		case isBinding(r):
			s.bound.place(r, r == is)
		}
		s.exposed.place(r, r == is)
		delete(s.named, [2]string{r.Group(), r.Kind})
	}
	for _, l := range s.lists {
		l.replace(was, is)
	}
}

func isAccount(r *manifest.Resource) bool { return r.Kind == "ServiceAccount" && r.APIVersion == "v1" }

func isBinding(r *manifest.Resource) bool {
	return (r.Kind == "RoleBinding" || r.Kind == "ClusterRoleBinding") && r.Group() == "rbac.authorization.k8s.io"
}

// arranged puts a resource into a list, or takes it from there.
func arranged(list []*manifest.Resource, r *manifest.Resource, in, ordered bool) []*manifest.Resource {
	if !ordered {
		return append(list, r)
	}
	return arrangedBy(list, r, in, manifest.CompareObjects)
}

func arrangedBy(list []*manifest.Resource, r *manifest.Resource, in bool, compare func(a, b *manifest.Resource) int) []*manifest.Resource {
	i, found := slices.BinarySearchFunc(list, r, compare)
	switch {
	case in && !found:
		return slices.Insert(list, i, r)
	case in:
		list[i] = r
	case found:
		return slices.Delete(list, i, i+1)
	}
	return list
}

// all calls yield for every resource in order.
func (s *surroundings) all(yield func(*manifest.Resource) bool) {
	s.of(func(kindOf) bool { return true })(yield)
}

// of goes over the resources of the kinds that are wanted, in order.
func (s *surroundings) of(wanted func(kindOf) bool) iter.Seq[*manifest.Resource] {
	return func(yield func(*manifest.Resource) bool) {
		kinds := slices.SortedFunc(maps.Keys(s.kinds), func(a, b kindOf) int {
			return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.apiVersion, b.apiVersion))
		})
		for _, k := range kinds {
			if !wanted(k) {
				continue
			}
			for _, r := range s.kinds[k] {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// versions lists the kinds that there are, in the order in which lists have them.
func (s *surroundings) versions() []kindOf {
	return slices.SortedFunc(maps.Keys(s.kinds), func(a, b kindOf) int {
		return cmp.Or(cmp.Compare(a.apiVersion, b.apiVersion), cmp.Compare(a.kind, b.kind))
	})
}

// namesakes are the resources of a kind, of whatever version.
type namesakes struct {
	all    []*manifest.Resource
	byName map[string][]*manifest.Resource
}

// objects lists the resources of a kind and, unless that is empty, of a name,
// in the order of their versions and files.
func (s *surroundings) objects(group, kind, name string) []*manifest.Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.named[[2]string{group, kind}]
	if n == nil {
		n = &namesakes{byName: map[string][]*manifest.Resource{}}
		for _, k := range s.versions() {
			if k.kind != kind || (&manifest.Resource{APIVersion: k.apiVersion}).Group() != group {
				continue
			}
			for _, r := range s.kinds[k] {
				if !r.Partial {
					n.all = append(n.all, r)
					n.byName[r.Name] = append(n.byName[r.Name], r)
				}
			}
		}
		s.named[[2]string{group, kind}] = n
	}
	if name == "" {
		return n.all
	}
	return n.byName[name]
}

// relatedList is what policies see of some kinds.
type relatedList struct {
	kinds []string
	known map[kindOf]bool                 // whether a kind is one of them
	in    map[string]*policy.Resources    // by the namespace that was asked for; empty: all
	by    map[string][]*manifest.Resource // by namespace; in the order of versions and of the set
}

func (l *relatedList) has(r *manifest.Resource) bool {
	if r == nil || r.Partial {
		return false
	}
	k := kindOf{r.APIVersion, r.Kind}
	is, ok := l.known[k]
	if !ok {
		is = policy.IsKind(l.kinds, k.apiVersion, k.kind)
		l.known[k] = is
	}
	return is
}

// with are the lists that a resource is in, or would be.
func (l *relatedList) with(r *manifest.Resource) []*policy.Resources {
	if r.Namespace == "" {
		return slices.Collect(maps.Values(l.in))
	}
	var out []*policy.Resources
	for _, namespace := range []string{"", r.Namespace} {
		if resources := l.in[namespace]; resources != nil {
			out = append(out, resources)
		}
	}
	return out
}

// replace is asked only of sets that change, whose resources are of one
// namespace as long as they live.
func (l *relatedList) replace(was, is *manifest.Resource) {
	had, has := l.has(was), l.has(is)
	if !had && !has {
		return
	}
	r := is
	if r == nil {
		r = was
	}
	before, after := valueIf(had, was), valueIf(has, is)
	l.by[r.Namespace] = arrangedBy(l.by[r.Namespace], r, has, compareVersions)
	for _, resources := range l.with(r) {
		resources.Replace(orderOf(r), before, after)
	}
}

func valueIf(counts bool, r *manifest.Resource) map[string]any {
	if !counts {
		return nil
	}
	return r.Value
}

// orderOf is the place of a resource in lists of a set that changes.
func orderOf(r *manifest.Resource) string {
	return strings.Join([]string{r.APIVersion, r.Kind, r.Namespace, r.Name}, "\x00")
}

func compareVersions(a, b *manifest.Resource) int {
	return cmp.Or(cmp.Compare(a.APIVersion, b.APIVersion), manifest.CompareObjects(a, b))
}

// related lists the resources that a policy asks for, as they are written. A
// namespace that a file leaves open may turn out to be any: it is taken as the same.
func (s *surroundings) related(r policy.Related, namespace string) *policy.Resources {
	if r.In == "cluster" {
		namespace = ""
	}
	kinds := strings.Join(r.Kinds, " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lists[kinds]
	if l == nil {
		l = &relatedList{kinds: r.Kinds, known: map[kindOf]bool{}, in: map[string]*policy.Resources{}, by: map[string][]*manifest.Resource{}}
		for r := range s.ofKinds(l.kinds) {
			l.by[r.Namespace] = append(l.by[r.Namespace], r)
		}
		s.lists[kinds] = l
	}
	if out := l.in[namespace]; out != nil {
		return out
	}
	among := slices.Values(l.by[namespace])
	if open := l.by[""]; namespace == "" || len(open) > 0 {
		among = s.ofKinds(l.kinds)
	}
	var objects []policy.Object
	for r := range among {
		if namespace == "" || r.Namespace == "" || r.Namespace == namespace {
			o := policy.Object{Value: r.Value}
			if s.ordered {
				o.Order = orderOf(r)
			}
			objects = append(objects, o)
		}
	}
	l.in[namespace] = policy.NewResources(objects)
	return l.in[namespace]
}

// ofKinds goes over the resources of some kinds, in the order of their
// versions and of the set.
func (s *surroundings) ofKinds(kinds []string) iter.Seq[*manifest.Resource] {
	return func(yield func(*manifest.Resource) bool) {
		for _, k := range s.versions() {
			if !policy.IsKind(kinds, k.apiVersion, k.kind) {
				continue
			}
			for _, r := range s.kinds[k] {
				if !r.Partial && !yield(r) {
					return
				}
			}
		}
	}
}

// context is what policies may ask. tell, unless it is nil, hears each question.
func (s *surroundings) context(o Options, tell func(question)) policy.Context {
	ctx := policy.Context{
		Kubernetes:     cmp.Or(o.Kubernetes, LatestKubernetes),
		Today:          o.today(),
		ServiceAccount: s.account,
		Bindings:       s.bound.of,
		Related:        s.related,
		Objects:        s.objects,
		All:            s.all,
		Scanned:        func(image string) *vuln.Report { return s.scans.Of(image) },
		Exposure:       s.exposed.of,
	}
	if tell != nil {
		s.listen(&ctx, tell)
	}
	return ctx
}

func (s *surroundings) account(namespace, name string) (map[string]any, bool) {
	v, ok := s.accounts[[2]string{namespace, name}]
	return v, ok
}
