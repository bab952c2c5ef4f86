package yamledit

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// Apply makes the edits on a copy of src. Overlapping edits are an error.
func Apply(src []byte, edits []Edit) ([]byte, error) {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, compare)
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		if e.Start < at || e.End < e.Start || e.End > len(src) {
			return nil, fmt.Errorf("edits overlap at byte %d", e.Start)
		}
		out.Write(src[at:e.Start])
		out.WriteString(e.Text)
		at = e.End
	}
	out.Write(src[at:])
	return out.Bytes(), nil
}

// Verify proves an edit: every document of the edited text means what is
// wanted (by index of document; the others what they meant before).
func Verify(src, edited []byte, want map[int]*yaml.Node) error {
	before, after := source.New(src), source.New(edited)
	was, is := before.Documents(), after.Documents()
	if len(was) != len(is) {
		return fmt.Errorf("the edited file has %d documents instead of %d", len(is), len(was))
	}
	for i := range was {
		wanted, ok := want[i]
		if !ok {
			if !bytes.Equal(src[was[i].Start:was[i].End], edited[is[i].Start:is[i].End]) {
				return fmt.Errorf("document %d changed, which no fix meant to", i)
			}
			continue
		}
		got, err := after.Parse(is[i])
		if err != nil {
			return fmt.Errorf("the edited document %d does not parse: %w", i, err)
		}
		if got == nil || !same(got, wanted) {
			return fmt.Errorf("the edited document %d does not read as intended", i)
		}
	}
	return nil
}
