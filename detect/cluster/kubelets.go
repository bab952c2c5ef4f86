package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

const (
	kubeletsAtOnce = 16
	kubeletTime    = 5 * time.Second // that a kubelet has to answer
)

// kubelets reads the configuration of each node's kubelet where oakum has the
// right to, which is more than to look: get on nodes/proxy. A node that is away
// keeps nobody waiting for long.
func (r *reader) kubelets(ctx context.Context, objects []map[string]any) ([]map[string]any, []Unread) {
	if !r.sure || !may(r.rules, "get", schema.GroupResource{Resource: "nodes/proxy"}) || !r.Wants("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration") {
		return nil, nil
	}
	var nodes []string
	for _, o := range objects {
		if o["kind"] == "Node" {
			nodes = append(nodes, metadataOf(o, "name"))
		}
	}
	configs, errs := make([]map[string]any, len(nodes)), make([]error, len(nodes))
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(kubeletsAtOnce, len(nodes)) {
		wg.Go(func() {
			for i := range next {
				configs[i], errs[i] = r.kubelet(ctx, nodes[i])
			}
		})
	}
	for i := range nodes {
		next <- i
	}
	close(next)
	wg.Wait()
	var out []map[string]any
	var first string
	failed := 0
	for i, err := range errs {
		switch {
		case err == nil:
			out = append(out, configs[i])
		case failed == 0:
			first = fmt.Sprintf("of node %s: %v", nodes[i], err)
			fallthrough
		default:
			failed++
		}
	}
	if failed == 0 {
		return out, nil
	}
	if failed > 1 {
		first += fmt.Sprintf("; nor of %d more nodes", failed-1)
	}
	return out, []Unread{{"kubelet.config.k8s.io/KubeletConfiguration", first}}
}

// kubelet is the configuration of one node's kubelet.
func (r *reader) kubelet(ctx context.Context, node string) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, kubeletTime)
	defer cancel()
	answer, err := r.typed.CoreV1().RESTClient().Get().Resource("nodes").Name(node).SubResource("proxy", "configz").MaxRetries(0).DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	var configz struct {
		KubeletConfig map[string]any `json:"kubeletconfig"`
	}
	if err := utiljson.Unmarshal(answer, &configz); err != nil {
		return nil, err
	}
	config := configz.KubeletConfig
	if config == nil {
		return nil, errors.New("its configz has no kubeletconfig")
	}
	config["apiVersion"], config["kind"] = "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"
	config["metadata"] = map[string]any{"name": node}
	return config, nil
}
