package detect

import (
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/vuln"
)

// question is what a judgment asked beside the resource that it judged. When
// the answer may be another, the judgment is made again.
type question struct {
	about about
	list  *policy.Resources // of related: which list
	a, b  string
}

// about is what a question is about, and what a and b of it are.
type about uint8

const (
	relatedTo    about = iota // a: the lookup, b: its key
	accountOf                 // a: the namespace, b: the name of a service account
	bindingsOf                // the same: who has bindings
	exposureIn                // a: the namespace: which services and routes are there
	objectsOf                 // a: group/Kind, b: the name or, where that is empty, all
	reportOn                  // a: the image
	wholeSet                  // everything
	abouts       = int(wholeSet) + 1
	anyNamespace = ""
)

// listen makes a context tell what it is asked.
func (s *surroundings) listen(ctx *policy.Context, tell func(question)) {
	ctx.ServiceAccount = func(namespace, name string) (map[string]any, bool) {
		tell(question{about: accountOf, a: namespace, b: name})
		return s.account(namespace, name)
	}
	ctx.Bindings = func(namespace, name string) []string {
		tell(question{about: bindingsOf, a: namespace, b: name})
		return s.bound.of(namespace, name)
	}
	ctx.Related = func(r policy.Related, namespace string) *policy.Resources {
		list := s.related(r, namespace)
		return list.Telling(func(q policy.Question) {
			tell(question{about: relatedTo, list: list, a: q.Lookup, b: q.Key})
		})
	}
	ctx.Objects = func(group, kind, name string) []*manifest.Resource {
		tell(question{about: objectsOf, a: group + "/" + kind, b: name})
		return s.objects(group, kind, name)
	}
	ctx.Scanned = func(image string) *vuln.Report {
		tell(question{about: reportOn, a: image})
		return s.scans.Of(image)
	}
	ctx.Exposure = func(r *manifest.Resource, container map[string]any) []string {
		tell(question{about: exposureIn, a: r.Namespace})
		if _, template, ok := r.PodTemplate(); ok {
			tell(question{about: accountOf, a: r.Namespace, b: serviceAccountOf(template)})
			tell(question{about: bindingsOf, a: r.Namespace, b: serviceAccountOf(template)})
		}
		return s.exposed.of(r, container)
	}
	all := ctx.All
	ctx.All = func(yield func(*manifest.Resource) bool) {
		tell(question{about: wholeSet})
		all(yield)
	}
}

// concerned calls hit for the questions, of those that were asked, whose
// answers may be others when a resource comes, goes or changes.
func (s *surroundings) concerned(r *manifest.Resource, asked *dependencies, hit func(question)) {
	hit(question{about: wholeSet})
	for _, l := range s.lists {
		if !l.has(r) {
			continue
		}
		for _, list := range l.with(r) {
			for _, q := range list.Questions(r.Value) {
				hit(question{about: relatedTo, list: list, a: q.Lookup, b: q.Key})
			}
		}
	}
	switch {
	case isAccount(r):
		hit(question{about: accountOf, a: r.Namespace, b: r.Name})
	case isBinding(r):
		concernedBy(r, asked, hit)
	case isService(r), isRoute(r):
		for q := range asked[exposureIn] {
			if q.a == r.Namespace || q.a == anyNamespace || r.Namespace == anyNamespace {
				hit(q)
			}
		}
	}
	if !r.Partial {
		of := r.Group() + "/" + r.Kind
		hit(question{about: objectsOf, a: of, b: r.Name})
		hit(question{about: objectsOf, a: of})
	}
}

// concernedBy is concerned for what a role binding tells of service accounts.
func concernedBy(binding *manifest.Resource, asked *dependencies, hit func(question)) {
	for _, s := range subjectsOf(binding) {
		if s.namespace != "" && s.account != "" { // as nearly all are
			hit(question{about: bindingsOf, a: s.namespace, b: s.account})
			hit(question{about: bindingsOf, a: anyNamespace, b: s.account})
			continue
		}
		for q := range asked[bindingsOf] {
			if (s.account == "" || q.b == s.account) && (s.namespace == "" || q.a == s.namespace || q.a == anyNamespace) {
				hit(q)
			}
		}
	}
}

// dependencies are the judgments that depend on the answers to questions.
type dependencies [abouts]map[question]map[*cell]struct{}

func newDependencies() *dependencies {
	var d dependencies
	for i := range d {
		d[i] = map[question]map[*cell]struct{}{}
	}
	return &d
}

// add notes what a judgment asked.
func (d *dependencies) add(c *cell) {
	for _, q := range c.asked {
		cells := d[q.about][q]
		if cells == nil {
			cells = map[*cell]struct{}{}
			d[q.about][q] = cells
		}
		cells[c] = struct{}{}
	}
}

// remove forgets a judgment.
func (d *dependencies) remove(c *cell) {
	for _, q := range c.asked {
		cells := d[q.about][q]
		if delete(cells, c); len(cells) == 0 {
			delete(d[q.about], q)
		}
	}
}
