package cluster

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	utiljson "k8s.io/apimachinery/pkg/util/json"
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

// ReadSnapshot reads what Write wrote.
func ReadSnapshot(r io.Reader) (*Inventory, error) {
	src, err := io.ReadAll(io.LimitReader(r, maxSnapshot+1))
	if err != nil {
		return nil, err
	}
	if len(src) > maxSnapshot {
		return nil, fmt.Errorf("it is larger than the %d MiB that are read", maxSnapshot>>20)
	}
	var head header
	if err := json.Unmarshal(src, &head); err != nil {
		return nil, fmt.Errorf("it is no snapshot: %w", err)
	}
	if head.APIVersion != snapshotVersion || head.Kind != snapshotKind {
		return nil, fmt.Errorf("it is %s %s, want %s %s as 'oakum snapshot' writes it", head.APIVersion, head.Kind, snapshotVersion, snapshotKind)
	}
	var raw struct {
		Inventory
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(src, &raw); err != nil {
		return nil, fmt.Errorf("reading the snapshot: %w", err)
	}
	out := raw.Inventory
	if out.Cluster == "" {
		return nil, errors.New("the snapshot does not say of which cluster it is")
	}
	for n, item := range raw.Items {
		var o map[string]any
		if err := utiljson.Unmarshal(item, &o); err != nil {
			return nil, fmt.Errorf("reading item %d of the snapshot: %w", n, err)
		}
		if text(o["apiVersion"]) == "" || text(o["kind"]) == "" {
			return nil, fmt.Errorf("item %d of the snapshot is no Kubernetes object", n)
		}
		out.Objects = append(out.Objects, o)
	}
	return &out, nil
}
