package detect_test

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/policy/admission"
	"github.com/oakum-dev/oakum/detect/policy/gatekeeper"
	"github.com/oakum-dev/oakum/detect/vuln"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/testdata/corpus"
)

// asking has policies of each language, and of oakum's own, that ask the
// context for everything that there is to be asked.
const asking = `apiVersion: oakum.dev/v1alpha1
kind: Policy
metadata: {name: asks-everything}
spec:
  title: It asks for all
  description: It asks for all.
  severity: medium
  severities: [{level: high, when: size(bindings) > 0}]
  match: {kinds: [Pod]}
  related:
    - {name: services, kinds: [Service]}
    - {name: everywhere, kinds: [Service, NetworkPolicy, argoproj.io/Application], in: cluster}
    - {name: pods, kinds: [Pod]}
  require: size(bindings) + size(exposure) == 0
  message: '{bindings} {exposure} {serviceAccount.?automountServiceAccountToken.orValue(true)} {selecting(services, pod.?metadata.?labels.orValue({})).map(s, s.?metadata.?name.orValue(""))}
    {holding(everywhere, "metadata.namespace", ["", namespaceName]).map(s, s.kind)} {selected(pods, {"matchLabels": {"app": "a"}}).map(s, s.kind)} {named(everywhere, ["a", "b"]).map(s, s.kind)}'
---
apiVersion: oakum.dev/v1alpha1
kind: Policy
metadata: {name: names-nothing}
spec:
  title: Items without a name
  description: Their findings share a fingerprint.
  severity: low
  match: {kinds: [RoleBinding], each: subjects}
  require: "false"
  at: object:metadata.name
  message: subject {subject.?name.orValue("")}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: by-namespace}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {tier: front}}
    resourceRules: [{apiGroups: ["", apps], apiVersions: [v1], operations: [CREATE], resources: [pods, deployments]}]
  validations: [{expression: "has(object.metadata.labels) && object.metadata.labels.app == namespaceObject.metadata.labels.app"}]
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: uniquehost}
spec:
  crd: {spec: {names: {kind: UniqueHost}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      code:
        - engine: Rego
          source:
            version: v1
            rego: |
              package uniquehost
              violation contains {"msg": msg} if {
                host := input.review.object.spec.rules[_].host
                some namespace, name
                other := data.inventory.namespace[namespace][_]["Ingress"][name]
                name != input.review.object.metadata.name
                other.spec.rules[_].host == host
                msg := sprintf("host %v is %v's", [host, name])
              }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: UniqueHost
metadata: {name: unique-host}
spec:
  match: {kinds: [{apiGroups: [networking.k8s.io], kinds: [Ingress]}], namespaceSelector: {matchLabels: {tier: front}}}
`

// compiled is the built-in policies, compiled once: with the race detector that
// takes seconds.
var compiled = sync.OnceValues(func() ([]*policy.Policy, error) {
	return (&policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names(), Known: true}).LoadFS(policies.FS)
})

// TestMonitor: whatever comes, goes and changes, the result is that of a fresh
// scan, and so is what the deltas add up to.
func TestMonitor(t *testing.T) {
	t.Parallel()
	all, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	own, err := (&policy.Compiler{Languages: []policy.Language{admission.Language(), gatekeeper.Language()}}).Load("asking.yaml", []byte(asking))
	if err != nil {
		t.Fatal(err)
	}
	written := pool(t)
	steps, seeds := 60, 4
	if os.Getenv("OAKUM_LONG") != "" {
		steps, seeds = 1000, 20
	}
	start := uint64(time.Now().UnixNano())
	if s := os.Getenv("OAKUM_SEED"); s != "" {
		if start, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
		seeds = 1
	}
	for i := range uint64(seeds) {
		seed := start + i
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			t.Logf("OAKUM_SEED=%d", seed)
			w := &world{Rand: rand.New(rand.NewPCG(seed, 0)), objects: map[string]*manifest.Resource{}, written: written, generated: i%2 == 0}
			w.o = detect.Options{Policies: all, Today: day(1), Kubernetes: 36}
			if i%4 < 2 {
				w.o.Policies = slices.Concat(all, own)
			}
			w.options()
			w.run(t, steps)
		})
	}
}

func day(n int) time.Time { return time.Date(2026, 5, n, 0, 0, 0, 0, time.UTC) }

// world is a cluster in which things happen.
type world struct {
	*rand.Rand
	o         detect.Options
	objects   map[string]*manifest.Resource
	written   []map[string]any // objects as people write them
	generated bool             // most objects are made so that they have to do with each other
}

func (w *world) options() {
	w.o.Least = pick(w, policy.Severity(""), "", "low", "high")
	if w.IntN(2) == 0 {
		w.o.Exemptions = []*detect.Exemption{
			{Policies: []string{"rbac-*"}, Reason: "because", Until: day(2), Scope: detect.Scope{Namespaces: []string{"a"}}},
			{Policies: []string{"image-*"}, Reason: "because"},
		}
	}
	if w.o.Provided = nil; w.IntN(2) == 0 {
		w.o.Provider, w.o.Provided = "EKS", func(r *manifest.Resource) bool { return strings.HasPrefix(r.Name, "b") }
	}
	reports, err := vuln.Read("report.json", []byte(`{"ArtifactName": "shop/b:1", "Results": [{"Vulnerabilities": [{"VulnerabilityID": "CVE-3", "PkgName": "h2", "Severity": "HIGH"}]}]}`))
	if err != nil {
		panic(err)
	}
	w.o.Reports = reports
}

