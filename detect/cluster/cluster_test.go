package cluster_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/manifest"
)

// TestMinor: versions as distributions write them.
func TestMinor(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]int{
		"v1.37.2": 37, "v1.31.4-eks-2d5f260": 31, "v1.32.1-gke.1489000": 32, "v1.30.0+k3s1": 30, "v1.29+": 29, "": 0, "v1": 0,
	} {
		if got := (&cluster.Inventory{Kubernetes: version}).Minor(); got != want {
			t.Errorf("%q is 1.%d, want 1.%d", version, got, want)
		}
	}
}

func object(kind, name, uid string, owner map[string]any) map[string]any {
	meta := map[string]any{"name": name, "namespace": "shop", "uid": uid}
	if owner != nil {
		meta["ownerReferences"] = []any{owner}
	}
	apiVersion := map[string]string{"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "StatefulSet": "apps/v1", "Prometheus": "monitoring.coreos.com/v1"}[kind]
	if apiVersion == "" {
		apiVersion = "v1"
	}
	return map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": meta}
}

// TestSet: somebody decided on a deployment, and on what an extension's
// resource makes; nobody on the pods of either.
func TestSet(t *testing.T) {
	t.Parallel()
	by := func(kind, uid string) map[string]any {
		return map[string]any{"kind": kind, "name": "x", "uid": uid, "controller": true}
	}
	inventory := &cluster.Inventory{Cluster: "prod", Objects: []map[string]any{
		object("Deployment", "web", "1", nil),
		object("ReplicaSet", "web-1", "2", by("Deployment", "1")),
		object("Pod", "web-1-a", "3", by("ReplicaSet", "2")),
		object("Prometheus", "k8s", "4", nil),
		object("StatefulSet", "k8s", "5", by("Prometheus", "4")),
		object("Pod", "k8s-0", "6", by("StatefulSet", "5")),
		object("Pod", "kube-apiserver-a", "7", by("Node", "8")),
		object("Pod", "orphan", "9", by("ReplicaSet", "gone")),
		object("ConfigMap", "kube-root-ca.crt", "10", nil),
	}}
	var got []string
	for r := range inventory.Set().Resources {
		name := r.File.Path
		if r.Partial {
			name += " (nobody's)"
		}
		got = append(got, name)
	}
	want := []string{
		"live:prod/Cluster", "live:prod/shop/Deployment/web", "live:prod/shop/Prometheus/k8s", "live:prod/shop/StatefulSet/k8s",
		"live:prod/shop/Pod/kube-apiserver-a", "live:prod/shop/Pod/orphan", "live:prod/shop/ConfigMap/kube-root-ca.crt (nobody's)",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

var everything = cluster.Options{Wants: func(_, _ string) bool { return true }, Owners: true}

// TestSnapshot: a recording is the inventory again; what is none says so.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	inventory := &cluster.Inventory{
		Cluster: "prod", Kubernetes: "v1.34.1", Time: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC),
		Unread:  []cluster.Unread{{Kind: "Secret", Reason: "why"}},
		Objects: []map[string]any{{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "a"}, "spec": map[string]any{"priority": int64(1 << 60), "share": 0.5}}},
	}
	var b bytes.Buffer
	if err := inventory.Write(&b); err != nil {
		t.Fatal(err)
	}
	recorded := b.String()
	back, err := cluster.ReadSnapshot(&b, everything)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(inventory, back); d != "" {
		t.Error(d)
	}
	for src, want := range map[string]string{
		"":                                  "it is no snapshot: the text ends in the middle: unexpected EOF",
		"a: b":                              "it is no snapshot: ",
		"[]":                                "it is no snapshot: ",
		recorded[:len(recorded)-10]:         "it is no snapshot: ",
		`{"apiVersion":"v1","kind":"List"}`: "it is v1 List, want oakum.dev/v1alpha1 Snapshot as 'oakum snapshot' writes it",
		strings.Replace(recorded, `"prod"`, `""`, 1):                          "the snapshot does not say of which cluster it is",
		strings.Replace(recorded, `"kind":"Pod"`, `"kind":""`, 1):             "it is no snapshot: item 0: it is no object",
		strings.Replace(recorded, `{"apiVersion":"v1","kind":"Pod"`, `["`, 1): "it is no snapshot: ",
	} {
		if _, err := cluster.ReadSnapshot(strings.NewReader(src), everything); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", src, err, want)
		}
	}
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://a.example.com"}}, {name: b, cluster: {server: "https://b.example.com"}}]
users:
  - {name: token, user: {token: abc}}
  - {name: exec, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: "true", interactiveMode: Never}}}
