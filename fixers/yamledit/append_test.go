package yamledit_test

import (
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
	"github.com/oakum-dev/oakum/fixers/yamledit"
)

func TestAppendDocuments(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ src, want string }{
		"an empty file":         {"", "kind: B\nlist:\n  - x\n"},
		"one document":          {"kind: A\n", "kind: A\n---\nkind: B\nlist:\n  - x\n"},
		"its style":             {"a:\n    b:\n    - c\n", "a:\n    b:\n    - c\n---\nkind: B\nlist:\n- x\n"},
		"Windows line endings":  {"kind: A\r\n", "kind: A\r\n---\r\nkind: B\r\nlist:\r\n  - x\r\n"},
		"no final newline":      {"kind: A", "kind: A\n---\nkind: B\nlist:\n  - x"},
		"an end marker":         {"kind: A\n...\n", "kind: A\n...\n---\nkind: B\nlist:\n  - x\n"},
		"a keeping literal":     {"a: |+\n  x\n\n", "a: |+\n  x\n\n---\nkind: B\nlist:\n  - x\n"},
		"a literal without end": {"a: |\n  x", "a: |-\n  x\n---\nkind: B\nlist:\n  - x"},
		"comments":              {"# a\n\n# b\n", "# a\n\n# b\nkind: B\nlist:\n  - x\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n yaml.Node
			if err := yaml.Unmarshal([]byte("kind: B\nlist:\n- x\n"), &n); err != nil {
				t.Fatal(err)
			}
			text := source.New([]byte(test.src))
			edits, err := yamledit.AppendDocuments(text, n.Content[0])
			if err != nil {
				t.Fatal(err)
			}
			got, err := yamledit.Apply(text.Bytes(), edits)
			if err != nil || string(got) != test.want {
				t.Fatalf("got %q (%v), want %q", got, err, test.want)
			}
		})
	}
	t.Run("two documents", func(t *testing.T) {
		t.Parallel()
		text := source.New([]byte("kind: A\n"))
		edits, err := yamledit.AppendDocuments(text, scalar("b"), scalar("c"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := yamledit.Apply(text.Bytes(), edits)
		if want := "kind: A\n---\nb\n---\nc\n"; err != nil || string(got) != want {
			t.Fatalf("got %q (%v), want %q", got, err, want)
		}
	})
	t.Run("JSON", func(t *testing.T) {
		t.Parallel()
		if edits, err := yamledit.AppendDocuments(source.New([]byte(`{"a": 1}`)), &yaml.Node{Kind: yaml.MappingNode}); err == nil {
			t.Errorf("edits %v, want a refusal", edits)
		}
	})
}

func scalar(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }
