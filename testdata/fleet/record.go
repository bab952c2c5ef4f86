package fleet

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Record writes a recording of the cluster, as 'oakum snapshot' would, and
// counts what is in it.
func (c Cluster) Record(out io.Writer) (objects, pods int, err error) {
	w := bufio.NewWriter(out)
	w.WriteString(`{"apiVersion":"oakum.dev/v1alpha1","kind":"Snapshot","cluster":"large","kubernetes":"v1.37.2","time":"2026-11-01T00:00:00Z","items":[`)
	for part := range c.Parts() {
		for _, o := range part {
			if o["kind"] == "Secret" {
				delete(o, "data")
			}
			line, err := json.Marshal(o)
			if err != nil {
				return 0, 0, fmt.Errorf("writing a recording: %w", err)
			}
			if objects > 0 {
				w.WriteByte(',')
			}
			w.WriteByte('\n')
			w.Write(line)
			objects++
			if o["kind"] == "Pod" {
				pods++
			}
		}
	}
	w.WriteString("\n]}\n")
	if err := w.Flush(); err != nil {
		return 0, 0, fmt.Errorf("writing a recording: %w", err)
	}
	return objects, pods, nil
}
