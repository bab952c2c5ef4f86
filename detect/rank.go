package detect

import (
	"fmt"
	"slices"

	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// Points that the surroundings of a finding add to its severity: being
// reached from outside, and being a step of a path or standing where one
// begins. What opens a step counts more than what merely stands there.
const (
	pointsOutside = 15
	pointsFurther = 3 // its service account may do something that leads further
)

var (
	pointsOpens  = map[graph.Goal]int{graph.ClusterAdmin: 25, graph.Node: 12, graph.Secrets: 8}
	pointsStands = map[graph.Goal]int{graph.ClusterAdmin: 10, graph.Node: 5, graph.Secrets: 3}
)

// Rank gives the findings of a scan their risk, by what the graph of the same
// resources says of where they are. Findings about resources that are not in
// the graph keep the one that they have.
func Rank(r Result, g *graph.Graph) {
	ranking := g.Rank()
	for _, f := range slices.Concat(r.Findings, r.Exempted) {
		f.rank(ranking)
	}
}

func (f *Finding) rank(g *graph.Ranking) {
	for _, same := range append([]*Finding{f}, f.Twins...) {
		if risk := same.riskIn(g); risk != nil {
			f.Risk = risk
		}
	}
}

// riskIn is the risk of a finding where its resource stands; nil where it is
// not in the graph.
func (f *Finding) riskIn(g *graph.Ranking) *Risk {
	if base := riskOf(f.Violation.Vulnerabilities, f.Violation.Exposure); base != nil {
		return base.at(g, f.Resource)
	}
	var around []string
	points := 0
	passages := g.Passages(f.Resource, f.Opens)
	if len(passages) > 0 {
		worst := passages[0]
		points += pointsOpens[worst.Goal]
		if worst.Paths > 0 {
			points += min(worst.Paths, 5)
			around = append(around, fmt.Sprintf("%s to %s through it", paths(worst.Paths), leadsTo(worst.Goal)))
		} else {
			around = append(around, fmt.Sprintf("a way to %s leads through it, though not the shortest", leadsTo(worst.Goal)))
		}
	}
	in := false
	if s, ok := g.Workload(f.Resource); ok {
		in = true
		more, says := stands(s, len(passages) > 0)
		points, around = points+more, append(around, says...)
	} else if exposed := g.Exposed(f.Resource); len(exposed) > 0 {
		in = true
		points += pointsOutside
		around = append(around, "it exposes "+exposed[0].ID()+andMore(len(exposed)-1))
		if s, ok := g.Workload(exposed[0]); ok {
			s.Exposures = nil
			more, says := stands(s, false)
			points, around = points+more, append(around, says...)
		}
	}
	if !in && len(passages) == 0 && !ranked[f.Resource.Kind] {
		return nil
	}
	if len(around) == 0 {
		around = append(around, "nothing leads to it from outside, and no path goes through it")
	}
	return &Risk{Score: min(pointsSeverity[string(f.Severity)]+points, 100), Because: around}
}

// at adds to the risk of vulnerabilities, which counts already how they are
// reached, where a break-in leads.
func (r *Risk) at(g *graph.Ranking, of *manifest.Resource) *Risk {
	s, _ := g.Workload(of)
	more, says := stands(graph.Standing{Steps: s.Steps}, false)
	return &Risk{Score: min(r.Score+more, 100), Because: append(r.Because, says...)}
}

// ranked are kinds that the graph knows, whatever it has to say of one of them.
var ranked = map[string]bool{
	"Role": true, "ClusterRole": true, "RoleBinding": true, "ClusterRoleBinding": true, "ServiceAccount": true,
	"Service": true, "Ingress": true, "Namespace": true, "NetworkPolicy": true,
}

// stands says where a workload stands; opens tells that its finding opens a
// step, which then says where it leads.
func stands(s graph.Standing, opens bool) (points int, says []string) {
	if len(s.Exposures) > 0 {
		points += pointsOutside
		says = append(says, "exposed by "+s.Exposures[0].String()+andMore(len(s.Exposures)-1))
	}
	if len(s.Rights) > 0 {
		points += pointsFurther
		says = append(says, "its service account may "+s.Rights[0]+andMore(len(s.Rights)-1))
	}
	if opens {
		return points, says
	}
	for _, goal := range graph.Goals {
		if steps, ok := s.Steps[goal]; ok {
			points += pointsStands[goal]
			says = append(says, fmt.Sprintf("whoever breaks in is %s from %s", stepsOf(steps), leadsTo(goal)))
			break
		}
	}
	return points, says
}

// Opens tells whether a finding is about what opens a step of a path.
func (f *Finding) Opens(o graph.Opening) bool {
	return o.Resource == f.Resource && slices.Contains(o.Policies, f.Policy.Name) &&
		(o.Container == "" || f.Container == "" || o.Container == f.Container) && (o.Field == nil || o.Field.Meets(f.Field) || sameWorkload(o, f))
}

// sameWorkload tells findings about a pod as a whole, which point to whichever
// of its fields is written.
func sameWorkload(o graph.Opening, f *Finding) bool {
	_, pods := o.Resource.MakesPods()
	return pods && (f.Policy.Name == "service-account-takeover" || f.Policy.Name == "service-account-token-mounted")
}

// Opener finds the finding that tells of an opening: of the open ones, the
// first of the opening's policies. It is made once for all openings.
func (r Result) Opener() func(graph.Opening) *Finding {
	by := map[*manifest.Resource][]*Finding{}
	of := map[*Finding]*Finding{} // the finding of the tree by that of the cluster
	for _, f := range r.Findings {
		for _, same := range append([]*Finding{f}, f.Twins...) {
			by[same.Resource] = append(by[same.Resource], same)
			of[same] = f
		}
	}
	return func(o graph.Opening) *Finding {
		for _, name := range o.Policies {
			for _, f := range by[o.Resource] {
				if f.Policy.Name == name && f.Opens(o) {
					return of[f]
				}
			}
		}
		return nil
	}
}

func leadsTo(g graph.Goal) string {
	switch g {
	case graph.Node:
		return "a node"
	case graph.Secrets:
		return "Secrets"
	}
	return string(g)
}

func paths(n int) string {
	if n == 1 {
		return "1 path leads"
	}
	return fmt.Sprintf("%d paths lead", n)
}

func stepsOf(n int) string {
	if n == 1 {
		return "one step"
	}
	return fmt.Sprintf("%d steps", n)
}

func andMore(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}

// weights of fixes when a set of them is chosen: so many safe ones are worth
// one bolder.
var weights = map[policy.Safety]int{policy.Safe: 1, policy.Evidence: 3, policy.Review: 10, policy.Manual: 30}

// Prices tells what closes the steps of paths: the fix of the finding that an
// opening has, by how bold it is. Safety tells how a finding would be mended,
// policy.Manual where only a person can.
func (r Result) Prices(safety func(*Finding) policy.Safety) graph.Prices {
	find := r.Opener()
	known := map[*Finding]int{}
	return func(o graph.Opening) (graph.Fix, bool) {
		f := find(o)
		if f == nil {
			return graph.Fix{}, false
		}
		if _, ok := known[f]; !ok {
			known[f] = weights[safety(f)]
		}
		weight := known[f]
		if o.Narrow { // a wildcard that is spelt out gives the same rights
			weight = weights[policy.Manual]
		}
		return graph.Fix{ID: f.Fingerprint, Weight: weight}, true
	}
}
