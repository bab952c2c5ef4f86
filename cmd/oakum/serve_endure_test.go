package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/remediate/github/githubtest"
	"github.com/oakum-dev/oakum/remediate/store"
	"github.com/oakum-dev/oakum/remediate/store/storetest"
)

// endurance is how hard the program is tried.
type endurance struct {
	repositories     int
	deliveries, rate int           // 0: every one once, in order
	kill             time.Duration // that a replica lives
}

// TestServeEndures storms real processes with deliveries, many of them twice,
// late, out of order or replayed, and kills the processes all the while. Then
// everything that was acknowledged is known, nothing was done twice, and GitHub
// is as it is when nobody disturbs. What people do meanwhile is the same.
func TestServeEndures(t *testing.T) {
	t.Parallel()
	e := endurance{repositories: 1, deliveries: 300, rate: 150, kill: time.Second}
	if os.Getenv("OAKUM_LONG") != "" {
		e = endurance{repositories: 12, deliveries: 20_000, rate: 500, kill: 3 * time.Second}
	}
	undisturbed := sync.OnceValue(func() map[string]string {
		calm := e
		calm.deliveries = 0
		return calm.run(t, storetest.SQLite(t), 1)
	})
	for name, replicas := range map[string]int{"sqlite": 1, "postgres": 3} {
		address := map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}[name]
		t.Run(name, func(t *testing.T) {
			if os.Getenv("OAKUM_LONG") == "" {
				t.Parallel()
			}
			at := address(t)
			got := e.run(t, at, replicas)
			if d := cmp.Diff(undisturbed(), got); d != "" {
				t.Errorf("GitHub after kills (+) and without (-):\n%s", d)
			}
		})
	}
}

// run plays the story and gives the end of the world.
func (e endurance) run(t *testing.T, address string, replicas int) map[string]string {
	s := newGitHub(t, map[string]string{"README.md": "nothing to do with it\n"})
	var stories []*story
	for i := range e.repositories {
		// Each of an owner of its own, whose limits are its own too.
		stories = append(stories, &story{Repository: s.Add(fmt.Sprintf("owner%d/shop", i), beginning())})
	}
	var fleet []*replica
	for i := range replicas {
		fleet = append(fleet, s.another("--policy", "privileged-container", "--database", address, "--directory", filepath.Join(s.dir, fmt.Sprint("copies", i))))
	}
	g := newGateway(t, s.secret, fleet)
	s.Webhook(g.url, s.secret)
	defer func() {
		for _, r := range fleet {
			if err := r.stop(syscall.SIGTERM); err != nil {
				t.Errorf("ending: %v\n%s", err, r.output())
			}
			s.keptSecret(r)
		}
	}()
	for _, r := range fleet {
		if err := r.start(); err != nil {
			t.Fatal(err)
		}
	}
	tasks, err := store.Open(t.Context(), address, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tasks.Close()
	for _, story := range stories {
		story.propose()
	}
	e.settle(t, s, g, tasks, fleet)
	for _, story := range stories {
		if n := len(story.oakums()); n != 4 {
			t.Fatalf("%s has %d pull requests of oakum's to begin with, want 4\n%s", story.FullName(), n, fleet[0].output())
		}
	}

	begin := time.Now()
	kills := e.storm(t, g, fleet, acts(stories))
	e.settle(t, s, g, tasks, fleet)
	t.Logf("all done after %.1f s", time.Since(begin).Seconds())
	distinct, lost := g.lost()

	// Nothing is left to do, for who looks at everything again either.
	e.settle(t, s, g, tasks, fleet)
	s.Requests()
	for _, story := range stories {
		all := store.Repository{ID: story.ID, Installation: story.Installation().ID, Name: story.FullName()}
		if err := tasks.Add(t.Context(), 0, store.Task{Repository: all, Kind: store.Reconcile}); err != nil {
			t.Fatal(err)
		}
	}
	e.settle(t, s, g, tasks, fleet)
	for _, r := range s.Requests() {
		if r.Write() && !strings.HasSuffix(r.Path, "/access_tokens") {
			t.Errorf("when all was done, oakum sent %s %s", r.Method, r.Path)
		}
	}
	end := map[string]string{}
	for _, story := range stories {
		end[story.FullName()] = portrait(s.Server, story.Repository)
	}
	twice := twice(s.Server, stories)
	for _, what := range twice {
		t.Error(what)
	}
	t.Logf("%d kills, %d deliveries acknowledged that differ, %d lost, %d things done twice", kills, distinct, lost, len(twice))
	return end
}

// storm has people act and GitHub tell of it while replicas are killed.
func (e endurance) storm(t *testing.T, g *gateway, fleet []*replica, acts []func()) (kills int) {
	if e.deliveries == 0 {
		for _, act := range acts {
			act()
		}
		return 0
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(e.kill/2 + rand.N(e.kill)):
			}
			r := fleet[kills%len(fleet)]
			if err := errors.Join(r.stop(syscall.SIGKILL), r.start()); err != nil {
				t.Error(err)
				return
			}
			kills++
		}
	})
	cues := make(chan func(), len(acts))
	all.Go(func() {
		for act := range cues {
			act()
		}
	})
	took := g.storm(e.deliveries, e.rate, func(n int) {
		for len(acts) > 0 && n >= (cap(cues)-len(acts))*e.deliveries/cap(cues) {
			cues <- acts[0]
			acts = acts[1:]
		}
	})
	close(cues)
	close(stop)
	all.Wait()
	t.Logf("%d deliveries in %.1f s (%.0f a second), %d attempts that were not acknowledged", e.deliveries, took.Seconds(), float64(e.deliveries)/took.Seconds(), g.again.Load())
	return kills
}

