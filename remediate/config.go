package remediate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// Config is what a repository says about oakum in its .oakum.yaml.
type Config struct {
	Exclude         []string                `yaml:"exclude"`    // globs of paths to leave out
	Policies        map[string]PolicyConfig `yaml:"policies"`   // by name
	Safety          policy.Safety           `yaml:"safety"`     // how bold, unless a flag says otherwise
	FailOn          string                  `yaml:"failOn"`     // a severity, or none
	Kubernetes      string                  `yaml:"kubernetes"` // version of the cluster, 1.34
	Exemptions      Exemptions              `yaml:"exemptions"`
	Vulnerabilities []string                `yaml:"vulnerabilities"` // globs of reports of image scanners in the tree
	Workloads       []WorkloadConfig        `yaml:"workloads"`       // kinds of extensions that have a pod template
	Frameworks      []string                `yaml:"frameworks"`      // files and directories of the repository
	PullRequests    PullRequestConfig       `yaml:"pullRequests"`
	Previews        string                  `yaml:"previews"` // on or off: judge people's pull requests; empty: on
	Extends         []string                `yaml:"extends"`  // shared presets, see ParsePreset
}

// PolicyConfig changes one policy for a repository.
type PolicyConfig struct {
	Disabled   bool            `yaml:"disabled"`
	Severity   policy.Severity `yaml:"severity"`
	Safety     policy.Safety   `yaml:"safety"` // of its fixes, in place of what the policy says
	Parameters map[string]any  `yaml:"parameters"`
}

// WorkloadConfig names a kind that makes pods.
type WorkloadConfig struct {
	Kind     string `yaml:"kind"`     // group/Kind
	Template string `yaml:"template"` // path of the pod template
}

func (c Config) workloads() ([]manifest.Workload, error) {
	var out []manifest.Workload
	for _, w := range c.Workloads {
		if group, kind, ok := strings.Cut(w.Kind, "/"); !ok || group == "" || kind == "" || w.Template == "" {
			return nil, fmt.Errorf("workloads: %q needs a kind, as example.org/Shop, and the path of its pod template", w.Kind)
		}
		at, err := manifest.ParsePath(w.Template)
		if err != nil {
			return nil, fmt.Errorf("workloads: %s: template: %w", w.Kind, err)
		}
		out = append(out, manifest.Workload{Kind: w.Kind, Template: at})
	}
	return out, nil
}

// ownTypes is what the parser says of our types, which users do not know.
var ownTypes = regexp.MustCompile(` in type (remediate\.)?\w+`)

// ConfigName is the file at the root of a repository.
const ConfigName = ".oakum.yaml"

// MaxConfig bounds a configuration, in bytes.
const MaxConfig = 1 << 20

// ParseConfig reads a configuration; what it extends is not looked at. An
// unknown key is an error with its line and the known key that is most like it.
func ParseConfig(name string, src []byte) (Config, error) {
	document, err := parseConfig(name, src)
	if err != nil {
		return Config{}, err
	}
	return decodeConfig(name, document)
}

// parseConfig reads the tree of a configuration; nil where the file is empty.
func parseConfig(name string, src []byte) (*yaml.Node, error) {
	if len(src) > MaxConfig {
		return nil, fmt.Errorf("reading %s: it has %d bytes, more than the %d that are read", name, len(src), MaxConfig)
	}
	var document yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(src))
	if err := dec.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading %s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: it has more than one document", name)
	}
	if err := knownKeys(&document); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return document.Content[0], nil
}

// decodeConfig is the configuration that a tree says.
func decodeConfig(name string, n *yaml.Node) (Config, error) {
	var c Config
	if n != nil {
		if err := n.Decode(&c); err != nil {
			message := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ", "")
			return c, fmt.Errorf("reading %s: %s", name, ownTypes.ReplaceAllString(message, ""))
		}
	}
	for i := range c.Exemptions {
		c.Exemptions[i].Position.File = name
	}
	if c.Safety != "" && !slices.Contains(policy.Safeties[:3], c.Safety) {
		return c, fmt.Errorf("reading %s: safety is %q, want safe, evidence or review", name, c.Safety)
	}
	if c.FailOn != "" && c.FailOn != "none" && !slices.Contains(policy.Severities, policy.Severity(c.FailOn)) {
		return c, fmt.Errorf("reading %s: failOn is %q, want none or one of %v", name, c.FailOn, policy.Severities)
	}
	if err := c.PullRequests.check(); err != nil {
		return c, fmt.Errorf("reading %s: pullRequests: %w", name, err)
	}
	if c.Previews != "" && c.Previews != "on" && c.Previews != "off" {
		return c, fmt.Errorf("reading %s: previews is %q, want on or off", name, c.Previews)
	}
	if _, err := c.presets(); err != nil {
		return c, fmt.Errorf("reading %s: %w", name, err)
	}
	for _, glob := range c.Vulnerabilities {
		if !doublestar.ValidatePattern(glob) {
			return c, fmt.Errorf("reading %s: vulnerabilities: %q is no glob of files", name, glob)
		}
	}
	if _, err := c.workloads(); err != nil {
		return c, fmt.Errorf("reading %s: %w", name, err)
	}
	return c, nil
}

// Minor is the minor version of the cluster, from 1.34, v1.34 or
// v1.34.2-gke.100; 0 where none is given.
func (c Config) Minor() (int, error) {
	if c.Kubernetes == "" {
		return 0, nil
	}
	parts := strings.SplitN(strings.TrimPrefix(c.Kubernetes, "v"), ".", 3)
	if len(parts) >= 2 && parts[0] == "1" {
		if n, err := strconv.Atoi(parts[1]); err == nil && n >= 0 && n <= detect.LatestKubernetes {
			return n, nil
		}
	}
	return 0, fmt.Errorf("kubernetes version %q is not one of 1.0 to 1.%d", c.Kubernetes, detect.LatestKubernetes)
}

// Apply gives the policies that a configuration leaves on, with its parameters
// and severities; policies themselves are not changed.
func (c Config) Apply(policies []*policy.Policy) ([]*policy.Policy, error) {
	known := map[string]bool{}
	var out []*policy.Policy
	for _, p := range policies {
		known[p.Name] = true
		pc, ok := c.Policies[p.Name]
		if !ok {
			out = append(out, p)
			continue
		}
		if p.Strict {
			return nil, fmt.Errorf("%s: policies: %s is strict: it cannot be changed here; ask those who run it", ConfigName, p.Name)
		}
		if pc.Disabled {
			continue
		}
		p, err := p.With(policy.Overrides{Severity: pc.Severity, Safety: pc.Safety, Parameters: pc.Parameters})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ConfigName, err)
		}
		out = append(out, p)
	}
	for i := range c.Exemptions {
		e := &c.Exemptions[i]
		if err := e.Check(slices.Sorted(maps.Keys(known))); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", e.Position.File, e.Position.Line, err)
		}
	}
	for name := range c.Policies {
		if !known[name] {
			return nil, fmt.Errorf("%s: policies: no policy is called %q; 'oakum policy list' prints them", ConfigName, name)
		}
	}
	return out, nil
}
