package remediate

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Preset is a shared configuration: a file of a repository.
type Preset struct {
	Repository string // owner/name
	File       string // slash-separated path
	Ref        string // branch, tag or commit; empty: the head of the default branch
}

// String is how extends writes it.
func (p Preset) String() string {
	s := p.Repository
	if p.File != presetName {
		s += ":" + p.File
	}
	if p.Ref != "" {
		s += "@" + p.Ref
	}
	return s
}

// presetName is the file of a preset that names none.
const presetName = "oakum.yaml"

var presetPattern = regexp.MustCompile(`^([0-9A-Za-z][0-9A-Za-z_-]*/[0-9A-Za-z._-]+)(?::([^@:]+))?(?:@([0-9A-Za-z][0-9A-Za-z._/-]*))?$`)

// ParsePreset reads owner/repository[:file][@ref].
func ParsePreset(text string) (Preset, error) {
	m := presetPattern.FindStringSubmatch(text)
	if m == nil || len(text) > 500 {
		return Preset{}, fmt.Errorf("extends: %q is no preset: want owner/repository[:file][@ref]", text)
	}
	p := Preset{Repository: m[1], File: m[2], Ref: m[3]}
	if p.File == "" {
		p.File = presetName
	}
	if !SafePath(p.File) {
		return Preset{}, fmt.Errorf("extends: %q: the file must lie in the repository", text)
	}
	return p, nil
}

func (c Config) presets() ([]Preset, error) {
	var out []Preset
	for _, text := range c.Extends {
		p, err := ParsePreset(text)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// Presets reads a preset, at most MaxConfig bytes of it.
type Presets func(context.Context, Preset) ([]byte, error)

// Bounds of extends.
const (
	maxPresets     = 20 // in all
	maxPresetDepth = 5
)

// ErrNoPresets means that a configuration extends others and nothing here reads them.
var ErrNoPresets = errors.New("it extends shared presets, which are not at hand here")

// LoadConfig reads a configuration with all that it extends. What stands in it
// counts before its presets, and a later preset before an earlier one: maps are
// joined key by key, exemptions add up, everything else is replaced. presets may
// be nil where there are none.
func LoadConfig(ctx context.Context, name string, src []byte, presets Presets) (Config, error) {
	l := loader{presets: presets}
	merged, err := l.load(ctx, name, src, nil)
	if err != nil {
		return Config{}, err
	}
	c, err := decodeConfig(name, merged)
	c.Exemptions = l.exemptions
	return c, err
}

type loader struct {
	presets    Presets
	read       int
	exemptions Exemptions // of all files, each with its own
}

// load is the tree of a configuration joined with its presets.
func (l *loader) load(ctx context.Context, name string, src []byte, above []Preset) (*yaml.Node, error) {
	own, err := parseConfig(name, src)
	if own == nil || err != nil {
		return nil, err
	}
	c, err := decodeConfig(name, own) // so that an error names its own file
	if err != nil {
		return nil, err
	}
	presets, err := c.presets()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	var merged *yaml.Node
	for _, p := range presets {
		if l.presets == nil {
			return nil, fmt.Errorf("reading %s: extends: %s: %w", name, p, ErrNoPresets)
		}
		if slices.Contains(above, p) {
			return nil, fmt.Errorf("reading %s: extends: %s extends itself", name, p)
		}
		if len(above) == maxPresetDepth {
			return nil, fmt.Errorf("reading %s: extends: %s is the %dth in a row, more than are followed", name, p, maxPresetDepth+1)
		}
		if l.read++; l.read > maxPresets {
			return nil, fmt.Errorf("reading %s: extends: more than %d presets in all", name, maxPresets)
		}
		text, err := l.presets(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("reading %s: extends: %s: %w", name, p, err)
		}
		base, err := l.load(ctx, p.String(), text, append(slices.Clone(above), p))
		if err != nil {
			return nil, err
		}
		merged = join(merged, base)
	}
	l.exemptions = append(l.exemptions, c.Exemptions...)
	return join(merged, own), nil
}

// join puts one tree over another; neither is changed.
func join(below, above *yaml.Node) *yaml.Node {
	switch {
	case above == nil:
		return below
	case below == nil || below.Kind != yaml.MappingNode || above.Kind != yaml.MappingNode:
		return above
	}
	out := *above
	out.Content = nil
	for i := 0; i+1 < len(below.Content); i += 2 {
		key, value := below.Content[i], below.Content[i+1]
		if over := entry(above, key.Value); over != nil {
			value = join(value, over)
		}
		out.Content = append(out.Content, key, value)
	}
	for i := 0; i+1 < len(above.Content); i += 2 {
		if key := above.Content[i]; entry(below, key.Value) == nil {
			out.Content = append(out.Content, key, above.Content[i+1])
		}
	}
	return &out
}

// entry is the value of a key of a map; nil where there is none.
func entry(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
