package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

const (
	patience   = 5 * time.Second        // that an answer may take before what is known counts as stale
	answerTime = time.Minute            // that an answer may take at all
	holds      = 500 * time.Millisecond // after which a watch that goes on where the last one ended counts as good
	firstTry   = 200 * time.Millisecond // between tries, at first
	lastTry    = 5 * time.Second        // between tries, at last
	hopeless   = 30 * time.Second       // the same of what the API server refuses
)

// follower keeps the objects of one kind. A reflector of client-go says what to
// ask for next; the follower asks until there is an answer.
type follower struct {
	watcher  *Watcher
	kind     kind
	defining bool            // it is followed for what its changes tell of other kinds
	ctx      context.Context // ends when the kind is not followed any more
	end      context.CancelFunc
	seat     func() // leaves the seat of a kind that is read for the first time

	mu     sync.Mutex
	broken time.Time // since when nothing is heard; zero: something is

	// with the watcher's lock
	objects map[string]record // by namespace/name
	synced  bool              // all were read once
	doubted time.Time         // since when it seems that it is not to be had any more; zero: it is
}

// follow begins to follow a kind.
func (w *Watcher) follow(ctx context.Context, k kind, defining bool) *follower {
	f := w.newFollower(ctx, k, defining)
	f.seat = sync.OnceFunc(func() { <-w.seats })
	reflector := cache.NewReflectorWithOptions(f, nil, f, cache.ReflectorOptions{
		Name: k.String(), TypeDescription: k.String(), Backoff: &wait.Backoff{Duration: firstTry, Factor: 2, Jitter: 0.5, Steps: 6, Cap: lastTry},
	})
	w.running.Go(func() {
		select {
		case <-f.ctx.Done():
			return
		case w.seats <- struct{}{}:
		}
		defer f.seat()
		reflector.RunWithContext(f.ctx)
	})
	return f
}

func (w *Watcher) newFollower(ctx context.Context, k kind, defining bool) *follower {
	f := &follower{watcher: w, kind: k, defining: defining, objects: map[string]record{}, broken: w.Now()}
	f.ctx, f.end = context.WithCancel(ctx)
	return f
}

// metadataOnly tells kinds of which nothing else is asked for.
func (f *follower) metadataOnly() bool { return f.defining || f.kind.secret() }

// IsWatchListSemanticsUnSupported tells client-go's reflector which kinds
// cannot be listed by a watch.
func (f *follower) IsWatchListSemanticsUnSupported() bool { return f.kind.Group == kubescape }

// List is what reflectors of old ask for.
func (f *follower) List(o metav1.ListOptions) (runtime.Object, error) {
	return f.ListWithContext(context.Background(), o)
}

// Watch is what reflectors of old ask for.
func (f *follower) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return f.WatchWithContext(context.Background(), o)
}

// ListWithContext asks for a list, or a page of one, until there is an answer.
func (f *follower) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	var out runtime.Object
	err := f.insist(ctx, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		out, err = f.list(ctx, o)
		return err
	})
	return out, err
}

func (f *follower) list(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	body, err := f.watcher.request(f.kind, o, f.metadataOnly()).MaxRetries(0).Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var out unstructured.UnstructuredList
	head, err := readList(body, f.watcher.decoder, func(o map[string]any) error {
		if o, err = f.watcher.kept(ctx, f.kind, o); o != nil {
			out.Items = append(out.Items, unstructured.Unstructured{Object: o})
		}
		return err
	})
	var meta metav1.ListMeta
	if err == nil {
		err = listMeta(head, &meta)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a list of %s: %w", f.kind.GroupResource(), err)
	}
	out.SetResourceVersion(meta.ResourceVersion)
	out.SetContinue(meta.Continue)
	out.SetRemainingItemCount(meta.RemainingItemCount)
	return &out, nil
}

// WatchWithContext asks for a watch until there is one.
func (f *follower) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	var out watch.Interface
	initial := o.SendInitialEvents != nil && *o.SendInitialEvents
	err := f.insist(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		late := time.AfterFunc(answerTime, cancel)
		o.Watch = true
		body, err := f.watcher.request(f.kind, o, f.metadataOnly()).MaxRetries(0).Stream(ctx)
		if !late.Stop() && err == nil {
			_ = body.Close()
			err = context.DeadlineExceeded
		}
		if err != nil {
			cancel()
			return err
		}
		out = newRelay(f, newEvents(f, body), cancel, initial)
		return nil
	})
	return out, err
}

// insist asks until there is an answer, or one that the reflector must know:
// that the past it asks for is forgotten, or that lists are not to be had in
// this way. Meanwhile the kind is stale, after a while if the API server only asks
// to wait.
func (f *follower) insist(ctx context.Context, ask func(context.Context) error) error {
	delay, most := firstTry, lastTry
	for {
		slow := time.AfterFunc(patience, func() { f.lost(fmt.Errorf("the API server has not answered for %s", patience)) })
		err := ask(ctx)
		slow.Stop()
		if err == nil || ctx.Err() != nil || past(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
			return err
		}
		if !apierrors.IsTooManyRequests(err) || f.watcher.Now().Sub(f.silent()) >= patience {
			f.lost(err)
		}
		if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
			signal(f.watcher.look) // the kind may be gone, or the right to it; or the API server only begins
			most = hopeless
		}
		asked, _ := apierrors.SuggestsClientDelay(err) // in seconds; all who are refused are asked the same
		next := max(delay, min(time.Duration(asked)*time.Second, answerTime))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(next + rand.N(next/2)):
		}
		delay = min(2*delay, most)
	}
}

