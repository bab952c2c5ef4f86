package apiserver

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/oakum-dev/oakum/detect/cluster"
)

// TestFairness: where priority and fairness serves one request of oakum's
// account at a time and refuses the others, all is read and watched that there
// is.
func TestFairness(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	many(ctx, t, server.Config, 1200) // so that there are pages to refuse, and lists that take a while
	jail := newJail(ctx, t, server.Config)
	free := inventoryOf(ctx, t, jail.account)
	jail.close(ctx, t)
	defer jail.compete(ctx, t)()

	t.Run("read", func(t *testing.T) {
		ctx := t.Context()
		config, refused := jail.counting()
		var inventory *cluster.Inventory
		until(ctx, t, "a refusal", func() bool {
			inventory = inventoryOf(ctx, t, config)
			return refused.Load() > 0
		})
		want, got := versions(free), versions(inventory)
		delete(got, "flowcontrol.apiserver.k8s.io/v1 FlowSchema <nil>/jail") // it came between
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the objects that are read:\n%s", d)
		}
		if d := cmp.Diff(free.Kinds, inventory.Kinds); d != "" {
			t.Errorf("the kinds that are read:\n%s", d)
		}
		if len(inventory.Unread) > 0 {
			t.Errorf("not read: %v", inventory.Unread)
		}
		t.Logf("%d refusals, %d objects of %d kinds", refused.Load(), len(inventory.Objects), len(inventory.Kinds))
	})

	t.Run("watch", func(t *testing.T) {
		ctx := t.Context()
		config, refused := jail.counting()
		config, broken := through(config)
		var w *watching
		until(ctx, t, "a refusal", func() bool {
			w = watch(ctx, t, config)
			return refused.Load() > 0
		})
		until(ctx, t, "every kind", func() bool { return len(w.watcher.Stale()) == 0 })
		atFirst := refused.Load()
		changeAll(ctx, t, server.Config, 0)
		w.appears(ctx, t, "privileged-container Deployment shop/new-0")
		changeAll(ctx, t, server.Config, 1)
		w.goes(ctx, t, "privileged-container Deployment shop/new-0")

		// All watches end, and those that begin again are refused but one at a time.
		broken.cut()
		changeAll(ctx, t, server.Config, 2)
		until(ctx, t, "more refusals", func() bool {
			broken.cut() // those that were lucky
			return refused.Load() >= atFirst+10
		})
		jail.open(ctx, t)
		w.appears(ctx, t, "privileged-container Deployment shop/new-2")
		w.right(ctx, t, jail.account)
		t.Logf("%d refusals at first, %d in all", atFirst, refused.Load())
	})
}

// jail is a priority level with room for one request: all that come meanwhile
// are refused.
type jail struct {
	admin   kubernetes.Interface
	account *rest.Config // whose requests it is for
	uid     string
}

func newJail(ctx context.Context, t *testing.T, config *rest.Config) *jail {
	t.Helper()
	admin := kubernetes.NewForConfigOrDie(config)
	level, err := admin.FlowcontrolV1().PriorityLevelConfigurations().Create(ctx, &flowcontrolv1.PriorityLevelConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "jail"},
		Spec: flowcontrolv1.PriorityLevelConfigurationSpec{
			Type: flowcontrolv1.PriorityLevelEnablementLimited,
			Limited: &flowcontrolv1.LimitedPriorityLevelConfiguration{
				// Where there is room for none, one is let in if it is alone.
				NominalConcurrencyShares: new(int32), LendablePercent: new(int32), BorrowingLimitPercent: new(int32),
				LimitResponse: flowcontrolv1.LimitResponse{Type: flowcontrolv1.LimitResponseTypeReject},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &jail{admin, account(ctx, t, config), string(level.UID)}
}

// close has the account's requests go to the jail.
func (j *jail) close(ctx context.Context, t *testing.T) {
	t.Helper()
	all := []string{"*"}
	_, err := j.admin.FlowcontrolV1().FlowSchemas().Create(ctx, &flowcontrolv1.FlowSchema{
		ObjectMeta: metav1.ObjectMeta{Name: "jail"},
		Spec: flowcontrolv1.FlowSchemaSpec{
			PriorityLevelConfiguration: flowcontrolv1.PriorityLevelConfigurationReference{Name: "jail"},
			MatchingPrecedence:         2, // before all others but that of system:masters
			DistinguisherMethod:        &flowcontrolv1.FlowDistinguisherMethod{Type: flowcontrolv1.FlowDistinguisherMethodByUserType},
			Rules: []flowcontrolv1.PolicyRulesWithSubjects{{
				Subjects:      []flowcontrolv1.Subject{{Kind: flowcontrolv1.SubjectKindServiceAccount, ServiceAccount: &flowcontrolv1.ServiceAccountSubject{Namespace: "oakum", Name: "oakum"}}},
				ResourceRules: []flowcontrolv1.ResourcePolicyRule{{Verbs: all, APIGroups: all, Resources: all, ClusterScope: true, Namespaces: all}},
			}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	j.takes(ctx, t, true)
}

// open has them go where they went before.
func (j *jail) open(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := j.admin.FlowcontrolV1().FlowSchemas().Delete(ctx, "jail", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	j.takes(ctx, t, false)
}

// takes waits until the jail takes the account's requests, or does not.
func (j *jail) takes(ctx context.Context, t *testing.T, want bool) {
	t.Helper()
	client, err := rest.HTTPClientFor(j.account)
	if err != nil {
		t.Fatal(err)
	}
	until(ctx, t, "the flow schema", func() bool {
		response, err := client.Get(j.account.Host + "/api/v1/namespaces")
		if err != nil {
			return false
		}
		response.Body.Close()
		return j.took(response) == want
	})
}

// took tells the answers to requests that went to the jail.
func (j *jail) took(response *http.Response) bool {
	return response.Header.Get(flowcontrolv1.ResponseHeaderMatchedPriorityLevelConfigurationUID) == j.uid
}

// counting is how the account reaches the server, and how many of its requests
// the jail refuses.
func (j *jail) counting() (*rest.Config, *atomic.Int32) {
	config, refused := rest.CopyConfig(j.account), &atomic.Int32{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if err == nil && response.StatusCode == http.StatusTooManyRequests && j.took(response) {
				refused.Add(1)
			}
			return response, err
		})
	})
	return config, refused
}

// compete has others ask as the same account, until the end.
func (j *jail) compete(ctx context.Context, t *testing.T) (end func()) {
	config := rest.CopyConfig(j.account)
	// The more is refused, the longer the server has all wait: not too many.
	config.QPS, config.Burst = 20, 1
	maps := kubernetes.NewForConfigOrDie(config).CoreV1().ConfigMaps("")
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for range 3 {
		running.Go(func() {
			for ctx.Err() == nil {
				if _, err := maps.List(ctx, metav1.ListOptions{}); err != nil && ctx.Err() == nil && !apierrors.IsTooManyRequests(err) {
					t.Error(err)
				}
			}
		})
	}
	return func() { cancel(); running.Wait() }
}
