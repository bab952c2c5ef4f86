package remediate

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/oakum-dev/oakum/fixers/yamledit"
)

func TestHunks(t *testing.T) {
	t.Parallel()
	const src = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
	tests := map[string]struct {
		src   string
		edits []yamledit.Edit
		want  string
	}{
		"whole lines come": {src, []yamledit.Edit{{Start: 4, End: 4, Text: "x\ny\n"}}, "@@ -1,5 +1,7 @@\n 1\n 2\n+x\n+y\n 3\n 4\n 5\n"},
		"a line that stays is not shown twice": {
			src, []yamledit.Edit{{Start: 3, End: 3, Text: "\nx"}}, "@@ -1,5 +1,6 @@\n 1\n 2\n+x\n 3\n 4\n 5\n",
		},
		"lines go":   {src, []yamledit.Edit{{Start: 0, End: 4}}, "@@ -1,5 +1,3 @@\n-1\n-2\n 3\n 4\n 5\n"},
		"two in one": {src, []yamledit.Edit{{Start: 0, End: 1, Text: "x"}, {Start: 1, End: 1, Text: "y"}}, "@@ -1,4 +1,4 @@\n-1\n+xy\n 2\n 3\n 4\n"},
		"far apart": {
			src,
			[]yamledit.Edit{{Start: 0, End: 0, Text: "0\n"}, {Start: 16, End: 18}},
			"@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -6,4 +7,3 @@\n 6\n 7\n 8\n-9\n",
		},
		"no break at the end": {"a\nb", []yamledit.Edit{{Start: 3, End: 3, Text: "\nc"}}, "@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+b\n+c\n\\ No newline at end of file\n"},
		"all goes":            {"a\n", []yamledit.Edit{{Start: 0, End: 2}}, "@@ -1 +0,0 @@\n-a\n"},
		"from nothing":        {"", []yamledit.Edit{{Text: "a\nb\n"}}, "@@ -0,0 +1,2 @@\n+a\n+b\n"},
		"nothing":             {src, []yamledit.Edit{{Start: 2, End: 3, Text: "2"}}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := splitLines(test.src)
			if got := unified(lines, hunks(lines, test.edits)); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// FuzzDiff makes edits at random and has the diff applied by somebody else.
func FuzzDiff(f *testing.F) {
	f.Add("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12", uint64(1))
	f.Add("", uint64(2))
	f.Add("\n\n\n", uint64(3))
	f.Add("a\r\nb\r\n", uint64(4))
	f.Fuzz(func(t *testing.T, src string, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var edits []yamledit.Edit
		for at := 0; at <= len(src) && len(edits) < 5; {
			start := at + rng.IntN(len(src)-at+1)
			end := start + rng.IntN(min(len(src)-start, 9)+1)
			edits = append(edits, yamledit.Edit{Start: start, End: end, Text: []string{"", "x", "\n", "x\n", "x\ny\n", "\nx", src[start:end]}[rng.IntN(7)]})
			at = end + 1
		}
		want, err := yamledit.Apply([]byte(src), edits)
		if err != nil {
			t.Fatal(err)
		}
		c := Change{Path: "a.yaml", Before: []byte(src), After: want, Edits: edits}
		if added, removed := c.Lines(); added+removed == 0 {
			if string(want) != src {
				t.Fatal("the diff of a change is empty")
			}
			return
		}
		files, _, err := gitdiff.Parse(strings.NewReader(c.Diff()))
		if err != nil || len(files) != 1 {
			t.Fatalf("%v: %d files in\n%s", err, len(files), c.Diff())
		}
		var got strings.Builder
		if err := gitdiff.Apply(&got, strings.NewReader(src), files[0]); err != nil {
			t.Fatalf("%v\n%s", err, c.Diff())
		}
		if got.String() != string(want) {
			t.Fatalf("got %q, want %q by\n%s", got.String(), want, c.Diff())
		}
	})
}
