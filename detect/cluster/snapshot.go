package cluster

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxSnapshot bounds what is read of a recording, in bytes: of some 100,000 objects.
const maxSnapshot = 1 << 30

const (
	snapshotVersion = "oakum.dev/v1alpha1"
	snapshotKind    = "Snapshot"
)

type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// Write records the inventory: one object a line, so that recordings can be
// compared and searched.
func (i *Inventory) Write(w io.Writer) error {
	head := *i
	head.Objects = nil
	start, err := json.Marshal(struct {
		header
		Inventory
	}{header{snapshotVersion, snapshotKind}, head})
	if err != nil {
		return fmt.Errorf("writing a snapshot of cluster %s: %w", i.Cluster, err)
	}
	b := bufio.NewWriter(w)
	b.Write(start[:len(start)-len("null}")])
	b.WriteString("[")
	for n, o := range i.Objects {
		line, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("writing a snapshot of cluster %s: %w", i.Cluster, err)
		}
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(line)
	}
	b.WriteString("\n]}\n")
	if err := b.Flush(); err != nil {
		return fmt.Errorf("writing a snapshot of cluster %s: %w", i.Cluster, err)
	}
	return nil
}

// ReadSnapshot reads of what Write wrote what Read would read of the cluster,
// one object at a time.
func ReadSnapshot(r io.Reader, o Options) (*Inventory, error) {
	limited := &io.LimitedReader{R: r, N: maxSnapshot + 1}
	var objects []map[string]any
	members, err := readList(limited, newDecoder(o.Owners), func(object map[string]any) error {
		k := kind{name: text(object["kind"])}
		gv, err := schema.ParseGroupVersion(text(object["apiVersion"]))
		if err != nil || gv.Version == "" || k.name == "" {
			return errNoObject
		}
		k.GroupVersionResource = gv.WithResource("")
		if k.wanted(o.Wants) && (o.Namespace == "" || metadataOf(object, "namespace") == o.Namespace || metadataOf(object, "namespace") == "") {
			objects = append(objects, trim(k, object, o.Owners))
		}
		return nil
	})
	if limited.N == 0 {
		return nil, fmt.Errorf("it is larger than the %d MiB that are read", maxSnapshot>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("it is no snapshot: %w", err)
	}
	var head struct {
		header
		Inventory
	}
	src, err := json.Marshal(members)
	if err == nil {
		err = json.Unmarshal(src, &head)
	}
	if err != nil {
		return nil, fmt.Errorf("it is no snapshot: %w", err)
	}
	if head.APIVersion != snapshotVersion || head.Kind != snapshotKind {
		return nil, fmt.Errorf("it is %s %s, want %s %s as 'oakum snapshot' writes it", head.APIVersion, head.Kind, snapshotVersion, snapshotKind)
	}
	if head.Cluster == "" {
		return nil, errors.New("the snapshot does not say of which cluster it is")
	}
	head.Objects = objects
	head.slim()
	return &head.Inventory, nil
}
