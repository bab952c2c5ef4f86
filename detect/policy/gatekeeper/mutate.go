package gatekeeper

import (
	"context"
	"fmt"
	"maps"
	"reflect"

	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/mutators"
	mutationtypes "github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Mutator is a policy that changes what it matches.
type Mutator struct {
	Document
	Kind, Name string
	id         mutationtypes.ID
	applyTo    []kinds
}

// addMutator compiles one. Its versions have the same fields, which are those
// of the unversioned form.
func (l *Library) addMutator(d Document) error {
	u := d.unstructured()
	var m mutationtypes.Mutator
	var err error
	switch u.GetKind() {
	case "Assign":
		m, err = made(u, mutators.MutatorForAssign)
	case "AssignMetadata":
		m, err = made(u, mutators.MutatorForAssignMetadata)
	case "AssignImage":
		m, err = made(u, mutators.MutatorForAssignImage)
	case "ModifySet":
		m, err = made(u, mutators.MutatorForModifySet)
	default:
		return fmt.Errorf("no mutator is of this kind; there are Assign, AssignMetadata, AssignImage and ModifySet")
	}
	if err != nil {
		return err
	}
	if err := l.mutators.Upsert(m); err != nil {
		return err
	}
	out := Mutator{Document: d, Kind: u.GetKind(), Name: u.GetName(), id: m.ID(), applyTo: matchKinds(d.Object)}
	list, _, _ := unstructured.NestedSlice(d.Object, "spec", "applyTo")
	for _, item := range list {
		a, _ := item.(map[string]any)
		groups, _, _ := unstructured.NestedStringSlice(a, "groups")
		names, _, _ := unstructured.NestedStringSlice(a, "kinds")
		out.applyTo = append(out.applyTo, kinds{groups, names})
	}
	l.Mutators = append(l.Mutators, out)
	return nil
}

func made[T any, M mutationtypes.Mutator](u *unstructured.Unstructured, make func(*T) (M, error)) (mutationtypes.Mutator, error) {
	var spec T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(u.Object, &spec, true); err != nil {
		return nil, err
	}
	return make(&spec)
}

// Wants tells whether the mutator may change objects of a kind.
func (m Mutator) Wants(apiGroup, kind string) bool { return matchesKind(m.applyTo, apiGroup, kind) }

// Mutate gives an object as this mutator alone would leave it, and tells
// whether that differs.
func (l *Library) Mutate(_ context.Context, m Mutator, o Object) (map[string]any, bool, error) {
	namespace, err := o.namespace()
	if err != nil {
		return nil, false, err
	}
	u := (&unstructured.Unstructured{Object: maps.Clone(o.Value)}).DeepCopy()
	in := &mutationtypes.Mutable{Object: u, Namespace: namespace, Username: "", Source: o.source()}
	mutator := l.mutators.Get(m.id)
	if mutator == nil {
		return nil, false, fmt.Errorf("%s %s conflicts with another mutator over the schema of a path", m.Kind, m.Name)
	}
	matches, err := mutator.Matches(in)
	if err != nil || !matches {
		return o.Value, false, err
	}
	// A mutator says that it changed something when it wrote what was there already.
	if _, err := mutator.Mutate(in); err != nil {
		return nil, false, fmt.Errorf("applying %s %s: %w", m.Kind, m.Name, err)
	}
	return u.Object, !reflect.DeepEqual(u.Object, o.Value), nil
}
