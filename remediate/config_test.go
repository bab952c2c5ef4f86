package remediate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/remediate"
)

// TestConfigSchema: parser and published schema take the same documents.
func TestConfigSchema(t *testing.T) {
	t.Parallel()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(remediate.ConfigSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		text  string
		wrong string // part of the parser's error; empty: both take it
	}{
		{text: ""},
		{text: "exclude: [vendor]\nkubernetes: \"1.34\"\nsafety: review\nfailOn: none\nframeworks: [a]\nvulnerabilities: [scans/*]\n"},
		{text: "policies:\n  host-pid: {disabled: true, severity: low, safety: manual, parameters: {a: [1]}}\n"},
		{text: "exemptions:\n- {policy: [a, b], reason: r, owner: o, until: 2027-01-31, kind: Pod, namespace: [x], name: y, path: z, container: c}\n"},
		{text: "workloads:\n- {kind: example.org/Shop, template: spec.template}\n"},
		{text: "extends: [acme/presets, acme/presets:dir/strict.yaml@v1.2]\nprevious: 1\n", wrong: `line 2: there is no key "previous": did you mean previews?`},
		{text: "extends: [presets]\n", wrong: "want owner/repository[:file][@ref]"},
		{text: "extends: [a/b:../c]\n", wrong: "must lie in the repository"},
		{text: "previews: off\n"},
		{text: "previews: maybe\n", wrong: "want on or off"},
		{text: "pullRequests:\n  groupBy: owner\n  labels: [a]\n  limits: {open: 0, perHour: 3, critical: counted}\n  reviewers: [codeowners, '@jo', acme/team]\n  assignees: [jo]\n  draft: [assumed]\n  autoMerge: safe\n  schedule: {timezone: Europe/Berlin, windows: [mon-fri 22:00-06:00, 'sat,sun', 01:00-02:30]}\n"},
		{text: "pullRequests: {draft: []}\n"},
		{text: "pullRequests: {groupby: file}\n", wrong: `line 1: there is no key "groupby" in pullRequests: did you mean groupBy?`},
		{text: "pullRequests:\n  limits:\n    opne: 3\n", wrong: `line 3: there is no key "opne" in pullRequests.limits: did you mean open?`},
		{text: "pullRequests: {groupBy: chance}\n", wrong: "groupBy is"},
		{text: "pullRequests: {limits: {open: -1}}\n", wrong: "want 0 to 1000"},
		{text: "pullRequests: {limits: {critical: maybe}}\n", wrong: "want exempt or counted"},
		{text: "pullRequests: {autoMerge: always}\n", wrong: "want off or safe"},
		{text: "pullRequests: {draft: [proven]}\n", wrong: "draft:"},
		{text: "pullRequests: {draft: [assumed, assumed]}\n", wrong: "draft:"},
		{text: "pullRequests: {reviewers: ['a b']}\n", wrong: "reviewers:"},
		{text: "pullRequests: {assignees: [a/b]}\n", wrong: "assignees:"},
		{text: "pullRequests: {labels: ['']}\n", wrong: "no label"},
		{text: "pullRequests: {schedule: {windows: []}}\n", wrong: "windows:"},
		{text: "pullRequests: {schedule: {windows: [never]}}\n", wrong: "want days"},
		{text: "safety: bold\n", wrong: "want safe, evidence or review"},
		{text: "failOn: worst\n", wrong: "failOn is"},
		{text: "policies:\n  host-pid: {disable: true}\n", wrong: `line 2: there is no key "disable" in policies.host-pid: did you mean disabled?`},
		{text: "exemptions:\n- {policy: a, reason: r, untill: 2027-01-31}\n", wrong: `there is no key "untill" in exemptions: did you mean until?`},
		{text: "zzzzzzzzzz: 1\n", wrong: `line 1: there is no key "zzzzzzzzzz"`},
		{text: "exclude: vendor\n", wrong: "cannot unmarshal"},
	}
	for _, c := range tests {
		_, err := remediate.ParseConfig(".oakum.yaml", []byte(c.text))
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.wrong)
		}
		var v any
		if err := yaml.Unmarshal([]byte(c.text), &v); err != nil {
			t.Fatal(err)
		}
		if v == nil {
			v = map[string]any{}
		}
		if err := schema.Validate(plainValue(v)); (err == nil) != (c.wrong == "") && c.wrong != "must lie in the repository" {
			t.Errorf("%q: the schema says %v, the parser %q", c.text, err, c.wrong)
		}
	}
	sameKeys(t, "", reflect.TypeFor[remediate.Config](), document.(map[string]any))
}

