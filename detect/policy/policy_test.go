package policy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

const header = `apiVersion: oakum.dev/v1alpha1
kind: Policy
metadata: {name: test}
spec:
  title: a title
  description: a description
  severity: low
`

func compiler() *policy.Compiler {
	return &policy.Compiler{Analyzers: []string{"look-across"}, Fixers: []string{"mend"}}
}

// TestRefused: a policy that cannot work is refused when it is loaded, at the place that is wrong.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, spec, want string }{
		{"unknown field of the file", "  match: {kinds: [Pod]}\n  requires: 'true'\n", "test.yaml:9:1: field requires not found in type Policy"},
		{"no kinds", "  message: m\n  require: 'true'\n", "test.yaml:5:3: match names no kinds"},
		{"neither require nor analyzer", "  message: m\n  match: {kinds: [Pod]}\n", "test.yaml:5:3: policy test needs either require or analyzer"},
		{"unknown analyzer", "  message: m\n  match: {kinds: [Pod]}\n  analyzer: guess\n", "test.yaml:10:13: no analyzer is called \"guess\"; there are [look-across]"},
		{"Pod beside others", "  message: m\n  match: {kinds: [Pod, Deployment]}\n  require: 'true'\n", "test.yaml:9:10: kind Pod already means every workload: it cannot stand beside [\"Pod\" \"Deployment\"]"},
		{"misspelt field", "  message: m\n  match: {kinds: [Pod]}\n  require: pod.spec.hostNetwrk == true\n", "test.yaml:10:20: undefined field 'hostNetwrk'"},
		{"misspelt field of a container", "  message: m\n  match: {kinds: [Pod], each: containers}\n  require: container.?securtyContext.hasValue()\n", "undefined field 'securtyContext'"},
		{"misspelt each", "  message: m\n  match: {kinds: [Pod], each: spec.volume}\n  require: 'true'\n", "test.yaml:9:10: each: PodSpec has no field \"volume\""},
		{"each over a scalar", "  message: m\n  match: {kinds: [Pod], each: spec.nodeName}\n  require: 'true'\n", "each: spec.nodeName is neither a list nor a map"},
		{"unknown name", "  message: m\n  match: {kinds: [Pod]}\n  require: container.name == ''\n", "undeclared reference to 'container'"},
		{"not a condition", "  message: m\n  match: {kinds: [Pod]}\n  require: '1 + 1'\n", "test.yaml:10:12: the expression is int, want bool"},
		{"second line of a block", "  message: m\n  match: {kinds: [Pod]}\n  require: |\n    true &&\n    nothing\n", "test.yaml:12:1: undeclared reference to 'nothing'"},
		{"unclosed brace", "  message: 'a {pod'\n  match: {kinds: [Pod]}\n  require: 'true'\n", "a brace is not closed in \"a {pod\""},
		{"parameter without default", "  message: m\n  match: {kinds: [Pod]}\n  parameters: {p: {}}\n  require: 'true'\n", "parameter p has no default"},
		{"bad path", "  message: m\n  match: {kinds: [Pod]}\n  require: 'true'\n  at: a..b\n", "field path \"a..b\": empty key"},
		{"until before since", "  message: m\n  match: {kinds: [Pod]}\n  kubernetes: {since: 20, until: 19}\n  require: 'true'\n", "until comes before since"},
		{"fix without advice", "  message: m\n  match: {kinds: [Pod]}\n  require: 'true'\n  fix: {title: t}\n", "a fix without edits needs advice"},
		{"unknown fixer", "  message: m\n  match: {kinds: [Pod]}\n  require: 'true'\n  fix: {title: t, fixer: guess}\n", "no fixer is called \"guess\"; there are [mend]"},
		{"last safety rule with a condition", "  message: m\n  match: {kinds: [Pod]}\n  require: 'true'\n  fix: {title: t, safety: [{level: safe, because: b, when: 'true'}], edits: [{remove: spec.x}]}\n", "the last safety rule must hold always"},
		{"edit with two operations", "  message: m\n  match: {kinds: [Pod]}\n  require: 'true'\n  fix: {title: t, safety: [{level: safe, because: b}], edits: [{remove: x, set: x}]}\n", "an edit is one of set, remove and append"},
		{"unknown component", "  message: m\n  match: {components: [kubelets]}\n  require: 'true'\n", "no component is called \"kubelets\"; there are [\"etcd\""},
		{"components beside kinds", "  message: m\n  match: {components: [kubelet], kinds: [Pod]}\n  require: 'true'\n", "test.yaml:9:10: components stand alone"},
		{"misspelt field of the kubelet", "  message: m\n  match: {components: [kubelet]}\n  require: kubelet.readOnlyport == 0\n", "undefined field 'readOnlyport'"},
		{"the kubelet of another component", "  message: m\n  match: {components: [etcd]}\n  require: kubelet.readOnlyPort == 0\n", "undeclared reference to 'kubelet'"},
		{"flag of a pod", "  message: m\n  match: {kinds: [Pod]}\n  require: 'true'\n  at: flag:x\n", "flag:x: only a policy of components has flags"},
		{"no flag", "  message: m\n  match: {components: [etcd]}\n  require: 'true'\n  at: 'flag:'\n", "flag:: name the flag or the field"},
		{"the whole kubelet", "  message: m\n  match: {components: [kubelet]}\n  require: 'true'\n  at: kubelet:.\n", "kubelet:.: name the flag or the field"},
		{"flag as a list", "  message: m\n  match: {components: [etcd]}\n  require: 'true'\n  fix: {title: t, safety: [{level: safe, because: b}], edits: [{append: 'flag:x', value: y}]}\n", "flag:x is set or removed: it is no list"},
		{"unknown severity of a rule", "  message: m\n  match: {kinds: [Pod]}\n  severities: [{level: awful, when: 'true'}]\n  require: 'true'\n", "test.yaml:10:15: severities need a level, one of [critical high medium low info], and when it counts"},
		{"severity without a condition", "  message: m\n  match: {kinds: [Pod]}\n  severities: [{level: high}]\n  require: 'true'\n", "and when it counts"},
		{"severity that is no condition", "  message: m\n  match: {kinds: [Pod]}\n  severities: [{level: high, when: '1'}]\n  require: 'true'\n", "test.yaml:10:36: the expression is int, want bool"},
		{"vulnerabilities of a pod", "  message: m\n  match: {kinds: [Pod]}\n  vulnerabilities: '[]'\n  require: 'true'\n", "it needs each: containers"},
		{"vulnerabilities that are none", "  message: m\n  match: {kinds: [Pod], each: containers}\n  vulnerabilities: '[1]'\n  require: 'true'\n", "the expression is list(int), want list(Vulnerability)"},
		{"misspelt field of a vulnerability", "  message: m\n  match: {kinds: [Pod], each: containers}\n  require: vulnerabilities.orValue([]).all(v, v.level == '')\n", "undefined field 'level'"},
		{"no range of numbers", "  message: m\n  match: {kinds: [Pod]}\n  require: size(lists.range(1000000000)) > 0\n", "undeclared reference"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := compiler().Load("test.yaml", []byte(header+test.spec))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

const workload = `apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  jobTemplate:
    spec:
      template:
        metadata:
          annotations: {a: x, b.c/d: z}
        spec:
          serviceAccount: robot
          securityContext: {runAsUser: 0}
          initContainers:
            - {name: first, image: one, securityContext: {capabilities: {add: [A, B]}}}
          containers:
            - {name: second, image: two, ports: [{containerPort: 1}, {containerPort: 2}]}
`

// TestScopes: what each goes over, the names that expressions see there, and the fields they are at.
func TestScopes(t *testing.T) {
	t.Parallel()
	const pod = "spec.jobTemplate.spec.template."
	for _, test := range []struct{ name, spec, want string }{
		{
			"pod", "  match: {kinds: [Pod]}\n  message: '{object.kind} {size(pod.spec.containers)} in 1.{kubernetes}'\n  at: spec.hostPID\n",
			pod + "spec.hostPID: CronJob 1 in 1.30",
		},
		{
			"containers", "  match: {kinds: [Pod], each: containers}\n  message: '{containerList}/{container.name}'\n",
			pod + "spec.containers[name=second]: containers/second\n" + pod + "spec.initContainers[name=first]: initContainers/first",
		},
		{
			"list in containers", "  match: {kinds: [Pod], each: containers.ports}\n  message: '{container.name} {port.containerPort} {index}'\n  at: .\n",
			pod + "spec.containers[name=second].ports[containerPort=1]: second 1 0\n" + pod + "spec.containers[name=second].ports[containerPort=2]: second 2 1",
		},
		{
			"strings in containers", "  match: {kinds: [Pod], each: containers.securityContext.capabilities.add}\n  message: '{capability}'\n",
			pod + "spec.initContainers[name=first].securityContext.capabilities.add[=A]: A\n" + pod + "spec.initContainers[name=first].securityContext.capabilities.add[=B]: B",
		},
		{
			"map", "  match: {kinds: [Pod], each: metadata.annotations}\n  message: '{key}={value}'\n",
			pod + "metadata.annotations.a: a=x\n" + pod + "metadata.annotations[\"b.c/d\"]: b.c/d=z",
		},
		{
			"securityContexts", "  match: {kinds: [Pod], each: securityContexts}\n  message: '{holder} {containerList}'\n  at: [runAsUser, capabilities]\n",
			pod + "spec.securityContext.runAsUser: the pod \n" + pod + "spec.containers[name=second].securityContext.runAsUser: container \"second\" containers\n" +
				pod + "spec.initContainers[name=first].securityContext.capabilities: container \"first\" initContainers",
		},
		{
			"account", "  match: {kinds: [Pod]}\n  message: '{serviceAccount.hasValue()} {bindings}'\n  at: 'object:metadata.name'\n",
			"metadata.name: true RoleBinding of /robot",
		},
		{
			"where and parameters", "  match: {kinds: [Pod], each: containers, where: container.name == params.only}\n  parameters: {only: {default: first}}\n  message: '{{{params.only}}'\n",
			pod + "spec.initContainers[name=first]: {first}",
		},
		{
			"where and variables", "  match: {kinds: [Pod], each: containers, where: short == 'fir'}\n  variables: [{name: short, expression: 'container.name.substring(0, 3)'}]\n  message: '{short}'\n",
			pod + "spec.initContainers[name=first]: fir",
		},
		{"kind of another group", "  match: {kinds: [example.org/CronJob]}\n  message: m\n", ""},
		{"version", "  match: {kinds: [Pod]}\n  kubernetes: {since: 31}\n  message: m\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, v := range evaluate(t, test.spec+"  require: 'false'\n") {
				got = append(got, v.Path.String()+": "+v.Message)
			}
			if s := strings.Join(got, "\n"); s != test.want {
				t.Errorf("got\n%s\nwant\n%s", s, test.want)
			}
		})
	}
}

