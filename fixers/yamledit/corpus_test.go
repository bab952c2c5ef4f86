package yamledit_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corpus calls f with every manifest of the folder of real manifests, and
// skips the test where there is none.
func corpus(t testing.TB, f func(name string, src []byte)) {
	t.Helper()
	dir := os.Getenv("OAKUM_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus: set OAKUM_CORPUS")
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Ext(path) {
		case ".yaml", ".yml", ".json":
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			f(strings.TrimPrefix(path, dir), src)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
