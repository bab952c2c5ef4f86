package remediate_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/testdata/corpus"
)

// TestCorpus applies every diff of the corpus with appliers that are not ours,
// and compares what changes in files that other tools get wrong with what was
// looked at: testdata/corpus.txt.
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := corpus.Dir(t)
	plan := planOf(t, os.DirFS(dir))
	t.Run("applies", func(t *testing.T) { applied(t, os.DirFS(dir), plan) })

	const golden = "testdata/corpus.txt"
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for line := range strings.Lines(string(want)) {
		if strings.HasPrefix(line, "#") {
			got.WriteString(line)
			continue
		}
		fields := strings.Split(strings.TrimSpace(line), " | ")
		name, why := fields[0], fields[len(fields)-1]
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is not there", name)
		}
		fmt.Fprintf(&got, "%s | %s | %s\n", name, outcome(plan, name), why)
	}
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s is stale, -update rewrites it; now it is\n%s", golden, got.Bytes())
	}
}

// outcome is what a plan does to one file.
func outcome(plan *remediate.Plan, name string) string {
	added, removed, made, held := 0, 0, 0, 0
	for _, c := range plan.Changes {
		if c.Path == name {
			added, removed = c.Lines()
			made = len(c.Fixes)
		}
	}
	for _, h := range plan.Held {
		if h.Finding.Position.File == name {
			held++
		}
	}
	return fmt.Sprintf("+%d -%d, %d made, %d held", added, removed, made, held)
}
