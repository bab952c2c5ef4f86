package admission

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	celtypes "github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"google.golang.org/protobuf/types/known/structpb"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	limits "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/mutation"
	"k8s.io/apiserver/pkg/cel/mutation/dynamic"
	"k8s.io/client-go/applyconfigurations"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// mutating judges by a MutatingAdmissionPolicy: a resource that it would
// change is not yet as it should be.
type mutating struct {
	rules
	patches   []patcher
	converter func() managedfields.TypeConverter
}

// patcher is one mutation: an apply configuration, or a JSON patch.
type patcher struct {
	expression *expression
	apply      bool
}

// The types that the expressions of mutations give.
var (
	applyType = []*cel.Type{cel.ObjectType("Object")}
	patchType = []*cel.Type{cel.ListType(cel.ObjectType("JSONPatch"))}
)

// newConverter knows how the kinds of Kubernetes are merged. Reading that
// takes a while: it is done when first needed.
func newConverter(o *objects) func() managedfields.TypeConverter {
	return sync.OnceValue(func() managedfields.TypeConverter { return applyconfigurations.NewTypeConverter(o.scheme) })
}

// Wants tells whether the policy is about resources of a kind.
func (m *mutating) Wants(apiVersion, kind string) bool { return m.wants(apiVersion, kind) }

// Judge says what would be changed of a resource when it is made, and of the
// pods that it makes, in one violation.
func (m *mutating) Judge(r *manifest.Resource, ctx policy.Context) (out []policy.Violation, err error) {
	defer survive(&err)
	var errs []error
	desired := r.Value
	for _, q := range m.requests(r, ctx) {
		for _, err := range m.invoke(q, func(i *invocation) []error {
			before := i.object
			after, err := m.mutate(i)
			switch {
			case err != nil:
				return []error{m.failed(err)}
			case reflect.DeepEqual(before, after):
				return nil
			case i.doubt != "":
				return []error{fmt.Errorf("it would be changed, unless this keeps it: %s", i.doubt)}
			}
			desired = q.transplanted(desired, before, after)
			return nil
		}) {
			var refused *refused
			if errors.As(err, &refused) {
				out = append(out, violations(q, nil, refusal(refused))...)
				continue
			}
			errs = append(errs, err)
		}
	}
	if edits := policy.Difference(r.Value, desired); len(edits) > 0 {
		v := policy.Violation{Path: edits[0].Path, Desired: desired, Message: "would be changed at admission: " + changes(edits)}
		_, v.Container = place(&request{}, v.Path)
		out = append(out, v)
	}
	return out, notEvaluated(errs)
}

// changes says in one line what edits do.
func changes(edits []policy.Edit) string {
	const most = 3
	var out []string
	for i, e := range edits {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(edits)-most))
			break
		}
		verb := map[policy.Op]string{policy.Set: "set", policy.Remove: "removed", policy.Append: "longer"}[e.Op]
		out = append(out, e.Path.String()+" "+verb)
	}
	return strings.Join(out, ", ")
}

// mutate makes the mutations on an object, one after the other, as the API
// server does, with its defaults in between.
func (m *mutating) mutate(i *invocation) (map[string]any, error) {
	object, q := i.object, i.request
	step := *i.input
	for _, p := range m.patches {
		step.object, step.lazy = q.open(object), nil
		out, err := step.eval(p.expression)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", oneLine(p.expression.source), err)
		}
		after := object
		if p.apply {
			after, err = m.applied(q, object, out)
		} else {
			after, err = patched(object, out)
		}
		if err != nil {
			return nil, err
		}
		if object, err = m.objects.complete(q.kind, after); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// applied merges an apply configuration into an object.
func (m *mutating) applied(q *request, object map[string]any, configuration ref.Val) (map[string]any, error) {
	c, ok := configuration.(*dynamic.ObjectVal)
	if !ok {
		return nil, fmt.Errorf("the expression gave %s, want an Object", configuration.Type().TypeName())
	}
	if err := c.CheckTypeNamesMatchFieldPathNames(); err != nil {
		return nil, fmt.Errorf("the types of the Object do not fit its fields: %w", err)
	}
	value, ok := c.Value().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the expression gave no Object")
	}
	if !m.objects.knows(q.kind) {
		return nil, errSchema
	}
	configured := &unstructured.Unstructured{Object: value}
	configured.SetGroupVersionKind(q.kind)
	return merge(m.converter(), &unstructured.Unstructured{Object: object}, configured)
}

// errSchema is not a verdict: the API server knows the schema, and oakum does not.
var errSchema error = &unknownError{names: []string{"the schema of its kind, by which an Object is merged"}}

// Bounds on a JSON patch: copies in it may double the object again and again.
const (
	maxOperations = 10_000
	maxPatched    = limits.MaxRequestSizeBytes
)

