package yamledit

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// Verify proves an edit: every document of the edited text means what want
// says, by index over Documents of src and what is appended; the others are
// byte for byte what they were; and no comment is lost or new, but for those
// of values that want removes or replaces. It fails closed.
func Verify(src, edited []byte, want map[int]*yaml.Node) error {
	before, after := source.New(src), source.New(edited)
	was, is := before.Documents(), after.Documents()
	more := 0
	for i := range want {
		if i >= len(was) {
			more++
		}
	}
	if len(is) != len(was)+more {
		return refusal(Unproved, 0, "the edited file has %d documents instead of %d", len(is), len(was)+more)
	}
	for i := range is {
		wanted, changed := want[i]
		if !changed {
			a, b := src[was[i].Start:was[i].End], edited[is[i].Start:is[i].End]
			if !bytes.Equal(a, b) && !(i == len(was)-1 && more > 0 && bytes.HasPrefix(b, a)) {
				return refusal(Unproved, was[i].Line, "document %d changed, which nothing meant to", i)
			}
			continue
		}
		got, err := after.Parse(is[i])
		if err != nil {
			return fmt.Errorf("parsing the edited document %d: %w", i, err)
		}
		if got == nil && wanted != nil && wanted.ShortTag() != "!!null" || got != nil && (wanted == nil || !reads(got, wanted)) {
			return refusal(Unproved, is[i].Line, "the edited document %d does not read as intended", i)
		}
		if i >= len(was) {
			continue
		}
		if bytes.IndexByte(src[was[i].Start:was[i].End], '#') < 0 && bytes.IndexByte(edited[is[i].Start:is[i].End], '#') < 0 {
			continue // there is no comment to lose or to make
		}
		root, err := before.Parse(was[i])
		if err != nil || root == nil || wanted == nil {
			return refusal(Unproved, was[i].Line, "document %d did not parse before the edit", i)
		}
		if err := sameComments(before, was[i], root, after, is[i], got, wanted); err != nil {
			return err
		}
	}
	return nil
}
