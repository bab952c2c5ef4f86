package repo

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Create makes a repository with a work tree at dir, which must be absent or
// empty, and commits the files of tree to its branch main.
func Create(dir string, tree fs.FS, message string, when time.Time) (*Repository, error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("making a repository in %s: the directory is not empty", dir)
	}
	if err := os.CopyFS(dir, tree); err != nil {
		return nil, fmt.Errorf("making a repository in %s: %w", dir, err)
	}
	g, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName("main")}})
	if err != nil {
		return nil, fmt.Errorf("making a repository in %s: %w", dir, err)
	}
	w, err := g.Worktree()
	if err != nil {
		return nil, fmt.Errorf("making a repository in %s: %w", dir, err)
	}
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		_, err = w.Add(path.Clean(name))
		return err
	})
	if err == nil {
		by := &object.Signature{Name: "oakum demo", Email: "demo@oakum.invalid", When: when}
		_, err = w.Commit(message, &git.CommitOptions{Author: by, Committer: by})
	}
	if err != nil {
		return nil, fmt.Errorf("committing to %s: %w", filepath.Clean(dir), err)
	}
	return Open(dir)
}
