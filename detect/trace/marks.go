package trace

import (
	"path"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

const (
	fluxKustomize = "kustomize.toolkit.fluxcd.io"
	fluxHelm      = "helm.toolkit.fluxcd.io"
	fluxSource    = "source.toolkit.fluxcd.io"
	argo          = "argoproj.io"
	trackingID    = "argocd.argoproj.io/tracking-id"
	instance      = "app.kubernetes.io/instance"
	helmRelease   = "meta.helm.sh/release-name"
	helmNamespace = "meta.helm.sh/release-namespace"
	lastApplied   = "kubectl.kubernetes.io/last-applied-configuration"
)

// mark is what an object, or a controller, says of where it comes from.
type mark struct {
	by                         string
	verified                   bool               // the controller lists the object
	controller                 *manifest.Resource // the object that tells the controller what to do; nil: not read
	through                    *manifest.Resource // the object that holds what can be changed
	repository, path, revision string
}

// mark reads the marks of one object. One that its controller denies counts
// for nothing: people and charts copy labels.
func (t *Tracer) mark(r *manifest.Resource) mark {
	for _, read := range []func(*manifest.Resource) (mark, bool){t.fluxHelm, t.fluxKustomization, t.argoTracking, t.argoInstance, t.helm} {
		if m, ok := read(r); ok {
			return m
		}
	}
	if text(r.Value, "metadata", "annotations", lastApplied) != "" {
		return mark{by: "kubectl apply"}
	}
	return mark{}
}

func label(r *manifest.Resource, key string) string {
	return text(r.Value, "metadata", "labels", key)
}

func annotation(r *manifest.Resource, key string) string {
	return text(r.Value, "metadata", "annotations", key)
}

// fluxKustomization reads the labels of Flux's kustomize-controller, and its inventory.
func (t *Tracer) fluxKustomization(r *manifest.Resource) (mark, bool) {
	namespace, name := label(r, fluxKustomize+"/namespace"), label(r, fluxKustomize+"/name")
	if name == "" {
		return mark{}, false
	}
	m := mark{by: "Flux Kustomization " + namespace + "/" + name}
	k := t.objects[object{fluxKustomize, "Kustomization", namespace, name}]
	if k == nil {
		return m, true
	}
	id := r.Namespace + "_" + r.Name + "_" + r.Group() + "_" + r.Kind
	m.verified = slices.ContainsFunc(list(k.Value, "status", "inventory", "entries"), func(e any) bool {
		return text(e, "id") == id || text(e, "id") == strings.ReplaceAll(id, ":", "__") // as names of RBAC are kept
	})
	if !m.verified {
		return mark{}, false
	}
	m.controller = k
	m.path = clean(text(k.Value, "spec", "path"))
	m.revision = text(k.Value, "status", "lastAppliedRevision")
	m.repository = t.fluxRepository(k)
	return m, true
}

// fluxRepository is where a Kustomization has its files from, if that is Git.
func (t *Tracer) fluxRepository(k *manifest.Resource) string {
	namespace := text(k.Value, "spec", "sourceRef", "namespace")
	if namespace == "" {
		namespace = k.Namespace
	}
	source := t.objects[object{fluxSource, text(k.Value, "spec", "sourceRef", "kind"), namespace, text(k.Value, "spec", "sourceRef", "name")}]
	if source == nil || source.Kind != "GitRepository" {
		return ""
	}
	return text(source.Value, "spec", "url")
}

// fluxHelm reads the labels of Flux's helm-controller: what the chart makes is
// decided by the values of the HelmRelease.
func (t *Tracer) fluxHelm(r *manifest.Resource) (mark, bool) {
	namespace, name := label(r, fluxHelm+"/namespace"), label(r, fluxHelm+"/name")
	if name == "" {
		return mark{}, false
	}
	m := mark{by: "Flux HelmRelease " + namespace + "/" + name}
	m.through = t.objects[object{fluxHelm, "HelmRelease", namespace, name}]
	if m.through == nil {
		return m, true
	}
	m.controller = m.through
	for _, h := range list(m.through.Value, "status", "history") {
		if release := annotation(r, helmRelease); release == "" || text(h, "name") == release {
			m.verified = true
		}
	}
	return m, true
}

// argoTracking reads Argo CD's annotation, app:group/Kind:namespace/name, which
// counts only on the object that it names.
func (t *Tracer) argoTracking(r *manifest.Resource) (mark, bool) {
	parts := strings.SplitN(annotation(r, trackingID), ":", 3)
	if len(parts) != 3 {
		return mark{}, false
	}
	group, kind, _ := strings.Cut(parts[1], "/")
	namespace, name, _ := strings.Cut(parts[2], "/")
	if group != r.Group() || kind != r.Kind || name != r.Name || r.Namespace != "" && namespace != r.Namespace {
		return mark{}, false
	}
	inNamespace, app, ok := strings.Cut(parts[0], "_") // an Application outside Argo CD's own namespace
	if !ok {
		inNamespace, app = "", parts[0]
	}
	a := t.application(inNamespace, app)
	if a == nil {
		return mark{by: "Argo CD Application " + parts[0]}, true
	}
	return t.argo(a, r), true
}

// argoInstance reads the label that Argo CD may be told to track by. Charts
// set it, too, so that only the Application's own list makes it count.
func (t *Tracer) argoInstance(r *manifest.Resource) (mark, bool) {
	name := label(r, instance)
	if name == "" {
		return mark{}, false
	}
	a := t.application("", name)
	if a == nil {
		return mark{}, false
	}
	m := t.argo(a, r)
	return m, m.verified
}

// application finds an Application by name; of several in different namespaces none.
func (t *Tracer) application(namespace, name string) *manifest.Resource {
	if namespace != "" {
		return t.objects[object{argo, "Application", namespace, name}]
	}
	if found := t.apps[name]; len(found) == 1 {
		return found[0]
	}
	return nil
}

func (t *Tracer) argo(a, r *manifest.Resource) mark {
	m := mark{by: "Argo CD Application " + a.Namespace + "/" + a.Name, controller: a}
	m.verified = slices.ContainsFunc(list(a.Value, "status", "resources"), func(e any) bool {
		return text(e, "group") == r.Group() && text(e, "kind") == r.Kind && text(e, "namespace") == r.Namespace && text(e, "name") == r.Name
	})
	sources := list(a.Value, "spec", "sources")
	if one := field(a.Value, "spec", "source"); one != nil {
		sources = []any{one}
	}
	m.revision = text(a.Value, "status", "sync", "revision")
	for _, s := range sources {
		if text(s, "chart") != "" || field(s, "helm") != nil {
			m.through = a // its values are what can be changed
			return m
		}
	}
	if len(sources) == 1 {
		m.repository, m.path = text(sources[0], "repoURL"), clean(text(sources[0], "path"))
	}
	return m
}

// helm reads the annotations of Helm itself, and looks for the release.
func (t *Tracer) helm(r *manifest.Resource) (mark, bool) {
	namespace, name := annotation(r, helmNamespace), annotation(r, helmRelease)
	if name == "" || label(r, "app.kubernetes.io/managed-by") != "Helm" {
		return mark{}, false
	}
	return mark{by: "Helm release " + namespace + "/" + name, verified: t.releases[[2]string{namespace, name}] > 0}, true
}

// clean is a directory of a tree as paths of files have it, empty for the root.
func clean(dir string) string {
	return strings.TrimPrefix(path.Clean("/"+dir), "/")
}
