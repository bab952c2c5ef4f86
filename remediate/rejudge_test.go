package remediate_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

// keeper gives files again whose content is the same, as the bot does.
type keeper struct {
	mu    sync.Mutex
	files map[string]*manifest.File
	errs  map[string][]manifest.Error
}

func (k *keeper) reuse(tree fstest.MapFS) manifest.Reuse {
	return func(path string, form manifest.Form, read func() (*manifest.File, []manifest.Error)) (*manifest.File, []manifest.Error) {
		key := fmt.Sprint(path, form, string(tree[path].Data))
		k.mu.Lock()
		defer k.mu.Unlock()
		if _, ok := k.files[key]; !ok {
			k.files[key], k.errs[key] = read()
		}
		return k.files[key], k.errs[key]
	}
}

// TestRejudged changes a tree of what every policy has something to say about,
// again and again: what is judged on the ground of before is what a scan says.
func TestRejudged(t *testing.T) {
	t.Parallel()
	all := library(t)
	sources := map[string][]byte{}
	archives, err := filepath.Glob("../testdata/policies/*.txtar")
	if err != nil || len(archives) < 100 {
		t.Fatalf("%d examples of policies: %v", len(archives), err)
	}
	for _, name := range archives {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(text).Files {
			if !strings.HasSuffix(f.Name, ".yaml") {
				continue
			}
			// A file for each document, so that most of what belongs together is apart.
			for i, document := range strings.Split(string(f.Data), "\n---\n") {
				sources[fmt.Sprintf("%s/%s-%d.yaml", strings.TrimSuffix(filepath.Base(name), ".txtar"), strings.TrimSuffix(f.Name, ".yaml"), i)] = []byte(document)
			}
		}
	}
	names := make([]string, 0, len(sources))
	for name := range sources {
		names = append(names, name)
	}
	slices.Sort(names)
	random := rand.New(rand.NewPCG(3, 4))
	tree := fstest.MapFS{}
	for _, name := range names {
		if random.IntN(4) > 0 {
			tree[name] = &fstest.MapFile{Data: sources[name]}
		}
	}
	settings := remediate.Settings{Config: remediate.Config{Safety: policy.Review}, Policies: all, Selected: all}
	k := &keeper{files: map[string]*manifest.File{}, errs: map[string][]manifest.Error{}}
	var before *remediate.Project
	for round := range 4 {
		for range random.IntN(6) {
			switch name := names[random.IntN(len(names))]; {
			case tree[name] == nil:
				tree[name] = &fstest.MapFile{Data: sources[name]}
			case random.IntN(2) == 0:
				delete(tree, name)
			default:
				tree[name] = &fstest.MapFile{Data: append([]byte("# another\n"), sources[name]...)}
			}
		}
		o := settings
		o.Reuse, o.Before = k.reuse(tree), before
		p, err := remediate.ReadProject(tree, o)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := remediate.ReadProject(tree, settings)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(told(plain.Result), told(p.Result)); d != "" {
			t.Fatalf("round %d: a scan (-), what was judged again (+):\n%s", round, d)
		}
		if len(p.Result.Findings) < 500 {
			t.Errorf("only %d findings", len(p.Result.Findings))
		}
		before = p
	}
}

// told is a result in words.
func told(r detect.Result) map[string][]string {
	out := map[string][]string{}
	for kind, findings := range map[string][]*detect.Finding{"finding": r.Findings, "exempted": r.Exempted} {
		for _, f := range findings {
			repair, err := f.Violation.Repair()
			out[kind] = append(out[kind], fmt.Sprintf("%s %s:%d:%d %s %s %s %v %v %v %s %s %v", f.Policy.Name, f.Position.File, f.Position.Line, f.Position.Column,
				f.Severity, f.Fingerprint, f.Message, f.Risk, f.Exemption, repair.Safety, repair.Title, repair.Because, err))
		}
	}
	for _, u := range r.NotEvaluated {
		out["not evaluated"] = append(out["not evaluated"], u.Policy.Name+" "+u.Error())
	}
	slices.Sort(out["not evaluated"])
	for p, n := range r.Judged {
		out["judged"] = append(out["judged"], fmt.Sprint(p.Name, " ", n))
	}
	slices.Sort(out["judged"])
	for _, e := range r.Exemptions {
		out["exemption"] = append(out["exemption"], e.String())
	}
	for _, e := range r.Errors {
		out["error"] = append(out["error"], fmt.Sprint(e))
	}
	return out
}