// TestRepair: the first safety rule that holds, the edits whose condition holds, and where they go.
func TestRepair(t *testing.T) {
	t.Parallel()
	const spec = `  match: {kinds: [Pod], each: containers}
  message: m
  require: container.name == "first"
  fix:
    title: mend {container.name}
    safety:
      - {level: safe, when: 'container.name == "other"', because: no}
      - {level: evidence, when: 'size(container.ports) == 2', because: 'it has {size(container.ports)} ports'}
      - {level: review, because: no}
    edits:
      - {set: securityContext.privileged, value: false}
      - {set: 'pod:spec.hostPID', value: false, when: 'object.kind == "CronJob"'}
      - {set: 'object:spec.suspend', value: true, when: 'object.kind == "Job"'}
      - {append: args, expression: 'container.ports.map(p, string(p.containerPort)).join("-")'}
      - {remove: 'pod:spec.securityContext'}
      - {remove: resources}
    after: pod.spec.?hostPID.orValue(true) == false
`
	violations := evaluate(t, spec)
	if len(violations) != 1 {
		t.Fatalf("%d violations, want 1", len(violations))
	}
	r, err := violations[0].Repair()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s, %s: %s\n", r.Title, r.Safety, r.Because)
	for _, e := range r.Edits {
		value, err := json.Marshal(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprintf("%s %s %s\n", e.Op, e.Path, value)
	}
	const want = `mend second, evidence: it has 2 ports
set spec.jobTemplate.spec.template.spec.containers[name=second].securityContext.privileged false
set spec.jobTemplate.spec.template.spec.hostPID false
append spec.jobTemplate.spec.template.spec.containers[name=second].args "1-2"
remove spec.jobTemplate.spec.template.spec.securityContext null
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for src, want := range map[string]bool{
		workload: false,
		strings.Replace(workload, "serviceAccount: robot", "hostPID: false", 1): true,
		strings.Replace(workload, "name: second", "name: third", 1):             true, // it is gone
	} {
		if ok, err := violations[0].HoldsAfter(resource(t, src)); ok != want || err != nil {
			t.Errorf("after holds: %v, %v; want %v of\n%s", ok, err, want, src)
		}
	}
}

// TestWith: a parameter may be changed to a value of its type; the policy itself stays as it was.
func TestWith(t *testing.T) {
	t.Parallel()
	policies, err := compiler().Load("test.yaml", []byte(header+
		"  match: {kinds: [Pod]}\n  message: m\n  parameters: {names: {default: [a]}}\n  require: object.metadata.name in params.names\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		severity   policy.Severity
		name       string
		value      any
		violations int
		want       string
	}{
		{"", "nmes", []any{"x"}, 0, `policy test has no parameter "nmes"; it has [names]`},
		{"", "names", "x", 0, "parameter names of policy test is string, want list(string)"},
		{"", "names", []any{1}, 0, "parameter names of policy test is list(int), want list(string)"},
		{"worst", "names", []any{"x"}, 0, `severity of policy test is "worst", want one of [critical high medium low info]`},
		{"", "names", []any{}, 1, ""},
		{"high", "names", []any{"nightly"}, 0, ""},
	} {
		p, err := policies[0].With(policy.Overrides{Severity: test.severity, Parameters: map[string]any{test.name: test.value}})
		if err != nil {
			if err.Error() != test.want {
				t.Errorf("%s %s=%v: %v, want %q", test.severity, test.name, test.value, err, test.want)
			}
			continue
		}
		v, err := p.Evaluate(resource(t, workload), policy.Context{})
		if test.want != "" || err != nil || len(v) != test.violations || test.severity != "" && p.Severity != test.severity {
			t.Errorf("%s %s=%v: %d violations, %v, severity %s", test.severity, test.name, test.value, len(v), err, p.Severity)
		}
	}
	if v, err := policies[0].Evaluate(resource(t, workload), policy.Context{}); len(v) != 1 || err != nil {
		t.Errorf("the policy itself: %d violations, %v; want 1", len(v), err)
	}
}

// TestBounds: an expression that grows without end is not evaluated, which is no pass.
func TestBounds(t *testing.T) {
	t.Parallel()
	numbers := "[" + strings.TrimSuffix(strings.Repeat("1,", 200), ",") + "]"
	nested := numbers + ".all(a, " + numbers + ".all(b, " + numbers + ".all(c, a + b + c > 0)))"
	for _, test := range []struct{ name, variables, require, want string }{
		{"nested loops", "", nested, "cost limit exceeded"},
		{"nested loops of a known policy", "", nested, "its loops take more than 200000 steps"},
		{"doubled text", doubled("%s + %s"), "size(v30) > 0", "cost limit exceeded"},
		{"long replacement", doubled("%s.replace('x', %s)"), "size(v30) > 0", "longer than 1 MiB"},
		{"long join", doubled("[%s, %s].join('')"), "size(v30) > 0", "longer than 1 MiB"},
		{"bad pattern", "", "'a'.matches(object.metadata.name + '(')", "missing closing )"},
		{"missing field", "", "object.metadata.labels.a == 'b'", "no such key: labels"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := compiler()
			c.Known = strings.Contains(test.name, "known")
			policies, err := c.Load("test.yaml", []byte(header+"  match: {kinds: [Pod]}\n  message: m\n"+test.variables+"  require: \""+test.require+"\"\n"))
			if err != nil {
				t.Fatal(err)
			}
			v, err := policies[0].Evaluate(resource(t, workload), policy.Context{Kubernetes: 30})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %d violations and %v, want an error with %q", len(v), err, test.want)
			}
		})
	}
}

// doubled declares variables v1 to v30, each made twice from the one before.
func doubled(format string) string {
	var b strings.Builder
	b.WriteString("  variables:\n    - {name: v0, expression: \"'xxxxxxxxxx'\"}\n")
	for i := range 30 {
		before := fmt.Sprintf("v%d", i)
		fmt.Fprintf(&b, "    - {name: v%d, expression: %q}\n", i+1, fmt.Sprintf(format, before, before))
	}
	return b.String()
}

// TestImages: the parts of an image reference.
func TestImages(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"nginx":                              "nginx||",
		"docker.io/library/nginx:1.27":       "nginx|1.27|",
		"index.docker.io/bitnami/redis":      "bitnami/redis||",
		"registry.example.org:5000/shop/web": "registry.example.org:5000/shop/web||",
		"registry.example.org:5000/web:2":    "registry.example.org:5000/web|2|",
		"shop/web:1@sha256:abc":              "shop/web|1|sha256:abc",
		"shop/web@sha256:abc":                "shop/web||sha256:abc",
	} {
		violations := evaluate(t, "  match: {kinds: [Pod]}\n  require: 'false'\n"+
			fmt.Sprintf("  message: '{imageName(%[1]q)}|{imageTag(%[1]q)}|{imageDigest(%[1]q)}'\n", ref))
		if got := violations[0].Message; got != want {
			t.Errorf("%s: got %s, want %s", ref, got, want)
		}
	}
}

func evaluate(t *testing.T, spec string) []policy.Violation {
	t.Helper()
	policies, err := compiler().Load("test.yaml", []byte(header+spec))
	if err != nil {
		t.Fatal(err)
	}
	violations, err := policies[0].Evaluate(resource(t, workload), policy.Context{
		Kubernetes: 30,
		ServiceAccount: func(namespace, name string) (map[string]any, bool) {
			return map[string]any{}, namespace == "" && name == "robot"
		},
		Bindings: func(namespace, name string) []string { return []string{"RoleBinding of " + namespace + "/" + name} },
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clip(violations)
}

func resource(t *testing.T, src string) *manifest.Resource {
	t.Helper()
	f, errs := manifest.Parse("nightly.yaml", []byte(src), manifest.Plain, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return f.Resources[0]
}
