// Package corpus finds the folder of real manifests that tests run over.
package corpus

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Dir is the folder: OAKUM_CORPUS, or shared/corpus beside the repository. The
// test is skipped where there is none.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("OAKUM_CORPUS")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			tb.Fatal(err)
		}
		for !exists(filepath.Join(root, "go.mod")) {
			if root == filepath.Dir(root) {
				tb.Fatal("no go.mod above the test")
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "corpus")
	}
	if !exists(dir) {
		tb.Skip("no corpus: set OAKUM_CORPUS")
	}
	return dir
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// Manifests calls f with the path, from the folder on, and the content of
// every file that may be a manifest.
func Manifests(tb testing.TB, f func(name string, src []byte)) {
	tb.Helper()
	dir := Dir(tb)
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
		tb.Fatal(err)
	}
}
