package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/report"
)

// watching is how scan goes on after its report.
type watching struct {
	on       bool
	contexts []string
	from     *clusterFlags
	output   string
}

func (w *watching) bind(c *cobra.Command) {
	c.Flags().BoolVarP(&w.on, "watch", "w", false, "go on: tell what comes and goes as the cluster changes")
	c.Flags().StringSliceVar(&w.contexts, "contexts", nil, "with --watch: the contexts of several clusters to watch at once")
}

// watch tells what is wrong in clusters, and how that changes, until it is
// interrupted. A cluster that cannot be watched leaves the others watched.
func (a *app) watch(c *cobra.Command, args []string, w watching) error {
	switch {
	case !w.from.live:
		return errors.New("--watch: give --live, for only a cluster changes while it is looked at")
	case w.from.snapshot != "":
		return errors.New("--watch: a --snapshot does not change; give only --live")
	case c.Flags().Changed("fail-on") || c.Flags().Changed("baseline"):
		return errors.New("--watch: --fail-on and --baseline are for scans that come to an end")
	case w.output != "table" && w.output != "json":
		return fmt.Errorf("--watch: --output is %q, want table or json", w.output)
	case len(w.contexts) > 0 && c.Flags().Changed("context"):
		return errors.New("--context and --contexts: give one of them")
	}
	access := []*cluster.Flags{&w.from.access}
	if len(w.contexts) > 0 {
		access = nil
		for _, name := range slices.Compact(slices.Sorted(slices.Values(w.contexts))) {
			access = append(access, w.from.access.In(name))
		}
	}
	var told sync.Mutex // one at a time writes
	failed := make([]error, len(access))
	var running sync.WaitGroup
	for i, f := range access {
		running.Go(func() {
			s := &sight{app: a, watching: w, lock: &told}
			if err := s.run(c.Context(), args, f); err != nil && c.Context().Err() == nil {
				failed[i] = err
				if len(access) > 1 {
					a.log.Error("a cluster is not watched", "error", err)
				}
			}
		})
	}
	running.Wait()
	if err := errors.Join(failed...); err != nil && len(access) > 1 {
		return errReported
	} else if err != nil {
		return err
	}
	return nil
}

// sight is one cluster that is watched.
type sight struct {
	*app
	watching
	lock  *sync.Mutex
	name  string
	stale map[string]string // why, by kind, as it was told
}

func (s *sight) run(ctx context.Context, args []string, access *cluster.Flags) error {
	p, o, err := s.prepare(ctx, args)
	if err != nil {
		return err
	}
	defer p.root.Close()
	config, name, err := access.Connect(p.dir)
	if err != nil {
		return err
	}
	sparing()
	s.name, s.stale = name, map[string]string{}
	watcher, err := cluster.Watch(ctx, config, cluster.Options{Cluster: name, Namespace: access.Namespace(), Wants: o.LiveWants(), Now: time.Now})
	if err != nil {
		return err
	}
	defer watcher.Close()
	inventory := watcher.Inventory()
	pinned := o.Kubernetes != 0
	if err := p.read(o, len(args) > 0, inventory); err != nil {
		return err
	}
	follower, err := p.Follow(ctx, inventory, address(p.dir), pinned)
	if err != nil {
		return err
	}
	frameworks, err := p.catalogue()
	if err != nil {
		return err
	}
	if err := s.begin(p, inventory, frameworks.Controls); err != nil {
		return err
	}
	if err := s.known(watcher.Stale(), time.Now()); err != nil {
		return err
	}
	for {
		u, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		now := time.Now()
		delta, err := follower.Apply(ctx, u, now)
		if err != nil {
			return err
		}
		if err := s.tell(report.Events(name, now, delta, frameworks.Controls)...); err != nil {
			return err
		}
		if err := s.known(u.Stale, now); err != nil {
			return err
		}
	}
}

// begin tells what there is at the start.
func (s *sight) begin(p *project, inventory *cluster.Inventory, controls func(string) map[string][]string) error {
	r, now := p.report(), time.Now()
	s.lock.Lock()
	s.notRead(inventory)
	s.unread(p)
	for _, err := range p.Result.NotEvaluated {
		s.log.Warn("not evaluated", "error", err)
	}
	s.lock.Unlock()
	if s.output == "json" {
		r.Answer(controls)
		return s.tell(r.Events(s.name, now)...)
	}
	s.lock.Lock()
	err := r.Write(s.out, s.output, report.Options{Color: s.color(s.out), Version: version, Time: now})
	s.lock.Unlock()
	if err != nil {
		return err
	}
	return s.tell(report.Event{Type: report.Synced, Time: now, Cluster: s.name})
}

// known tells which kinds are not known any more, and which are again.
func (s *sight) known(stale []cluster.Stale, now time.Time) error {
	is := map[string]string{}
	var events []report.Event
	for _, k := range stale {
		if is[k.Kind] = k.Reason; s.stale[k.Kind] != k.Reason {
			events = append(events, report.Event{Type: report.Stale, Time: k.Since, Cluster: s.name, Kind: k.Kind, Reason: k.Reason})
		}
	}
	for kind := range s.stale {
		if _, still := is[kind]; !still {
			events = append(events, report.Event{Type: report.Current, Time: now, Cluster: s.name, Kind: kind})
		}
	}
	s.stale = is
	slices.SortFunc(events, func(a, b report.Event) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Kind, b.Kind))
	})
	if s.output == "table" {
		events = summed(events)
	}
	return s.tell(events...)
}

// summed makes one event of those that say the same of several kinds: an API
// server that goes takes dozens along.
func summed(events []report.Event) []report.Event {
	var out []report.Event
	for begin := 0; begin < len(events); {
		e := events[begin]
		end := begin
		for end < len(events) && events[end].Type == e.Type && events[end].Reason == e.Reason {
			end++
		}
		if n := end - begin; n > 1 {
			e.Kind = fmt.Sprintf("%s and %d other kinds", e.Kind, n-1)
		}
		out = append(out, e)
		begin = end
	}
	return out
}

func (s *sight) tell(events ...report.Event) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, e := range events {
		write := e.JSON
		if s.output == "table" {
			write = func(w io.Writer) error { return e.Text(w, report.Options{Color: s.color(w)}) }
		}
		if err := write(s.out); err != nil {
			return fmt.Errorf("writing what happened: %w", err)
		}
	}
	return nil
}
