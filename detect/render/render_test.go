package render

import (
	"context"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"
)

// tree makes a file system of a txtar archive.
func tree(a *txtar.Archive) fstest.MapFS {
	t := fstest.MapFS{}
	for _, f := range a.Files {
		t[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return t
}

// with is a copy of a tree in which a text of a file is replaced.
func with(t *testing.T, tree fstest.MapFS, name, old, new string) fstest.MapFS {
	t.Helper()
	src := string(tree[name].Data)
	if strings.Count(src, old) != 1 {
		t.Fatalf("%s does not hold %q once", name, old)
	}
	out := maps.Clone(tree)
	out[name] = &fstest.MapFile{Data: []byte(strings.Replace(src, old, new, 1))}
	return out
}

// roots finds the roots of a tree, by directory.
func roots(t testing.TB, tree fs.FS) map[string]Root {
	t.Helper()
	kustomizations := map[string][]byte{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !slices.Contains(Names, path.Base(name)) {
			return err
		}
		kustomizations[name], err = fs.ReadFile(tree, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Root{}
	for _, r := range Roots(tree, kustomizations) {
		out[r.Dir] = r
	}
	return out
}

func shop(t testing.TB) fstest.MapFS {
	t.Helper()
	a, err := txtar.ParseFile("testdata/shop.txtar")
	if err != nil {
		t.Fatal(err)
	}
	return tree(a)
}

func TestRoots(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"base":   {"base/app.yaml", "base/kustomization.yaml", "base/motd.txt"},
		"prod":   {"base/app.yaml", "base/kustomization.yaml", "base/motd.txt", "component/kustomization.yaml", "component/nonroot.yaml", "prod/kustomization.yaml"},
		"strict": {"base/app.yaml", "base/kustomization.yaml", "base/motd.txt", "strict/kustomization.yaml", "strict/privileged.yaml"},
	}
	got := roots(t, shop(t))
	if len(got) != len(want) {
		t.Errorf("%d roots, want %d: components are none", len(got), len(want))
	}
	for dir, files := range want {
		if r := got[dir]; r.Err != nil || !slices.Equal(r.Files, files) {
			t.Errorf("%s reads %v (%v), want %v", dir, r.Files, r.Err, files)
		}
	}
}

func TestBuild(t *testing.T) {
	t.Parallel()
	shop := shop(t)
	objects, err := Build(t.Context(), shop, roots(t, shop)["prod"])
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range objects {
		if meta := o.Value["metadata"].(map[string]any); meta["annotations"] != nil {
			t.Errorf("%s keeps annotations of the build: %v", o.ID(), meta["annotations"])
		}
		name, _, _ := strings.Cut(o.ID(), "-settings-")
		got = append(got, name+" from "+o.Origin)
	}
	slices.Sort(got)
	want := []string{
		"ConfigMap shop/prod from ",
		"Deployment shop/prod-web from base/app.yaml",
		"Service shop/prod-web from base/app.yaml",
	}
	if !slices.Equal(got, want) {
		t.Errorf("built %q, want %q", got, want)
	}
	for _, o := range objects {
		if o.Kind != "Deployment" {
			continue
		}
		for _, d := range Differences(map[string]any{}, o.Value) {
			want, ok := map[string]any{
				"spec.replicas": int(3),
				"spec.template.spec.automountServiceAccountToken": false,
				"spec.template.spec.securityContext.runAsNonRoot": true,
			}[d.Path]
			if ok && d.After != want {
				t.Errorf("%s is %v (%T), want %v", d.Path, d.After, d.After, want)
			}
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	const privileged = "spec.template.spec.containers[name=web].securityContext.privileged"
	before := shop(t)
	for name, tc := range map[string]struct {
		file, old, new string
		want           map[string][]string // root -> changed paths
	}{
		"a base that one overlay overrides": {
			"base/app.yaml", "privileged: true", "privileged: false",
			map[string][]string{"base": {privileged}, "prod": {privileged}, "strict": nil},
		},
		"an overlay": {
			"strict/privileged.yaml", "privileged: false", "privileged: true",
			map[string][]string{"base": nil, "prod": nil, "strict": {privileged}},
		},
		"the order of arguments": {
			"base/app.yaml", "[--a, --b]", "[--b, --a]",
			map[string][]string{"prod": {"spec.template.spec.containers[name=web].args"}},
		},
		"a map that goes": {
			"base/app.yaml", "        securityContext:\n          privileged: true\n", "",
			map[string][]string{"base": {privileged}},
		},
		"an object that goes and one that comes": {
			"base/app.yaml", "kind: Service\nmetadata:\n  name: web", "kind: Service\nmetadata:\n  name: other",
			map[string][]string{"base": {"", ""}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := with(t, before, tc.file, tc.old, tc.new)
			was, is := roots(t, before), roots(t, after)
			for dir, want := range tc.want {
				old, err := Build(t.Context(), before, was[dir])
				if err != nil {
					t.Fatal(err)
				}
				built, err := Build(t.Context(), after, is[dir])
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, d := range Compare(old, built) {
					got = append(got, d.Path)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s changes at %q, want %q", dir, got, want)
				}
			}
		})
	}
}

func TestBuildStops(t *testing.T) {
	t.Parallel()
	shop := shop(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, shop, roots(t, shop)["prod"]); err == nil {
		t.Error("a cancelled build returned objects")
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	got := Roles(map[string][]byte{
		"a/kustomization.yaml": []byte(`
Resources: [app.yaml, ../base]
patches: [{path: p.yaml}, {patch: "- op: remove"}]
patchesStrategicMerge: [s.yaml, "kind: Deployment\nmetadata: {name: x}\n"]
patchesJson6902: [{path: j.yaml, target: {kind: Pod, name: x}}]
components: [../c]
configurations: [n.yaml]
crds: [crd.yaml]
openapi: {path: schema.json}
generators: [g.yaml, "apiVersion: builtin\nkind: ConfigMapGenerator\n"]
transformers: [t.yaml]
replacements: [{path: r.yaml}]
configMapGenerator: [{name: c, files: [k=f.txt, g.txt], envs: [e.env], env: old.env}]
secretGenerator: [{name: s, files: [s.txt]}]
helmCharts: [{name: h, valuesFile: v.yaml}]
unknown: field
`),
		"b/kustomization.yaml": []byte("patches: [{path: ../a/app.yaml}]"),
		"c/kustomization.yaml": []byte("patches: ["),
	})
	want := map[string]Role{
		"a/app.yaml": ResourceRole, "base": ResourceRole, "c": ResourceRole,
		"a/p.yaml": PatchRole, "a/s.yaml": PatchRole, "a/j.yaml": PatchRole,
		"a/n.yaml": InputRole, "a/crd.yaml": InputRole, "a/schema.json": InputRole, "a/g.yaml": InputRole, "a/t.yaml": InputRole,
		"a/r.yaml": InputRole, "a/f.txt": InputRole, "a/g.txt": InputRole, "a/e.env": InputRole, "a/old.env": InputRole,
		"a/s.txt": InputRole, "a/v.yaml": InputRole,
	}
	if !maps.Equal(got, want) {
		t.Errorf("roles are\n%v, want\n%v", got, want)
	}
}
