package manifest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// read lists what is read of some files, one resource or error a line.
func read(t *testing.T, files map[string]string, o manifest.Options) []string {
	t.Helper()
	tree := fstest.MapFS{}
	for name, src := range files {
		tree[name] = &fstest.MapFile{Data: []byte(src), Mode: 0o644}
	}
	set, err := manifest.Read(tree, o)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range set.Files {
		if f.Form != manifest.Plain {
			out = append(out, fmt.Sprintf("%s is %s", f.Path, f.Form))
		}
		for _, r := range f.Resources {
			line := fmt.Sprintf("%s#%d %s %s", f.Path, r.Document, r.APIVersion, r.ID())
			if r.Decoded() {
				line += fmt.Sprintf(" at %d:%d", r.Node.Line, r.Node.Column)
			}
			if r.Partial {
				line += " partial"
			}
			out = append(out, line)
		}
	}
	for _, e := range set.Errors {
		out = append(out, fmt.Sprintf("error %s:%d: %s", e.File, e.Line, e.Message))
	}
	return out
}

const service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n"

func TestRead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files map[string]string
		o     manifest.Options
		want  []string
	}{{
		name:  "documents, empty ones counted",
		files: map[string]string{"a.yaml": "# licence\n---\n" + service + "---\n---\n# nothing\n---\n" + strings.ReplaceAll(service, "web", "db") + "...\n"},
		want:  []string{"a.yaml#0 v1 Service web at 3:1", "a.yaml#3 v1 Service db at 11:1"},
	}, {
		name:  "windows line endings and a byte order mark",
		files: map[string]string{"a.yaml": "\ufeff" + strings.ReplaceAll(service+"---\n"+service, "\n", "\r\n")},
		want:  []string{"a.yaml#0 v1 Service web at 1:1", "a.yaml#1 v1 Service web at 6:1"},
	}, {
		name:  "json",
		files: map[string]string{"a.json": `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}`},
		want:  []string{"a.json#0 v1 Service shop/web at 1:1"},
	}, {
		name:  "a list is unwrapped",
		files: map[string]string{"a.yaml": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: b}\n"},
		want:  []string{"a.yaml#0 v1 Service a at 4:3", "a.yaml#0 v1 ConfigMap b at 7:3"},
	}, {
		name:  "only what is asked about is decoded",
		files: map[string]string{"a.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: broken: }\n---\n" + service},
		o:     manifest.Options{Wants: func(_, kind string) bool { return kind == "Service" }},
		want:  []string{"a.yaml#0 apiextensions.k8s.io/v1 CustomResourceDefinition ", "a.yaml#1 v1 Service web at 5:1"},
	}, {
		name:  "a broken document stops nothing else",
		files: map[string]string{"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: [}\n---\n" + service, "b.yaml": service},
		want:  []string{"a.yaml#1 v1 Service web at 5:1", "b.yaml#0 v1 Service web at 1:1", "error a.yaml:3: did not find expected node content"},
	}, {
		name: "what is no Kubernetes object is passed over",
		files: map[string]string{
			"values.yaml": "replicas: 2\n", "ci.yml": "kind: pipeline\nname: x\n", "list.yaml": "- kind: a\n- apiVersion: b\n",
			"notes.txt": service, "empty.yaml": "",
		},
	}, {
		name: "templates are recognised",
		files: map[string]string{
			"c/Chart.yaml": "name: c\n", "c/templates/a.yaml": "apiVersion: v1\nkind: Service\nmetadata:\n  name: \"{{ .Release.Name }}\"\n",
			"b.yaml": "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ name }}\n", "d.yaml": "apiVersion: v1\nkind: Service\n{{- if .x }}\nmetadata:\n  name: a\n{{- end }}\n",
			"alerts.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: alerts}\ndata:\n  t: |\n    {{ .Labels }}\n  u: \"{{ x }}\"\n",
		},
		want: []string{"alerts.yaml#0 v1 ConfigMap alerts at 1:1", "b.yaml is template", "c/templates/a.yaml is template", "d.yaml is template"},
	}, {
		name:  "encrypted files are recognised",
		files: map[string]string{"s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  a: ENC[AES256_GCM,data:x]\nsops:\n  mac: ENC[y]\n"},
		want:  []string{"s.yaml is encrypted", "s.yaml#0 v1 Secret s at 1:1"},
	}, {
		name: "parts of objects are marked",
		files: map[string]string{
			"p.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      containers:\n      - name: a\n        env: []\n",
			"d.yaml": service + "$patch: delete\n",
		},
		want: []string{"d.yaml#0 v1 Service web at 1:1 partial", "p.yaml#0 apps/v1 Deployment a at 1:1 partial"},
	}, {
		name:  "git's and the user's exclusions",
		files: map[string]string{".gitignore": "build/\n*.tmp.yaml\n", "a.yaml": service, "build/a.yaml": service, "x.tmp.yaml": service, "third/party/a.yaml": service, ".git/a.yaml": service},
		o:     manifest.Options{Exclude: []string{"third/**"}},
		want:  []string{"a.yaml#0 v1 Service web at 1:1"},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(tt.want, read(t, tt.files, tt.o)); d != "" {
				t.Errorf("read differs (-want +got):\n%s", d)
			}
		})
	}
}

func TestReadMissingPath(t *testing.T) {
	t.Parallel()
	_, err := manifest.Read(fstest.MapFS{"a.yaml": {}}, manifest.Options{Paths: []string{"b"}})
	if err == nil || !strings.Contains(err.Error(), "b: no such file or directory") {
		t.Errorf("Read of a missing path: %v", err)
	}
}

