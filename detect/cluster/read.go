package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

const (
	page        = 500 // objects of one answer, as kubectl asks for
	concurrency = 4   // lists at once
	attempts    = 5   // of one list, when the server goes away in the middle
)

// Options say what is read of a cluster.
type Options struct {
	Cluster   string                             // what it is called
	Namespace string                             // only what lives there; empty: everything
	Wants     func(apiVersion, kind string) bool // which kinds are asked for
	Owners    bool                               // keep who wrote which field: drift is judged by it
	Now       func() time.Time
}

type resourceRule = authorizationv1.ResourceRule

// reader reads one inventory.
type reader struct {
	Options
	objects dynamic.Interface
	typed   kubernetes.Interface
	asks    rest.Interface // for what the decoder reads
	rules   []resourceRule
	sure    bool // rules are all that there are
}

// Read takes an inventory. Kinds that may not be read, or do not answer, are
// listed in it as unread; only a server that cannot be asked at all is an error.
func Read(ctx context.Context, config *rest.Config, o Options) (*Inventory, error) {
	r := reader{Options: o}
	var err error
	if r.objects, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", o.Cluster, err)
	}
	if r.typed, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", o.Cluster, err)
	}
	r.asks = r.typed.CoreV1().RESTClient()
	return r.read(ctx)
}

func (r *reader) read(ctx context.Context) (*Inventory, error) {
	version, err := discovery.ToDiscoveryInterfaceWithContext(r.typed.Discovery()).ServerVersionWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking cluster %s for its version: %w", r.Cluster, err)
	}
	out := &Inventory{Cluster: r.Cluster, Kubernetes: version.GitVersion, Namespace: r.Namespace, Time: r.Now().UTC()}
	if err := r.rights(ctx); err != nil {
		return nil, err
	}
	all, unread, err := kinds(ctx, r.typed.Discovery(), r.Wants)
	if err != nil {
		return nil, fmt.Errorf("reading cluster %s: %w", r.Cluster, err)
	}
	out.Unread = unread

	type result struct {
		objects []map[string]any
		err     error
	}
	results := make([]result, len(all))
	var wg sync.WaitGroup
	next := make(chan int)
	for range concurrency {
		wg.Go(func() {
			d := newDecoder(r.Owners)
			for i := range next {
				results[i].objects, results[i].err = r.list(ctx, all[i], d)
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("reading cluster %s: %w", r.Cluster, err)
	}
	for i, k := range all {
		out.Objects = append(out.Objects, results[i].objects...)
		if results[i].err == nil {
			out.Kinds = append(out.Kinds, Kind{k.apiVersion(), k.name, k.namespaced})
		} else if err := results[i].err; !(errors.Is(err, errNoRight) && optional[k.String()]) {
			out.Unread = append(out.Unread, Unread{k.String(), reason(k, err)})
		}
	}
	more, unread := r.kubelets(ctx, out.Objects)
	out.Objects, out.Unread = append(out.Objects, more...), append(out.Unread, unread...)
	out.slim()
	out.sort()
	return out, nil
}

// rights asks what oakum may do, so that nothing is tried that is refused.
func (r *reader) rights(ctx context.Context) error {
	namespace := r.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault // what holds everywhere holds there
	}
	review, err := r.typed.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
		Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
	}, metav1.CreateOptions{})
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		return nil // then every kind is tried
	}
	if err != nil {
		return fmt.Errorf("asking cluster %s for oakum's rights: %w", r.Cluster, err)
	}
	r.rules, r.sure = review.Status.ResourceRules, !review.Status.Incomplete
	return nil
}

var errNoRight = errors.New("no right to list")

