package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate/github/githubtest"
)

// long skips what takes minutes, or measures.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("OAKUM_LONG") == "" {
		t.Skip("OAKUM_LONG is not set")
	}
}

// idle says whether the program has nothing to do now.
func (s *serving) idle() bool {
	code, body := s.get(s.metrics, "/metrics")
	return code == http.StatusOK && strings.Contains(body, `oakum_tasks{state="open"} 0`) && strings.Contains(body, `oakum_tasks{state="running"} 0`)
}

// TestServeLatency measures how long it takes from a push of one file to the
// pull request that mends it, in a repository of 5,000 manifests that is known:
// from when GitHub tells of the push to when it has the pull request. Pushes are
// apart, so that what GitHub asks of the pace of writes is not what is measured.
func TestServeLatency(t *testing.T) {
	long(t)
	s := newGitHub(t, estate())
	s.replica = s.another()
	defer s.stop()
	begin := time.Now()
	s.start()
	s.until("the first look", func() bool { return len(s.open()) >= 5 && s.idle() })
	t.Logf("the first look took %.1f s", time.Since(begin).Seconds())
	s.Settle()

	var took []time.Duration
	taken := map[string]bool{} // branches
	for _, p := range s.Pulls() {
		taken[p.Head] = true
	}
	for team := 0; team < 125 && len(took) < 40; team += 3 {
		path := fmt.Sprintf("team-%03d/app-4/web.yaml", team)
		before := s.Git("show", "main:"+path) + "\n"
		known := len(s.Pulls())
		commit := s.Commit("main", "a push", map[string]string{path: strings.ReplaceAll(before, "privileged: false", "privileged: true")})
		s.until("a pull request", func() bool { return s.touching(path) })
		pushed := s.told(commit)
		for _, p := range s.Pulls()[known:] {
			if !taken[p.Head] && p.Author == githubtest.AppLogin {
				taken[p.Head] = true
				took = append(took, p.Created.Sub(pushed))
			}
		}
		s.until("the end of it", s.idle)
		<-time.After(6 * time.Second) // as many writes are allowed again
	}
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[min(len(took)*percent/100, len(took)-1)] }
	t.Logf("%d pushes: p50 %v, p95 %v, at most %v", len(took), at(50), at(95), took[len(took)-1])
	if p95 := at(95); p95 > 2*time.Second {
		t.Errorf("p95 is %v, want 2 s at most\n%s", p95, s.output())
	}
}

// touching says whether a pull request of oakum's changes a file so that it is
// not privileged.
func (s *serving) touching(path string) bool {
	for _, p := range s.open() {
		if p.Author == githubtest.AppLogin && strings.Contains(p.Body, path) && strings.Contains(s.Git("show", p.Head+":"+path), "privileged: false") {
			return true
		}
	}
	return false
}

// told is when GitHub told of a push.
func (s *serving) told(commit string) time.Time {
	s.t.Helper()
	for _, d := range s.Deliveries() {
		var push struct{ After string }
		if d.Event == "push" && json.Unmarshal(d.Payload, &push) == nil && push.After == commit {
			return d.At
		}
	}
	s.t.Fatalf("nothing was told of %s", commit)
	return time.Time{}
}

// estate is 5,000 manifests of 125 teams. Many have findings, of which a few are
// proposed at a time; critical ones at once.
func estate() map[string]string {
	files := map[string]string{".oakum.yaml": "safety: review\npullRequests: {draft: [], limits: {open: 5, perHour: 0}}\n"}
	for team := range 125 {
		for app := range 10 {
			dir := fmt.Sprintf("team-%03d/app-%d", team, app)
			names := strings.NewReplacer("NAMESPACE", fmt.Sprintf("team-%03d", team), "APP", fmt.Sprintf("app-%d", app))
			files[dir+"/web.yaml"] = names.Replace(strings.ReplaceAll(estateDeployment, "PART", "web"))
			files[dir+"/worker.yaml"] = names.Replace(strings.ReplaceAll(estateDeployment, "PART", "worker"))
			files[dir+"/service.yaml"] = names.Replace("apiVersion: v1\nkind: Service\nmetadata:\n  name: APP\n  namespace: NAMESPACE\nspec:\n  selector: {app: APP-web}\n  ports: [{port: 80, targetPort: 8080}]\n")
			files[dir+"/config.yaml"] = names.Replace("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: APP\n  namespace: NAMESPACE\ndata:\n  LOG_LEVEL: info\n")
		}
	}
	return files
}

const estateDeployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: APP-PART
  namespace: NAMESPACE
  labels: {app: APP-PART}
spec:
  replicas: 2
  selector:
    matchLabels: {app: APP-PART}
  template:
    metadata:
      labels: {app: APP-PART}
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: PART
          image: registry.example/NAMESPACE/APP-PART:1.4.2 # kept by the team
          ports: [{containerPort: 8080}]
          envFrom:
            - configMapRef: {name: APP}
          securityContext:
            privileged: false
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          resources:
            requests: {cpu: 100m, memory: 128Mi}
            limits: {memory: 256Mi}
`

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// TestServeLarge: of a repository of 300 MB, and as much again in its history,
// only the head is fetched, nothing is checked out, and the memory is bounded.
func TestServeLarge(t *testing.T) {
	long(t)
	files := map[string]string{".oakum.yaml": served, "a/pod.yaml": privileged}
	s := newGitHub(t, map[string]string{"README.md": "films\n"})
	source := rand.NewChaCha8([32]byte{})
	for _, name := range []string{"old", "new"} {
		for i := range 30 {
			film := make([]byte, 10<<20)
			_, _ = source.Read(film)
			files[fmt.Sprintf("films/%s-%d", name, i)] = string(film)
			if name == "new" {
				files[fmt.Sprintf("films/old-%d", i)] = "" // deleted
			}
		}
		s.Commit("main", name, files)
	}
	s.replica = s.another("--policy", "privileged-container")
	defer s.stop()
	begin := time.Now()
	s.start()
	s.until("a pull request", func() bool { return len(s.open()) == 1 })
	first := time.Since(begin)
	s.until("the end of it", s.idle)
	begin = time.Now()
	s.Commit("main", "a push", map[string]string{"b/pod.yaml": named("b")})
	s.until("another pull request", func() bool { return len(s.open()) == 2 })
	second := time.Since(begin)
	s.until("the end of it", s.idle)

	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		t.Skipf("how much memory a process takes is not told here: %v", err)
	}
	var kilobytes, onDisk int64
	if m := highWater.FindSubmatch(status); m != nil {
		_, _ = fmt.Sscan(string(m[1]), &kilobytes)
	}
	if err := filepath.WalkDir(filepath.Join(s.dir, "oakum-repositories"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.Contains(path, "films") {
			t.Errorf("%s was checked out", path)
		}
		info, err := d.Info()
		if err == nil {
			onDisk += info.Size()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("the first pull request after %.1f s, that of a push after %.1f s; at most %d MB of memory, %d MB on disk",
		first.Seconds(), second.Seconds(), kilobytes>>10, onDisk>>20)
	if kilobytes == 0 || kilobytes > 600<<10 {
		t.Errorf("%d MB of memory, want 600 at most", kilobytes>>10)
	}
	if onDisk > 350<<20 {
		t.Errorf("%d MB on disk, want the head alone", onDisk>>20)
	}
}
