package remediate

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
	"github.com/oakum-dev/oakum/fixers/yamledit"
)

// NewExemption is an entry to be added to the exemptions of a configuration.
type NewExemption struct {
	Policy, Reason, Owner string
	Until                 string // 2027-01-31; empty: it has no end
	Kinds, Names, Paths   []string
}

// ErrExempted means that a configuration has the exemption already.
var ErrExempted = errors.New("the configuration has this exemption already")

// AddExemption adds an exemption to a configuration as its authors wrote it, and
// changes nothing else. src is nil where there is no file yet.
func AddExemption(src []byte, e NewExemption) ([]byte, error) {
	was, err := ParseConfig(ConfigName, src)
	if err != nil {
		return nil, err
	}
	text := source.New(src)
	var root *yaml.Node
	index := 0
	for i, d := range text.Documents() {
		if root, err = text.Parse(d); err != nil {
			return nil, fmt.Errorf("reading %s: %w", ConfigName, err)
		}
		if root != nil {
			index = i
			break
		}
	}
	added := e.node()
	if root == nil { // nothing but comments
		list := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{scalar("exemptions"), {Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{added}}}}
		out := yamledit.DetectStyle(yamledit.Sample{Text: text}).Encode(list)
		if len(src) > 0 && src[len(src)-1] != '\n' {
			src = append(slices.Clone(src), '\n')
		}
		return checked(was, append(slices.Clone(src), out...))
	}
	after := yamledit.Clone(root)
	list := entry(after, "exemptions")
	switch {
	case list == nil:
		after.Content = append(after.Content, scalar("exemptions"), &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{added}})
	case list.Kind == yaml.SequenceNode:
		for _, old := range list.Content {
			if sameEntry(old, added) {
				return nil, ErrExempted
			}
		}
		list.Content = append(list.Content, added)
	default: // a key without a value
		*list = yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{added}}
	}
	edits, err := yamledit.Rewrite(text, root, after)
	if err != nil {
		return nil, fmt.Errorf("adding an exemption to %s: %w", ConfigName, err)
	}
	out, err := yamledit.Apply(src, edits)
	if err != nil {
		return nil, fmt.Errorf("adding an exemption to %s: %w", ConfigName, err)
	}
	if err := yamledit.Verify(src, out, map[int]*yaml.Node{index: after}); err != nil {
		return nil, fmt.Errorf("adding an exemption to %s: %w", ConfigName, err)
	}
	return checked(was, out)
}

// checked is the configuration, if it has one exemption more than it had.
func checked(was Config, out []byte) ([]byte, error) {
	is, err := ParseConfig(ConfigName, out)
	if err != nil {
		return nil, fmt.Errorf("adding an exemption: %w", err)
	}
	if len(is.Exemptions) != len(was.Exemptions)+1 {
		return nil, fmt.Errorf("adding an exemption to %s: it does not read as intended", ConfigName)
	}
	return out, nil
}

func (e NewExemption) node() *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	add := func(key string, value *yaml.Node) { m.Content = append(m.Content, scalar(key), value) }
	add("policy", scalar(e.Policy))
	for _, scope := range []struct {
		key    string
		values []string
	}{{"kind", e.Kinds}, {"name", e.Names}, {"path", e.Paths}} {
		if len(scope.values) == 0 {
			continue
		}
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, v := range scope.values {
			list.Content = append(list.Content, scalar(v))
		}
		add(scope.key, list)
	}
	add("reason", scalar(e.Reason))
	if e.Owner != "" {
		add("owner", scalar(e.Owner))
	}
	if e.Until != "" {
		add("until", scalar(e.Until))
	}
	return m
}

// scalar is text, quoted where it would read as something else.
func scalar(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	var plain yaml.Node
	if yaml.Unmarshal([]byte(s), &plain) != nil || len(plain.Content) != 1 || plain.Content[0].Kind != yaml.ScalarNode ||
		plain.Content[0].ShortTag() != "!!str" || plain.Content[0].Value != s || plain.Content[0].HeadComment+plain.Content[0].LineComment != "" {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// sameEntry compares what two entries say, whatever their style and order.
func sameEntry(a, b *yaml.Node) bool {
	var x, y map[string]any
	if a.Decode(&x) != nil || b.Decode(&y) != nil {
		return false
	}
	return fmt.Sprint(x) == fmt.Sprint(y) // maps print in order of their keys
}