// plainValue is what a JSON document would hold: dates are text.
func plainValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = plainValue(x)
		}
	case []any:
		for i, x := range v {
			v[i] = plainValue(x)
		}
	case time.Time:
		return v.Format(time.DateOnly)
	}
	return v
}

// sameKeys compares the fields of a struct with the properties of its schema.
func sameKeys(t *testing.T, where string, typ reflect.Type, schema map[string]any) {
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
	if typ.Kind() != reflect.Struct || !ok || where == ".exemptions" { // which read themselves
		return
	}
	known := map[string]bool{}
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("yaml"), ",")
		known[name] = true
		p, ok := properties[name].(map[string]any)
		if !ok {
			t.Errorf("%s.%s is not in the schema", where, name)
			continue
		}
		sameKeys(t, where+"."+name, typ.Field(i).Type, p)
	}
	for name := range properties {
		if !known[name] {
			t.Errorf("the schema has %s.%s, and the parser has not", where, name)
		}
	}
}

// shelf is presets by what extends calls them.
func shelf(files map[string]string) remediate.Presets {
	return func(_ context.Context, p remediate.Preset) ([]byte, error) {
		text, ok := files[p.String()]
		if !ok {
			return nil, errors.New("no such file")
		}
		return []byte(text), nil
	}
}

