// Package gatekeeper judges resources by the policies that people wrote for
// OPA Gatekeeper, unmodified: ConstraintTemplates with their Constraints, and
// the mutators Assign, AssignMetadata, AssignImage and ModifySet. It runs
// Gatekeeper's own engine and reaches nothing outside.
package gatekeeper

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/frameworks/constraint/pkg/apis/templates/v1beta1"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego"
	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// The API groups of Gatekeeper's own kinds.
const (
	templateGroup   = "templates.gatekeeper.sh"
	constraintGroup = "constraints.gatekeeper.sh"
	mutationGroup   = "mutations.gatekeeper.sh"
)

// enforcementPoint is whose view of the constraints is taken: the audit's,
// which judges what is there already.
const enforcementPoint = "audit.gatekeeper.sh"

// outside are the builtins of Rego that would reach, or tell of, the world
// outside the resource.
var outside = []string{"http.send", "net.lookup_ip_addr", "opa.runtime", "rego.parse_module", "trace"}

// Document is one object of a policy file.
type Document struct {
	File   string
	Line   int
	Object map[string]any
}

func (d Document) unstructured() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: d.Object}
}

func (d Document) failed(doing string, err error) error {
	u := d.unstructured()
	return fmt.Errorf("%s:%d: %s %s %s: %w", d.File, d.Line, doing, u.GetKind(), u.GetName(), err)
}

// Is tells whether an object is one of Gatekeeper's policies.
func Is(apiVersion string) bool {
	group, _, _ := strings.Cut(apiVersion, "/")
	return group == templateGroup || group == constraintGroup || group == mutationGroup
}

// Library is a set of Gatekeeper policies, ready to judge.
type Library struct {
	client      *client.Client
	mutators    *mutation.System
	Constraints []Constraint
	Mutators    []Mutator
	needs       map[[2]string]bool // group and kind of what templates look up in the inventory
	needsAll    bool               // a template looks up what it does not declare
}

// Constraint is a policy: a template with parameters and a scope.
type Constraint struct {
	Document
	Kind, Name  string
	Title       string // of its template
	Description string
	kinds       []kinds
}

// New compiles policies. The documents may come in any order; the error names
// file and line of the first that is wrong.
func New(ctx context.Context, documents []Document) (*Library, error) {
	driver, err := rego.New(rego.DisableBuiltins(outside...))
	if err != nil {
		return nil, fmt.Errorf("starting the Rego engine: %w", err)
	}
	l := &Library{needs: map[[2]string]bool{}, mutators: mutation.NewSystem(mutation.SystemOpts{})}
	l.client, err = client.NewClient(client.Targets(&target.K8sValidationTarget{}), client.Driver(driver),
		client.EnforcementPoints(enforcementPoint), client.IgnoreNoReferentialDriverWarning(true))
	if err != nil {
		return nil, fmt.Errorf("starting the constraint engine: %w", err)
	}
	about := map[string]*unstructured.Unstructured{} // templates, by the kind of their constraints
	for _, d := range documents {
		if group(d) != templateGroup {
			continue
		}
		kind, err := l.addTemplate(ctx, d)
		if err != nil {
			return nil, d.failed("loading", err)
		}
		about[kind] = d.unstructured()
	}
	for _, d := range documents {
		switch group(d) {
		case constraintGroup:
			err = l.addConstraint(ctx, d, about[d.unstructured().GetKind()])
		case mutationGroup:
			err = l.addMutator(d)
		}
		if err != nil {
			return nil, d.failed("loading", err)
		}
	}
	return l, nil
}

func group(d Document) string {
	return d.unstructured().GroupVersionKind().Group
}

// addTemplate gives the kind of the template's constraints.
func (l *Library) addTemplate(ctx context.Context, d Document) (string, error) {
	src, err := json.Marshal(d.Object)
	if err != nil {
		return "", err
	}
	// The three versions differ in whether the schema of parameters must be
	// structural. v1beta1 takes what either of the others does.
	versioned := &v1beta1.ConstraintTemplate{}
	if err := json.Unmarshal(src, versioned); err != nil {
		return "", err
	}
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		return "", err
	}
	template := &templates.ConstraintTemplate{}
	if err := scheme.Convert(versioned, template, nil); err != nil {
		return "", err
	}
	if _, err := l.client.AddTemplate(ctx, template); err != nil {
		return "", err
	}
	l.require(template, string(src))
	return template.Spec.CRD.Spec.Names.Kind, nil
}

// require notes what a template looks up besides the object it judges: what it
// declares or, where it declares nothing, everything.
func (l *Library) require(t *templates.ConstraintTemplate, src string) {
	declared := t.Annotations["metadata.gatekeeper.sh/requires-sync-data"]
	if declared == "" {
		l.needsAll = l.needsAll || strings.Contains(src, "data.inventory")
		return
	}
	var sets [][]struct {
		Groups, Versions, Kinds []string
	}
	// The annotation is JSON, inside quotes where it is long.
	if err := json.Unmarshal([]byte(strings.Trim(strings.TrimSpace(declared), `"`)), &sets); err != nil {
		l.needsAll = true
		return
	}
	for _, alternatives := range sets {
		for _, a := range alternatives {
			for _, g := range a.Groups {
				for _, k := range a.Kinds {
					l.needs[[2]string{g, k}] = true
				}
			}
		}
	}
}

func (l *Library) addConstraint(ctx context.Context, d Document, template *unstructured.Unstructured) error {
	u := d.unstructured()
	if template == nil {
		return fmt.Errorf("no ConstraintTemplate of kind %s is among the policies: add its file", u.GetKind())
	}
	if _, err := l.client.AddConstraint(ctx, u); err != nil {
		return err
	}
	c := Constraint{Document: d, Kind: u.GetKind(), Name: u.GetName()}
	c.Title, c.Description = about(template.Object, c.Kind)
	c.kinds = matchKinds(d.Object)
	l.Constraints = append(l.Constraints, c)
	return nil
}

// kinds is one entry of spec.match.kinds.
type kinds struct{ groups, kinds []string }

func matchKinds(object map[string]any) []kinds {
	list, _, _ := unstructured.NestedSlice(object, "spec", "match", "kinds")
	var out []kinds
	for _, item := range list {
		m, _ := item.(map[string]any)
		groups, _, _ := unstructured.NestedStringSlice(m, "apiGroups")
		names, _, _ := unstructured.NestedStringSlice(m, "kinds")
		out = append(out, kinds{groups, names})
	}
	return out
}

// Wants tells whether the constraint may match resources of a kind.
func (c Constraint) Wants(apiGroup, kind string) bool { return matchesKind(c.kinds, apiGroup, kind) }

func matchesKind(list []kinds, apiGroup, kind string) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(k kinds) bool {
		return has(k.groups, apiGroup) && has(k.kinds, kind)
	})
}

func has(names []string, name string) bool {
	return len(names) == 0 || slices.Contains(names, "*") || slices.Contains(names, name)
}

// Needs tells whether a template looks up resources of a kind to judge others.
func (l *Library) Needs(apiGroup, kind string) bool {
	return l.needsAll || l.needs[[2]string{apiGroup, kind}]
}

// unknown tells whether the constraint matches by labels of a namespace that
// nobody knows, in which case it cannot be judged.
func (c Constraint) unknown(r interface{ ID() string }, namespace map[string]any) (bool, string) {
	selector, ok, _ := unstructured.NestedMap(c.Object, "spec", "match", "namespaceSelector")
	if !ok || len(selector) == 0 || namespace != nil {
		return false, ""
	}
	return true, "the constraint matches by labels of the namespace of " + r.ID() + ", and no file has that namespace"
}
