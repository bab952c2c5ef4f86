package gatekeeper_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/policy/gatekeeper"
	"github.com/oakum-dev/oakum/remediate"
)

const privileged = `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: noprivileged
  annotations: {metadata.gatekeeper.sh/title: No privileged containers, description: They own their node.}
spec:
  crd: {spec: {names: {kind: NoPrivileged}, validation: {openAPIV3Schema: {type: object, properties: {exempt: {type: array, items: {type: string}}}}}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package noprivileged
        violation[{"msg": msg}] {
          c := input.review.object.spec.containers[_]
          c.securityContext.privileged
          not exempt(c.name)
          msg := sprintf("container <%v> is privileged", [c.name])
        }
        exempt(name) { name == input.parameters.exempt[_] }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NoPrivileged
metadata: {name: no-privileged}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}
  parameters: {exempt: [driver]}
`

const uniqueHost = `apiVersion: templates.gatekeeper.sh/v1
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
  enforcementAction: warn
  match: {kinds: [{apiGroups: [networking.k8s.io], kinds: [Ingress]}]}
`

// inCEL has no Rego; its constraint matches by everything that one can.
const inCEL = `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: replicas
  annotations: {metadata.gatekeeper.sh/title: Enough replicas}
spec:
  crd: {spec: {names: {kind: Replicas}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      code:
        - engine: K8sNativeValidation
          source:
            matchCondition:
              - {name: not-one, expression: "!object.metadata.name.startsWith('one-')"}
            variables:
              - {name: least, expression: "has(variables.params.least) ? variables.params.least : 2"}
            validations:
              - expression: variables.anyObject.spec.replicas >= variables.least || variables.params.owners.exists(o, o.name == "all")
                messageExpression: '"fewer than " + string(variables.least) + " replicas"'
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Replicas
metadata: {name: enough.replicas}
spec:
  enforcementAction: warn
  match:
    kinds: [{apiGroups: [apps], kinds: [Deployment, StatefulSet]}]
    namespaces: ["shop", "bank-*"]
    excludedNamespaces: ["*-test"]
    name: "*web"
    scope: Namespaced
    labelSelector: {matchLabels: {tier: front}}
  parameters: {least: 3, share: 0.5, owners: [{name: "o\"ne"}, {name: two, since: 2024}], off: null}
`

const mutators = `apiVersion: mutations.gatekeeper.sh/v1
kind: Assign
metadata: {name: no-escalation}
spec:
  applyTo: [{groups: [""], kinds: [Pod], versions: [v1]}]
  location: 'spec.containers[name:*].securityContext.allowPrivilegeEscalation'
  parameters: {assign: {value: false}}
---
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: owner}
spec:
  match: {scope: Namespaced, kinds: [{apiGroups: [apps], kinds: [Deployment]}]}
  location: metadata.labels.owner
  parameters: {assign: {value: shop}}
`

const workload = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: web:1
          securityContext:
            privileged: true # for now
        - name: driver
          image: driver:1
          securityContext: {privileged: true}
