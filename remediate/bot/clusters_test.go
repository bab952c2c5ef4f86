package bot_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/remediate/bot"
	"github.com/oakum-dev/oakum/remediate/store"
)

// deployed is a cluster with the objects of some manifests, each written by
// kubectl-edit.
type deployed struct {
	manifests []string
	err       error
	asked     []string // what is read, of the kinds that a test asks about
}

func (d *deployed) read(_ context.Context, wants manifest.Wants) (*cluster.Inventory, error) {
	d.asked = nil
	for _, kind := range []string{"Pod", "ConfigMap"} {
		if wants("v1", kind) {
			d.asked = append(d.asked, kind)
		}
	}
	i := &cluster.Inventory{Cluster: "prod", Kubernetes: "v1.34.1", Kinds: []cluster.Kind{{APIVersion: "v1", Kind: "Pod", Namespaced: true}}}
	for _, src := range d.manifests {
		var o map[string]any
		if err := yaml.Unmarshal([]byte(src), &o); err != nil {
			return nil, err
		}
		o["metadata"].(map[string]any)["managedFields"] = []any{map[string]any{
			"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
			"fieldsV1": map[string]any{"f:spec": map[string]any{"f:containers": map[string]any{`k:{"name":"proxy"}`: map[string]any{"f:securityContext": map[string]any{"f:privileged": map[string]any{}}}}}},
		}}
		i.Objects = append(i.Objects, o)
	}
	return i, d.err
}

func newFleet(t *testing.T, files map[string]string, live *deployed) *world {
	w := newWorld(t, files)
	w.clusters = []*bot.Cluster{{Name: "prod", Repositories: []string{"*/*"}, Read: live.read, Every: time.Minute}}
	w.restart()
	return w
}

// TestClusterStronger: what somebody hardened in the cluster is proposed to Git.
func TestClusterStronger(t *testing.T) {
	live := &deployed{manifests: []string{clean("a")}}
	w := newFleet(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")}, live)
	w.do(store.Live, "", store.Ask{})
	p := w.one()
	if got := w.Git("show", p.Head+":a/pod.yaml") + "\n"; got != clean("a") {
		t.Errorf("the branch has %s", got)
	}
	if !strings.Contains(p.Body, "kubectl-edit") {
		t.Errorf("the pull request does not say who did it in the cluster:\n%s", p.Body)
	}
	w.quiet(func() { w.do(store.Live, "", store.Ask{}) })
}

// TestClusterWeaker: what somebody weakened in the cluster is told, until it is
// as Git says again. Git is right, so that there is no pull request.
func TestClusterWeaker(t *testing.T) {
	live := &deployed{manifests: []string{privileged("a")}}
	w := newFleet(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": clean("a")}, live)
	w.do(store.Live, "", store.Ask{})
	if n := len(w.open()); n != 0 {
		t.Errorf("%d pull requests, want none", n)
	}
	const want = "**critical** Pod shop/a: `spec.containers[name=proxy].securityContext.privileged` by `kubectl-edit` — breaks privileged-container"
	if _, body := w.dashboard(); !strings.Contains(body, want) {
		t.Errorf("the dashboard has not %q:\n%s", want, body)
	}
	w.quiet(func() { w.do(store.Live, "", store.Ask{}) })
	w.pass(2 * time.Minute)
	live.manifests = []string{clean("a")}
	w.do(store.Live, "", store.Ask{})
	if _, body := w.dashboard(); strings.Contains(body, "Weaker in the cluster") {
		t.Errorf("the dashboard still tells of it:\n%s", body)
	}
}

// TestClusterUnread: while a cluster cannot be read, what is known of it counts
// for a while; then nothing is done.
func TestClusterUnread(t *testing.T) {
	live := &deployed{manifests: []string{privileged("a")}}
	w := newFleet(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": clean("a")}, live)
	w.do(store.Live, "", store.Ask{})
	live.err = errors.New("connection refused")
	w.pass(2 * time.Minute)
	w.quiet(func() { w.do(store.Live, "", store.Ask{}) })
	w.pass(time.Hour)
	if err := w.try(store.Live, "", store.Ask{}); err == nil || !strings.Contains(err.Error(), "reading cluster prod: connection refused") {
		t.Errorf("error %v", err)
	}
}

// TestClusterKinds: a cluster is read again when a repository has another kind.
func TestClusterKinds(t *testing.T) {
	live := &deployed{manifests: []string{clean("a")}}
	w := newFleet(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": clean("a")}, live)
	w.do(store.Live, "", store.Ask{})
	live.asked = []string{"nothing"}
	w.reconcile()
	if len(live.asked) != 1 || live.asked[0] != "nothing" {
		t.Errorf("read again although nothing changed: %q", live.asked)
	}
	w.push(map[string]string{"a/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n"})
	if len(live.asked) != 2 {
		t.Errorf("asked for %q, want the ConfigMaps too", live.asked)
	}
}
