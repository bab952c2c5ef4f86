// Package fleet makes the objects of a large cluster as an API server gives
// them, for tests and benchmarks: workloads and what they make down to the
// pods that run, with the rights, policies and services around them. Sizes and
// shares follow what clusters of companies have. The same cluster is the same
// to the last byte.
package fleet

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"time"
)

// Cluster says how large a cluster is.
type Cluster struct {
	Seed       uint64
	Pods       int // about as many, without those of the system
	Namespaces int // 0: one for 50 pods
}

// ObjectsPerPod is about how many objects there are for each pod, itself among them.
const ObjectsPerPod = 3.3

// Of is a cluster of about so many objects.
func Of(objects int) Cluster { return Cluster{Seed: 1, Pods: int(float64(objects) / ObjectsPerPod)} }

// Shorthands: objects are long.
type (
	m = map[string]any
	l = []any
)

// start is when the cluster was made.
var start = time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)

// Parts are the objects in pieces that know nothing of each other but the
// first, which has what belongs to no namespace, and the system. Owners come before
// what they own.
func (c Cluster) Parts() iter.Seq[[]map[string]any] {
	return func(yield func([]map[string]any) bool) {
		namespaces := c.Namespaces
		if namespaces == 0 {
			namespaces = max(c.Pods/50, 1)
		}
		nodes := max(c.Pods/40, 3)
		if !yield(c.maker(0, nodes).system()) {
			return
		}
		for i := range namespaces {
			pods := c.Pods*(i+1)/namespaces - c.Pods*i/namespaces
			if !yield(c.maker(uint64(i)+1, nodes).team(i, pods)) {
				return
			}
		}
	}
}

// Objects are all of them.
func (c Cluster) Objects() []map[string]any {
	var out []map[string]any
	for part := range c.Parts() {
		out = append(out, part...)
	}
	return out
}

// maker makes one part.
type maker struct {
	*rand.Rand
	nodes int
	made  []map[string]any
}

func (c Cluster) maker(part uint64, nodes int) *maker {
	return &maker{Rand: rand.New(rand.NewPCG(c.Seed, part)), nodes: nodes}
}

// add makes an object: body is all of it but what every object has.
func (k *maker) add(apiVersion, kind, namespace, name string, meta, body m) map[string]any {
	metadata := m{
		"name": name, "uid": k.uid(), "resourceVersion": fmt.Sprint(1_000_000 + k.IntN(9_000_000)),
		"creationTimestamp": k.time(),
	}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	for key, v := range meta {
		metadata[key] = v
	}
	o := m{"apiVersion": apiVersion, "kind": kind, "metadata": metadata}
	for key, v := range body {
		o[key] = v
	}
	metadata["managedFields"] = managed(o)
	k.made = append(k.made, o)
	return o
}

// by is the metadata of what a controller makes.
func by(owner map[string]any, labels, annotations m) m {
	meta, _ := owner["metadata"].(m)
	out := m{"ownerReferences": l{m{
		"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"],
		"controller": true, "blockOwnerDeletion": true,
	}}, "labels": labels}
	if annotations != nil {
		out["annotations"] = annotations
	}
	return out
}

func (k *maker) uid() string {
	a, b := k.Uint64(), k.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}

func (k *maker) time() string {
	return start.Add(time.Duration(k.IntN(200*86400)) * time.Second).Format(time.RFC3339)
}

// suffix is how controllers end the names of what they make.
func (k *maker) suffix(n int) string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	out := make([]byte, n)
	for i := range out {
		out[i] = letters[k.IntN(len(letters))]
	}
	return string(out)
}

func (k *maker) digest() string {
	return fmt.Sprintf("sha256:%016x%016x%016x%016x", k.Uint64(), k.Uint64(), k.Uint64(), k.Uint64())
}

// one of ten says whether something that n of ten have is there.
func (k *maker) ofTen(n int) bool { return k.IntN(10) < n }

func pick[T any](k *maker, from ...T) T { return from[k.IntN(len(from))] }