func TestValueReadsYAML11(t *testing.T) {
	t.Parallel()
	f, errs := manifest.Parse("a.yaml", []byte(`apiVersion: v1
kind: X
on: off
s: "on"
octal: 0777
big: 1_000
float: 0.5
whole: 1e3
empty:
gone: ~
base: &b {x: 1, z: 2}
merged: {<<: *b, z: 3}
date: 2026-01-31
version: 1.10.0
`), manifest.Plain, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := map[string]any{
		"apiVersion": "v1", "kind": "X", "true": false, "s": "on", "octal": int64(511), "big": int64(1000), "float": 0.5, "whole": int64(1000),
		"base": map[string]any{"x": int64(1), "z": int64(2)}, "merged": map[string]any{"x": int64(1), "z": int64(3)},
		"date": "2026-01-31", "version": "1.10.0",
	}
	if d := cmp.Diff(want, f.Resources[0].Value); d != "" {
		t.Errorf("value differs (-want +got):\n%s", d)
	}
}

func TestAliasBomb(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: X\na0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [*a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d]\n", i, i, i-1)
	}
	_, errs := manifest.Parse("bomb.yaml", []byte(b.String()), manifest.Plain, nil)
	if len(errs) != 1 || !strings.Contains(errs[0].Message, "too many nodes") {
		t.Errorf("errors: %v", errs)
	}
}

func TestFieldAndPosition(t *testing.T) {
	t.Parallel()
	src := `apiVersion: v1
kind: Pod
metadata:
  name: é
  annotations: {"a.b/c": x}
spec:
  securityContext:
  containers:
  - name: web
    image: web:1
    ports:
    - containerPort: 80
      protocol: UDP
  - name: proxy
    securityContext:
      privileged: true
      capabilities: {drop: [ALL, "NET_RAW"]}
`
	f, errs := manifest.Parse("a.yaml", []byte(src), manifest.Plain, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for path, want := range map[string]string{
		"spec.containers[name=proxy].securityContext.privileged":              "16:19 true",
		"spec.containers[name=proxy].securityContext.runAsNonRoot":            "15:5 false",
		"spec.containers[name=proxy].securityContext.capabilities.drop[=ALL]": "17:29 true",
		"spec.containers[name=web].securityContext.privileged":                "9:5 false",
		"spec.containers[name=web].ports[containerPort=80].protocol":          "13:17 true",
		`metadata.annotations["a.b/c"]`:                                       "5:26 true",
		"spec.securityContext.runAsNonRoot":                                   "7:3 false",
		"spec.containers[0].name":                                             "9:11 true",
	} {
		p, err := manifest.ParsePath(path)
		if err != nil {
			t.Errorf("ParsePath(%q): %v", path, err)
			continue
		}
		if got := p.String(); got != path {
			t.Errorf("path %q is written %q", path, got)
		}
		at, field := f.Resources[0].Position(p), f.Resources[0].Field(p)
		if got := fmt.Sprintf("%d:%d %v", at.Line, at.Column, field.Present); got != want {
			t.Errorf("%s is at %s, want %s", path, got, want)
		}
	}
}

func TestItemStep(t *testing.T) {
	t.Parallel()
	items := []any{
		map[string]any{"name": "a"},
		map[string]any{"name": "b"},
		map[string]any{"name": "b"},
		map[string]any{"name": map[string]any{"a": "b"}},
		map[string]any{"name": "odd]"},
		[]any{},
		nil, "x",
	}
	for i, want := range []string{"[name=a]", "[1]", "[2]", "[3]", "[4]", "[5]", "[6]", "[=x]"} {
		if got := (manifest.Path{manifest.ItemStep("containers", items, i)}).String(); got != want {
			t.Errorf("item %d is addressed as %s, want %s", i, got, want)
		}
	}
}

func TestParsePathErrors(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"a.", ".a", "a..b", "a[", "a[x]", `a["b`, "a[0]."} {
		if p, err := manifest.ParsePath(s); err == nil {
			t.Errorf("ParsePath(%q) gave %v, want an error", s, p)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		service, "---\n# c\n---\n" + service + "...\n", `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod"}]}`,
		"apiVersion: v1\nkind: X\na: &a [*a]\n", "apiVersion: v1\nkind: X\n<<: [1]\n", "kind: {{ x }}\napiVersion: y\n", "\ufeffapiVersion: v1\r\nkind: X\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		file, _ := manifest.Parse("f.yaml", src, manifest.Plain, nil)
		if file == nil {
			return
		}
		for _, r := range file.Resources {
			if !r.Decoded() {
				t.Fatalf("%s is not decoded", r.ID())
			}
			r.PodTemplate()
			if at := r.Position(manifest.Path{}.Key("metadata", "name")); at.Line < 1 {
				t.Errorf("position %+v", at)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	src := []byte(strings.Repeat("---\n"+service+"spec:\n  ports:\n  - port: 80\n    name: http\n  selector: {app: web}\n", 100))
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, errs := manifest.Parse("a.yaml", src, manifest.Plain, nil); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}

func TestPathsMeet(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want bool
	}{
		{"spec.a", "spec.a", true},
		{"spec", "spec.a.b", true},
		{"spec.a", "spec.b", false},
		{"spec.c[name=x].d", "spec.c[name=x]", true},
		{"spec.c[name=x].d", "spec.c[name=y].d", false},
		{"spec.c[name=x].d", "spec.c[1].d", true},
		{"spec.c[=x]", "spec.c[=y]", false},
		{"spec.c", "spec.c[0]", true},
	}
	for _, test := range tests {
		a, errA := manifest.ParsePath(test.a)
		b, errB := manifest.ParsePath(test.b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if a.Meets(b) != test.want || b.Meets(a) != test.want {
			t.Errorf("%s and %s: %v, want %v", test.a, test.b, a.Meets(b), test.want)
		}
	}
}
