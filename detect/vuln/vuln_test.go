package vuln_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect/vuln"
)

var update = flag.Bool("update", false, "rewrite the models")

// TestRead: each archive has reports in a scanner's shape, and the model they become.
func TestRead(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no reports: %v", err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			in := txtar.Parse(src)
			out := &txtar.Archive{Comment: in.Comment}
			var model strings.Builder
			for _, f := range in.Files {
				if f.Name == "model" {
					continue
				}
				out.Files = append(out.Files, f)
				reports, err := vuln.Read(f.Name, f.Data)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range reports {
					model.WriteString(say(r))
				}
			}
			out.Files = append(out.Files, txtar.File{Name: "model", Data: []byte(model.String())})
			got := txtar.Format(out)
			if *update {
				if err := os.WriteFile(name, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(src), string(got)); d != "" {
				t.Errorf("%s differs (-want +got):\n%s", name, d)
			}
		})
	}
}

func say(r *vuln.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  names %v\n  digests %v\n", r.Source(), r.Names, r.Digests)
	for _, v := range r.Vulnerabilities {
		fmt.Fprintf(&b, "  %s %s in %s %s, fixed in %q, %.1f %q %s\n", v.Severity, v.ID, v.Package, v.Installed, v.Fixed, v.Score, v.Title, v.URL)
	}
	return b.String()
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, src, want string }{
		{"empty", "", "the format is not known: give JSON of Trivy or Grype"},
		{"a manifest", "apiVersion: v1\nkind: Pod\n", "the format is not known"},
		{"a manifest in JSON", `{"apiVersion": "v1", "kind": "Pod"}`, "a Pod is no report: the format is not known"},
		{"some JSON", `{"a": 1}`, "the format is not known"},
		{"broken JSON", `{"SchemaVersion": 2`, "it is no JSON that a scanner writes"},
		{"wrong types", `{"SchemaVersion": 2, "Results": "none"}`, "reading Trivy's JSON: json: cannot unmarshal"},
		{"a filesystem", `{"SchemaVersion": 2, "ArtifactName": ".", "ArtifactType": "filesystem"}`, "a report of Trivy about a filesystem: scan the image"},
		{"a directory", `{"matches": [], "descriptor": {}, "source": {"type": "directory", "target": "/src"}}`, "a report of Grype about a directory: scan the image"},
		{"no image", `{"SchemaVersion": 2, "ArtifactType": "container_image"}`, "the report does not say which image was scanned"},
		{"a summary", `{"ClusterName": "a", "Findings": [{}]}`, "write it with --report all"},
		{"mixed images", `{"ClusterName": "a", "Resources": [{"Kind": "Pod", "Name": "p", "Metadata": [{"RepoTags": ["a"]}, {"RepoTags": ["b"]}]}]}`, "Pod p: its 2 images are mixed"},
		{"another SARIF", `{"runs": [{"tool": {"driver": {"name": "oakum"}}}]}`, `SARIF of "oakum": that of Trivy and Grype is read`},
		{"SARIF without an image", `{"runs": [{"tool": {"driver": {"name": "grype"}}}]}`, "give JSON"},
		{"no artifact", "apiVersion: aquasecurity.github.io/v1alpha1\nkind: VulnerabilityReport\nmetadata: {name: a}\n", "VulnerabilityReport a does not say which image was scanned"},
		{"wrong types in an object", "apiVersion: aquasecurity.github.io/v1alpha1\nkind: VulnerabilityReport\nmetadata: {name: a}\nreport: []\n", "reading VulnerabilityReport a: json"},
		{"not YAML", "apiVersion: a\nkind: [", "line 3"},
		{"too many", `{"ArtifactName": "a", "Results": [{"Vulnerabilities": [` + strings.Repeat("{},", 20_000) + `{}]}]}`, "20001 vulnerabilities of one image, more than the 20000"},
		{"too large", strings.Repeat(" ", vuln.MaxFileSize+1), "64 MiB, more than the 64 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := vuln.Read("x", []byte(test.src)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	one, two, three := "sha256:"+strings.Repeat("1", 64), "sha256:"+strings.Repeat("2", 64), "sha256:"+strings.Repeat("3", 64)
	four := "sha256:" + strings.Repeat("4", 64)
	report := func(where, day string, names ...string) *vuln.Report {
		r := &vuln.Report{File: where}
		r.Date, _ = time.Parse(time.DateOnly, day)
		for _, n := range names {
			ref := vuln.ParseReference(n)
			if ref.Digest != "" {
				r.Digests = append(r.Digests, vuln.Reference{Name: ref.Name, Digest: ref.Digest})
			}
			if ref.Tag != "" {
				r.Names = append(r.Names, vuln.Reference{Name: ref.Name, Tag: ref.Tag})
			}
		}
		return r
	}
	given := func(r *vuln.Report) *vuln.Report {
		r.Given = true
		return r
	}
	x := vuln.NewIndex([]*vuln.Report{
		report("old", "2026-01-01", "shop/web:1@"+one),
		report("new", "2026-02-01", "shop/web:1@"+two),
		report("undated", "", "shop/web:1", "shop/api:latest"),
		report("tar", "", "registry.example.org:5000/shop/cart:2"),
		report("first", "2026-01-01", "shop/mail:1"),
		report("second", "2026-01-01", "shop/mail:1"),
		given(report("given", "2026-01-01", "shop/seed:1")),
		report("of the tree", "2099-01-01", "shop/seed:1@"+four),
		given(report("given too", "2026-01-02", "shop/seed:1")),
	})
	for _, test := range []struct{ image, want string }{
		{"shop/web:1", "new"},
		{"docker.io/shop/web:1", "new"},
		{"shop/web:1@" + one, "old"},
		{"mirror.example.org/web@" + one, "old"}, // the same content elsewhere
		{"shop/web:1@" + three, "undated"},       // those that know their digest know another
		{"shop/api", "undated"},
		{"registry.example.org:5000/shop/cart:2", "tar"},
		{"registry.example.org:5000/shop/cart", ""},
		{"shop/mail:1", "second"},
		{"shop/web:2", ""},
		{"shop/seed:1", "given too"}, // what the tree says does not outdo it
		{"shop/seed:1@" + four, "given too"},
		{"shop/web", ""},
		{"", ""},
		{"shop/api@" + three, ""},
	} {
		got := ""
		if r := x.Of(test.image); r != nil {
			got = r.File
		}
		if got != test.want {
			t.Errorf("%s: got the report %q, want %q", test.image, got, test.want)
		}
	}
	if got := (*vuln.Index)(nil).Of("shop/web:1"); got != nil {
		t.Errorf("no index has %v", got)
	}
	if n := len(x.Named("shop/web")); n != 3 {
		t.Errorf("%d reports of shop/web, want 3", n)
	}
}

func TestPinned(t *testing.T) {
	t.Parallel()
	one, two := "sha256:"+strings.Repeat("1", 64), "sha256:"+strings.Repeat("2", 64)
	r := &vuln.Report{Digests: []vuln.Reference{{Name: "a", Digest: one}, {Name: "b", Digest: one}, {Name: "b", Digest: two}, {Name: "a", Digest: one}}}
	if d, ok := r.Pinned("a"); d != one || !ok {
		t.Errorf("a: %s %t", d, ok)
	}
	if d, ok := r.Pinned("b"); ok {
		t.Errorf("b has two digests, and %s was taken", d)
	}
	if d, ok := r.Pinned("c"); ok {
		t.Errorf("c has none, and %s was taken", d)
	}
}

func FuzzRead(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range txtar.Parse(src).Files {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		reports, err := vuln.Read("x", src)
		if err != nil {
			return
		}
		for _, r := range reports {
			if len(r.Names)+len(r.Digests) == 0 {
				t.Errorf("%s is about no image", r.File)
			}
			for _, n := range append(r.Names, r.Digests...) {
				if again := vuln.ParseReference(n.String()); again.Name != n.Name && vuln.ParseReference(again.String()) != again {
					t.Errorf("%+v is written as %s, which is %+v", n, n, again)
				}
			}
		}
		vuln.NewIndex(reports).Of("shop/web:1")
	})
}
