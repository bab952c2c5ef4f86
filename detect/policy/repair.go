package policy

import (
	"cmp"
	"fmt"
	"slices"

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
	Known   bool   // a condition made it that safe; else nothing else was known
	Edits   []Edit // empty when Fixer does it, or nothing is to be done
	Fixer   string
	Advice  string
}

// Boldest says at which safety the policy mends at the earliest.
func (p *Policy) Boldest() Safety {
	if p.Mutates {
		return cmp.Or(p.FixSafety, Review)
	}
	if p.Fix == nil || len(p.Fix.Edits) == 0 && p.Fix.Fixer == "" {
		return Manual
	}
	best := Manual
	for _, s := range p.Fix.Safety {
		if slices.Index(Safeties, s.Level) < slices.Index(Safeties, best) {
			best = s.Level
		}
	}
	if best == Manual && p.Fix.Fixer != "" {
		return Evidence
	}
	return best
}

// Repair evaluates the policy's fix for a violation of it.
func (v Violation) Repair() (Repair, error) {
	it := v.item
	if it.policy.Language != "" {
		return v.foreignRepair(), nil
	}
	it.memo = make([]ref.Val, len(it.code.variables)) // what stands beside the resource may be another by now
	fix, c := it.policy.Fix, it.code.fix
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
			r.Safety, r.Known = fix.Safety[i].Level, fix.Safety[i].When != ""
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
		value := fix.Edits[i].Value
		if e.value != nil {
			out, _, err := e.value.Eval(&it)
			if err != nil {
				return fail(err)
			}
			if value, err = native(out); err != nil {
				return fail(err)
			}
		}
		edits, err := e.place.edits(&it, e.op, value)
		if err != nil {
			return fail(err)
		}
		for _, edit := range edits {
			if edit.Op != Remove || it.resource.Has(edit.Path) {
				r.Edits = append(r.Edits, edit)
			}
		}
	}
	return r, nil
}

// HoldsAfter tells whether the fix's condition on the mended resource holds:
// after is the same resource once every fix of the plan was made.
func (v Violation) HoldsAfter(after *manifest.Resource) (bool, error) {
	it := v.item
	if it.policy.Fix == nil || it.code.fix.after == nil {
		return true, nil
	}
	where := it.path().String()
	for again := range it.policy.items(it.code, after, it.context) {
		if again.path().String() == where {
			return again.holds(it.code.fix.after)
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
		out := map[string]any{}
		for i := v.Iterator(); i.HasNext() == types.True; {
			k := i.Next()
			key, ok := k.(types.String)
			if !ok {
				return nil, fmt.Errorf("a key of type %s cannot stand in a resource", k.Type().TypeName())
			}
			e, err := native(v.Get(k))
			if err != nil {
				return nil, err
			}
			out[string(key)] = e
		}
		return out, nil
	}
	return nil, fmt.Errorf("a value of type %s cannot stand in a resource", v.Type().TypeName())
}