func (w *world) run(t *testing.T, steps int) {
	for range 40 {
		if c := w.add(); c.New != nil {
			w.objects[key(c.New)] = c.New
		}
	}
	m := detect.NewMonitor(w.set(), w.o)
	told := map[string]string{} // by what deltas say
	for _, f := range m.Result().Findings {
		told[f.Fingerprint] = saying(f)
	}
	for step := range steps {
		var delta detect.Delta
		var happened []string
		if w.IntN(50) == 0 {
			w.o.Today = day(w.IntN(5) + 1)
			w.options()
			delta, happened = m.Reset(m.Set(), w.o), []string{"other options"}
		} else {
			changes := w.happen()
			for _, c := range changes {
				happened = append(happened, describe(c))
			}
			delta = m.Apply(changes)
		}
		for _, f := range delta.Appeared {
			if told[f.Fingerprint] != "" {
				t.Errorf("step %d: %s appeared twice", step, saying(f))
			}
			told[f.Fingerprint] = saying(f)
		}
		for _, f := range delta.Gone {
			if told[f.Fingerprint] == "" {
				t.Errorf("step %d: %s is gone, and was not there", step, saying(f))
			}
			delete(told, f.Fingerprint)
		}
		for _, f := range delta.Changed {
			if told[f.Fingerprint] == "" {
				t.Errorf("step %d: %s changed, and was not there", step, saying(f))
			}
			told[f.Fingerprint] = saying(f)
		}
		fresh := detect.Scan(w.set(), w.o)
		if d := cmp.Diff(summary(fresh), summary(m.Result())); d != "" {
			t.Fatalf("step %d, %d objects, after\n  %s\na monitor differs from a scan:\n%s", step, len(w.objects), strings.Join(happened, "\n  "), d)
		}
		want := map[string]string{}
		for _, f := range fresh.Findings {
			want[f.Fingerprint] = saying(f)
		}
		if d := cmp.Diff(want, told); d != "" {
			t.Fatalf("step %d, after\n  %s\nthe deltas differ from a scan:\n%s", step, strings.Join(happened, "\n  "), d)
		}
	}
	if len(told) == 0 {
		t.Error("nothing was ever found: it proves nothing")
	}
}

func describe(c manifest.Change) string {
	switch {
	case c.Old == nil:
		return "+ " + c.New.File.Path
	case c.New == nil:
		return "- " + c.Old.File.Path
	}
	return fmt.Sprintf("~ %s\n%s", c.New.File.Path, cmp.Diff(c.Old.Value, c.New.Value))
}

func saying(f *detect.Finding) string {
	return fmt.Sprintf("%s %s %s %s %s: %s %v", f.Fingerprint, f.Severity, f.Policy.Name, f.Resource.ID(), f.Field, f.Message, f.Exemption)
}

// summary is all that a result says, as text.
func summary(r detect.Result) map[string][]string {
	out := map[string][]string{}
	for _, f := range r.Findings {
		out["findings"] = append(out["findings"], saying(f)+fmt.Sprintf(" %v %s %+v", f.Risk, f.Container, f.Position))
	}
	for _, f := range r.Exempted {
		out["exempted"] = append(out["exempted"], saying(f))
	}
	for _, u := range r.NotEvaluated {
		out["not evaluated"] = append(out["not evaluated"], u.Policy.Name+" "+u.Error())
	}
	slices.Sort(out["not evaluated"])
	for _, e := range r.Exemptions {
		out["exemptions"] = append(out["exemptions"], fmt.Sprintf("%v %v %v", e.Position, e.Policies, e))
	}
	for _, e := range r.Errors {
		out["errors"] = append(out["errors"], fmt.Sprint(e))
	}
	for p, n := range r.Judged {
		out["judged"] = append(out["judged"], fmt.Sprint(p.Name, " ", n))
	}
	slices.Sort(out["judged"])
	return out
}

func key(r *manifest.Resource) string {
	return strings.Join([]string{r.Kind, r.APIVersion, r.Namespace, r.Name}, "\x00")
}

// set has the objects in their order.
func (w *world) set() *manifest.Set {
	resources := slices.SortedFunc(maps.Values(w.objects), manifest.CompareObjects)
	set := &manifest.Set{}
	for _, r := range resources {
		set.Files = append(set.Files, r.File)
	}
	return set
}

