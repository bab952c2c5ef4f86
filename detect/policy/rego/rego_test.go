package rego_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/policy/rego"
)

const service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: NodePort}\n"

// TestRules: what rules in the style of conftest find, old and new Rego alike.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string // findings, or part of the error
	}{
		{
			"today's Rego",
			map[string]string{"deny.rego": "package main\n\ndeny contains msg if {\n\tinput.kind == \"Service\"\n\tinput.spec.type == \"NodePort\"\n\tmsg := sprintf(\"%s is open\", [input.metadata.name])\n}\n"},
			"high main-deny: web is open",
		},
		{
			"Rego before 1.0, and a warning",
			map[string]string{"p.rego": "package net.rules\n\nwarn_open[msg] {\n\tinput.spec.type == \"NodePort\"\n\tmsg := \"open\"\n}\n"},
			"medium net-rules-warn-open: open",
		},
		{
			"objects",
			map[string]string{"p.rego": "package main\n\nviolation contains {\"msg\": \"bad\", \"details\": {}} if input.kind == \"Service\"\n"},
			"high main-violation: bad",
		},
		{
			"library in another file",
			map[string]string{"lib.rego": "package lib\n\nopen if input.spec.type == \"NodePort\"\n", "p.rego": "package main\n\nimport data.lib\n\ndeny contains \"open\" if lib.open\n"},
			"high main-deny: open",
		},
		{"nothing wrong", map[string]string{"p.rego": "package main\n\ndeny contains \"x\" if input.kind == \"Pod\"\n"}, ""},
		{"tests are no rules", map[string]string{"p.rego": "package main\n\ndeny contains \"x\" if input.kind == \"Pod\"\n", "p_test.rego": "package main\n\ndeny contains \"y\"\n"}, ""},
		{"syntax", map[string]string{"p.rego": "package main\n\ndeny contains {\n"}, "p.rego:4: rego_parse_error"},
		{"unknown name", map[string]string{"p.rego": "package main\n\ndeny contains \"x\" if nobody(input)\n"}, "undefined function nobody"},
		{"network", map[string]string{"p.rego": "package main\n\ndeny contains \"x\" if http.send({\"url\": \"http://example.org\", \"method\": \"get\"})\n"}, "undefined function http.send"},
		{"without end", map[string]string{"p.rego": "package main\n\ndeny contains \"x\" if {\n\tsome a in numbers.range(1, 100000)\n\tsome b in numbers.range(1, 100000)\n\ta + b < 0\n}\n"}, "not evaluated: a.yaml: policy main-deny on Service web: evaluating"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tree := fstest.MapFS{}
			for name, src := range test.files {
				tree[name] = &fstest.MapFile{Data: []byte(src)}
			}
			policies, err := (&policy.Compiler{Languages: []policy.Language{rego.Language()}}).LoadFS(tree)
			if err != nil {
				if test.want == "" || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v, want %q", err, test.want)
				}
				return
			}
			o := detect.Options{Policies: policies}
			set, err := manifest.Read(fstest.MapFS{"a.yaml": {Data: []byte(service)}}, manifest.Options{Wants: o.Wants})
			if err != nil {
				t.Fatal(err)
			}
			result := detect.Scan(set, o)
			var got []string
			for _, f := range result.Findings {
				got = append(got, fmt.Sprintf("%s %s: %s", f.Policy.Severity, f.Policy.Name, f.Message))
			}
			for _, u := range result.NotEvaluated {
				got = append(got, "not evaluated: "+u.Error())
			}
			if s := strings.Join(got, "\n"); s != test.want && (test.want == "" || !strings.HasPrefix(s, test.want)) {
				t.Errorf("got %q, want %q", s, test.want)
			}
		})
	}
}
