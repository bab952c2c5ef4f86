package store

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFullDisk is TestFull on a real file system without room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("no small file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := open(t, filepath.Join(dir, "oakum.db"), Options{})
	fill(t, s, func() {
		if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 500<<10), 0o600); err != nil {
			t.Fatal(err)
		}
	}, func() {
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=100m"); err != nil {
			t.Fatal(err)
		}
	})
}
