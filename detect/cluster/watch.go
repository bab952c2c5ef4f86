package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

const (
	giveUp    = 10 * time.Second // that the start waits for a kind that cannot be read
	readiness = 50 * time.Millisecond
	answers   = 30 * time.Second // that the API server has to say what there is
)

// Watcher keeps an inventory current. It outlives whatever the API server and
// the way there do: what it cannot follow is stale for as long as that lasts,
// and right again afterwards.
type Watcher struct {
	reader
	decoder *decoder // shared: what many objects have is kept once
	stop    context.CancelFunc
	running sync.WaitGroup
	seats   chan struct{} // of kinds that are read for the first time
	look    chan struct{} // the API server may have other kinds
	nodes   chan struct{} // there are other nodes
	wake    chan struct{} // there is something to tell

	mu          sync.Mutex
	kubernetes  string
	kinds       map[string]*follower // by group/Kind
	definitions map[string]*follower // by resource: their changes tell that there are other kinds
	kubeletsOf  map[string]record    // by node
	unread      []Unread             // kinds
	noKubelets  []Unread
	stale       map[string]Stale // by group/Kind
	pending     map[id]Change    // not told yet
}

// Stale is a kind of which it is not known what it is now.
type Stale struct {
	Kind   string    `json:"kind"` // group/Kind; * for which kinds there are
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// Update is what is new since the one before.
type Update struct {
	Kubernetes string   // what the API server runs
	Changes    []Change // one for an object, in no order
	Stale      []Stale  // all that are stale now, by kind
	Unread     []Unread // all that is not watched, as in an inventory
}

// Watch begins to watch a cluster, and returns once every kind was read, or
// could not be for a while: then it is stale. Only a server that cannot be asked
// at all is an error. Close ends it, as the end of the context does.
func Watch(ctx context.Context, config *rest.Config, o Options) (*Watcher, error) {
	w := newWatcher(o)
	if err := w.connect(config); err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", o.Cluster, err)
	}
	ctx, w.stop = context.WithCancel(klog.NewContext(ctx, klog.Logger{})) // what client-go logs is for its developers
	err := w.refresh(ctx)
	if err == nil {
		err = w.ready(ctx)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	w.configurations(ctx, true)
	w.running.Go(func() { w.discover(ctx) })
	return w, nil
}

func newWatcher(o Options) *Watcher {
	return &Watcher{
		reader: reader{Options: o}, decoder: newDecoder(o.Owners), seats: make(chan struct{}, concurrency),
		look: make(chan struct{}, 1), nodes: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		kinds: map[string]*follower{}, definitions: map[string]*follower{}, kubeletsOf: map[string]record{}, stale: map[string]Stale{}, pending: map[id]Change{},
	}
}

func (w *Watcher) connect(config *rest.Config) (err error) {
	config = rest.CopyConfig(config)
	config.WarningHandlerWithContext = rest.NoWarnings{}
	if w.typed, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	config.Timeout = 0 // a watch is one answer, for minutes
	if w.objects, err = dynamic.NewForConfig(config); err != nil {
		return err
	}
	patient, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	w.asks = patient.CoreV1().RESTClient()
	return nil
}

// Close stops watching, and returns when nothing of it runs any more.
func (w *Watcher) Close() {
	w.stop()
	w.running.Wait()
}

// ready waits until every kind was read, or has failed for a while.
func (w *Watcher) ready(ctx context.Context) error {
	tick := time.NewTicker(readiness)
	defer tick.Stop()
	for {
		w.mu.Lock()
		waiting := false
		for name, k := range w.kinds {
			stale, failed := w.stale[name]
			waiting = waiting || !k.synced && (!failed || w.Now().Sub(stale.Since) < giveUp)
		}
		w.mu.Unlock()
		if !waiting {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("reading cluster %s: %w", w.Cluster, ctx.Err())
		case <-tick.C:
		}
	}
}

// Inventory is what there is now. What Next tells afterwards happened later.
func (w *Watcher) Inventory() *Inventory {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := &Inventory{Cluster: w.Cluster, Kubernetes: w.kubernetes, Time: w.Now().UTC(), Unread: w.allUnread()}
	take := func(records map[string]record) {
		for _, r := range records {
			out.Objects = append(out.Objects, r.object)
		}
	}
	for name, k := range w.kinds {
		take(k.objects)
		if s, ok := w.stale[name]; ok && !k.synced {
			out.Unread = append(out.Unread, Unread{name, s.Reason})
		}
	}
	take(w.kubeletsOf)
	clear(w.pending)
	out.sort()
	return out
}

func (w *Watcher) allUnread() []Unread { return slices.Concat(w.unread, w.noKubelets) }

// Next waits for something new and tells all that there is. The error is that
// of the context.
func (w *Watcher) Next(ctx context.Context) (Update, error) {
	select {
	case <-ctx.Done():
		return Update{}, ctx.Err()
	case <-w.wake:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	u := Update{Kubernetes: w.kubernetes, Changes: slices.Collect(maps.Values(w.pending)), Stale: w.staleKinds(), Unread: w.allUnread()}
	clear(w.pending)
	return u, nil
}

// Stale are the kinds that are stale now.
func (w *Watcher) Stale() []Stale {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.staleKinds()
}

func (w *Watcher) staleKinds() []Stale {
	return slices.SortedFunc(maps.Values(w.stale), func(a, b Stale) int { return cmp.Compare(a.Kind, b.Kind) })
}

// record is an object that is kept. The version stands apart, since who is told
// of the object may complete it.
type record struct {
	object  map[string]any
	version string
}

// put notes what became of one of some objects; one that is nil is gone.
func (w *Watcher) put(records map[string]record, name string, is map[string]any) {
	was, had := records[name]
	r := record{is, metadataOf(is, "resourceVersion")}
	switch {
	case is == nil && !had, is != nil && had && r.version != "" && r.version == was.version:
		return
	case is == nil:
		delete(records, name)
	default:
		records[name] = r
	}
	of := idOf(Change{was.object, is}.object())
	c, again := w.pending[of]
	if !again {
		c.Old = was.object
	}
	c.New = is
	if w.pending[of] = c; c.Old == nil && c.New == nil {
		delete(w.pending, of) // it came and went before anybody asked
	}
	signal(w.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is signalled already
	}
}

// lost notes that a kind cannot be followed since then.
func (w *Watcher) lost(kind string, since time.Time, reason string) {
	was, already := w.stale[kind]
	if already {
		since = was.Since
	}
	if is := (Stale{kind, since, reason}); is != was {
		w.stale[kind] = is
		signal(w.wake)
	}
}

// found notes that a kind is known again.
func (w *Watcher) found(kind string) {
	if _, ok := w.stale[kind]; ok {
		delete(w.stale, kind)
		signal(w.wake)
	}
}