func TestPresets(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"acme/base":   "safety: safe\npolicies:\n  a: {severity: low}\n  b: {disabled: true}\nexemptions:\n- {policy: x, reason: base}\n",
		"acme/strict": "extends: [acme/base]\nfailOn: low\npolicies:\n  a: {severity: high}\n",
		"acme/loop":   "extends: [acme/loop2]\n",
		"acme/loop2":  "extends: [acme/loop]\n",
		"acme/wrong":  "safty: safe\n",
	}
	for i := range 10 {
		files[fmt.Sprintf("acme/deep%d", i)] = fmt.Sprintf("extends: [acme/deep%d]\n", i+1)
	}
	var many []string
	for range 11 {
		many = append(many, "acme/strict")
	}
	c, err := remediate.LoadConfig(t.Context(), ".oakum.yaml", []byte("extends: [acme/strict]\npolicies:\n  b: {disabled: false}\nexemptions:\n- {policy: y, reason: own}\n"), shelf(files))
	if err != nil {
		t.Fatal(err)
	}
	if c.Safety != "safe" || c.FailOn != "low" || c.Policies["a"].Severity != "high" || c.Policies["b"].Disabled || len(c.Exemptions) != 2 {
		t.Errorf("joined: %+v", c)
	}
	if got := c.Exemptions[0].Position.File + " " + c.Exemptions[1].Position.File; got != "acme/base .oakum.yaml" {
		t.Errorf("exemptions are from %s", got)
	}
	for text, wrong := range map[string]string{
		"extends: [acme/loop]":                        "extends itself",
		"extends: [acme/deep0]":                       "more than are followed",
		"extends: [acme/none]":                        "acme/none: no such file",
		"extends: [acme/wrong]":                       `reading acme/wrong: line 1: there is no key "safty": did you mean safety?`,
		"extends: [" + strings.Join(many, ", ") + "]": "more than 20 presets",
	} {
		if _, err := remediate.LoadConfig(t.Context(), ".oakum.yaml", []byte(text), shelf(files)); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: error %v, want %q", text, err, wrong)
		}
	}
	if _, err := remediate.LoadConfig(t.Context(), ".oakum.yaml", []byte("extends: [acme/base]"), nil); !errors.Is(err, remediate.ErrNoPresets) {
		t.Errorf("without presets: %v", err)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	night := &remediate.Schedule{Timezone: "Europe/Berlin", Windows: []string{"mon-fri 22:00-06:00", "sun"}}
	tests := []struct {
		now  string
		open bool
		next string
	}{
		{"2026-11-23T21:30:00Z", true, ""},                      // Monday 22:30 in Berlin
		{"2026-11-24T04:59:00Z", true, ""},                      // Tuesday 05:59
		{"2026-11-24T05:00:00Z", false, "2026-11-24T21:00:00Z"}, // Tuesday 06:00
		{"2026-11-28T04:00:00Z", true, ""},                      // Saturday 05:00, begun on Friday
		{"2026-11-28T12:00:00Z", false, "2026-11-28T23:00:00Z"}, // Saturday noon, until Sunday begins
		{"2026-11-29T22:59:00Z", true, ""},                      // the last minute of Sunday
		{"2026-11-29T23:00:00Z", false, "2026-11-30T21:00:00Z"}, // Monday 00:00
		{"2026-03-29T10:00:00Z", true, ""},                      // a Sunday of 23 hours
	}
	for _, c := range tests {
		open, next := night.Open(at(c.now))
		if open != c.open || c.next != "" && !next.Equal(at(c.next)) {
			t.Errorf("%s: open %t, next %s; want %t, %s", c.now, open, next.UTC(), c.open, c.next)
		}
	}
	if open, _ := (*remediate.Schedule)(nil).Open(at("2026-11-23T21:30:00Z")); !open {
		t.Error("no schedule is not open at any time")
	}
	for _, wrong := range []string{"fri-", "mon 25:00-26:00", "mon 10:00-10:00", "22:00", "mon-fri  22:00-23:00", "montag"} {
		text := fmt.Sprintf("pullRequests: {schedule: {windows: [%q]}}", wrong)
		if _, err := remediate.ParseConfig("x", []byte(text)); err == nil {
			t.Errorf("window %q is taken", wrong)
		}
	}
}

func TestAddExemption(t *testing.T) {
	t.Parallel()
	e := remediate.NewExemption{Policy: "host-port", Reason: "agents: reached on their node", Owner: "@jo", Until: "2027-01-31", Names: []string{"agent"}}
	for before, after := range map[string]string{
		"":                 "exemptions:\n  - policy: host-port\n",
		"# only a comment": "# only a comment\nexemptions:\n",
		"safety: safe   # kept\n\n# as it is\nfailOn:   high\n":           "safety: safe   # kept\n\n# as it is\nfailOn:   high\nexemptions:\n",
		"exemptions:\n  - {policy: a, reason: b}   # old\nsafety: safe\n": "exemptions:\n  - {policy: a, reason: b}   # old\n  - ",
	} {
		got, err := remediate.AddExemption([]byte(before), e)
		if err != nil {
			t.Errorf("%q: %v", before, err)
			continue
		}
		if !strings.HasPrefix(string(got), after) {
			t.Errorf("%q became\n%s\nwant it to begin\n%s", before, got, after)
		}
		c, err := remediate.ParseConfig("x", got)
		if err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		x := c.Exemptions[len(c.Exemptions)-1]
		if x.Policies[0] != e.Policy || x.Reason != e.Reason || x.Owner != e.Owner || x.Until.Format(time.DateOnly) != e.Until || x.Scope.Names[0] != "agent" {
			t.Errorf("read back: %+v", x)
		}
		if _, err := remediate.AddExemption(got, e); !errors.Is(err, remediate.ErrExempted) {
			t.Errorf("again: %v", err)
		}
	}
}
