package detect_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/vuln"
)

// vulnerable judges files by the policy on images, where shop/web:1 has a
// critical vulnerability and shop/api:1 a high one.
func vulnerable(t *testing.T, files map[string]string) detect.Result {
	t.Helper()
	src, err := policies.FS.ReadFile("image-vulnerabilities.yaml")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := (&policy.Compiler{Fixers: []string{"newer-image"}}).Load("image-vulnerabilities.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	o := detect.Options{Policies: loaded}
	for _, report := range []string{
		`{"ArtifactName": "shop/web:1", "Results": [{"Vulnerabilities": [{"VulnerabilityID": "CVE-1", "PkgName": "ssl", "Severity": "CRITICAL", "CVSS": {"nvd": {"V3Score": 9.8}}},
			{"VulnerabilityID": "CVE-2", "PkgName": "tar", "Severity": "MEDIUM"}]}]}`,
		`{"ArtifactName": "shop/api:1", "Results": [{"Vulnerabilities": [{"VulnerabilityID": "CVE-3", "PkgName": "h2", "Severity": "HIGH"}]}]}`,
	} {
		reports, err := vuln.Read("report.json", []byte(report))
		if err != nil {
			t.Fatal(err)
		}
		o.Reports = append(o.Reports, reports...)
	}
	tree := fstest.MapFS{}
	for name, src := range files {
		tree[name] = &fstest.MapFile{Data: []byte(src)}
	}
	set, err := manifest.Read(tree, manifest.Options{Wants: o.Wants})
	if err != nil {
		t.Fatal(err)
	}
	return detect.Scan(set, o)
}

// TestExposure: what makes a vulnerability worse, and how bad the finding is then.
func TestExposure(t *testing.T) {
	t.Parallel()
	const route = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: front, namespace: shop}\nspec: {rules: [{backendRefs: [{name: web, port: 80}]}]}\n"
	const account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web, namespace: shop}\nautomountServiceAccountToken: false\n"
	const binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: edit, namespace: shop}\nroleRef: {kind: ClusterRole, name: edit, apiGroup: rbac.authorization.k8s.io}\nsubjects: [{kind: ServiceAccount, name: web, namespace: shop}]\n"
	pod := func(image, spec, security string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec:\n" + spec +
			"  containers: [{name: web, image: \"" + image + "\"" + security + "}]\n"
	}
	service := func(namespace, kind, app string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: " + namespace + "}\nspec: {type: " + kind + ", selector: {app: " + app + "}}\n"
	}
	const old = "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: old, namespace: shop}\nspec: {rules: [{http: {paths: [{backend: {serviceName: web}}]}}]}\n"
	web, api := pod("shop/web:1", "", ""), pod("shop/api:1", "", "")
	for _, test := range []struct {
		name  string
		files map[string]string
		want  []string // severity, score, and what it is made of
	}{
		{"nothing makes it worse", map[string]string{"a.yaml": web}, []string{"high", "59", "CVE-1 in ssl is critical (CVSS 9.8)"}},
		{"high", map[string]string{"a.yaml": api}, []string{"medium", "35", "CVE-3 in h2 is high"}},
		{"a load balancer", map[string]string{"a.yaml": web, "b.yaml": service("shop", "LoadBalancer", "web")}, []string{"critical", "69", "CVE-1 in ssl is critical (CVSS 9.8)", "Service shop/web (LoadBalancer) leads to it"}},
		{"a port of the nodes", map[string]string{"a.yaml": api, "b.yaml": service("shop", "NodePort", "web")}, []string{"high", "45", "CVE-3 in h2 is high", "Service shop/web (NodePort) leads to it"}},
		{"a service inside", map[string]string{"a.yaml": web, "b.yaml": service("shop", "ClusterIP", "web")}, []string{"high", "59", "CVE-1 in ssl is critical (CVSS 9.8)"}},
		{"a service of others", map[string]string{"a.yaml": web, "b.yaml": service("shop", "NodePort", "api")}, []string{"high", "59", "CVE-1 in ssl is critical (CVSS 9.8)"}},
		{"another namespace", map[string]string{"a.yaml": web, "b.yaml": service("mail", "NodePort", "web")}, []string{"high", "59", "CVE-1 in ssl is critical (CVSS 9.8)"}},
		{"a namespace left open, elsewhere", map[string]string{"x/a.yaml": web, "y/b.yaml": service(`""`, "NodePort", "web")}, []string{"high", "59", "CVE-1 in ssl is critical (CVSS 9.8)"}},
		{"a namespace left open, beside it", map[string]string{"x/a.yaml": web, "x/b.yaml": service(`""`, "NodePort", "web")}, []string{"critical", "69", "CVE-1 in ssl is critical (CVSS 9.8)", "Service web (NodePort) leads to it"}},
		{"an old ingress", map[string]string{"a.yaml": web, "b.yaml": service("shop", "ClusterIP", "web"), "c.yaml": old}, []string{"critical", "69", "CVE-1 in ssl is critical (CVSS 9.8)", "Ingress shop/old leads to it"}},
		{"a route", map[string]string{"a.yaml": web, "b.yaml": service("shop", "ClusterIP", "web"), "c.yaml": route}, []string{"critical", "69", "CVE-1 in ssl is critical (CVSS 9.8)", "HTTPRoute shop/front leads to it"}},
		{"a route to something else", map[string]string{"a.yaml": web, "b.yaml": service("shop", "ClusterIP", "web"), "c.yaml": strings.Replace(route, "{name: web", "{kind: Bucket, name: web", 1)}, []string{"high", "59", "CVE-1 in ssl is critical (CVSS 9.8)"}},
		{"privileged", map[string]string{"a.yaml": pod("shop/api:1", "", ", securityContext: {privileged: true}")}, []string{"high", "45", "CVE-3 in h2 is high", "the container is privileged"}},
		{"on its node", map[string]string{"a.yaml": pod("shop/web:1", "  hostNetwork: true\n  hostPID: true\n  hostIPC: true\n", ", securityContext: {privileged: true}")}, []string{
			"critical", "89", "CVE-1 in ssl is critical (CVSS 9.8)", "the container is privileged", "the pod shares the network of its node", "the pod shares the processes of its node", "the pod shares the memory of its node",
		}},
		{"a token with rights", map[string]string{"a.yaml": pod("shop/api:1", "  serviceAccountName: web\n", ""), "b.yaml": binding}, []string{"high", "45", "CVE-3 in h2 is high", "RoleBinding shop/edit gives its service account rights"}},
		{"the token of another namespace", map[string]string{"a.yaml": pod("shop/api:1", "  serviceAccountName: web\n", ""), "b.yaml": strings.Replace(binding, "name: web, namespace: shop", "name: web, namespace: mail", 1)}, []string{"medium", "35", "CVE-3 in h2 is high"}},
		{"rights of everybody", map[string]string{"a.yaml": api, "b.yaml": strings.Replace(binding, "kind: ServiceAccount, name: web", "kind: Group, name: system:serviceaccounts", 1)}, []string{"medium", "35", "CVE-3 in h2 is high"}},
		{"rights of an account, its namespace left open elsewhere", map[string]string{"x/a.yaml": api, "y/b.yaml": strings.Replace(binding, "name: web, namespace: shop}]", "name: default}]", 1)}, []string{"medium", "35", "CVE-3 in h2 is high"}},
		{"no token", map[string]string{"a.yaml": pod("shop/api:1", "  serviceAccountName: web\n  automountServiceAccountToken: false\n", ""), "b.yaml": binding}, []string{"medium", "35", "CVE-3 in h2 is high"}},
		{"no token of the account", map[string]string{"a.yaml": pod("shop/api:1", "  serviceAccountName: web\n", ""), "b.yaml": binding, "c.yaml": account}, []string{"medium", "35", "CVE-3 in h2 is high"}},
		{"not scanned", map[string]string{"a.yaml": pod("shop/mail:1", "", "")}, nil},
		{"a place holder", map[string]string{"a.yaml": pod("${IMAGE}", "", "")}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			result := vulnerable(t, test.files)
			if len(result.NotEvaluated) > 0 {
				t.Fatal(result.NotEvaluated)
			}
			var got []string
			for _, f := range result.Findings {
				got = append([]string{string(f.Severity), strconv.Itoa(f.Risk.Score)}, f.Risk.Because...)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("want and got differ:\n%s", d)
			}
		})
	}
}

// TestReportObjects: an object that is no report is an error of its own, and the others count.
func TestReportObjects(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: aquasecurity.github.io/v1alpha1\nkind: VulnerabilityReport\nmetadata: {name: r, namespace: shop}\n"
	result := vulnerable(t, map[string]string{
		"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: cart}\nspec: {containers: [{name: cart, image: shop/cart:1}]}\n",
		"b.yaml": "\n" + head,
		"c.yaml": head + "report: {artifact: {repository: shop/cart, tag: \"1\"}, vulnerabilities: [{vulnerabilityID: CVE-9, resource: zlib, severity: HIGH}]}\n",
	})
	if len(result.Findings) != 1 || result.Findings[0].Position.File != "a.yaml" {
		t.Errorf("found %v, want one in a.yaml", result.Findings)
	}
	want := []manifest.Error{{File: "b.yaml", Line: 2, Column: 1, Message: "VulnerabilityReport shop/r does not say which image was scanned"}}
	if d := cmp.Diff(want, result.Errors); d != "" {
		t.Errorf("want and got differ:\n%s", d)
	}
}
