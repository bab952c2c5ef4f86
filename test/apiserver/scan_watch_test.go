package apiserver

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// event is a line of scan --watch -o json, as far as this asks.
type event struct {
	Type, Cluster, Kind, Reason string
	Finding                     struct {
		Policy   string
		Resource struct{ Kind, Namespace, Name string }
		Location struct {
			File string
			Line int
		}
	}
}

// program is oakum as a user runs it: a process that tells events.
type program struct {
	*exec.Cmd
	events chan event
	errors strings.Builder
}

func runOakum(t *testing.T, args ...string) *program {
	t.Helper()
	binary := os.Getenv("OAKUM")
	if binary == "" {
		t.Skip("OAKUM names no binary")
	}
	p := &program{Cmd: exec.Command(binary, args...), events: make(chan event)}
	p.Stderr = &p.errors
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // it has ended, unless the test failed
	go func() {
		defer close(p.events)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				e.Type = "not JSON: " + lines.Text()
			}
			p.events <- e
		}
	}()
	return p
}

// until waits for an event of a type and a cluster, about a policy where one is named.
func (p *program) until(t *testing.T, kind, cluster, policy string) event {
	t.Helper()
	late := time.After(within)
	var others []event
	for {
		select {
		case e, ok := <-p.events:
			others = append(others, e)
			if !ok {
				t.Fatalf("oakum ended before it told %s of %s: %s", kind, cluster, p.errors.String())
			}
			if e.Type == kind && e.Cluster == cluster && e.Finding.Policy == policy {
				return e
			}
		case <-late:
			t.Fatalf("oakum did not tell %s of %s, but %+v: %s", kind, cluster, others, p.errors.String())
		}
	}
}

// TestScanWatch: the program watches two clusters at once, points to the file
// that decides an object, and outlives an API server that is killed.
func TestScanWatch(t *testing.T) {
	if os.Getenv("OAKUM") == "" {
		t.Skip("OAKUM names no binary")
	}
	ctx := t.Context()
	servers := map[string]*Process{"east": StartProcess(t), "west": StartProcess(t)}
	config := api.NewConfig()
	for name, s := range servers {
		prepare(ctx, t, s.Config)
		reader := account(ctx, t, s.Config) // whose token outlives the server, as Roots do
		config.Clusters[name] = &api.Cluster{Server: reader.Host, CertificateAuthority: s.Roots}
		config.AuthInfos[name] = &api.AuthInfo{Token: reader.BearerToken}
		config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	}
	kubeconfig, tree := filepath.Join(t.TempDir(), "kubeconfig"), t.TempDir()
	if err := clientcmd.WriteToFile(*config, kubeconfig); err != nil {
		t.Fatal(err)
	}
	const manifest = `apiVersion: apps/v1
kind: Deployment
metadata: {name: probe, namespace: shop}
spec:
  selector: {matchLabels: {app: probe}}
  template:
    metadata: {labels: {app: probe}}
    spec:
      containers: [{name: main, image: "shop/web:1"}]
`
	if err := os.WriteFile(filepath.Join(tree, "probe.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	oakum := runOakum(t, "scan", "--live", "--watch", "--contexts", "west,east", "--kubeconfig", kubeconfig, "-o", "json", "--severity", "critical", tree)
	synced := map[string]bool{}
	for len(synced) < len(servers) {
		select {
		case e, ok := <-oakum.events:
			if !ok {
				t.Fatalf("oakum ended: %s", oakum.errors.String())
			}
			if e.Type == "SYNCED" {
				synced[e.Cluster] = true
			}
		case <-time.After(within):
			t.Fatalf("only %v are watched: %s", synced, oakum.errors.String())
		}
	}
	create := func(cluster string) {
		t.Helper()
		c := kubernetes.NewForConfigOrDie(servers[cluster].Config)
		if _, err := c.AppsV1().Deployments("shop").Create(ctx, workload("probe", true), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		e := oakum.until(t, "ADDED", cluster, "privileged-container")
		if e.Finding.Resource.Name != "probe" || e.Finding.Location.File != "probe.yaml" || e.Finding.Location.Line != 9 {
			t.Errorf("%s: %+v, want one at probe.yaml:9", cluster, e)
		}
	}
	remove := func(cluster string) {
		t.Helper()
		c := kubernetes.NewForConfigOrDie(servers[cluster].Config)
		if err := c.AppsV1().Deployments("shop").Delete(ctx, "probe", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		oakum.until(t, "DELETED", cluster, "privileged-container")
	}
	create("east")
	create("west")
	servers["east"].Kill(t)
	oakum.until(t, "STALE", "east", "")
	remove("west")
	servers["east"].Start(t)
	oakum.until(t, "CURRENT", "east", "")
	remove("east")
	if err := oakum.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for range oakum.events { // what is under way is told
	}
	if err := oakum.Wait(); err != nil {
		t.Errorf("interrupted, oakum says %v: %s", err, oakum.errors.String())
	}
}
