package drift

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/trace"
)

// ignored is what the users of Flux and Argo CD, and autoscalers, take out of
// the comparison of one object.
type ignored struct {
	whole    string     // why nothing of it is compared; empty: it is
	pointers [][]string // to fields: a key, an index, "*" for all items, or key=value for the one that has it
	managers []string   // whose fields are theirs
	additive bool       // what Git does not have may be there
	notes    []string   // rules that are not understood, and what is left out for them
}

const (
	fluxReconcile = "kustomize.toolkit.fluxcd.io/reconcile"
	fluxSSA       = "kustomize.toolkit.fluxcd.io/ssa"
)

// rules gathers what holds for one object. Its marks count wherever they are:
// who may write them to the object may switch its controller off in the same way.
func rules(live *manifest.Resource, s trace.Source, scaled map[target]bool) ignored {
	var out ignored
	c := s.Controller
	by := strings.TrimSuffix(strings.SplitN(s.By, ", ", 2)[0], " ")
	switch mark := func(key string) string {
		if v := text(field(live.Value, "metadata", "labels", key)); v != "" {
			return v
		}
		return text(field(live.Value, "metadata", "annotations", key))
	}; {
	case c != nil && field(c.Value, "spec", "suspend") == true:
		out.whole = by + " is suspended"
	case strings.EqualFold(mark(fluxReconcile), "disabled"):
		out.whole = fluxReconcile + ": disabled"
	case strings.EqualFold(mark(fluxSSA), "Ignore"), strings.EqualFold(mark(fluxSSA), "IfNotPresent"):
		out.whole = fluxSSA + ": " + mark(fluxSSA)
	case strings.EqualFold(mark(fluxSSA), "Merge"):
		out.additive = true
	}
	if scaled[target{live.Namespace, live.Kind, live.Name}] {
		out.pointers = append(out.pointers, []string{"spec", "replicas"})
	}
	if c == nil {
		return out
	}
	switch c.Kind {
	case "Kustomization":
		out.flux(live, list(field(c.Value, "spec", "ignore")))
	case "HelmRelease":
		out.flux(live, list(field(c.Value, "spec", "driftDetection", "ignore")))
	case "Application":
		out.argo(live, list(field(c.Value, "spec", "ignoreDifferences")))
	}
	return out
}

// flux reads rules of Flux: JSON pointers, for the objects that a target selects.
func (i *ignored) flux(r *manifest.Resource, rules []any) {
	for _, rule := range rules {
		if t, ok := field(rule, "target").(map[string]any); ok && !selects(t, r) {
			continue
		}
		for _, p := range list(field(rule, "paths")) {
			i.pointer(text(p))
		}
	}
}

// selects tells whether a target of Flux, as kustomize has it, selects an
// object: names and namespaces are regular expressions, whole.
func selects(t map[string]any, r *manifest.Resource) bool {
	_, version, ok := strings.Cut(r.APIVersion, "/")
	if !ok {
		version = r.APIVersion
	}
	for key, is := range map[string]string{"group": r.Group(), "version": version, "kind": r.Kind} {
		if want := text(t[key]); want != "" && want != is {
			return false
		}
	}
	for key, is := range map[string]string{"name": r.Name, "namespace": r.Namespace} {
		want := text(t[key])
		if want == "" {
			continue
		}
		if re, err := regexp.Compile("^(?:" + want + ")$"); err != nil || !re.MatchString(is) {
			return false
		}
	}
	return labelled(text(t["labelSelector"]), field(r.Value, "metadata", "labels")) &&
		labelled(text(t["annotationSelector"]), field(r.Value, "metadata", "annotations"))
}

// labelled judges a selector of equalities; another one selects nothing.
func labelled(selector string, has any) bool {
	if selector == "" {
		return true
	}
	for _, term := range strings.Split(selector, ",") {
		key, value, ok := strings.Cut(term, "=")
		if !ok || strings.ContainsAny(term, "!() ") || text(field(has, key)) != strings.TrimPrefix(value, "=") {
			return false
		}
	}
	return true
}

// argo reads spec.ignoreDifferences of an Application.
func (i *ignored) argo(r *manifest.Resource, rules []any) {
	for _, rule := range rules {
		if !glob(text(field(rule, "group")), r.Group()) || !glob(text(field(rule, "kind")), r.Kind) {
			continue
		}
		if name := text(field(rule, "name")); name != "" && !glob(name, r.Name) {
			continue
		}
		if namespace := text(field(rule, "namespace")); namespace != "" && !glob(namespace, r.Namespace) {
			continue
		}
		for _, p := range list(field(rule, "jsonPointers")) {
			i.pointer(text(p))
		}
		for _, e := range list(field(rule, "jqPathExpressions")) {
			i.jq(text(e))
		}
		for _, m := range list(field(rule, "managedFieldsManagers")) {
			i.managers = append(i.managers, text(m))
		}
	}
}

