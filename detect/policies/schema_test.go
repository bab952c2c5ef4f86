package policies_test

import (
	"bytes"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
)

// TestSchema: the schema for editors takes every built-in policy, knows the
// fields that the loader knows, and no others.
func TestSchema(t *testing.T) {
	t.Parallel()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(policy.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(policies.FS, "*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no policies: %v", err)
	}
	for _, name := range files {
		src, err := fs.ReadFile(policies.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := yaml.Unmarshal(src, &v); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		v.(map[string]any)["spec"].(map[string]any)["requires"] = "true"
		if schema.Validate(v) == nil {
			t.Errorf("%s: an unknown field is taken", name)
		}
	}
	same(t, "spec", reflect.TypeFor[policy.Policy](), document.(map[string]any)["properties"].(map[string]any)["spec"].(map[string]any))
}

// same compares the fields of a struct with the properties of its schema.
func same(t *testing.T, where string, typ reflect.Type, schema map[string]any) {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
		for _, key := range []string{"items", "additionalProperties"} {
			if inner, ok := schema[key].(map[string]any); ok {
				schema = inner
			}
		}
		typ = typ.Elem()
	}
	properties, ok := schema["properties"].(map[string]any)
	if typ.Kind() != reflect.Struct || !ok {
		return
	}
	known := map[string]bool{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		known[name] = true
		p, ok := properties[name].(map[string]any)
		if !ok {
			t.Errorf("%s.%s is not in the schema", where, name)
			continue
		}
		same(t, where+"."+name, f.Type, p)
	}
	for name := range properties {
		if !known[name] {
			t.Errorf("the schema has %s.%s, and the loader has not", where, name)
		}
	}
}
