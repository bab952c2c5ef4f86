package apiserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
)

const secret = "hunter2-hunter2-hunter2"

// TestReader: with the shipped role everything that policies ask for is read,
// no request is refused, and none writes or touches a Secret: by the API
// server's own audit log.
func TestReader(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	extensions(ctx, t, server.Config)
	prepare(ctx, t, server.Config)
	config := account(ctx, t, server.Config)

	inventory := inventoryOf(ctx, t, config)
	if len(inventory.Unread) > 0 {
		t.Errorf("not read: %v", inventory.Unread)
	}
	kinds := map[string]int{}
	for _, o := range inventory.Objects {
		kinds[fmt.Sprint(o["kind"])]++
	}
	for _, want := range []string{"Namespace", "Deployment", "CronJob", "DaemonSet", "StatefulSet", "ConfigMap", "Service", "Ingress", "ClusterRole", "RoleBinding", "ServiceAccount", "HelmRelease", "CiliumNetworkPolicy", "GlobalNetworkPolicy", "HTTPRoute", "PodMetrics", "NetworkNeighborhood"} {
		if kinds[want] == 0 {
			t.Errorf("no %s was read, of %v", want, kinds)
		}
	}
	if kinds["Secret"] > 0 {
		t.Errorf("%d Secrets were read without a right to", kinds["Secret"])
	}

	const user = "system:serviceaccount:oakum:oakum"
	requests := 0
	for _, e := range audited(ctx, t, server, user) {
		requests++
		if e.ResponseStatus.Code >= 400 {
			t.Errorf("%s %s was answered with %d", e.Verb, e.RequestURI, e.ResponseStatus.Code)
		}
		asksOwnRights := e.Verb == "create" && e.ObjectRef.Resource == "selfsubjectrulesreviews"
		if e.Verb != "get" && e.Verb != "list" && e.Verb != "watch" && !asksOwnRights {
			t.Errorf("%s %s is more than to look", e.Verb, e.RequestURI)
		}
		if e.ObjectRef != nil && e.ObjectRef.Resource == "secrets" {
			t.Errorf("%s %s asks for Secrets", e.Verb, e.RequestURI)
		}
	}
	if requests < 50 {
		t.Errorf("the audit log has %d requests of %s: it proves nothing", requests, user)
	}
	t.Logf("%d requests, %d objects of %d kinds", requests, len(inventory.Objects), len(kinds))
}