`

// TestPolicies: what Gatekeeper's policies find in files, where, how bad it is,
// and what becomes of the files when it is mended.
func TestPolicies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, policies string
		files          map[string]string
		findings       string // separated by newlines
		after          string // part of a.yaml as it is mended
		err            string // of loading
	}{
		{
			name: "constraint on the pods of a workload", policies: privileged, files: map[string]string{"a.yaml": workload},
			findings: `a.yaml:12 high no-privileged: container <web> is privileged (No privileged containers)`,
		},
		{
			name: "template and constraint in either order", policies: strings.Join(reversed(strings.Split(privileged, "---\n")), "---\n"), files: map[string]string{"a.yaml": workload},
			findings: `a.yaml:12 high no-privileged: container <web> is privileged (No privileged containers)`,
		},
		{
			name: "inventory", policies: uniqueHost, files: map[string]string{"a.yaml": ingress("one", "shop.example.org"), "b.yaml": ingress("two", "shop.example.org"), "c.yaml": ingress("three", "bank.example.org")},
			findings: "a.yaml:3 medium unique-host: host shop.example.org is two's (Constraint UniqueHost is broken)\nb.yaml:3 medium unique-host: host shop.example.org is one's (Constraint UniqueHost is broken)",
		},
		{
			name: "CEL", policies: inCEL, files: map[string]string{
				"a.yaml": replicas("shop", "web", 2, "front"), "b.yaml": replicas("shop", "web", 3, "front"), "c.yaml": replicas("bank-one", "my-web", 1, "front"),
				"excluded.yaml": replicas("bank-test", "web", 1, "front"), "elsewhere.yaml": replicas("house", "web", 1, "front"),
				"named.yaml": replicas("shop", "cache", 1, "front"), "labelled.yaml": replicas("shop", "web", 1, "back"), "condition.yaml": replicas("shop", "one-web", 1, "front"),
			},
			findings: "a.yaml:4 medium enough-replicas: fewer than 3 replicas (Enough replicas)\nc.yaml:4 medium enough-replicas: fewer than 3 replicas (Enough replicas)",
		},
		{name: "CEL that does not compile", policies: strings.Replace(inCEL, "variables.least ||", "variables.lest ||", 1), err: "undefined field 'lest'"},
		{
			name: "mutators", policies: mutators, files: map[string]string{"a.yaml": workload},
			findings: "a.yaml:4 low no-escalation: Assign no-escalation changes it when it is admitted (Changed at admission by Assign no-escalation)\n" +
				"a.yaml:4 low owner: AssignMetadata owner changes it when it is admitted (Changed at admission by AssignMetadata owner)",
			after: "  labels:\n    owner: shop\n",
		},
		{
			name: "labels of a namespace that nobody knows", files: map[string]string{"a.yaml": workload},
			policies: privileged + "    \n---\n" + strings.Replace(strings.Split(privileged, "---\n")[1], "{name: no-privileged}\nspec:\n  match: {", "{name: by-labels}\nspec:\n  match: {namespaceSelector: {matchLabels: {a: b}}, ", 1),
			findings: "not evaluated: a.yaml: policy by-labels on Deployment shop/web: the constraint matches by labels of the namespace of Deployment shop/web, and no file has that namespace\n" +
				"a.yaml:12 high no-privileged: container <web> is privileged (No privileged containers)",
		},
		{name: "constraint without template", policies: strings.Split(privileged, "---\n")[1], err: "no ConstraintTemplate of kind NoPrivileged is among the policies: add its file"},
		{name: "Rego that does not compile", policies: strings.Replace(privileged, "not exempt(c.name)", "not exmpt(c.name)", 1), err: "undefined function exmpt"},
		{name: "network", policies: strings.Replace(privileged, "not exempt(c.name)", `http.send({"url": "http://example.org", "method": "get"})`, 1), err: "undefined function http.send"},
		{name: "unknown action", policies: privileged[:len(privileged)-1] + "\n  enforcementAction: scream\n", err: `enforcementAction is "scream"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := &policy.Compiler{Languages: []policy.Language{gatekeeper.Language()}}
			policies, err := c.Load("gatekeeper.yaml", []byte(test.policies))
			if test.err != "" || err != nil {
				if err == nil || test.err == "" || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("loading: %v, want %q", err, test.err)
				}
				return
			}
			tree := fstest.MapFS{}
			for name, src := range test.files {
				tree[name] = &fstest.MapFile{Data: []byte(src)}
			}
			project, err := remediate.ReadProject(tree, remediate.Settings{Policies: policies, Selected: policies, Config: remediate.Config{Safety: policy.Review}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, u := range project.Result.NotEvaluated {
				got = append(got, "not evaluated: "+u.Error())
			}
			for _, f := range project.Result.Findings {
				got = append(got, fmt.Sprintf("%s:%d %s %s: %s (%s)", f.Position.File, f.Position.Line, f.Policy.Severity, f.Policy.Name, f.Message, f.Policy.Title))
			}
			if s := strings.Join(got, "\n"); s != test.findings {
				t.Errorf("got\n%s\nwant\n%s", s, test.findings)
			}
			plan, err := project.Plan(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.after == "" {
				if len(plan.Changes) > 0 {
					t.Errorf("mended:\n%s", plan.Diff())
				}
				return
			}
			after := string(plan.Changes[0].After)
			if !strings.Contains(after, test.after) || strings.Count(after, "allowPrivilegeEscalation: false") != 2 || !strings.Contains(after, "privileged: true # for now") {
				t.Errorf("got\n%s\nheld %v", after, plan.Held)
			}
		})
	}
}

func replicas(namespace, name string, n int, tier string) string {
	return fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %s, namespace: %s, labels: {tier: %s}}\nspec: {replicas: %d, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: web, image: web}]}}}\n", name, namespace, tier, n)
}

func ingress(name, host string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: " + name + ", namespace: shop}\nspec: {rules: [{host: " + host + "}]}\n"
}

func reversed(s []string) []string {
	out := make([]string, 0, len(s))
	for i := len(s) - 1; i >= 0; i-- {
		out = append(out, s[i])
	}
	return out
}
