package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// maxPaths bounds the paths to one goal that are told; the summary counts all.
const maxPaths = 1000

// Paths says who reaches what, and what closes it, in the shape of paths -o json.
type Paths struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Cut        Cut                `json:"cut"`
	Paths      []Path             `json:"paths"`
	Summary    map[graph.Goal]int `json:"summary"` // paths by goal
}

// Cut is the cheapest set of fixes that closes the paths to cluster-admin.
type Cut struct {
	Fixes  []CutFix `json:"fixes"`
	Closes int      `json:"closes"` // paths
	Open   []Path   `json:"open"`   // paths that no fix closes
}

// CutFix is one finding whose fix closes paths.
type CutFix struct {
	Policy      string        `json:"policy"`
	Message     string        `json:"message"`
	Fingerprint string        `json:"fingerprint"`
	Resource    Resource      `json:"resource"`
	Location    Location      `json:"location"`
	Safety      policy.Safety `json:"safety"`
	Title       string        `json:"title"`  // of the fix; empty where only a person can make it
	Reason      string        `json:"reason"` // why only a person can
	Closes      int           `json:"closes"` // how many of the shortest paths go through it
}

// Path is a shortest way from an entry to a goal.
type Path struct {
	Goal    graph.Goal `json:"goal"`
	Entry   *Resource  `json:"entry"` // a pod of it is taken over; null: nobody needs a credential
	From    string     `json:"from"`
	Exposed []string   `json:"exposed"` // what leads to the entry from outside
	Cost    int        `json:"cost"`    // steps, those that are not sure counted more
	Steps   []Step     `json:"steps"`
}

// Step is one step of a path.
type Step struct {
	From     string    `json:"from"`
	To       string    `json:"to"`
	Says     string    `json:"says"`
	Resource *Resource `json:"resource,omitempty"` // that opens it; absent: no field of a resource does
	Location *Location `json:"location,omitempty"`
	Field    string    `json:"field,omitempty"`
	Policy   string    `json:"policy,omitempty"` // of the finding that tells of it; absent: no policy does
	Finding  string    `json:"finding,omitempty"`
}

// Place tells where a person would look for a field of a resource.
type Place func(*manifest.Resource, manifest.Path) manifest.Position

// NewPaths makes the report of a graph and of the findings in it.
func NewPaths(g *graph.Graph, result detect.Result, propose Propose, place Place) *Paths {
	p := pathing{result.Opener(), place}
	out := &Paths{APIVersion: policy.APIVersion, Kind: "Paths", Paths: []Path{}, Summary: map[graph.Goal]int{}}
	for _, goal := range graph.Goals {
		all := g.Paths(goal)
		out.Summary[goal] = len(all)
		for _, path := range all[:min(len(all), maxPaths)] {
			out.Paths = append(out.Paths, p.path(path))
		}
	}
	safety := func(f *detect.Finding) policy.Safety {
		fix, held := propose(f)
		if held != nil {
			return policy.Manual
		}
		return fix.Safety
	}
	out.Cut = p.cut(g.Cut(graph.ClusterAdmin, result.Prices(safety)), result, propose)
	return out
}

type pathing struct {
	find  func(graph.Opening) *detect.Finding
	place Place
}

func (p pathing) path(in graph.Path) Path {
	out := Path{Goal: in.Goal, From: in.From(), Cost: in.Cost, Exposed: []string{}, Steps: []Step{}}
	if in.Entry != nil {
		r := resource(in.Entry)
		out.Entry = &r
	}
	for _, e := range in.Exposures {
		out.Exposed = append(out.Exposed, e.String())
	}
	for _, s := range in.Steps {
		step := Step{From: s.From, To: s.To, Says: s.Says}
		for i, o := range s.Opens {
			f := p.find(o)
			if f == nil && (i > 0 || step.Resource != nil) {
				continue
			}
			r := resource(o.Resource)
			step.Resource, step.Field = &r, o.Field.String()
			at := place(p.place(o.Resource, o.Field))
			if f != nil {
				step.Policy, step.Finding, at = f.Policy.Name, f.Fingerprint, location(f)
			}
			step.Location = &at
			if f != nil {
				break
			}
		}
		out.Steps = append(out.Steps, step)
	}
	return out
}

func place(p manifest.Position) Location {
	layer := "plain"
	if p.Line == 0 {
		layer = "live"
	}
	return Location{p.File, p.Line, p.Column, layer}
}

func (p pathing) cut(in graph.Cut, result detect.Result, propose Propose) Cut {
	out := Cut{Fixes: []CutFix{}, Closes: in.Closed, Open: []Path{}}
	by := map[string]*detect.Finding{}
	for _, f := range result.Findings {
		by[f.Fingerprint] = f
	}
	for i, id := range in.Fixes {
		f := by[id]
		fix := CutFix{
			Policy: f.Policy.Name, Message: f.Message, Fingerprint: id, Resource: resource(f.Resource), Location: location(f), Safety: policy.Manual, Closes: in.Closes[i],
		}
		if mended, held := propose(f); held == nil {
			fix.Safety, fix.Title = mended.Safety, mended.Title
		} else {
			fix.Reason = fmt.Sprintf("%s: %s", held.Reason, held.Detail)
		}
		out.Fixes = append(out.Fixes, fix)
	}
	for _, open := range in.Open {
		out.Open = append(out.Open, p.path(open))
	}
	return out
}

// Worst is how bad the worst path is, empty where there is none: one to
// cluster-admin counts as a critical finding, one to a node as a high one.
func (p *Paths) Worst() policy.Severity {
	for i, goal := range graph.Goals {
		if p.Summary[goal] > 0 {
			return policy.Severities[i]
		}
	}
	return ""
}

// PathFormats lists the formats of Paths.
func PathFormats() []string { return []string{"table", "json", "markdown", "dot"} }

// Write prints the paths; people are shown at most limit of them to each goal.
func (p *Paths) Write(w io.Writer, format string, limit int, o Options) error {
	var text string
	switch format {
	case "table":
		text = p.table(limit, o)
	case "json":
		return writeJSON(w, p)
	case "markdown":
		text = p.markdown(limit)
	case "dot":
		text = p.dot(limit)
	default:
		return fmt.Errorf("no format is called %q; there are %s", format, strings.Join(PathFormats(), ", "))
	}
	_, err := io.WriteString(w, text)
	return err
}
