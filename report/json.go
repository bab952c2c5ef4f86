package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// writeJSON writes a document as all of oakum's are.
func writeJSON(w io.Writer, v any) error {
	return encoder(w, "").Encode(v)
}

func encoder(w io.Writer, prefix string) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	return enc
}

// json writes the report as writeJSON would, and finding by finding: of a large
// cluster there are more than memory should hold as text.
func (r *Report) json(out io.Writer) error {
	rest := *r
	rest.Findings = []Finding{}
	var frame bytes.Buffer
	if err := writeJSON(&frame, rest); err != nil {
		return err
	}
	const list = `"findings": [`
	head, tail, ok := bytes.Cut(frame.Bytes(), []byte(list+"]"))
	if !ok {
		return fmt.Errorf("writing a report: its frame has no %s]", list)
	}
	w := bufio.NewWriter(out)
	w.Write(head)
	w.WriteString(list)
	var one bytes.Buffer
	enc := encoder(&one, "    ")
	for i, f := range r.Findings {
		one.Reset()
		if err := enc.Encode(f); err != nil {
			return err
		}
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteString("\n    ")
		w.Write(bytes.TrimSuffix(one.Bytes(), []byte("\n")))
	}
	if len(r.Findings) > 0 {
		w.WriteString("\n  ")
	}
	w.WriteByte(']')
	w.Write(tail)
	return w.Flush()
}