// list reads all objects of a kind. The server may go away in the middle: then
// the list begins anew.
func (r *reader) list(ctx context.Context, k kind, d *decoder) ([]map[string]any, error) {
	if r.sure && !may(r.rules, "list", k.GroupResource()) {
		return nil, errNoRight
	}
	var out []map[string]any
	var last error
	backoff := wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: attempts, Cap: 5 * time.Second}
	err := wait.ExponentialBackoffWithContext(ctx, backoff, func(ctx context.Context) (bool, error) {
		out, last = r.once(ctx, k, d)
		if transient(last) {
			return false, nil
		}
		return true, last
	})
	if last != nil {
		return nil, last
	}
	return out, err
}

// transient tells errors that another try may not meet.
func transient(err error) bool {
	return err != nil && (utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) ||
		errors.Is(err, io.ErrUnexpectedEOF) || utilnet.IsTimeout(err) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServerTimeout(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsTimeout(err) || apierrors.IsInternalError(err))
}

// once lists the objects of a kind, page by page, each object trimmed as soon
// as it was read.
func (r *reader) once(ctx context.Context, k kind, d *decoder) ([]map[string]any, error) {
	var out []map[string]any
	for next := ""; ; {
		body, err := r.request(k, metav1.ListOptions{Limit: page, Continue: next}, k.secret()).Stream(ctx)
		if err != nil {
			return nil, err
		}
		head, err := readList(body, d, func(o map[string]any) error {
			if o, err = r.kept(ctx, k, o); o != nil {
				out = append(out, o)
			}
			return err
		})
		body.Close()
		if err != nil {
			return nil, fmt.Errorf("reading a list of %s: %w", k.GroupResource(), err)
		}
		var meta metav1.ListMeta
		if err := listMeta(head, &meta); err != nil {
			return nil, fmt.Errorf("reading a list of %s: %w", k.GroupResource(), err)
		}
		if next = meta.Continue; next == "" {
			return out, nil
		}
	}
}

// listMeta reads what a list says of itself.
func listMeta(head map[string]json.RawMessage, meta *metav1.ListMeta) error {
	if m := head["metadata"]; m != nil {
		return json.Unmarshal(m, meta)
	}
	return nil
}

// request asks for the objects of a kind, in a list or by a watch. Of some
// nobody asks for more than their metadata.
func (r *reader) request(k kind, o metav1.ListOptions, metadataOnly bool) *rest.Request {
	accept := "application/json"
	if metadataOnly {
		as := "PartialObjectMetadataList"
		if o.Watch {
			as = "PartialObjectMetadata"
		}
		accept += ";as=" + as + ";g=meta.k8s.io;v=v1"
	}
	return r.asks.Get().AbsPath(k.root()).NamespaceIfScoped(r.Namespace, k.namespaced && r.Namespace != "").Resource(k.Resource).
		VersionedParams(&o, scheme.ParameterCodec).SetHeader("Accept", accept)
}

// kubescape is the group of what Kubescape's operator learned.
const kubescape = "spdx.softwarecomposition.kubescape.io"

// kept is what is kept of an object that was listed or watched, nil if it went
// in the meantime.
func (r *reader) kept(ctx context.Context, k kind, o map[string]any) (map[string]any, error) {
	if k.Group == kubescape { // its lists and watches are of metadata alone
		var err error
		if o, err = r.whole(ctx, k, o); o == nil {
			return nil, err
		}
	}
	return trim(k, o, r.Owners), nil
}

// whole gets an object of which only the metadata was listed, nil if it went
// in the meantime.
func (r *reader) whole(ctx context.Context, k kind, o map[string]any) (map[string]any, error) {
	got, err := r.objects.Resource(k.GroupVersionResource).Namespace(metadataOf(o, "namespace")).Get(ctx, metadataOf(o, "name"), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return got.Object, nil
}

// reason says in a sentence why a kind could not be read, and what to do.
func reason(k kind, err error) string {
	if errors.Is(err, errNoRight) || apierrors.IsForbidden(err) {
		return noRight("list", k)
	}
	return brief(err)
}

func noRight(verb string, k kind) string {
	return fmt.Sprintf("oakum has no right to %s %s: bind the ClusterRole oakum-reader of deploy/reader.yaml", verb, k.GroupResource())
}
