package policy

import (
	"fmt"
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Op is what an edit does.
type Op string

// The operations.
const (
	Set    Op = "set"
	Remove Op = "remove"
	Append Op = "append"
)

// Edit is one operation of a fix on its resource: Value (map[string]any,
// []any, string, bool, int64 or float64) is set or appended at Path.
type Edit struct {
	Op    Op
	Path  manifest.Path
	Value any
}

// Repair is how a policy says that one violation is mended.
type Repair struct {
	Title   string
	Safety  Safety
	Because string // what makes it that safe
	Edits   []Edit // empty when Fixer does it, or nothing is to be done
	Fixer   string
	Advice  string
}

// Repair evaluates the policy's fix for a violation of it.
func (v Violation) Repair() (Repair, error) {
	it := v.item
	if it.policy.Language != "" {
		return v.foreignRepair(), nil
	}
	fix, c := it.policy.Fix, it.policy.compiled.fix
	if fix == nil {
		return Repair{Safety: Manual, Because: "the policy has no fix"}, nil
	}
	r := Repair{Safety: Manual, Fixer: fix.Fixer}
	fail := func(err error) (Repair, error) {
		return Repair{}, fmt.Errorf("policy %s on %s: fix: %w", it.policy.Name, it.resource.ID(), err)
	}
	var err error
	if r.Advice, err = c.advice.render(&it); err != nil {
		return fail(err)
	}
	if len(fix.Edits) == 0 && fix.Fixer == "" {
		r.Because = r.Advice
		return r, nil
	}
	if r.Title, err = c.title.render(&it); err != nil {
		return fail(err)
	}
	for i, s := range c.safety {
		ok, err := it.holds(s.when)
		if err != nil {
			return fail(err)
		}
		if ok {
			r.Safety = fix.Safety[i].Level
			if r.Because, err = s.because.render(&it); err != nil {
				return fail(err)
			}
			break
		}
	}
	for i, e := range c.edits {
		ok, err := it.holds(e.when)
		if err != nil {
			return fail(err)
		}
		if !ok {
			continue
		}
		edit := Edit{Op: e.op, Path: e.place.resolve(&it), Value: fix.Edits[i].Value}
		if e.value != nil {
			out, _, err := e.value.Eval(&it)
			if err != nil {
				return fail(err)
			}
			if edit.Value, err = native(out); err != nil {
				return fail(err)
			}
		}
		if edit.Op == Remove && !it.resource.Field(edit.Path).Present {
			continue
		}
		r.Edits = append(r.Edits, edit)
	}
	return r, nil
}

// HoldsAfter tells whether the fix's condition on the mended resource holds:
// after is the same resource once every fix of the plan was made.
func (v Violation) HoldsAfter(after *manifest.Resource) (bool, error) {
	it := v.item
	if it.policy.Fix == nil || it.policy.compiled.fix.after == nil {
		return true, nil
	}
	where := it.path().String()
	for again := range it.policy.items(after, it.context) {
		if again.path().String() == where {
			return again.holds(it.policy.compiled.fix.after)
		}
	}
	return true, nil // the item itself is gone
}

// native turns a CEL value into the shapes that resources have.
func native(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.String, types.Bool, types.Int, types.Double:
		return v.Value(), nil
	case types.Null:
		return nil, nil
	case *types.Optional:
		if !v.HasValue() {
			return "", nil
		}
		return native(v.GetValue())
	case traits.Lister:
		out := []any{}
		for i := v.Iterator(); i.HasNext() == types.True; {
			e, err := native(i.Next())
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		return out, nil
	case traits.Mapper:
		m, err := v.ConvertToNative(reflect.TypeFor[map[string]any]())
		if err != nil {
			return nil, err
		}
		return m, nil
	}
	return nil, fmt.Errorf("a value of type %s cannot stand in a resource", v.Type().TypeName())
}