func glob(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// pointer reads a JSON pointer (RFC 6901).
func (i *ignored) pointer(p string) {
	if !strings.HasPrefix(p, "/") || p == "/" {
		i.notes = append(i.notes, fmt.Sprintf("%q is no JSON pointer to a field", p))
		return
	}
	var out []string
	for _, s := range strings.Split(p[1:], "/") {
		out = append(out, strings.NewReplacer("~1", "/", "~0", "~").Replace(s))
	}
	i.pointers = append(i.pointers, out)
}

var (
	jqKey    = regexp.MustCompile(`^\.?(?:([A-Za-z_][A-Za-z0-9_-]*)|\[?"([^"\\]+)"\]?)\??`)
	jqIndex  = regexp.MustCompile(`^\.?\[([0-9]*)\]\??`)
	jqSelect = regexp.MustCompile(`^\s*\|\s*select\(\s*\.([A-Za-z_][A-Za-z0-9_]*)\s*==\s*"([^"\\]*)"\s*\)\s*\|?\s*`)
)

// jq reads an expression of jq that is a path, with items chosen by the value
// of a field. What it does not understand it takes for less exact: all that is
// below what was understood is left out.
func (i *ignored) jq(expression string) {
	var out []string
	rest := strings.TrimSpace(expression)
	for rest != "" {
		if m := jqSelect.FindStringSubmatch(rest); m != nil && len(out) > 0 && out[len(out)-1] == "*" {
			out[len(out)-1] = m[1] + "=" + m[2]
			rest = rest[len(m[0]):]
			continue
		}
		if m := jqIndex.FindStringSubmatch(rest); m != nil && len(out) > 0 {
			if m[1] == "" {
				m[1] = "*"
			}
			out, rest = append(out, m[1]), rest[len(m[0]):]
			continue
		}
		m := jqKey.FindStringSubmatch(rest)
		if m == nil || !strings.HasPrefix(rest, ".") && !strings.HasPrefix(rest, "[") {
			if len(out) == 0 {
				i.notes = append(i.notes, fmt.Sprintf("the rule %q is not understood, and does not count", expression))
				return
			}
			i.notes = append(i.notes, fmt.Sprintf("the rule %q is not understood: all of %s is left out", expression, strings.Join(out, ".")))
			break
		}
		out, rest = append(out, m[1]+m[2]), rest[len(m[0]):]
	}
	if len(out) > 0 {
		i.pointers = append(i.pointers, out)
	}
}

// cut takes what the rules leave out from a copy of an object.
func (i *ignored) cut(object map[string]any) map[string]any {
	if len(i.pointers) == 0 || object == nil {
		return object
	}
	out := clone(object)
	for _, p := range i.pointers {
		out = cut(out, p)
	}
	m, _ := out.(map[string]any)
	return m
}

func cut(v any, pointer []string) any {
	if len(pointer) == 0 {
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		below, ok := v[pointer[0]]
		if !ok {
			return v
		}
		if below = cut(below, pointer[1:]); below == nil {
			delete(v, pointer[0])
		} else {
			v[pointer[0]] = below
		}
		return v
	case []any:
		key, value, keyed := strings.Cut(pointer[0], "=")
		n, err := strconv.Atoi(pointer[0])
		for j := len(v) - 1; j >= 0; j-- {
			if pointer[0] != "*" && !(err == nil && n == j) && !(keyed && text(field(v[j], key)) == value) {
				continue
			}
			if below := cut(v[j], pointer[1:]); below == nil {
				v = slices.Delete(v, j, j+1)
			} else {
				v[j] = below
			}
		}
		return v
	}
	return v
}

// target is what an autoscaler scales.
type target struct{ namespace, kind, name string }

// scaled are the workloads whose replicas belong to an autoscaler.
func scaled(cluster *manifest.Set) map[target]bool {
	out := map[target]bool{}
	for r := range cluster.Resources {
		if r.Kind != "HorizontalPodAutoscaler" && r.Kind != "ScaledObject" {
			continue
		}
		ref := field(r.Value, "spec", "scaleTargetRef")
		kind := text(field(ref, "kind"))
		if kind == "" {
			kind = "Deployment" // as KEDA has it
		}
		out[target{r.Namespace, kind, text(field(ref, "name"))}] = true
	}
	return out
}
