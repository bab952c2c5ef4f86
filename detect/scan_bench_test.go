package detect_test

import (
	"os"
	"testing"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/testdata/corpus"
)

func library(b testing.TB) []*policy.Policy {
	b.Helper()
	all, err := compiled()
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// BenchmarkLoad compiles the whole library.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		c := &policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names()}
		if _, err := c.LoadFS(policies.FS); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead reads and decodes what the library asks about.
func BenchmarkRead(b *testing.B) {
	dir, o := corpus.Dir(b), detect.Options{Policies: library(b)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := manifest.Read(os.DirFS(dir), manifest.Options{Wants: o.Wants}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScan judges every resource of the corpus by the whole library.
func BenchmarkScan(b *testing.B) {
	dir, o := corpus.Dir(b), detect.Options{Policies: library(b)}
	set, err := manifest.Read(os.DirFS(dir), manifest.Options{Wants: o.Wants})
	if err != nil {
		b.Fatal(err)
	}
	resources := 0
	for range set.Resources {
		resources++
	}
	b.ReportAllocs()
	for b.Loop() {
		detect.Scan(set, o)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*resources), "ns/resource")
}

// BenchmarkPolicy judges one deployment of three containers by each policy alone.
func BenchmarkPolicy(b *testing.B) {
	file, errs := manifest.Parse("web.yaml", []byte(deployment), manifest.Plain, nil)
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	ctx := policy.Context{Kubernetes: detect.LatestKubernetes}
	for _, p := range library(b) {
		if p.Analyzer != "" || !p.Wants("apps/v1", "Deployment") {
			continue
		}
		b.Run(p.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Evaluate(file.Resources[0], ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// deployment breaks nothing that is judged by container, so that what is timed is the judging.
const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      initContainers:
        - name: migrate
          image: shop/migrate:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
          securityContext: &strict {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      containers:
        - name: web
          image: shop/web:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
          ports: [{containerPort: 8080}]
          env: [{name: LEVEL, value: info}]
          resources: &small {limits: {cpu: 1, memory: 64Mi}}
          securityContext: *strict
        - name: proxy
          image: shop/proxy:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
          resources: *small
          securityContext: *strict
      volumes: [{name: tmp, emptyDir: {}}]
`

// BenchmarkRank builds the graph of the corpus, and ranks its findings.
func BenchmarkRank(b *testing.B) {
	dir, o := corpus.Dir(b), detect.Options{Policies: library(b)}
	set, err := manifest.Read(os.DirFS(dir), manifest.Options{Wants: o.Wants})
	if err != nil {
		b.Fatal(err)
	}
	result := detect.Scan(set, o)
	b.ReportAllocs()
	for b.Loop() {
		detect.Rank(result, graph.New(set, graph.Options{}))
	}
}
