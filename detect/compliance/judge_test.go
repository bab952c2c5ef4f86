package compliance_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/compliance"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

const house = `apiVersion: oakum.dev/v1alpha1
kind: Framework
metadata:
  name: house
spec:
  title: Rules of the house
  source: the wiki
  controls:
    - {id: "1", title: pods, automated: true, policies: [pod]}
    - {id: "2", title: roles, automated: true, policies: [role]}
    - {id: "3", title: pods or roles, automated: true, policies: [pod, role]}
    - {id: "4", title: part of it, automated: false, policies: [calm], guidance: ask}
    - {id: "5", title: people, automated: false, guidance: ask}
    - {id: "6", title: newer, automated: true, policies: [pod], kubernetes: {since: 35}}
    - {id: "7", title: calm, automated: true, policies: [calm]}
    - {id: "8", title: off, automated: true, policies: [calm, "off"]}
    - {id: "9", title: broken, automated: true, policies: [broken]}
    - {id: "10", title: exempted, automated: true, policies: [exempted]}
    - {id: "11", title: newer policy, automated: true, policies: [newer]}
    - {id: "12", title: older, automated: true, policies: [calm], kubernetes: {until: 20}}
`

func rules(t *testing.T) []*policy.Policy {
	t.Helper()
	const head = "---\napiVersion: oakum.dev/v1alpha1\nkind: Policy\nmetadata: {name: "
	one := func(name, rest string) string {
		return head + name + "}\nspec:\n  title: t\n  description: d\n  severity: low\n  category: c\n  message: m\n" + rest
	}
	src := one("pod", "  match: {kinds: [Pod]}\n  require: \"false\"\n") +
		one("role", "  match: {kinds: [Role]}\n  require: \"false\"\n") +
		one("calm", "  match: {kinds: [Pod]}\n  require: \"true\"\n") +
		one("off", "  match: {kinds: [Pod]}\n  require: \"true\"\n") +
		one("broken", "  match: {kinds: [ConfigMap]}\n  require: object.data[\"none\"] == \"x\"\n") +
		one("exempted", "  match: {kinds: [ConfigMap]}\n  require: \"false\"\n") +
		one("newer", "  kubernetes: {since: 36}\n  match: {kinds: [Pod]}\n  require: \"false\"\n")
	c := &policy.Compiler{}
	all, err := c.Load("rules.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestVerdicts: each verdict, and why.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	all := rules(t)
	var on []*policy.Policy
	for _, p := range all {
		if p.Name != "off" {
			on = append(on, p)
		}
	}
	loaded, err := compliance.Load("house.yaml", []byte(house))
	if err != nil {
		t.Fatal(err)
	}
	c, err := compliance.NewCatalogue(loaded, all)
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{
		"pod.yaml": {Data: []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n")},
		"map.yaml": {Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: b}\n")},
	}
	options := detect.Options{Policies: on, Kubernetes: 34, Exemptions: []*detect.Exemption{{Policies: []string{"exempted"}, Reason: "r"}}}
	set, err := manifest.Read(tree, manifest.Options{Wants: options.Wants})
	if err != nil {
		t.Fatal(err)
	}
	assessed := c.Judge(c.Frameworks, compliance.Scan{Result: detect.Scan(set, options), Policies: on, Kubernetes: 34})
	type verdict struct {
		Verdict  compliance.Verdict
		Reason   string
		Findings int
		Exempted int
	}
	want := map[string]verdict{
		"1":  {compliance.Fail, "", 1, 0},
		"2":  {compliance.NotEvaluated, "there is nothing to look at: Role", 0, 0},
		"3":  {compliance.Fail, "", 1, 0},
		"4":  {compliance.Manual, "nothing was found, but policies see only a part of it", 0, 0},
		"5":  {compliance.Manual, "no policy speaks of it", 0, 0},
		"6":  {compliance.NotEvaluated, "it asks for nothing in Kubernetes 1.34, only from 1.35 on", 0, 0},
		"7":  {compliance.Pass, "", 0, 0},
		"8":  {compliance.NotEvaluated, "did not run: off", 0, 0},
		"9":  {compliance.NotEvaluated, "policy broken could not judge 1 of 1 resources", 0, 0},
		"10": {compliance.Exempted, "", 0, 1},
		"11": {compliance.NotEvaluated, "there is nothing to look at: newer judges from 1.36 on", 0, 0},
		"12": {compliance.NotEvaluated, "it asks for nothing in Kubernetes 1.34, only until 1.20", 0, 0},
	}
	got := map[string]verdict{}
	for _, j := range assessed[0].Judgments {
		reason, first, ok := strings.Cut(j.Reason, ", first: ")
		if ok && !strings.Contains(first, "map.yaml: ") {
			t.Errorf("%s does not say where", j.Reason)
		}
		got[j.Control.ID] = verdict{j.Verdict, reason, len(j.Findings), len(j.Exempted)}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	counts := map[compliance.Verdict]int{compliance.Fail: 2, compliance.NotEvaluated: 6, compliance.Manual: 2, compliance.Pass: 1, compliance.Exempted: 1}
	if d := cmp.Diff(counts, assessed[0].Counts("")); d != "" {
		t.Error(d)
	}
}

// TestNothingRead: over an empty tree no control of any framework passes.
func TestNothingRead(t *testing.T) {
	t.Parallel()
	frameworks, all := builtIn(t)
	c, err := compliance.NewCatalogue(frameworks, all)
	if err != nil {
		t.Fatal(err)
	}
	scan := compliance.Scan{Result: detect.Scan(&manifest.Set{}, detect.Options{Policies: all}), Policies: all}
	for _, a := range c.Judge(c.Frameworks, scan) {
		for _, j := range a.Judgments {
			if j.Verdict != compliance.Manual && j.Verdict != compliance.NotEvaluated || j.Reason == "" {
				t.Errorf("%s %s: %s (%s)", a.Framework.Name, j.Control.ID, j.Verdict, j.Reason)
			}
		}
	}
}

// TestHiddenParts: a cluster has an API server and kubelets whether its
// repository shows them or not.
func TestHiddenParts(t *testing.T) {
	t.Parallel()
	_, all := builtIn(t)
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n"
	const authorization = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers: [{type: Node, name: node}, {type: RBAC, name: rbac}]
`
	const apiserver = `apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver, namespace: kube-system, labels: {component: kube-apiserver}}
spec:
  containers:
    - name: kube-apiserver
      image: registry.k8s.io/kube-apiserver:v1.34.0
      command: [kube-apiserver, --authorization-mode=Node,RBAC, --profiling=false]
`
	tests := []struct {
		name, policies, files string
		automated             bool
		want                  compliance.Verdict
		reason                string
	}{
		{"a pod says nothing of the API server", "secret-in-env, apiserver-profiling", pod, true, compliance.NotEvaluated, "a part cannot be looked at: kube-apiserver"},
		{"nor of kubelets", "secret-in-env, kubelet-client-ca, kubelet-event-limit", pod, true, compliance.NotEvaluated, "a part cannot be looked at: kubelet"},
		{"both are there", "secret-in-env, apiserver-profiling", pod + "---\n" + apiserver, true, compliance.Pass, ""},
		{"what is not there cannot be wrong", "secret-in-env, rbac-wildcard-verbs", pod, true, compliance.Pass, ""},
		{"the API server is told by its own file", "apiserver-authorization-rbac, authorization-config-incomplete", authorization, true, compliance.Pass, ""},
		{"which says nothing of kubelets", "kubelet-client-ca, authorization-config-incomplete", authorization, true, compliance.NotEvaluated, "a part cannot be looked at: kubelet"},
		{"a person looks at the rest", "secret-in-env, apiserver-profiling", pod, false, compliance.Manual, "nothing was found, but policies see only a part of it"},
	}
	for _, c := range tests {
		src := strings.NewReplacer("POLICIES", c.policies, "AUTOMATED", map[bool]string{true: "true", false: "false, guidance: ask"}[c.automated]).Replace(`apiVersion: oakum.dev/v1alpha1
kind: Framework
metadata: {name: house}
spec: {title: t, source: s, controls: [{id: "1", title: t, policies: [POLICIES], automated: AUTOMATED}]}
`)
		loaded, err := compliance.Load("f.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		catalogue, err := compliance.NewCatalogue(loaded, all)
		if err != nil {
			t.Fatal(err)
		}
		options := detect.Options{Policies: all}
		set, err := manifest.Read(fstest.MapFS{"f.yaml": {Data: []byte(c.files)}}, manifest.Options{Wants: options.Wants})
		if err != nil || len(set.Errors) > 0 {
			t.Fatal(err, set.Errors)
		}
		got := catalogue.Judge(catalogue.Frameworks, compliance.Scan{Result: detect.Scan(set, options), Policies: all})[0].Judgments[0]
		if got.Verdict != c.want || got.Reason != c.reason {
			t.Errorf("%s: %s (%s), want %s (%s)", c.name, got.Verdict, got.Reason, c.want, c.reason)
		}
	}
}
