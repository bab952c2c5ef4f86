// Package trace finds the resource in Git that decides an object of a cluster:
// up the owner references, by the marks of Flux, Argo CD and Helm, verified
// against what those controllers themselves list, and else by identity.
package trace

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Confidence is how sure it is that a resource decides an object.
type Confidence string

// The confidences, the surest first.
const (
	Inventory Confidence = "inventory" // a controller lists the object as made from there
	Mark      Confidence = "mark"      // the object's own mark says so; who may have set it cannot be checked
	Identity  Confidence = "identity"  // the same kind, namespace and name
	Name      Confidence = "name"      // the same kind and name, where the file leaves the namespace open
)

// Source is what decides an object.
type Source struct {
	By         string               // who puts it into the cluster: Flux Kustomization flux-system/apps; empty: not known
	Confidence Confidence           // empty where Resource is nil
	Resource   *manifest.Resource   // in the tree; nil: it is not there
	Owner      string               // the object that makes it, where that is what the tree has
	Among      []*manifest.Resource // of which any may decide it, where Resource is nil
	Repository string               // as the controller has it; empty: not known
	Path       string               // the directory there
	Revision   string               // that was applied
	Controller *manifest.Resource   // the object of Flux or Argo CD that puts it into the cluster; nil: not read
}

// Unmanaged tells objects that nothing is known to decide.
func (s Source) Unmanaged() bool { return s.By == "" && s.Resource == nil && len(s.Among) == 0 }

// String says who decides, for people; empty where nobody is known to.
func (s Source) String() string {
	var b strings.Builder
	b.WriteString(s.By)
	if s.Repository != "" {
		b.WriteString(", from " + s.Repository)
		if s.Path != "" {
			b.WriteString(" at " + s.Path)
		}
	}
	if s.Owner != "" {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString("through " + s.Owner)
	}
	return b.String()
}

// Tracer traces the objects of one cluster to one tree.
type Tracer struct {
	objects  map[object]*manifest.Resource
	apps     map[string][]*manifest.Resource // Argo CD's Applications, by name
	releases map[[2]string]int               // Helm's that are deployed, by namespace and name
	tree     *Tree
}

// object names one object of a cluster.
type object struct{ group, kind, namespace, name string }

func objectOf(r *manifest.Resource) object {
	return object{r.Group(), r.Kind, r.Namespace, r.Name}
}

// New makes a tracer of all objects that were read of a cluster, Flux's, Argo
// CD's and Helm's among them. The tree may be nil: then nobody is found in it.
func New(cluster *manifest.Set, tree *Tree) *Tracer {
	t := &Tracer{
		objects: map[object]*manifest.Resource{}, apps: map[string][]*manifest.Resource{}, releases: map[[2]string]int{}, tree: tree,
	}
	for r := range cluster.Resources {
		t.note(r, true)
	}
	return t
}

// Apply takes changes of the cluster. Sources that were told before are not
// told again.
func (t *Tracer) Apply(changes []manifest.Change) {
	for _, c := range changes {
		if c.Old != nil {
			t.note(c.Old, false)
		}
		if c.New != nil {
			t.note(c.New, true)
		}
	}
}

func (t *Tracer) note(r *manifest.Resource, there bool) {
	id := objectOf(r)
	if there {
		t.objects[id] = r
	} else {
		delete(t.objects, id)
	}
	switch {
	case id.group == argo && id.kind == "Application":
		apps := slices.DeleteFunc(t.apps[id.name], func(app *manifest.Resource) bool { return app.Namespace == r.Namespace })
		if there {
			apps = append(apps, r)
		}
		t.apps[id.name] = apps
	case id.group == "" && id.kind == "Secret" && label(r, "owner") == "helm" && label(r, "status") == "deployed":
		release := [2]string{id.namespace, label(r, "name")}
		if there {
			t.releases[release]++ // an upgrade may show two for a moment
		} else {
			t.releases[release]--
		}
	}
}

// maxOwners bounds a walk along owner references, which anybody may write.
const maxOwners = 10

// Source says what decides an object.
func (t *Tracer) Source(r *manifest.Resource) Source {
	target, owner, m := r, "", t.mark(r)
	for range maxOwners {
		up, ok := t.owner(target)
		if !ok {
			break
		}
		above := t.mark(up)
		if m.by != "" && above.by == "" {
			break // the topmost that somebody put there
		}
		target, owner, m = up, up.ID(), above
	}
	if m.through != nil { // a HelmRelease, or an Application of a chart
		target, owner = m.through, m.through.ID()
		outer := t.mark(target)
		outer.by = strings.Join(slices.DeleteFunc([]string{m.by, outer.by}, func(s string) bool { return s == "" }), " of ")
		m = outer
	}
	s := Source{By: m.by, Owner: owner, Repository: m.repository, Path: m.path, Revision: m.revision, Controller: m.controller}
	if t.tree == nil || m.repository != "" && t.tree.Repository != "" && !sameRepository(m.repository, t.tree.Repository) {
		return s
	}
	t.tree.find(&s, objectOf(target), m.verified)
	return s
}

// owner is the object that makes another one. Where it was not read, its
// reference tells its name.
func (t *Tracer) owner(r *manifest.Resource) (*manifest.Resource, bool) {
	for _, reference := range list(r.Value, "metadata", "ownerReferences") {
		if field(reference, "controller") != true {
			continue
		}
		up := &manifest.Resource{
			File: r.File, APIVersion: text(reference, "apiVersion"), Kind: text(reference, "kind"),
			Namespace: r.Namespace, Name: text(reference, "name"), Value: map[string]any{},
		}
		if up.Kind == "Node" {
			return nil, false // a static pod: a file on that node decides it
		}
		id := objectOf(up)
		if known := t.objects[id]; known != nil {
			return known, true
		}
		id.namespace = "" // an owner may be of the whole cluster
		if known := t.objects[id]; known != nil {
			return known, true
		}
		return up, true
	}
	return nil, false
}

// sameRepository compares addresses of repositories however they are written.
func sameRepository(a, b string) bool {
	plain := func(s string) string {
		if _, rest, ok := strings.Cut(s, "://"); ok {
			s = rest
		} else {
			s = strings.Replace(s, ":", "/", 1) // git@host:owner/name
		}
		if _, rest, ok := strings.Cut(s, "@"); ok {
			s = rest
		}
		return strings.ToLower(strings.TrimSuffix(strings.Trim(s, "/"), ".git"))
	}
	return plain(a) == plain(b)
}

// field is the value that keys lead to, nil where there is none.
func field(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func text(v any, keys ...string) string {
	s, _ := field(v, keys...).(string)
	return s
}

func list(v any, keys ...string) []any {
	l, _ := field(v, keys...).([]any)
	return l
}
