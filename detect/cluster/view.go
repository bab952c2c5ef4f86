package cluster

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Change is an object of a cluster that came, changed or went: Old is nil for
// one that came, New for one that went. Nobody may change what they hold.
type Change struct{ Old, New map[string]any }

// object is the object as it is or, where it went, as it was.
func (c Change) object() map[string]any {
	if c.New != nil {
		return c.New
	}
	return c.Old
}

// View is the Set of an inventory whose objects change.
type View struct {
	workloads []manifest.Workload
	head      Inventory                     // without objects
	objects   map[id]*viewed                // all that there are
	makers    map[string]int                // workloads, by uid
	made      map[string]map[*viewed]bool   // objects, by the uid of their controller
	nodes     map[id]map[string]any         // which tell the provider
	self      *manifest.Resource            // the cluster as an object
	changed   map[*viewed]manifest.Change   // by the changes that are applied
	provided  func(*manifest.Resource) bool // what the provider runs
}

// viewed is an object, and the resource of it where somebody decided on it.
type viewed struct {
	id
	object   map[string]any
	resource *manifest.Resource
}

// id names an object of a cluster.
type id struct{ apiVersion, kind, namespace, name string }

func idOf(o map[string]any) id {
	return id{text(o["apiVersion"]), text(o["kind"]), metadataOf(o, "namespace"), metadataOf(o, "name")}
}

func (a id) compare(b id) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.apiVersion, b.apiVersion), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
}

// View is the inventory as a set that may change.
func (i *Inventory) View(workloads ...manifest.Workload) *View {
	v := &View{
		workloads: workloads, head: *i, objects: make(map[id]*viewed, len(i.Objects)), makers: map[string]int{}, made: map[string]map[*viewed]bool{}, nodes: map[id]map[string]any{},
	}
	v.head.Objects = nil
	changes := make([]Change, len(i.Objects))
	for n, o := range i.Objects {
		changes[n].New = o
	}
	v.Apply(i.Kubernetes, changes)
	return v
}

// Set are the objects that somebody decided on, as Inventory.Set has them, in
// the order of their kinds and names.
func (v *View) Set() *manifest.Set {
	resources := []*manifest.Resource{v.self}
	for _, o := range v.objects {
		if o.resource != nil {
			resources = append(resources, o.resource)
		}
	}
	slices.SortFunc(resources, manifest.CompareObjects)
	set := &manifest.Set{}
	for _, r := range resources {
		set.Files = append(set.Files, r.File)
	}
	return set
}

// Inventory is what there is of the cluster, Unread left out.
func (v *View) Inventory() *Inventory {
	out := v.head
	out.Objects = make([]map[string]any, 0, len(v.objects))
	for _, o := range v.objects {
		out.Objects = append(out.Objects, o.object)
	}
	out.sort()
	return &out
}

// Provider is who runs the control plane, as Inventory.Provider.
func (v *View) Provider() string { return text(field(v.self.Value, "spec", "provider")) }

// RunByProvider tells what the provider keeps as it is, as Inventory.RunByProvider.
func (v *View) RunByProvider() func(*manifest.Resource) bool { return v.provided }

// Minor is the minor version of Kubernetes 1.x that the API server runs.
func (v *View) Minor() int { return v.head.Minor() }

// Apply takes changes, and the version that the API server runs now, and says
// what they mean to the set: an object also comes and goes as what makes it
// goes and comes.
func (v *View) Apply(kubernetes string, changes []Change) []manifest.Change {
	v.changed = map[*viewed]manifest.Change{}
	nodes := v.self == nil || kubernetes != v.head.Kubernetes
	v.head.Kubernetes = kubernetes
	for _, c := range changes {
		nodes = v.replace(c) || nodes
	}
	for _, c := range changes {
		if o := v.objects[idOf(c.object())]; o != nil && o.object == nil {
			delete(v.objects, o.id)
		}
	}
	out := make([]manifest.Change, 0, len(v.changed)+1)
	for _, o := range slices.SortedFunc(maps.Keys(v.changed), func(a, b *viewed) int { return a.compare(b.id) }) {
		if c := v.changed[o]; c.Old != nil || c.New != nil {
			out = append(out, c)
		}
	}
	v.changed = nil
	if nodes {
		if c := v.recognise(); c != (manifest.Change{}) {
			out = append(out, c)
		}
	}
	return out
}

// recognise looks who runs the cluster.
func (v *View) recognise() manifest.Change {
	i := v.head
	for _, n := range slices.SortedFunc(maps.Keys(v.nodes), id.compare) {
		i.Objects = append(i.Objects, v.nodes[n])
	}
	was, is := v.self, i.itself()
	if was != nil && reflect.DeepEqual(was.Value, is.Value) {
		return manifest.Change{}
	}
	v.self, v.provided = is, i.RunByProvider()
	return manifest.Change{Old: was, New: is}
}

// replace takes one change, and tells whether it may be another's cluster now.
func (v *View) replace(c Change) (nodes bool) {
	name := idOf(c.object())
	o := v.objects[name]
	if o == nil {
		if c.New == nil {
			return false
		}
		o = &viewed{id: name}
		v.objects[name] = o
	}
	was := o.object
	o.object = c.New
	v.own(o, was, c.New)
	toggled := v.toggled(was, c.New)
	v.show(o, true)
	for _, uid := range toggled {
		for child := range v.made[uid] {
			if child != o {
				v.show(child, false)
			}
		}
	}
	if name.kind != "Node" {
		return false
	}
	if v.nodes[name] = c.New; c.New == nil {
		delete(v.nodes, name)
	}
	return !reflect.DeepEqual(field(was, "metadata", "labels"), field(c.New, "metadata", "labels"))
}

// own notes whose an object is.
func (v *View) own(o *viewed, was, is map[string]any) {
	before, had := controller(was)
	after, has := controller(is)
	if had {
		uid := text(before["uid"])
		if delete(v.made[uid], o); len(v.made[uid]) == 0 {
			delete(v.made, uid)
		}
	}
	if has {
		uid := text(after["uid"])
		if v.made[uid] == nil {
			v.made[uid] = map[*viewed]bool{}
		}
		v.made[uid][o] = true
	}
}

// toggled are the uids of which there is a workload now, or none any more.
func (v *View) toggled(was, is map[string]any) []string {
	before := map[string]bool{}
	count := func(o map[string]any, n int) {
		if o == nil || !makesPods(o, v.workloads) {
			return
		}
		uid := metadataOf(o, "uid")
		if _, ok := before[uid]; !ok {
			before[uid] = v.makers[uid] > 0
		}
		if v.makers[uid] += n; v.makers[uid] == 0 {
			delete(v.makers, uid)
		}
	}
	count(was, -1)
	count(is, 1)
	var out []string
	for uid, had := range before {
		if had != (v.makers[uid] > 0) {
			out = append(out, uid)
		}
	}
	return out
}

// show puts an object into the set or takes it out, as its owner is or is not there.
func (v *View) show(o *viewed, anew bool) {
	owner, owned := controller(o.object)
	hidden := o.object == nil || owned && v.makers[text(owner["uid"])] > 0
	was := o.resource
	switch {
	case hidden && was == nil, !hidden && was != nil && !anew:
		return
	case hidden:
		o.resource = nil
	default:
		o.resource = v.head.resource(o.object, v.workloads)
	}
	c, again := v.changed[o]
	if !again {
		c.Old = was
	}
	c.New = o.resource
	v.changed[o] = c
}
