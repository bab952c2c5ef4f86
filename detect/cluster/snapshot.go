package cluster

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// ReadSnapshot reads what Write wrote, one object at a time. Objects share what
// they have in common: nothing below the top two levels may be changed.
func ReadSnapshot(r io.Reader) (*Inventory, error) {
	limited := &io.LimitedReader{R: r, N: maxSnapshot + 1}
	var objects []map[string]any
	members, err := readList(limited, newDecoder(true), func(o map[string]any) error {
		if text(o["apiVersion"]) == "" || text(o["kind"]) == "" {
			return errNoObject
		}
		objects = append(objects, o)
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
	return &head.Inventory, nil
}
