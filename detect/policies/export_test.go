package policies_test

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/policy/admission"
	"github.com/oakum-dev/oakum/detect/policy/gatekeeper"
)

// TestExportGolden shows a few policies as they are exported.
func TestExportGolden(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"privileged-container", "run-as-non-root", "image-tag-latest", "ingress-without-tls", "sysctls-unsafe"} {
		all := load(t)
		p := all[slices.IndexFunc(all, func(p *policy.Policy) bool { return p.Name == name })]
		x, err := admission.NewExport(p, detect.LatestKubernetes)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range admission.Formats {
			if format == "gatekeeper" && name != "run-as-non-root" {
				continue // the rules are the same
			}
			got, err := x.YAML(format, "warn")
			if err != nil {
				t.Fatal(err)
			}
			compare(t, name+"."+format+".yaml", got)
		}
	}
}

// TestExportLeavesOut says which policies admission cannot express, but for
// those of the programs that make a cluster.
func TestExportLeavesOut(t *testing.T) {
	t.Parallel()
	var left strings.Builder
	for _, p := range load(t) {
		if _, err := admission.NewExport(p, detect.LatestKubernetes); err != nil && len(p.Match.Components) == 0 {
			left.WriteString(err.Error() + "\n")
		}
	}
	compare(t, "left-out.txt", []byte(left.String()))
}

// compare holds what came out against a file of testdata/export.
func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "export", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale, -update rewrites it; now it is\n%s", file, got)
	}
}

// pair is a policy and what it is exported as, in one of the formats.
type pair struct{ ours, exported *policy.Policy }

// exported makes the pairs for a version of Kubernetes.
func exported(t *testing.T, format string, kubernetes int) []pair {
	t.Helper()
	var ours []*policy.Policy
	tree := fstest.MapFS{}
	for _, p := range load(t) {
		x, err := admission.NewExport(p, kubernetes)
		if err != nil {
			continue
		}
		text, err := x.YAML(format, "deny")
		if err != nil {
			t.Fatal(err)
		}
		ours = append(ours, p)
		tree[p.Name+".yaml"] = &fstest.MapFile{Data: text}
	}
	c := &policy.Compiler{Languages: []policy.Language{admission.Language(), gatekeeper.Language()}}
	all, err := c.LoadFS(tree)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []pair
	for _, p := range ours {
		i := slices.IndexFunc(all, func(q *policy.Policy) bool { return q.Name == "oakum-"+p.Name })
		pairs = append(pairs, pair{p, all[i]})
	}
	if len(pairs) < 35 {
		t.Fatalf("only %d policies are exported for 1.%d", len(pairs), kubernetes)
	}
	return pairs
}

// agree compares the verdicts of a policy and its export on a resource.
func (p pair) agree(t *testing.T, r *manifest.Resource, ctx policy.Context) (found bool) {
	t.Helper()
	ours, err := p.ours.Evaluate(r, ctx)
	if err != nil {
		t.Errorf("%s: %s 1.%d: %v", r.File.Path, p.ours.Name, ctx.Kubernetes, err)
	}
	theirs, err := p.exported.Evaluate(r, ctx)
	if err != nil && strings.Contains(err.Error(), "the API server would not read it") {
		return len(ours) > 0
	}
	if err != nil {
		t.Errorf("%s: exported %s 1.%d: %v", r.File.Path, p.ours.Name, ctx.Kubernetes, err)
	}
	if (len(ours) > 0) != (len(theirs) > 0) {
		t.Errorf("%s: %s: %s at 1.%d: scan says %v, the exported policy %v", r.File.Path, r.ID(), p.ours.Name, ctx.Kubernetes, said(ours), said(theirs))
	}
	return len(ours) > 0
}

func said(violations []policy.Violation) []string {
	var out []string
	for _, v := range violations {
		out = append(out, v.Message)
	}
	return out
}

// TestExportVerdicts: on every pod that Kubernetes tests its Pod Security
// Standards with, exported policies say what a scan says.
func TestExportVerdicts(t *testing.T) {
	t.Parallel()
	pods, files := fixtures(t)
	verdicts, failed := 0, 0
	for _, as := range []struct {
		format     string
		kubernetes int
	}{{"vap", 24}, {"vap", detect.LatestKubernetes}, {"gatekeeper", detect.LatestKubernetes}} {
		ctx := policy.Context{Kubernetes: as.kubernetes, Namespace: somewhere}
		pairs := exported(t, as.format, as.kubernetes)
		for _, src := range pods {
			f, errs := manifest.Parse("pod.yaml", src, manifest.Plain, nil)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			for _, p := range pairs {
				verdicts++
				if p.agree(t, f.Resources[0], ctx) {
					failed++
				}
			}
		}
	}
	t.Logf("%d pods, %d of them distinct: %d verdicts, %d of them failures", files, len(pods), verdicts, failed)
	if failed == 0 {
		t.Error("no pod fails")
	}
}

// somewhere is a namespace for what no file gives one.
func somewhere(r *manifest.Resource) string { return cmp.Or(r.Namespace, "somewhere") }

// readable tells whether an API server of today would read a resource at all.
func readable(r *manifest.Resource) bool {
	if _, ok := manifest.MakesPods(r.APIVersion, r.Kind); !ok {
		return true
	}
	_, template, ok := r.PodTemplate()
	if !ok || !slices.Contains([]string{"v1", "apps/v1", "batch/v1"}, r.APIVersion) {
		return false
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(template, &corev1.PodTemplateSpec{}) == nil
}

func hostNetwork(template map[string]any) bool {
	spec, _ := template["spec"].(map[string]any)
	return spec["hostNetwork"] == true
}

// TestExportCorpus asks the same of what people wrote, for the kinds that are exported.
func TestExportCorpus(t *testing.T) {
	t.Parallel()
	set := manifests(t)
	ctx := policy.Context{Kubernetes: detect.LatestKubernetes, Namespace: somewhere}
	verdicts := 0
	pairs := exported(t, "vap", detect.LatestKubernetes)
	for r := range set.Resources {
		for _, p := range pairs {
			if !p.exported.Wants(r.APIVersion, r.Kind) || r.Partial || !readable(r) {
				continue
			}
			if _, template, ok := r.PodTemplate(); ok && p.ours.Name == "host-port" && hostNetwork(template) {
				continue // the API server fills hostPort in, which the file does not say
			}
			verdicts++
			p.agree(t, r, ctx)
		}
	}
	t.Logf("%d verdicts", verdicts)
}
