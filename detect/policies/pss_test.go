package policies_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	psa "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/compliance"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

// official is the Pod Security evaluator of Kubernetes, asked check by check.
type official struct{ checks []psa.Check }

// at is the version of a check that holds in Kubernetes 1.minor.
func at(c psa.Check, minor int) (psa.VersionedCheck, bool) {
	var found psa.VersionedCheck
	ok := false
	version := api.MajorMinorVersion(1, minor)
	for _, v := range c.Versions {
		if !version.Older(v.MinimumVersion) {
			found, ok = v, true
		}
	}
	return found, ok
}

// inForce lists the checks of a level at a version: restricted ones replace the baseline ones they override.
func (o official) inForce(level api.Level, minor int) map[string]psa.VersionedCheck {
	checks := map[string]psa.VersionedCheck{}
	for _, c := range o.checks {
		if v, ok := at(c, minor); ok && (c.Level == api.LevelBaseline || level == api.LevelRestricted) {
			checks[string(c.ID)] = v
		}
	}
	for _, v := range maps.Clone(checks) {
		for _, id := range v.OverrideCheckIDs {
			delete(checks, string(id))
		}
	}
	return checks
}

func (o official) failing(level api.Level, minor int, meta *metav1.ObjectMeta, spec *corev1.PodSpec) []string {
	ids := []string{}
	for id, c := range o.inForce(level, minor) {
		if !c.CheckPod(meta, spec).Allowed {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// ours are the same ids by the controls of the policies that found something.
func ours(o official, findings []*detect.Finding, level api.Level, minor int) []string {
	checks := o.inForce(level, minor)
	ids := []string{}
	for _, f := range findings {
		for _, control := range answers()[f.Policy.Name] {
			_, id, _ := strings.Cut(control, "/")
			if _, ok := checks[id]; ok && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// standards is the framework of the Pod Security Standards.
var standards = sync.OnceValue(func() *compliance.Framework {
	loaded, err := compliance.LoadFile(compliance.FS(), "pss.yaml")
	if err != nil {
		panic(err)
	}
	return loaded[0]
})

// answers are the controls of the standards that each policy answers.
var answers = sync.OnceValue(func() map[string][]string {
	out := map[string][]string{}
	for _, c := range standards().Controls {
		for _, name := range c.Policies {
			out[name] = append(out[name], c.ID)
		}
	}
	return out
})

// podSecurity are the policies that answer the Pod Security Standards.
func podSecurity(t testing.TB) []*policy.Policy {
	return slices.DeleteFunc(load(t), func(p *policy.Policy) bool { return len(answers()[p.Name]) == 0 })
}

// TestPodSecurityControls: the framework has the official checks, each from
// the version on that it is in force, and policies answer all of them.
func TestPodSecurityControls(t *testing.T) {
	t.Parallel()
	type control struct {
		since    int
		answered bool
	}
	want, got := map[string]control{}, map[string]control{}
	for _, c := range psa.DefaultChecks() {
		first := c.Versions[0].MinimumVersion
		want[string(c.Level)+"/"+string(c.ID)] = control{first.Minor(), true}
	}
	for _, c := range standards().Controls {
		got[c.ID] = control{c.Kubernetes.Since, c.Automated && len(c.Policies) > 0}
		if level, _, _ := strings.Cut(c.ID, "/"); level != c.Level {
			t.Errorf("control %s is of level %s", c.ID, c.Level)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// TestPodSecurityFixtures: on every pod that Kubernetes itself tests with, at
// both levels and every version, the failing checks are the official ones.
func TestPodSecurityFixtures(t *testing.T) {
	t.Parallel()
	pods, files := fixtures(t)
	c := comparison{policies: podSecurity(t), official: official{psa.DefaultChecks()}}
	for minor := 1; minor <= detect.LatestKubernetes; minor++ {
		c.versions = append(c.versions, minor)
	}
	for _, src := range pods {
		f, errs := manifest.Parse("pod.yaml", src, manifest.Plain, nil)
		if len(errs) > 0 || len(f.Resources) != 1 {
			t.Fatalf("%v in\n%s", errs, src)
		}
		c.pod(t, f)
	}
	c.report(t, files)
}

// TestPodSecurityCorpus asks the same of the pod templates that people wrote.
func TestPodSecurityCorpus(t *testing.T) {
	t.Parallel()
	set := manifests(t)
	c := comparison{policies: podSecurity(t), official: official{psa.DefaultChecks()}, versions: []int{1, 18, 22, 24, 31, 34, detect.LatestKubernetes}}
	templates := 0
	for r := range set.Resources {
		if _, _, ok := r.PodTemplate(); !ok || r.Partial {
			continue
		}
		templates++
		c.pod(t, &manifest.File{Path: r.File.Path, Form: manifest.Plain, Resources: []*manifest.Resource{r}})
	}
	c.report(t, templates)
}

// fixtures are the pods that Kubernetes itself tests with, those that are the
// same taken once, and how many files they are.
func fixtures(t *testing.T) (pods map[[sha256.Size]byte][]byte, files int) {
	t.Helper()
	dir := filepath.Join(moduleDir(t, "k8s.io/pod-security-admission"), "test", "testdata")
	pods = map[[sha256.Size]byte][]byte{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(p) != ".yaml" {
			return err
		}
		src, err := os.ReadFile(p)
		pods[sha256.Sum256(src)] = src
		files++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 4537 {
		t.Fatalf("found %d fixtures in %s, want 4537", files, dir)
	}
	return pods, files
}

// unmendable are official pods that only a person can mend: the fix would take a volume away.
var unmendable = regexp.MustCompile(`^(hostpathvolumes|restrictedvolumes)\d+\.yaml$`)

// TestPodSecurityFixed: after every fix up to review, each pod that fails the
// restricted level passes the official evaluator.
func TestPodSecurityFixed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(moduleDir(t, "k8s.io/pod-security-admission"), "test", "testdata", "restricted")
	judge := official{psa.DefaultChecks()}
	policies := podSecurity(t)
	mended, left := 0, 0
	for minor := range detect.LatestKubernetes + 1 {
		files, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("v1.%d", minor), "fail", "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no fixtures of 1.%d in %s: %v", minor, dir, err)
		}
		options := detect.Options{Policies: policies, Kubernetes: max(minor, 1)} // 0 would be the latest; no check changed in 1.1
		for _, name := range files {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, errs := manifest.Parse("pod.yaml", src, manifest.Plain, options.Wants)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			set := &manifest.Set{Files: []*manifest.File{f}}
			plan := mend(t, set, detect.Scan(set, options).Findings, options)
			for _, c := range plan.Changes {
				src = c.After
			}
			var pod corev1.Pod
			if err := yaml.UnmarshalStrict(src, &pod); err != nil {
				t.Fatal(err)
			}
			failing := judge.failing(api.LevelRestricted, minor, &pod.ObjectMeta, &pod.Spec)
			switch {
			case unmendable.MatchString(filepath.Base(name)):
				left++
			case len(failing) > 0:
				t.Errorf("%s still fails %v: %v\n%s", name, failing, plan.Held, src)
			default:
				mended++
			}
		}
	}
	t.Logf("%d pods mended, %d left to a person", mended, left)
}

// comparison counts how often two judges agree.
type comparison struct {
	policies                 []*policy.Policy
	official                 official
	versions                 []int // minor, of Kubernetes 1.x
	pods, skipped            int
	verdicts, failed, differ int
}

func (c *comparison) pod(t *testing.T, f *manifest.File) {
	t.Helper()
	r := f.Resources[0]
	_, value, _ := r.PodTemplate()
	var template corev1.PodTemplateSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(value, &template); err != nil {
		c.skipped++ // no API server would take it
		t.Logf("%s: %s: %v", f.Path, r.ID(), err)
		return
	}
	for i := range template.Spec.Volumes {
		if v := &template.Spec.Volumes[i]; v.VolumeSource == (corev1.VolumeSource{}) {
			v.EmptyDir = &corev1.EmptyDirVolumeSource{} // as the API server does (core/v1 defaults)
		}
	}
	c.pods++
	for _, minor := range c.versions {
		result := detect.Scan(&manifest.Set{Files: []*manifest.File{f}}, detect.Options{Policies: c.policies, Kubernetes: minor})
		for _, err := range result.NotEvaluated {
			t.Errorf("1.%d: %v", minor, err)
		}
		for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
			want := c.official.failing(level, minor, &template.ObjectMeta, &template.Spec)
			got := ours(c.official, result.Findings, level, minor)
			c.verdicts++
			if len(want) > 0 {
				c.failed++
			}
			if !slices.Equal(got, want) {
				if c.differ++; c.differ < 20 {
					t.Errorf("%s: %s at %s 1.%d fails %v, want %v", f.Path, r.ID(), level, minor, got, want)
				}
			}
		}
	}
}

func (c *comparison) report(t *testing.T, files int) {
	t.Logf("%d pods (%d distinct or read, %d not decodable): %d verdicts, %d of them failures, %d differ",
		files, c.pods, c.skipped, c.verdicts, c.failed, c.differ)
	if c.differ > 0 || c.pods == 0 {
		t.Errorf("%d verdicts of %d differ", c.differ, c.verdicts)
	}
}

func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("finding module %s: %v", module, err)
	}
	return strings.TrimSpace(string(out))
}

// mend plans every fix up to review.
func mend(t *testing.T, set *manifest.Set, findings []*detect.Finding, options detect.Options) *remediate.Plan {
	t.Helper()
	tree := fstest.MapFS{}
	for _, f := range set.Files {
		tree[f.Path] = &fstest.MapFile{Data: f.Source}
	}
	plan, err := remediate.MakePlan(t.Context(), remediate.Input{
		Tree: tree, Set: set, Findings: findings, Detect: options, Safety: policy.Review,
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}