// settle waits until nothing is told and nothing is to be done any more.
func (e endurance) settle(t *testing.T, s *serving, g *gateway, tasks *store.Store, fleet []*replica) {
	t.Helper()
	calm := 0
	var left []store.Waiting
	for deadline := time.Now().Add(15 * time.Minute); calm < 3; <-time.After(50 * time.Millisecond) {
		s.Settle()
		told := g.quiet()
		var err error
		left, err = tasks.Waiting(t.Context(), 0)
		parked := slices.IndexFunc(left, func(w store.Waiting) bool { return w.State == store.StateParked })
		switch {
		case parked >= 0:
			t.Fatalf("%s of %s was parked: %s", left[parked].Kind, left[parked].Repository.Name, left[parked].Reason)
		case time.Now().After(deadline):
			t.Fatalf("still to do: %d tasks, such as %+v\n%s", len(left), left[:min(len(left), 3)], fleet[0].output())
		case err == nil && len(left) == 0 && told:
			calm++
		default:
			calm = 0
		}
	}
}

// story is a repository and what happens in it.
type story struct {
	*githubtest.Repository
	pulls map[string]int // of people, by branch
}

func beginning() map[string]string {
	files := map[string]string{".oakum.yaml": served, "ok/pod.yaml": strings.ReplaceAll(privileged, "privileged: true", "privileged: false")}
	for _, name := range []string{"a", "b", "c", "d"} {
		files[name+"/pod.yaml"] = named(name)
	}
	return files
}

// named is a pod with a finding.
func named(name string) string { return strings.ReplaceAll(privileged, "name: web", "name: "+name) }

// propose opens a pull request before the storm.
func (s *story) propose() {
	s.pulls = map[string]int{}
	s.open("early")
}

func (s *story) open(branch string) {
	s.Git("branch", branch, "main")
	s.Commit(branch, "a change", map[string]string{branch + "/pod.yaml": named(branch)})
	s.pulls[branch] = s.OpenPull("ada", branch, "main", "Add "+branch, "")
}

// oakums are the pull requests that oakum opened.
func (s *story) oakums() []githubtest.Pull {
	return slices.DeleteFunc(s.Pulls(), func(p githubtest.Pull) bool { return p.Author != githubtest.AppLogin })
}

// of is oakum's pull request for a directory.
func (s *story) of(directory string) int {
	for _, p := range s.oakums() {
		if s.Git("diff", "--name-only", "main..."+p.Head) == directory+"/pod.yaml" {
			return p.Number
		}
	}
	return 0
}

// acts is what people do, in this order in each repository.
func acts(stories []*story) (all []func()) {
	for _, act := range []func(*story){
		func(s *story) { s.Commit("main", "one more", map[string]string{"e/pod.yaml": named("e")}) },
		func(s *story) { s.open("late") },
		func(s *story) { s.Comment("ada", s.pulls["early"], "/oakum explain privileged-container") },
		func(s *story) {
			s.Commit("main", "a comment", map[string]string{"b/pod.yaml": "# ours\n" + named("b")})
		},
		func(s *story) {
			s.Commit("main", "mended", map[string]string{"c/pod.yaml": strings.ReplaceAll(named("c"), "privileged: true", "privileged: false")})
		},
		func(s *story) { s.Close(s.of("d")) },
		func(s *story) { s.Comment("mallory", s.pulls["late"], "/oakum fix") },
		func(s *story) { s.Commit("late", "more", map[string]string{"more/pod.yaml": named("more")}) },
		func(s *story) { s.Merge(s.of("a")) },
		func(s *story) { s.Comment("ada", s.pulls["early"], "/oakum fix") },
		func(s *story) {
			s.Commit("main", "two more", map[string]string{"f/pod.yaml": named("f"), "g/pod.yaml": named("g")})
		},
		func(s *story) { s.Comment("ada", s.pulls["late"], "/oakum help") },
	} {
		for _, s := range stories {
			all = append(all, func() { act(s) })
		}
	}
	return all
}

// twice tells what was done more than once.
func twice(server *githubtest.Server, stories []*story) (found []string) {
	add := func(count map[string]int) {
		for _, what := range slices.Sorted(maps.Keys(count)) {
			if count[what] > 1 {
				found = append(found, fmt.Sprintf("%s: %d", what, count[what]))
			}
		}
	}
	count := map[string]int{}
	for _, s := range stories {
		for _, p := range s.oakums() {
			count["pull requests of "+s.FullName()+" for "+p.Head]++
		}
		v := s.Pulls()
		for _, p := range v {
			for _, c := range s.Comments(p.Number) {
				if c.Author == githubtest.AppLogin {
					count[fmt.Sprintf("comments on %s#%d: %s", s.FullName(), p.Number, marked.FindString(c.Body))]++
				}
			}
			for _, review := range s.Reviews(p.Number) {
				for _, r := range review.Remarks {
					count[fmt.Sprintf("remarks on %s#%d at %s:%d", s.FullName(), p.Number, r.Path, r.Line)]++
				}
			}
			for _, commit := range strings.Fields(s.Git("rev-list", "main.."+p.HeadCommit)) {
				for _, c := range s.Checks(commit) {
					count[fmt.Sprintf("checks at %s@%s: %s", s.FullName(), commit, c.Key)]++
				}
			}
		}
		count["dashboards of "+s.FullName()] = len(s.Issues())
	}
	add(count)
	return append(found, commitsTwice(server)...)
}
