// Package drift compares what lives in a cluster with what Git says, field by
// field, and says who wrote what differs. It reads nothing itself, and asks no
// server: only what Git says is compared, and what people are known to have
// added, so that defaults, controllers and webhooks are no drift.
package drift

import (
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/trace"
)

// Effect is what a difference does to security, by the policies.
type Effect string

// The effects.
const (
	Weakens     Effect = "weakens"     // live breaks a policy that Git keeps
	Strengthens Effect = "strengthens" // Git breaks a policy that live keeps
	Neither     Effect = "neither"
)

// Drift is an object that is not as Git says.
type Drift struct {
	Live        *manifest.Resource // nil: it is not in the cluster
	Desired     trace.Desired
	Source      trace.Source
	Commit      string             // of Desired, where that is not the tree's own
	Namespace   string             // of the object, which the tree may leave open
	Reverted    *manifest.Resource // the object as it would be with Git's values; known once it is judged
	Differences []Difference       // by field; of what is not in the cluster one, at the root
	Effect      Effect
	Weakens     []*detect.Finding // that live has and Git has not
	Strengthens []*detect.Finding // that Git has and live has not
	Secrets     []manifest.Path   // what no output may show of the object, besides what Secrets hold
}

// Missing tells that Git has the object and the cluster has not.
func (d *Drift) Missing() bool { return d.Live == nil }

// ID names the object.
func (d *Drift) ID() string {
	return (&manifest.Resource{Kind: d.Desired.Kind, Namespace: d.Namespace, Name: d.Desired.Name}).ID()
}

// Worst is the severity of the worst finding that the drift makes, empty where
// it makes none.
func (d *Drift) Worst() policy.Severity {
	var worst policy.Severity
	for _, f := range d.Weakens {
		if worst == "" || f.Severity.AtLeast(worst) {
			worst = f.Severity
		}
	}
	return worst
}

// Difference is one field that is not as Git says: changed, gone (Live is
// nil), or there although Git does not have it (Git is nil).
type Difference struct {
	Path      manifest.Path
	Git, Live any
	Position  manifest.Position // where the tree decides it, as far as that is known
	Owner     Owner             // who wrote what is live
	Effect    Effect
	Weakens   []*detect.Finding
	Strengths []*detect.Finding

	doubtful bool // a program that nobody knows added it: told only if it weakens
}

// Owner is who wrote a field, by what the API server notes. It is a name that
// a client gave itself, not who was authenticated.
type Owner struct {
	Manager     string    `json:"manager"` // empty: nobody is noted
	Operation   string    `json:"operation,omitempty"`
	Subresource string    `json:"subresource,omitempty"`
	Time        time.Time `json:"time,omitzero"`
}

// Skipped is an object that was not compared, or not as it should be, and why.
type Skipped struct {
	Object *manifest.Resource
	Reason string
}

// Result is what comparing a cluster with a tree says.
type Result struct {
	Drifts   []*Drift // by kind, namespace and name
	Compared int      // objects that were
	Skipped  []Skipped
}

// hidden stands for what is not shown.
const hidden = "•••"

// Shown is a difference's values as people may see them.
func (d *Drift) Shown(x Difference) (git, live any) {
	show := func(v any) any {
		if v == nil {
			return nil
		}
		out := clone(v)
		if d.Desired.Kind == "Secret" && d.Desired.APIVersion == "v1" && len(x.Path) == 0 {
			for _, key := range []string{"data", "stringData"} {
				out = with(out, manifest.Path{{Key: key}}, nil)
			}
		}
		for _, s := range d.Secrets {
			switch {
			case len(s) <= len(x.Path) && s.Meets(x.Path):
				return hidden
			case s.Meets(x.Path) && at(out, s[len(x.Path):]) != nil:
				out = with(out, s[len(x.Path):], hidden)
			}
		}
		return out
	}
	return show(x.Git), show(x.Live)
}