// happen changes some objects.
func (w *world) happen() []manifest.Change {
	changes := map[string]manifest.Change{}
	for range pick(w, 1, 1, 1, 2, 5, 40) {
		var c manifest.Change
		switch w.IntN(5) {
		case 0, 1:
			c = w.add()
		case 2:
			if len(w.objects) > 30 {
				c.Old = w.any()
			}
		default:
			c.Old = w.any()
			c.New = w.changed(c.Old)
		}
		r := c.New
		if r == nil {
			r = c.Old
		}
		if r == nil {
			continue
		}
		k := key(r)
		if w.objects[k] = c.New; c.New == nil {
			delete(w.objects, k)
		}
		if first, again := changes[k]; again {
			c.Old = first.Old
		}
		if changes[k] = c; c.Old == nil && c.New == nil {
			delete(changes, k)
		}
	}
	return slices.Collect(maps.Values(changes))
}

func (w *world) any() *manifest.Resource {
	keys := slices.Sorted(maps.Keys(w.objects))
	return w.objects[keys[w.IntN(len(keys))]]
}

func (w *world) add() manifest.Change {
	var o map[string]any
	if w.IntN(10) < 3 != w.generated {
		o = w.generate()
	} else {
		o = clone(w.written[w.IntN(len(w.written))]).(map[string]any)
		if meta, ok := o["metadata"].(map[string]any); ok && w.IntN(2) == 0 {
			meta["namespace"] = w.namespace()
		}
	}
	r := live(o)
	return manifest.Change{Old: w.objects[key(r)], New: r}
}

func live(o map[string]any) *manifest.Resource {
	r := manifest.FromObject("", o)
	r.File.Path = path.Join("live:test", r.Namespace, r.Kind, r.Name)
	r.Partial = r.Name == "partial"
	return r
}

// changed is an object in which something is another.
func (w *world) changed(r *manifest.Resource) *manifest.Resource {
	o := clone(r.Value).(map[string]any)
	if w.IntN(6) == 0 {
		meta, _ := o["metadata"].(map[string]any)
		if meta == nil {
			return live(o)
		}
		switch w.IntN(3) {
		case 0:
			meta["labels"] = w.labels()
		case 1:
			meta["annotations"] = pick(w, map[string]any{}, map[string]any{"oakum.dev/exempt.rbac-*": "it is so"},
				map[string]any{"oakum.dev/exempt.*": "for a while; until=2026-05-02"}, map[string]any{"oakum.dev/exempt.no-such": ""})
		default:
			meta["resourceVersion"] = fmt.Sprint(w.IntN(1000))
		}
		return live(o)
	}
	// A part of it is as in another object, or goes.
	var other map[string]any
	if w.IntN(3) > 0 {
		same := slices.DeleteFunc(slices.Clone(w.written), func(v map[string]any) bool { return v["kind"] != o["kind"] })
		if len(same) > 0 && w.IntN(2) == 0 {
			other = clone(same[w.IntN(len(same))]).(map[string]any)
		} else {
			other = w.generate()
		}
	}
	w.mix(o, other, "apiVersion", "kind", "metadata")
	return live(o)
}

func (w *world) mix(o, other map[string]any, leave ...string) {
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(o)), func(k string) bool { return slices.Contains(leave, k) })
	if len(keys) == 0 {
		return
	}
	k := keys[w.IntN(len(keys))]
	inner, deep := o[k].(map[string]any)
	if list, ok := o[k].([]any); ok && len(list) > 0 {
		inner, deep = list[w.IntN(len(list))].(map[string]any)
	}
	switch v := other[k]; {
	case deep && w.IntN(4) > 0:
		next, _ := v.(map[string]any)
		w.mix(inner, next)
	case v != nil:
		o[k] = v
	default:
		delete(o, k)
	}
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

func pick[T any](w *world, of ...T) T { return of[w.IntN(len(of))] }

func (w *world) namespace() string { return pick(w, "a", "a", "b", "c", "") }

func (w *world) name() string { return pick(w, "a", "a", "b", "default", "partial") }

func (w *world) labels() map[string]any {
	out := map[string]any{}
	for _, k := range []string{"app", "tier", "kubernetes.io/bootstrapping"} {
		if w.IntN(3) > 0 {
			out[k] = pick(w, "a", "b", "front", "rbac-defaults")
		}
	}
	return out
}

// pool are the objects of the policies' cases, and of the corpus where there is one.
func pool(t *testing.T) []map[string]any {
	t.Helper()
	var out []map[string]any
	take := func(name string, src []byte) {
		f, _ := manifest.Parse(name, src, manifest.Plain, nil)
		if f == nil {
			return
		}
		for _, r := range f.Resources {
			if r.Decoded() && r.Kind != "" {
				out = append(out, r.Value)
			}
		}
	}
	cases, err := fs.Glob(os.DirFS("../testdata/policies"), "*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal(cases, err)
	}
	for _, name := range cases {
		a, err := txtar.ParseFile(path.Join("../testdata/policies", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if path.Ext(f.Name) == ".yaml" {
				take(f.Name, f.Data)
			}
		}
	}
	t.Run("corpus", func(t *testing.T) { // skipped where there is none
		set, err := manifest.Read(os.DirFS(corpus.Dir(t)), manifest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for r := range set.Resources {
			if r.Kind != "CustomResourceDefinition" && r.Kind != "" {
				out = append(out, r.Value)
			}
		}
	})
	return out
}
