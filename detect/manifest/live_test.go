package manifest_test

import (
	"reflect"
	"testing"

	"github.com/oakum-dev/oakum/detect/manifest"
)

func object() map[string]any {
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "web", "namespace": "shop", "creationTimestamp": nil},
		"spec": map[string]any{"replicas": int64(3), "template": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "web", "args": []any{"--verbose", "--port=80"}},
			map[string]any{"name": "proxy", "securityContext": map[string]any{"privileged": true}},
		}}}},
	}
}

// TestLiveField: paths lead through an object as they do through a file.
func TestLiveField(t *testing.T) {
	t.Parallel()
	r := manifest.FromObject("live:prod/shop/Deployment/web", object())
	if r.ID() != "Deployment shop/web" || r.Group() != "apps" || r.Node != nil || !r.Decoded() {
		t.Fatalf("the resource is %s of group %q", r.ID(), r.Group())
	}
	for _, c := range []struct {
		path    string
		present bool
		value   string // of the field or, where it is absent, the kind of what should hold it
	}{
		{"spec.replicas", true, "3"},
		{"spec.template.spec.containers[name=proxy].securityContext.privileged", true, "true"},
		{"spec.template.spec.containers[name=web].args[1]", true, "--port=80"},
		{"spec.template.spec.containers[name=gone].image", false, ""},
		{"spec.template.spec.containers[name=web].securityContext.privileged", false, ""},
		{"metadata.creationTimestamp", false, ""}, // null is none
	} {
		path, err := manifest.ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		f := r.Field(path)
		if f.Present != c.present || f.Node.Value != c.value {
			t.Errorf("%s: present %t, value %q, want %t, %q", c.path, f.Present, f.Node.Value, c.present, c.value)
		}
		if at := r.Position(path); at != (manifest.Position{File: "live:prod/shop/Deployment/web"}) {
			t.Errorf("%s is at %v, want no line", c.path, at)
		}
	}
}

// TestFromValue: a value of an object is the same once it is a node.
func TestFromValue(t *testing.T) {
	t.Parallel()
	for _, v := range []any{int64(3), "3", true, "true", 1.5, "null", "", "a\nb\n", []any{"x", map[string]any{"k": "on"}}} {
		back, err := manifest.ToValue(manifest.FromValue(v))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, v) {
			t.Errorf("%#v came back as %#v", v, back)
		}
	}
}
