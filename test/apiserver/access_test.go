package apiserver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
)

// TestAccess: what the graph takes for the rights of service accounts and
// groups is what the API server's own authorizer says, for random roles and
// bindings and random requests, and for all that its table asks for.
func TestAccess(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	client := kubernetes.NewForConfigOrDie(server.Config)
	r := rand.New(rand.NewPCG(7, 7))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	some := func(of ...string) []string {
		var out []string
		for _, s := range of {
			if r.IntN(3) == 0 {
				out = append(out, s)
			}
		}
		if out == nil {
			out = []string{one(of...)}
		}
		return out
	}
	groups := []string{"", "apps", "rbac.authorization.k8s.io"}
	resources := []string{"pods", "pods/exec", "pods/log", "secrets", "nodes", "nodes/proxy", "deployments", "deployments/scale", "clusterroles", "serviceaccounts", "serviceaccounts/token", "namespaces"}
	verbs := []string{"get", "list", "create", "update", "bind", "impersonate", "sing"}
	names := []string{"x", "y"}
	namespaces := []string{"access-a", "access-b"}
	for _, n := range namespaces {
		if _, err := client.CoreV1().Namespaces().Create(ctx, namespaceObject(n), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	rules := func() []rbacv1.PolicyRule {
		var out []rbacv1.PolicyRule
		for range 1 + r.IntN(3) {
			rule := rbacv1.PolicyRule{
				APIGroups: some(append(groups, "*")...), Resources: some(append(resources, "*", "*/exec", "*/scale", "pods/*")...), Verbs: some(append(verbs, "*")...),
			}
			if r.IntN(3) == 0 {
				rule.ResourceNames = some(names...)
			}
			out = append(out, rule)
		}
		return out
	}
	const roles = 40
	for i := range roles {
		name := fmt.Sprintf("access-%d", i)
		if _, err := client.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules()}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, n := range namespaces {
			if _, err := client.RbacV1().Roles(n).Create(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules()}, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	subject := func() rbacv1.Subject {
		switch r.IntN(6) {
		case 0:
			return rbacv1.Subject{Kind: "Group", APIGroup: rbacv1.GroupName, Name: one("system:serviceaccounts", "system:serviceaccounts:access-a", "system:authenticated", "team")}
		case 1:
			return rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: one("jane", "system:serviceaccount:access-b:one")}
		}
		return rbacv1.Subject{Kind: "ServiceAccount", Name: one("one", "two", "three", "four"), Namespace: one(namespaces...)}
	}
	for i := range 30 {
		name := fmt.Sprintf("access-%d", i)
		// Some name a role that is not there.
		reference := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: fmt.Sprintf("access-%d", r.IntN(roles+3))}
		if r.IntN(4) == 0 {
			if _, err := client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: reference, Subjects: []rbacv1.Subject{subject()}}, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if r.IntN(2) == 0 {
			reference.Kind = "Role"
		}
		n := one(namespaces...)
		if _, err := client.RbacV1().RoleBindings(n).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: reference, Subjects: []rbacv1.Subject{subject(), subject()}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	access := graph.NewAccess(inventoryOf(ctx, t, server.Config).Set())
	subjects := []graph.Subject{{User: "jane", Groups: []string{"team", "system:authenticated"}}}
	for _, n := range namespaces {
		for _, name := range []string{"one", "two", "three", "four"} {
			subjects = append(subjects, graph.ServiceAccount(n, name))
		}
	}
	allowed, asked := 0, 0
	for range 3000 {
		q := graph.Request{Verb: one(verbs...), Group: one(groups...), Namespace: one("", "access-a", "access-b"), Name: one("", "x", "y", "z")}
		q.Resource, q.Subresource, _ = strings.Cut(one(resources...), "/")
		s := subjects[r.IntN(len(subjects))]
		want := access.Allows(s, q)
		asked++
		if want {
			allowed++
		}
		agrees(ctx, t, client, s, q, want)
	}
	if allowed < asked/20 || allowed > asked*19/20 {
		t.Errorf("%d of %d requests are allowed: that proves nothing", allowed, asked)
	}
	t.Logf("%d requests, %d allowed", asked, allowed)
}

// TestBuiltinRoles: what the graph knows of edit and admin without having read
// them is what the API server's own roles give, as far as the table asks.
func TestBuiltinRoles(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	client := kubernetes.NewForConfigOrDie(server.Config)
	if _, err := client.CoreV1().Namespaces().Create(ctx, namespaceObject("builtin"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// No controller aggregates roles here: the parts are bound one by one.
	parts := map[string][]string{
		"view": {"system:aggregate-to-view"}, "edit": {"system:aggregate-to-view", "system:aggregate-to-edit"},
		"admin": {"system:aggregate-to-view", "system:aggregate-to-edit", "system:aggregate-to-admin"}, "cluster-admin": {"cluster-admin"},
	}
	for name, of := range parts {
		for _, part := range of {
			if _, err := client.RbacV1().RoleBindings("builtin").Create(ctx, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: name + "-" + strings.ReplaceAll(part, ":", "-")}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: part},
				Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: "builtin"}},
			}, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		access := graph.NewAccess(written(t, fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: builtin}
roleRef: {kind: ClusterRole, name: %s}
subjects: [{kind: ServiceAccount, name: %s, namespace: builtin}]
`, name, name)))
		allowed := 0
		for _, e := range graph.Escalations() {
			for _, need := range e.Needs {
				for _, group := range need.Groups {
					for _, resource := range need.Resources {
						for _, verb := range need.Verbs {
							q := graph.Request{Verb: verb, Group: group, Namespace: "builtin"}
							q.Resource, q.Subresource, _ = strings.Cut(resource, "/")
							s := graph.ServiceAccount("builtin", name)
							if group == "extensions" {
								continue // no server has these kinds any more
							}
							want := access.Allows(s, q)
							if want {
								allowed++
							}
							agrees(ctx, t, client, s, q, want)
						}
					}
				}
			}
		}
		if (name != "view") != (allowed > 0) {
			t.Errorf("%s is allowed %d things", name, allowed)
		}
	}
}

func namespaceObject(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func written(t *testing.T, src string) *manifest.Set {
	t.Helper()
	file, errs := manifest.Parse("a.yaml", []byte(src), manifest.Plain, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return &manifest.Set{Files: []*manifest.File{file}}
}

// agrees asks the API server the same. Its authorizer learns of roles and
// bindings by a watch: it may take a moment.
func agrees(ctx context.Context, t *testing.T, client kubernetes.Interface, s graph.Subject, q graph.Request, want bool) {
	t.Helper()
	var got bool
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		review, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: s.User, Groups: s.Groups, ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: q.Verb, Group: q.Group, Resource: q.Resource, Subresource: q.Subresource, Name: q.Name, Namespace: q.Namespace,
			},
		}}, metav1.CreateOptions{})
		if err != nil {
			return false, err
		}
		got = review.Status.Allowed
		return got == want, nil
	})
	if err != nil && got == want {
		t.Fatal(err)
	} else if got != want {
		t.Errorf("%s asks %+v: the API server says %t, the graph %t", s.User, q, got, want)
	}
}
