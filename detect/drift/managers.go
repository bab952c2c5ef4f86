package drift

import (
	"regexp"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// role is what a manager is taken for, by the name that it gave itself.
type role int

const (
	unknown    role = iota
	applier         // brings what Git says into the cluster
	person          // somebody at a keyboard, or at a dashboard
	controller      // a part of the cluster, or an extension of it
)

var (
	appliers    = regexp.MustCompile(`^(kustomize-controller|helm-controller|helm|Helm|argocd-.*|argocd|gitops-engine|flux.*|kapp.*|fleetagent|fleet-agent|configsync|kpt.*|pulumi.*|Terraform|HashiCorp|terraform.*|ansible|OpenAPI-Generator|skaffold|tilt|before-first-apply)$`)
	byHand      = regexp.MustCompile(`^(kubectl-client-side-apply|kubectl-create|kubectl-run|kubectl-expose|kubectl|oc)$`)
	people      = regexp.MustCompile(`^(kubectl-.*|[lL]ens|[oO]pen[lL]ens|[fF]reelens|node-fetch|k9s|.*dashboard.*|headlamp.*|Mozilla|rancher|curl|Postman.*|python-requests|Octant|octant|k8s-ui|kuboard.*)$`)
	controllers = regexp.MustCompile(`(?i)^(manager|kubelet|kube-.*|cloud-.*|.*controller.*|.*operator.*|.*-manager|.*inject.*|.*webhook.*|.*autoscal.*|.*admission.*|istiod|istio.*|pilot-discovery|linkerd.*|vault.*|vpa-.*|keda.*|kyverno.*|gatekeeper.*|cert-manager.*|external-secrets.*|velero.*|dapr.*|consul.*|cilium.*|calico.*|node-.*|snapshot-.*|csi-.*)$`)
)

// managers tells what the managers of one object are.
type managers struct {
	entries []entry
	object  map[string]any
	git     bool            // another one than a person at a keyboard applies the object
	most    map[string]bool // unknown ones that wrote most of what Git says
}

// managersOf looks at who wrote an object of which Git says the leaves.
func managersOf(object map[string]any, leaves []manifest.Path) *managers {
	m := &managers{entries: owners(object), object: object, most: map[string]bool{}}
	for _, e := range m.entries {
		if appliers.MatchString(e.Manager) {
			m.git = true
		}
	}
	for _, e := range m.entries {
		if e.Subresource != "" || byHand.MatchString(e.Manager) || people.MatchString(e.Manager) || controllers.MatchString(e.Manager) {
			continue
		}
		n := 0
		for _, leaf := range leaves {
			if e.holds(object, leaf) != none {
				n++
			}
		}
		if 2*n > len(leaves) {
			m.most[e.Manager] = true
			m.git = true
		}
	}
	return m
}

// role is what a manager is taken for. Somebody who applies files is a person
// where a controller does that, too.
func (m *managers) role(e entry) role {
	switch {
	case appliers.MatchString(e.Manager) || m.most[e.Manager]:
		return applier
	case byHand.MatchString(e.Manager) && !m.git:
		return applier
	case byHand.MatchString(e.Manager), people.MatchString(e.Manager) && e.Manager != "node-controller":
		return person
	case controllers.MatchString(e.Manager):
		return controller
	}
	return unknown
}

// injectors are containers that programs add to pods, with the annotation that
// they leave.
var injectors = []struct{ annotation, container string }{
	{"sidecar.istio.io/status", "istio-"},
	{"linkerd.io/", "linkerd-"},
	{"vault.hashicorp.com/", "vault-agent"},
	{"dapr.io/", "daprd"},
	{"consul.hashicorp.com/", "consul-"},
	{"kuma.io/", "kuma-"},
}

// injected tells the containers of known injectors, where nobody is noted to
// have written them.
func injected(object map[string]any, container string) bool {
	for _, annotations := range []any{field(object, "metadata", "annotations"), field(object, "spec", "template", "metadata", "annotations")} {
		m, _ := annotations.(map[string]any)
		for _, i := range injectors {
			if !strings.HasPrefix(container, i.container) {
				continue
			}
			for a := range m {
				if strings.HasPrefix(a, i.annotation) {
					return true
				}
			}
		}
	}
	return false
}