contexts: [{name: a, context: {cluster: a, user: token, namespace: shop}}, {name: b, context: {cluster: b, user: exec}}]
current-context: a
`

// TestConnect: the cluster that kubectl would choose by the same flags.
func TestConnect(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "repository", "kubeconfig")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	repository := filepath.Dir(file)
	for _, c := range []struct {
		flags     []string
		untrusted string
		want      string // name and host, or the error
	}{
		{[]string{"--kubeconfig", file}, "", "a https://a.example.com"},
		{[]string{"--kubeconfig", file, "--context", "b"}, "", "b https://b.example.com"},
		{[]string{"--kubeconfig", file, "--server", "https://c.example.com"}, "", "a https://c.example.com"},
		{[]string{"--kubeconfig", file}, repository, "a https://a.example.com"}, // a token runs nothing
		{[]string{"--kubeconfig", file, "--context", "b"}, repository, `user "exec" runs a program (exec or auth-provider), and the file is part of the repository`},
		{[]string{"--kubeconfig", link, "--context", "b"}, repository, `user "exec" runs a program`},
		{[]string{"--kubeconfig", file, "--user", "exec"}, repository, `user "exec" runs a program`},
		{[]string{"--kubeconfig", file, "--context", "b"}, dir + "/elsewhere", "b https://b.example.com"},
		{[]string{"--kubeconfig", file, "--context", "c"}, "", `context "c" does not exist`},
		{[]string{"--kubeconfig", dir + "/gone"}, "", "no such file or directory"},
	} {
		if c.untrusted != "" {
			if err := os.MkdirAll(c.untrusted, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		var f cluster.Flags
		set := pflag.NewFlagSet("test", pflag.ContinueOnError)
		f.Bind(set)
		if err := set.Parse(c.flags); err != nil {
			t.Fatal(err)
		}
		config, name, err := f.Connect(c.untrusted)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = name + " " + config.Host
		}
		if !strings.Contains(got, c.want) || err == nil && got != c.want {
			t.Errorf("%q below %q: %s, want %s", c.flags, c.untrusted, got, c.want)
		}
	}
}

// TestNoCluster: nothing configured is said, with what to do.
func TestNoCluster(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	var f cluster.Flags
	f.Bind(pflag.NewFlagSet("test", pflag.ContinueOnError))
	if _, _, err := f.Connect(""); err == nil || !strings.HasPrefix(err.Error(), "no cluster is configured: ") {
		t.Errorf("got %v", err)
	}
}

// TestProvider: who runs the control plane, and what of the cluster is theirs.
func TestProvider(t *testing.T) {
	t.Parallel()
	node := func(label string) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": "a", "labels": map[string]any{label: "x"}}}
	}
	for _, c := range []struct {
		version, label string
		want           string
	}{
		{"v1.31.4-eks-2d5f260", "", "EKS"},
		{"v1.32.1-gke.1489000", "", "GKE"},
		{"v1.32.1", "kubernetes.azure.com/cluster", "AKS"},
		{"v1.32.1", "cloud.google.com/gke-nodepool", "GKE"},
		{"v1.32.1", "topology.kubernetes.io/zone", ""},
		{"v1.32.1+k3s1", "", ""},
	} {
		inventory := &cluster.Inventory{Kubernetes: c.version, Objects: []map[string]any{node(c.label)}}
		if got := inventory.Provider(); got != c.want {
			t.Errorf("%s with label %q is run by %q, want %q", c.version, c.label, got, c.want)
		}
	}
	eks := (&cluster.Inventory{Kubernetes: "v1.31.4-eks-2d5f260"}).RunByProvider()
	own := (&cluster.Inventory{Kubernetes: "v1.31.4"}).RunByProvider()
	for _, c := range []struct {
		kind, namespace, name, label string
		want                         bool
	}{
		{"DaemonSet", "kube-system", "aws-node", "", true},
		{"ClusterRole", "", "eks:node-manager", "", true},
		{"Deployment", "kube-system", "cluster-autoscaler", "", false},
		{"Deployment", "shop", "coredns", "", false}, // a namesake of somebody else
		{"ClusterRole", "", "cluster-admin", "", false},
		{"ConfigMap", "kube-system", "x", "eks.amazonaws.com/component", true},
	} {
		r := manifest.FromObject("live", map[string]any{"kind": c.kind, "metadata": map[string]any{"name": c.name, "namespace": c.namespace, "labels": map[string]any{c.label: "x"}}})
		if got := eks(r); got != c.want {
			t.Errorf("%s is EKS's: %t, want %t", r.ID(), got, c.want)
		}
		if own(r) {
			t.Errorf("%s is a provider's where there is none", r.ID())
		}
	}
}
