package render

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

// TestFlux: what a Kustomization of Flux adds to a directory, and what it
// makes of one that has no kustomization.
func TestFlux(t *testing.T) {
	t.Parallel()
	const web = `apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {zone: "${ZONE:=a}", size: "${SIZE}", both: "${ZONE}-${SECRET}", shell: "$HOME $${HOME}", cut: "${ZONE/a/b}"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${REPLICAS:-2}
  template: {spec: {containers: [{name: web, image: web, args: ["${SECRET}", b]}]}}
`
	plain := fstest.MapFS{
		"apps/web.yaml":                     {Data: []byte(web)},
		"apps/values.yaml":                  {Data: []byte("a: b\n")},
		"apps/nested/kustomization.yaml":    {Data: []byte("resources: [account.yaml]\nnamePrefix: nested-\n")},
		"apps/nested/account.yaml":          {Data: []byte("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n")},
		"apps/component/kustomization.yaml": {Data: []byte("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {component: \"yes\"}\n")},
		"elsewhere/a.yaml":                  {Data: []byte("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: elsewhere}\n")},
	}
	kustomized := maps.Clone(plain)
	kustomized["apps/kustomization.yaml"] = &fstest.MapFile{Data: []byte("resources: [web.yaml]\n")}
	delete(kustomized, "apps/nested/kustomization.yaml")
	for name, c := range map[string]struct {
		tree      fstest.MapFS
		spec      string
		variables map[string]string
		complete  bool
		want      []string
	}{
		"nothing more": {kustomized, `{}`, nil, true, []string{
			`"name":"web"},"spec":{"replicas":"${REPLICAS:-2}"`, `"zone":"${ZONE:=a}"`,
		}},
		"a directory without a kustomization": {plain, `{}`, nil, true, []string{`"name":"nested-web"`, `"kind":"Deployment"`}},
		"namespace, prefix, metadata, images": {
			kustomized, `{"targetNamespace": "shop", "namePrefix": "a-", "commonMetadata": {"labels": {"team": "x"}}, "images": [{"name": "web", "newTag": "v2"}], "components": ["component"]}`, nil, true,
			[]string{`"labels":{"team":"x"},"name":"a-web","namespace":"shop"`, `"image":"web:v2"`, `"component":"yes"`},
		},
		"patches": {
			kustomized, `{"patches": [{"patch": "- op: add\n  path: /spec/paused\n  value: true\n", "target": {"kind": "Deployment"}}]}`, nil, true,
			[]string{`"paused":true`},
		},
		"variables": {
			kustomized, `{"postBuild": {"substitute": {"REPLICAS": "5"}, "substituteFrom": [{"kind": "ConfigMap", "name": "x"}]}}`,
			map[string]string{"SIZE": "1", "SECRET": "s"},
			true,
			[]string{`"replicas":5`, `"zone":"a"`, `"size":1`, `"shell":"$HOME ${HOME}"`, `"args":["s","b"]`, `!"both"`, `!"cut"`},
		},
		"variables that nobody may read": {
			kustomized, `{"postBuild": {"substitute": {"SIZE": "1"}}}`, nil, false,
			[]string{`"size":1`, `!"zone"`, `!"replicas"`, `!"args"`, `!does-not-know`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var spec map[string]any
			if err := json.Unmarshal([]byte(c.spec), &spec); err != nil {
				t.Fatal(err)
			}
			kustomizations := map[string][]byte{}
			for name, f := range c.tree {
				if strings.HasSuffix(name, "/kustomization.yaml") {
					kustomizations[name] = f.Data
				}
			}
			objects, err := Flux{Dir: "apps", Spec: spec, Variables: c.variables, Complete: c.complete}.Build(t.Context(), c.tree, kustomizations)
			if err != nil {
				t.Fatal(err)
			}
			var values []any
			for _, o := range objects {
				values = append(values, o.Value)
			}
			src, _ := json.Marshal(values)
			for _, want := range c.want {
				unwanted, not := strings.CutPrefix(want, "!")
				if strings.Contains(string(src), unwanted) == not {
					t.Errorf("it builds %s, want %s", src, want)
				}
			}
			if strings.Contains(string(src), "elsewhere") {
				t.Errorf("it builds what lies elsewhere: %s", src)
			}
		})
	}
}
