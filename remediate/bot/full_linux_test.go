package bot_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/oakum-dev/oakum/remediate/store"
)

// TestFullDisk: without room for the copy of a repository a task fails, is not
// parked, and comes to its end when there is room again.
func TestFullDisk(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a"), "film": noise(3 << 20)})
	dir := filepath.Join(w.dir, "copies")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("no small file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		if err := w.try(store.Reconcile, "", store.Ask{}); err == nil || store.IsParked(err) {
			t.Fatalf("error %v, want one after which it is tried again", err)
		}
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=100m"); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.one()
}