// TestSecrets: who may list Secrets learns their names, and nothing of what
// they hold, in memory or in a recording.
func TestSecrets(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	inventory := inventoryOf(ctx, t, server.Config)
	found := false
	for _, o := range inventory.Objects {
		found = found || o["kind"] == "Secret"
	}
	var recorded bytes.Buffer
	if err := inventory.Write(&recorded); err != nil {
		t.Fatal(err)
	}
	if !found || !strings.Contains(recorded.String(), `"name":"database"`) {
		t.Error("the Secret was not read")
	}
	if strings.Contains(recorded.String(), secret) || strings.Contains(recorded.String(), "password") {
		t.Error("the recording tells what the Secret holds")
	}
	back, err := cluster.ReadSnapshot(&recorded, cluster.Options{Wants: func(_, _ string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Objects) != len(inventory.Objects) || back.Kubernetes != inventory.Kubernetes {
		t.Errorf("the recording has %d objects of Kubernetes %s, want %d of %s", len(back.Objects), back.Kubernetes, len(inventory.Objects), inventory.Kubernetes)
	}
}

// TestRights: what may not be read is told, kind by kind, without an attempt,
// and the rest is read.
func TestRights(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	admin := kubernetes.NewForConfigOrDie(server.Config)
	role, err := admin.RbacV1().ClusterRoles().Get(ctx, "oakum-reader", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, rule := range role.Rules {
		if rule.APIGroups[0] == "rbac.authorization.k8s.io" {
			role.Rules[i].Resources = []string{"roles", "rolebindings"}
		}
	}
	if _, err := admin.RbacV1().ClusterRoles().Update(ctx, role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	config := account(ctx, t, server.Config)
	// The authorizer learns of the change by a watch.
	var inventory *cluster.Inventory
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		inventory = inventoryOf(ctx, t, config)
		return len(inventory.Unread) == 2, nil
	})
	if err != nil {
		t.Fatalf("not read: %v, want ClusterRole and ClusterRoleBinding", inventory.Unread)
	}
	for i, kind := range []string{"ClusterRole", "ClusterRoleBinding"} {
		u := inventory.Unread[i]
		if u.Kind != "rbac.authorization.k8s.io/"+kind || !strings.Contains(u.Reason, "no right to list "+strings.ToLower(kind)+"s.rbac.authorization.k8s.io: bind the ClusterRole oakum-reader") {
			t.Errorf("not read: %v", u)
		}
	}
	if len(inventory.Objects) < 30 {
		t.Errorf("%d objects were read", len(inventory.Objects))
	}
	for _, e := range audited(ctx, t, server, "system:serviceaccount:oakum:oakum") {
		if e.ResponseStatus.Code == http.StatusForbidden && strings.Contains(e.RequestURI, "clusterrole") && e.StageTimestamp.After(inventory.Time) {
			t.Errorf("%s %s was tried although it is known to be refused", e.Verb, e.RequestURI)
		}
	}
}

// TestFaults: a list that the network or the server breaks off begins anew,
// and loses no object.
func TestFaults(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	many(ctx, t, server.Config, 1200)
	for name, fault := range map[string]func(*http.Request, int32, func() (*http.Response, error)) (*http.Response, error){
		"reset in the middle": func(_ *http.Request, n int32, next func() (*http.Response, error)) (*http.Response, error) {
			if n == 2 {
				return nil, syscall.ECONNRESET
			}
			return next()
		},
		"gone, then back": func(_ *http.Request, n int32, next func() (*http.Response, error)) (*http.Response, error) {
			if n == 2 || n == 3 {
				return nil, syscall.ECONNREFUSED
			}
			return next()
		},
		"too many requests": func(r *http.Request, n int32, next func() (*http.Response, error)) (*http.Response, error) {
			if n <= 2 {
				return answer(r, apierrors.NewTooManyRequests("wait", 1)), nil
			}
			return next()
		},
		"the list has expired": func(r *http.Request, n int32, next func() (*http.Response, error)) (*http.Response, error) {
			if n == 2 {
				return answer(r, apierrors.NewResourceExpired("the provided continue parameter is too old")), nil
			}
			return next()
		},
		"cut off in the middle of an answer": func(_ *http.Request, n int32, next func() (*http.Response, error)) (*http.Response, error) {
			response, err := next()
			if err == nil && n == 2 {
				response.Body = struct {
					io.Reader
					io.Closer
				}{io.MultiReader(io.LimitReader(response.Body, 5000), broken{}), response.Body}
			}
			return response, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := rest.CopyConfig(server.Config)
			var lists atomic.Int32
			config.Wrap(func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.URL.Path != "/api/v1/configmaps" {
						return next.RoundTrip(r)
					}
					return fault(r, lists.Add(1), func() (*http.Response, error) { return next.RoundTrip(r) })
				})
			})
			inventory := inventoryOf(ctx, t, config)
			names := map[string]bool{}
			for _, o := range inventory.Objects {
				if m, _ := o["metadata"].(map[string]any); o["kind"] == "ConfigMap" && m["namespace"] == "many" {
					names[fmt.Sprint(m["name"])] = true
				}
			}
			if len(names) != 1200 || len(inventory.Unread) > 0 {
				t.Errorf("%d of 1200 were read, and these kinds not: %v", len(names), inventory.Unread)
			}
			if lists.Load() < 3 {
				t.Errorf("%d requests: the fault did not happen", lists.Load())
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// broken is the end of a connection that broke.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func answer(r *http.Request, err *apierrors.StatusError) *http.Response {
	status := err.Status()
	status.APIVersion, status.Kind = "v1", "Status"
	body, _ := json.Marshal(status)
	header := http.Header{"Content-Type": {"application/json"}}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		header.Set("Retry-After", fmt.Sprint(status.Details.RetryAfterSeconds))
	}
	return &http.Response{StatusCode: int(status.Code), Status: status.Message, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: r}
}

// inventoryOf takes an inventory of all that the built-in policies ask for.
func inventoryOf(ctx context.Context, t *testing.T, config *rest.Config) *cluster.Inventory {
	t.Helper()
	all, err := (&policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names(), Known: true}).LoadFS(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	inventory, err := cluster.Read(ctx, config, cluster.Options{Cluster: "test", Wants: detect.Options{Policies: all}.Wants, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return inventory
}

// prepare fills a cluster with the demo, the shipped role, and a Secret.
func prepare(ctx context.Context, t *testing.T, config *rest.Config) {
	t.Helper()
	for _, dir := range []string{"../../deploy", "../../testdata/shop/repo/apps", "../../testdata/shop/repo/platform"} {
		if n, err := Load(ctx, config, os.DirFS(dir)); err != nil || n == 0 {
			t.Fatal(dir, n, err)
		}
	}
	_, err := kubernetes.NewForConfigOrDie(config).CoreV1().Secrets("shop").Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "database", Annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": `{"stringData":{"password":"` + secret + `"}}`}},
		StringData: map[string]string{"password": secret},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// many makes ConfigMaps, more than one page of them.
func many(ctx context.Context, t *testing.T, config *rest.Config, n int) {
	t.Helper()
	client := kubernetes.NewForConfigOrDie(config).CoreV1()
	if _, err := client.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "many"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := client.ConfigMaps("many").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("map-%d", i)}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// account is how oakum's service account reaches the server.
func account(ctx context.Context, t *testing.T, config *rest.Config) *rest.Config {
	t.Helper()
	token, err := kubernetes.NewForConfigOrDie(config).CoreV1().ServiceAccounts("oakum").CreateToken(ctx, "oakum", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := rest.CopyConfig(config)
	out.BearerToken = token.Status.Token
	return out
}

// audited are the requests of a user. The log is written as requests are
// answered; one of our own that comes last tells that it is complete.
func audited(ctx context.Context, t *testing.T, server *Server, user string) []auditv1.Event {
	t.Helper()
	last := "/version?last=" + fmt.Sprint(time.Now().UnixNano())
	if err := kubernetes.NewForConfigOrDie(server.Config).Discovery().RESTClient().Get().RequestURI(last).Do(ctx).Error(); err != nil {
		t.Fatal(err)
	}
	var out []auditv1.Event
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		src, err := os.ReadFile(server.Audit)
		if err != nil || !bytes.Contains(src, []byte(last)) {
			return false, err
		}
		out = nil
		lines := bufio.NewScanner(bytes.NewReader(src))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e auditv1.Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				return false, err
			}
			if e.User.Username == user {
				out = append(out, e)
			}
		}
		return true, lines.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// extensions gives the server every kind of extensions that the shipped role
// names, and an object of each.
func extensions(ctx context.Context, t *testing.T, config *rest.Config) {
	t.Helper()
	client := dynamic.NewForConfigOrDie(config)
	definitions := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	for _, e := range strings.Fields(extensionKinds) {
		group, rest, _ := strings.Cut(e, "/")
		kind, plural, _ := strings.Cut(rest, "/")
		definition := fmt.Sprintf(`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: %[3]s.%[1]s, annotations: {api-approved.kubernetes.io: "https://example.com"}},
spec: {group: %[1]s, scope: Namespaced, names: {kind: %[2]s, plural: %[3]s}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}`, group, kind, plural)
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(definition), &o.Object); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Resource(definitions).Create(ctx, o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range strings.Fields(extensionKinds) { // all are being served meanwhile
		group, rest, _ := strings.Cut(e, "/")
		kind, plural, _ := strings.Cut(rest, "/")
		made := &unstructured.Unstructured{Object: map[string]any{"apiVersion": group + "/v1", "kind": kind, "metadata": map[string]any{"name": "one", "namespace": "default"}}}
		err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			_, err := client.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: plural}).Namespace("default").Create(ctx, made, metav1.CreateOptions{})
			if apierrors.IsNotFound(err) {
				return false, nil // it is not served yet
			}
			return err == nil || apierrors.IsAlreadyExists(err), errors.Join(err)
		})
		if err != nil {
			t.Fatal(kind, err)
		}
	}
}

const extensionKinds = `
apps.kruise.io/AdvancedCronJob/advancedcronjobs apps.kruise.io/BroadcastJob/broadcastjobs apps.kruise.io/CloneSet/clonesets
apps.kruise.io/DaemonSet/daemonsets apps.kruise.io/StatefulSet/statefulsets apps.openshift.io/DeploymentConfig/deploymentconfigs
aquasecurity.github.io/VulnerabilityReport/vulnerabilityreports
argoproj.io/Application/applications argoproj.io/ApplicationSet/applicationsets argoproj.io/Rollout/rollouts
autoscaling.k8s.io/VerticalPodAutoscaler/verticalpodautoscalers
cilium.io/CiliumClusterwideNetworkPolicy/ciliumclusterwidenetworkpolicies cilium.io/CiliumNetworkPolicy/ciliumnetworkpolicies
crd.projectcalico.org/GlobalNetworkPolicy/globalnetworkpolicies crd.projectcalico.org/NetworkPolicy/networkpolicies
gateway.networking.k8s.io/Gateway/gateways gateway.networking.k8s.io/GRPCRoute/grpcroutes gateway.networking.k8s.io/HTTPRoute/httproutes
gateway.networking.k8s.io/TCPRoute/tcproutes gateway.networking.k8s.io/TLSRoute/tlsroutes
helm.cattle.io/HelmChart/helmcharts helm.toolkit.fluxcd.io/HelmRelease/helmreleases keda.sh/ScaledObject/scaledobjects
metrics.k8s.io/PodMetrics/pods
kustomize.toolkit.fluxcd.io/Kustomization/kustomizations networking.istio.io/Gateway/gateways networking.istio.io/VirtualService/virtualservices
operator.tigera.io/Installation/installations
policy.networking.k8s.io/AdminNetworkPolicy/adminnetworkpolicies policy.networking.k8s.io/ClusterNetworkPolicy/clusternetworkpolicies
serving.knative.dev/Service/services source.toolkit.fluxcd.io/GitRepository/gitrepositories source.toolkit.fluxcd.io/OCIRepository/ocirepositories
spdx.softwarecomposition.kubescape.io/ApplicationProfile/applicationprofiles spdx.softwarecomposition.kubescape.io/NetworkNeighborhood/networkneighborhoods
`
