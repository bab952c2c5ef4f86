package cluster

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// TestKubelets: what kubelets say is read node by node, whatever some of them
// answer, and those that say nothing are told in one line.
func TestKubelets(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch node := strings.Split(r.URL.Path, "/")[4]; node {
		case "away":
			http.Error(w, "no route to host", http.StatusBadGateway)
		case "odd":
			fmt.Fprint(w, `{"kubeletconfig":null}`)
		case "none":
			fmt.Fprint(w, `<html>`)
		default:
			fmt.Fprint(w, `{"kubeletconfig":{"port":10250}}`)
		}
	}))
	defer server.Close()
	typed, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	r := reader{Options: Options{Wants: func(string, string) bool { return true }}, typed: typed, sure: true}
	var nodes []map[string]any
	for _, name := range []string{"away", "a", "odd", "b", "none"} {
		nodes = append(nodes, map[string]any{"kind": "Node", "metadata": map[string]any{"name": name}})
	}
	if got, unread := r.kubelets(t.Context(), nodes); got != nil || unread != nil {
		t.Errorf("without a right to: %v, %v", got, unread)
	}
	r.rules = []resourceRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"nodes/proxy"}}}
	got, unread := r.kubelets(t.Context(), nodes)
	if len(got) != 2 || metadataOf(got[0], "name") != "a" || metadataOf(got[1], "name") != "b" || got[1]["port"] != int64(10250) {
		t.Errorf("got %v", got)
	}
	if len(unread) != 1 || !strings.Contains(unread[0].Reason, "of node away: ") || !strings.HasSuffix(unread[0].Reason, "; nor of 2 more nodes") {
		t.Errorf("unread: %v", unread)
	}
}
