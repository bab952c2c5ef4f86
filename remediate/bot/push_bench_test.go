package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate/store"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: TEAM}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      automountServiceAccountToken: false
      containers:
        - name: web
          image: registry.example/TEAM/NAME:1.4.2
          securityContext:
            privileged: false
            allowPrivilegeEscalation: false
`

// BenchmarkPush is a push of one file to a repository of 5,000 manifests that is
// known, judged by the whole library: what opens a pull request for it, of which
// the forge's part is not small.
func BenchmarkPush(b *testing.B) {
	all, err := library()
	if err != nil {
		b.Fatal(err)
	}
	files := map[string]string{".oakum.yaml": "safety: review\npullRequests: {draft: [], limits: {open: 1, perHour: 0}}\n"}
	manifest := func(i int) (path, text string) {
		team := fmt.Sprintf("team-%03d", i/40)
		return fmt.Sprintf("%s/app-%d.yaml", team, i), strings.NewReplacer("NAME", fmt.Sprintf("app-%d", i), "TEAM", team).Replace(deployment)
	}
	for i := range 5000 {
		path, text := manifest(i)
		files[path] = text
	}
	w := makeWorld(b, all, files)
	w.reconcile()
	known, n := len(w.Pulls()), 0
	for b.Loop() {
		b.StopTimer()
		n++
		path, text := manifest(n * 43 % 5000)
		w.pass(time.Minute)
		commit := w.Commit("main", "a push", map[string]string{path: strings.ReplaceAll(text, "privileged: false", "privileged: true")})
		b.StartTimer()
		w.do(store.Reconcile, "", store.Ask{Commit: commit})
	}
	b.ReportMetric(float64(len(w.Pulls())-known)/float64(n), "pulls/op")
}
