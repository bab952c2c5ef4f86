package fixers

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// networkPolicy adds a default policy for the namespace of a workload: pods
// take traffic from their own namespace only, and those that a Service or an
// Ingress offers to the outside stay open on its ports. Egress is left alone:
// what a workload calls is not known from its manifest.
func networkPolicy(f *detect.Finding, c Context) (Fix, *Held) {
	dir := path.Dir(f.Resource.File.Path)
	namespace := f.Resource.Namespace
	file := "networkpolicy.yaml"
	if c.Neighbours().mixed[dir] {
		file = "networkpolicy-" + cmp.Or(namespace, "default") + ".yaml"
	}
	name := path.Join(dir, file)
	switch {
	case c.Exists(name) && !appendable(c.File(name)):
		return Fix{}, &Held{Reason: HeldManual, Detail: name + " exists, and is no list of network policies that another can be added to"}
	case strings.HasPrefix(namespace, "kube-"):
		return Fix{}, &Held{Reason: HeldManual, Detail: "what runs in " + namespace + " serves the whole cluster: say for each of its pods who may call it"}
	}
	if wrong := validation.IsDNS1123Label(namespace); namespace != "" && len(wrong) > 0 {
		return Fix{}, &Held{Reason: HeldTemplate, Detail: fmt.Sprintf("%q is no name of a namespace: something replaces it before the file is applied", namespace)}
	}
	near := c.Neighbours().Of(f.Resource)
	made := NewFile{Path: name, Documents: []*yaml.Node{document("default-same-namespace", namespace, map[string]any{},
		map[string]any{"from": []any{map[string]any{"podSelector": map[string]any{}}}})}}
	seen := map[string]bool{}
	var open []opening
	for _, r := range near {
		if r.Kind != "Service" || r.APIVersion != "v1" || seen[r.Name] {
			continue
		}
		seen[r.Name] = true
		selector, ports, why := offered(r, near)
		if why == "" {
			continue
		}
		if len(selector) == 0 || len(ports) == 0 {
			return Fix{}, &Held{Reason: HeldManual, Detail: fmt.Sprintf("%s is reached from outside (%s), and which pods and ports it means cannot be told from the manifests", r.ID(), why)}
		}
		open = append(open, opening{selector, ports})
		made.Documents = append(made.Documents, document("allow-"+r.Name, namespace,
			map[string]any{"matchLabels": selector}, map[string]any{"ports": ports}))
	}
	fix := Fix{Safety: policy.Review, Evidence: []Evidence{{
		"assumed",
		"callers in other namespaces are not seen in the manifests: webhooks, monitoring and gateways there need a rule of their own",
	}}}
	if c.Live != nil {
		if held := c.Live.callers(f.Resource, near, open, &fix); held != nil {
			return Fix{}, held
		}
	}
	fix.Create = []NewFile{made}
	if c.Exists(name) {
		return fix, nil // whoever applies the file knows it
	}
	if k, ok := c.Kustomization(dir); ok {
		fix.Register = []Registration{{Kustomization: k, Resource: file}}
	}
	return fix, nil
}

// appendable tells a plain file of network policies, to which others fit.
func appendable(f *manifest.File) bool {
	return f != nil && f.Form == manifest.Plain && len(f.Resources) > 0 && !slices.ContainsFunc(f.Resources, func(r *manifest.Resource) bool {
		return r.Kind != "NetworkPolicy"
	})
}

func document(name, namespace string, selector, ingress map[string]any) *yaml.Node {
	meta := map[string]any{"name": name}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	spec := node(map[string]any{"podSelector": selector})
	for _, next := range []map[string]any{{"policyTypes": []any{"Ingress"}}, {"ingress": []any{ingress}}} {
		spec.Content = append(spec.Content, node(next).Content...)
	}
	n := node(map[string]any{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta})
	n.Content = append(n.Content, node("spec"), spec)
	return n
}

// offered says how a service is reached from outside its namespace, which pods
// it selects and on which of their ports.
func offered(service *manifest.Resource, near []*manifest.Resource) (selector map[string]any, ports []any, why string) {
	spec, _ := service.Value["spec"].(map[string]any)
	if t, _ := spec["type"].(string); t == "LoadBalancer" || t == "NodePort" {
		why = "type " + t
	}
	for _, r := range near {
		if r.Kind == "Ingress" && names(r.Value["spec"], service.Name) {
			why = r.ID()
		}
	}
	selector, _ = spec["selector"].(map[string]any)
	list, _ := spec["ports"].([]any)
	for _, p := range list {
		port, _ := p.(map[string]any)
		open := map[string]any{"port": port["targetPort"]}
		if open["port"] == nil {
			open["port"] = port["port"]
		}
		if protocol, ok := port["protocol"].(string); ok && protocol != "TCP" {
			open["protocol"] = protocol
		}
		ports = append(ports, open)
	}
	return selector, ports, why
}

// names tells whether an Ingress sends traffic to a service.
func names(v any, service string) bool {
	switch v := v.(type) {
	case map[string]any:
		if v["serviceName"] == service {
			return true
		}
		if s, ok := v["service"].(map[string]any); ok && s["name"] == service {
			return true
		}
		for _, e := range v {
			if names(e, service) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return names(e, service) })
	}
	return false
}

func scalar(n *yaml.Node) any {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return manifest.Scalar(n)
}
