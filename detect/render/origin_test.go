package render

import "testing"

func TestMark(t *testing.T) {
	t.Parallel()
	const line = "oakumOrigin: \"a.yaml\"\n"
	tests := map[string]struct {
		src, want string
		refused   bool
	}{
		"one":             {src: "kind: A\n", want: line + "kind: A\n"},
		"documents":       {src: "# c\n---\n\nkind: A\n---\n# nothing\n---\n\"kind\": B\n", want: "# c\n---\n\n" + line + "kind: A\n---\n# nothing\n---\n" + line + "\"kind\": B\n"},
		"directives":      {src: "%YAML 1.1\n--- # c\nkind: A\n...\n", want: "%YAML 1.1\n--- # c\n" + line + "kind: A\n...\n"},
		"Windows":         {src: "kind: A\r\n", want: line + "kind: A\r\n"},
		"nothing":         {src: "# c\n", want: "# c\n"},
		"JSON":            {src: "{\"kind\": \"A\"}\n", refused: true},
		"behind a marker": {src: "--- {kind: A}\n", refused: true},
		"indented":        {src: "  kind: A\n", refused: true},
		"a list":          {src: "apiVersion: v1\nkind: List\nitems: []\n", refused: true},
		"a typed list":    {src: "kind: \"ConfigMapList\"\nitems: []\n", refused: true},
		"a sequence":      {src: "- kind: A\n", refused: true},
		"an anchor":       {src: "&a\nkind: A\n", refused: true},
		"a mark of bytes": {src: "\ufeffkind: A\n", refused: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := mark([]byte(test.src), "a.yaml")
			if ok == test.refused || string(got) != test.want {
				t.Errorf("got %q, %v, want %q", got, ok, test.want)
			}
		})
	}
}