// past tells answers that what was asked for is no longer known, or not yet.
func past(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge)
}

// silent notes that nothing is heard any more, and gives since when.
func (f *follower) silent() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken.IsZero() {
		f.broken = f.watcher.Now()
	}
	return f.broken
}

// lost notes that asking anew failed, too.
func (f *follower) lost(err error) {
	f.seat()
	since := f.silent()
	w := f.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.counts() {
		w.lost(f.kind.String(), since, reason(f.kind, err))
	}
}

// heard notes that the kind is as it is known.
func (f *follower) heard() {
	f.seat()
	f.mu.Lock()
	f.broken = time.Time{}
	f.mu.Unlock()
	w := f.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.counts() {
		w.found(f.kind.String())
	}
}

// counts tells whether the kind is still followed, and for its objects.
func (f *follower) counts() bool { return f.watcher.kinds[f.kind.String()] == f }

// relay is a watch that tells its follower how it goes.
type relay struct {
	watch.Interface
	out  chan watch.Event
	done chan struct{}
	stop func()
}

func newRelay(f *follower, w watch.Interface, cancel context.CancelFunc, initial bool) *relay {
	s := &relay{Interface: w, out: make(chan watch.Event), done: make(chan struct{})}
	s.stop = sync.OnceFunc(func() { close(s.done); w.Stop(); cancel() })
	good := time.AfterFunc(holds, f.heard)
	if initial {
		good.Stop() // it is when all was sent
	}
	began := f.watcher.Now()
	f.watcher.running.Go(func() {
		defer close(s.out)
		defer s.stop()
		defer good.Stop()
		defer func() {
			if f.silent(); !s.stopped() && f.watcher.Now().Sub(began) < holds {
				f.lost(errCutOff)
			}
		}()
		for e := range w.ResultChan() {
			if e.Type == watch.Error {
				good.Stop()
				if err := apierrors.FromObject(e.Object); past(err) {
					f.silent() // until all was read anew
				} else {
					f.lost(err)
				}
			}
			select {
			case s.out <- e:
			case <-s.done:
				return
			}
		}
	})
	return s
}

// ResultChan has the events.
func (s *relay) ResultChan() <-chan watch.Event { return s.out }

// Stop ends the watch.
func (s *relay) Stop() { s.stop() }

func (s *relay) stopped() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

var errCutOff = errors.New("the watch was cut off as soon as it began")

// brief is an error without the address that was asked.
func brief(err error) string {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err.Error()
	}
	return err.Error()
}

func nameOf(o map[string]any) string { return metadataOf(o, "namespace") + "/" + metadataOf(o, "name") }

// Add keeps an object that came.
func (f *follower) Add(v any) error { return f.Update(v) }

// Update keeps an object that changed.
func (f *follower) Update(v any) error {
	if f.defining {
		signal(f.watcher.look)
		return nil
	}
	u, ok := v.(*unstructured.Unstructured)
	if !ok {
		return errNoObject
	}
	f.watcher.mu.Lock()
	defer f.watcher.mu.Unlock()
	f.put(nameOf(u.Object), u.Object)
	return nil
}

// Delete drops an object that went.
func (f *follower) Delete(v any) error {
	if f.defining {
		signal(f.watcher.look)
		return nil
	}
	u, ok := v.(*unstructured.Unstructured)
	if !ok {
		return errNoObject
	}
	f.watcher.mu.Lock()
	defer f.watcher.mu.Unlock()
	f.put(nameOf(u.Object), nil)
	return nil
}

// Resync is nothing: no watch loses an event.
func (f *follower) Resync() error { return nil }

// Replace keeps just these objects: what is not among them went unseen.
func (f *follower) Replace(list []any, _ string) error {
	var objects []map[string]any
	for _, v := range list {
		if f.defining {
			break
		}
		u, ok := v.(*unstructured.Unstructured)
		if !ok {
			return errNoObject
		}
		objects = append(objects, u.Object)
	}
	f.watcher.mu.Lock()
	if f.defining && f.synced {
		signal(f.watcher.look)
	}
	f.replace(objects)
	f.synced = true
	f.watcher.mu.Unlock()
	f.heard()
	return nil
}

func (f *follower) replace(objects []map[string]any) {
	there := make(map[string]bool, len(objects))
	for _, o := range objects {
		name := nameOf(o)
		there[name] = true
		f.put(name, o)
	}
	for name := range f.objects {
		if !there[name] {
			f.put(name, nil)
		}
	}
}

func (f *follower) put(name string, o map[string]any) {
	if !f.counts() {
		return
	}
	_, had := f.objects[name]
	f.watcher.put(f.objects, name, o)
	if _, has := f.objects[name]; had != has && f.kind.Group == "" && f.kind.name == "Node" {
		signal(f.watcher.nodes)
	}
}