// patched makes a JSON patch on an object. A test in it that fails leaves the
// object as it was.
func patched(object map[string]any, list ref.Val) (map[string]any, error) {
	operations, ok := list.(traits.Lister)
	if !ok {
		return nil, fmt.Errorf("the expression gave %s, want a list of JSONPatch", list.Type().TypeName())
	}
	out, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	n := 0
	for it := operations.Iterator(); it.HasNext() == celtypes.True; n++ {
		o, ok := it.Next().(*mutation.JSONPatchVal)
		if !ok {
			return nil, errors.New("the expression gave something else than a JSONPatch")
		}
		op, err := operation(o)
		if err != nil {
			return nil, err
		}
		out, err = jsonpatch.Patch{op}.Apply(out)
		if errors.Is(err, jsonpatch.ErrTestFailed) {
			return object, nil
		}
		if err != nil {
			return nil, fmt.Errorf("making the JSON patch: %w", err)
		}
		if n == maxOperations || int64(len(out)) > maxPatched {
			return nil, fmt.Errorf("the JSON patch makes more than %d operations or %d MiB", maxOperations, maxPatched>>20)
		}
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(out); err != nil {
		return nil, fmt.Errorf("reading the patched object: %w", err)
	}
	return u.Object, nil
}

func operation(o *mutation.JSONPatchVal) (jsonpatch.Operation, error) {
	raw := func(s string) *json.RawMessage {
		m := json.RawMessage(strconv.Quote(s))
		return &m
	}
	op := jsonpatch.Operation{"op": raw(o.Op), "path": raw(o.Path)}
	if o.From != "" {
		op["from"] = raw(o.From)
	}
	if o.Val == nil {
		return op, nil
	}
	if v, ok := o.Val.(*dynamic.ObjectVal); ok {
		if err := v.CheckTypeNamesMatchFieldPathNames(); err != nil {
			return nil, fmt.Errorf("the types of the Object do not fit its fields: %w", err)
		}
	}
	v, err := o.Val.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err != nil {
		return nil, fmt.Errorf("the value of a JSONPatch cannot stand in an object: %w", err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	m := json.RawMessage(b)
	op["value"] = &m
	return op, nil
}

// transplanted makes on a resource, as it is to be so far, the changes that
// were made on the object of a request. What only a pod has stays with it.
func (q *request) transplanted(resource, before, after map[string]any) map[string]any {
	if !q.made {
		out, _ := transplant("", resource, before, after).(map[string]any)
		return out
	}
	template := map[string]any{}
	if v, ok := valueOf(resource, q.at).(map[string]any); ok {
		template = v
	}
	only := func(object map[string]any) map[string]any {
		meta, _ := object["metadata"].(map[string]any)
		out := map[string]any{"spec": object["spec"]}
		kept := map[string]any{}
		for _, key := range []string{"labels", "annotations"} {
			if v, ok := meta[key]; ok {
				kept[key] = v
			}
		}
		if len(kept) > 0 {
			out["metadata"] = kept
		}
		return out
	}
	return with(resource, q.at, transplant("", template, only(before), only(after)))
}

// transplant makes on a value as it is written the difference between two
// that were completed: what was filled in on both sides stays unwritten.
func transplant(name string, written, before, after any) any {
	if reflect.DeepEqual(before, after) {
		return written
	}
	switch is := after.(type) {
	case map[string]any:
		was, ok := before.(map[string]any)
		if !ok {
			return after
		}
		w, _ := written.(map[string]any)
		out := map[string]any{}
		for k, v := range w {
			if _, gone := was[k]; gone && is[k] == nil {
				continue
			}
			out[k] = v
		}
		for k, v := range is {
			old, existed := was[k]
			if existed && reflect.DeepEqual(old, v) {
				continue
			}
			if _, there := w[k]; existed && there {
				out[k] = transplant(k, w[k], old, v)
			} else if existed {
				out[k] = transplant(k, blank(v), old, v)
			} else {
				out[k] = v
			}
		}
		return out
	case []any:
		was, ok := before.([]any)
		w, written := written.([]any)
		if !ok || !written || len(was) != len(w) {
			return after
		}
		out := make([]any, len(is))
		for i := range is {
			out[i] = is[i]
			same := manifest.ItemStep(name, is, i)
			if j := slices.IndexFunc(was, func(item any) bool { return reflect.DeepEqual(item, is[i]) }); j >= 0 {
				out[i] = w[j]
			} else if j := indexOf(name, was, same); j >= 0 {
				out[i] = transplant("", w[j], was[j], is[i])
			}
		}
		return out
	}
	return after
}

// blank is what is not written: a mapping begins empty.
func blank(v any) any {
	if _, ok := v.(map[string]any); ok {
		return map[string]any{}
	}
	return nil
}

// indexOf is the item of a list that a step means; by place where nothing
// tells items apart.
func indexOf(name string, items []any, s manifest.Step) int {
	for i := range items {
		t := manifest.ItemStep(name, items, i)
		if t.By == s.By && t.Value == s.Value && (s.By != "" || t.Index == s.Index) {
			return i
		}
	}
	return -1
}

func valueOf(v any, p manifest.Path) any {
	for _, s := range p {
		m, _ := v.(map[string]any)
		v = m[s.Key]
	}
	return v
}

// with is a copy of a mapping with another value at a path of keys.
func with(m map[string]any, p manifest.Path, v any) map[string]any {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]any{}
	}
	if len(p) == 1 {
		out[p[0].Key] = v
		return out
	}
	next, _ := out[p[0].Key].(map[string]any)
	out[p[0].Key] = with(next, p[1:], v)
	return out
}
