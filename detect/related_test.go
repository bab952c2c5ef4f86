package detect_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// scan judges files, given as txt of name and content, by one policy.
func scan(t *testing.T, spec string, files map[string]string) detect.Result {
	t.Helper()
	policies, err := (&policy.Compiler{}).Load("test.yaml", []byte("apiVersion: oakum.dev/v1alpha1\nkind: Policy\nmetadata: {name: test}\nspec:\n"+
		"  title: a title\n  description: a description\n  severity: low\n"+spec))
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{}
	for name, src := range files {
		tree[name] = &fstest.MapFile{Data: []byte(src)}
	}
	o := detect.Options{Policies: policies}
	set, err := manifest.Read(tree, manifest.Options{Wants: o.Wants})
	if err != nil {
		t.Fatal(err)
	}
	return detect.Scan(set, o)
}

// TestRelated: which resources a policy sees beside the one it judges.
func TestRelated(t *testing.T) {
	t.Parallel()
	const budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\n"
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n" +
		"spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}\n"
	const services = "  match: {kinds: [Service]}\n  message: '{workloads.map(w, w.metadata.name)}'\n" +
		"  require: \"workloads.exists(w, podTemplate(w).hasValue() && selects({'matchLabels': object.spec.selector}, podTemplate(w).value().metadata.?labels.orValue({})))\"\n"
	service := func(selector string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: " + selector + "}\n"
	}
	for _, test := range []struct {
		name, spec string
		related    string // what is beside the Deployment
		want       string
	}{
		{"same namespace", "", budget + "metadata: {name: a, namespace: shop}\n", "[a]"},
		{"open namespace", "", budget + "metadata: {name: a}\n", "[a]"},
		{"another namespace", "", budget + "metadata: {name: a, namespace: bank}\n", "[]"},
		{"another namespace, whole cluster", ", in: cluster", budget + "metadata: {name: a, namespace: bank}\n", "[a]"},
		{"another group", "", "apiVersion: example.org/v1\nkind: PodDisruptionBudget\nmetadata: {name: a, namespace: shop}\n", "[]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			result := scan(t, "  match: {kinds: [Deployment]}\n  related: [{name: budgets, kinds: [PodDisruptionBudget]"+test.spec+"}]\n"+
				"  message: '[{budgets.map(b, b.metadata.name)}]'\n  require: 'false'\n",
				map[string]string{"a.yaml": test.related, "web.yaml": deployment})
			if len(result.Findings) != 1 || len(result.NotEvaluated) > 0 || result.Findings[0].Message != test.want {
				t.Errorf("got %v and %v, want a finding that says %s", result.Findings, result.NotEvaluated, test.want)
			}
		})
	}
	for selector, want := range map[string]int{"{app: web}": 0, "{app: web, tier: front}": 1, "{app: bank}": 1} {
		result := scan(t, services+"  related: [{name: workloads, kinds: [Pod]}]\n", map[string]string{"web.yaml": deployment, "service.yaml": service(selector)})
		if len(result.Findings) != want || len(result.NotEvaluated) > 0 {
			t.Errorf("%s: got %d findings and %v, want %d", selector, len(result.Findings), result.NotEvaluated, want)
		}
	}
}

// TestSelects: a label selector selects by labels and by expressions; a broken one is not evaluated.
func TestSelects(t *testing.T) {
	t.Parallel()
	for selector, want := range map[string]string{
		"{}":                          "true",
		"{matchLabels: {app: web}}":   "true",
		"{matchLabels: {app: other}}": "false",
		"{matchExpressions: [{key: app, operator: In, values: [web, api]}]}":                 "true",
		"{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: Exists}]}":       "false",
		"{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: DoesNotExist}]}": "true",
		"{matchExpressions: [{key: app, operator: Like, values: [web]}]}":                    "not a valid",
		"{matchLabels: web}": "cannot restore",
	} {
		result := scan(t, "  match: {kinds: [PodDisruptionBudget]}\n  variables: [{name: is, expression: \"selects(object.spec.selector, {'app': 'web'})\"}]\n  message: \"{is}\"\n  require: \"is ? false : false\"\n",
			map[string]string{"a.yaml": "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a}\nspec: {selector: " + selector + "}\n"})
		got := ""
		for _, f := range result.Findings {
			got += f.Message
		}
		for _, err := range result.NotEvaluated {
			got += err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", selector, got, want)
		}
	}
}
