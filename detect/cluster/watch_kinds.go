package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

const (
	every   = 10 * time.Minute // to look at what no watch tells: rights, versions, kubelets
	retries = 5 * time.Second  // until the API server is asked again which kinds it has
	// doubt is for how long an API server has to say that it has no such kind, or
	// that there is no right to it, until that is believed: one that begins says so
	// of what it has not loaded yet.
	doubt = 5 * time.Second
)

// settling is when to look again after a definition changed: the API server
// serves a kind, or stops, a while after it says so.
var settling = []time.Duration{100 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second}

// defining are the resources that say which kinds the API server has.
var defining = []kind{
	{schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}, "CustomResourceDefinition", false},
	{schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}, "APIService", false},
}

// discover keeps the kinds that are watched those that the API server has.
func (w *Watcher) discover(ctx context.Context) {
	next, looks := every, len(settling)
	for {
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-w.nodes:
			timer.Stop()
			w.configurations(ctx, false)
			continue
		case <-w.look:
			timer.Stop()
			next, looks = settling[0], 1
			continue
		case <-timer.C:
		}
		err := w.refresh(ctx)
		w.noteKinds(err)
		switch {
		case err != nil:
			next = retries
		case looks < len(settling):
			next = settling[looks]
			looks++
		default:
			next = every
			w.configurations(ctx, true)
		}
	}
}

// noteKinds notes whether it is known which kinds there are.
func (w *Watcher) noteKinds(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.lost("*", w.Now(), brief(err))
	} else {
		w.found("*")
	}
}

// refresh looks which kinds there are and what oakum may read of them, and
// begins and ends to watch accordingly.
func (w *Watcher) refresh(ctx context.Context) error {
	asking, done := context.WithTimeout(ctx, answers)
	defer done()
	version, err := discovery.ToDiscoveryInterfaceWithContext(w.typed.Discovery()).ServerVersionWithContext(asking)
	if err != nil {
		return fmt.Errorf("asking cluster %s for its version: %w", w.Cluster, err)
	}
	if err := w.rights(asking); err != nil {
		return err
	}
	all, unread, err := kinds(asking, w.typed.Discovery(), w.Wants)
	if err != nil {
		return fmt.Errorf("reading cluster %s: %w", w.Cluster, err)
	}
	silent := map[string]bool{} // groups whose kinds may be there all the same
	for _, u := range unread {
		group, _, _ := strings.Cut(u.Kind, "/")
		silent[group] = true
	}
	wanted := map[string]kind{}
	for _, k := range all {
		if k.moment() {
			continue
		}
		if verb := w.lacks(k); verb == "" {
			wanted[k.String()] = k
		} else if verb == "watch" || !optional[k.String()] {
			unread = append(unread, Unread{k.String(), noRight(verb, k)})
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if version.GitVersion != w.kubernetes {
		w.kubernetes = version.GitVersion
		signal(w.wake)
	}
	w.unread = unread
	for name, k := range w.kinds {
		is, ok := wanted[name]
		if ok && is == k.kind || !ok && silent[k.kind.Group] {
			k.doubted = time.Time{}
			continue
		}
		if k.doubted.IsZero() {
			k.doubted = w.Now()
		}
		if !ok && w.Now().Sub(k.doubted) < doubt {
			continue
		}
		k.end()
		k.replace(nil)
		delete(w.kinds, name) // what it still hears counts for nothing
		delete(w.stale, name)
		signal(w.wake)
	}
	for name, k := range wanted {
		if w.kinds[name] == nil {
			w.kinds[name] = w.follow(ctx, k, false)
		}
	}
	for _, k := range defining {
		if w.definitions[k.Resource] == nil && w.lacks(k) == "" {
			w.definitions[k.Resource] = w.follow(ctx, k, true)
		}
	}
	return nil
}

// lacks is the verb that oakum would need to follow a kind and has no right to.
func (w *Watcher) lacks(k kind) string {
	for _, verb := range []string{"list", "watch"} {
		if w.sure && !may(w.rules, verb, k.GroupResource()) {
			return verb
		}
	}
	return ""
}

// configurations reads what the kubelets are told: of all nodes, or of those
// that are new.
func (w *Watcher) configurations(ctx context.Context, all bool) {
	w.mu.Lock()
	var nodes []map[string]any
	there := map[string]bool{}
	if k := w.kinds["Node"]; k != nil {
		for _, r := range k.objects {
			name := metadataOf(r.object, "name")
			there[name] = true
			if _, known := w.kubeletsOf[name]; all || !known {
				nodes = append(nodes, r.object)
			}
		}
	}
	w.mu.Unlock()
	found, unread := w.kubelets(ctx, nodes) // those that failed are unknown, and asked again
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.kubeletsOf {
		if !there[name] {
			w.put(w.kubeletsOf, name, nil)
		}
	}
	for _, o := range found {
		w.put(w.kubeletsOf, metadataOf(o, "name"), o)
	}
	w.noKubelets = unread
}
