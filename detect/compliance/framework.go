// Package compliance says what a scan means to outside catalogues: it loads
// frameworks, knows which policies answer which of their controls, and gives a
// verdict for each control. It never calls a control passed where nothing was
// looked at.
package compliance

import (
	"embed"
	"io/fs"

	"github.com/oakum-dev/oakum/detect/policy"
)

// Kind of a framework file; its apiVersion is that of policies.
const Kind = "Framework"

//go:embed frameworks/*.yaml
var files embed.FS

// FS has the built-in frameworks, one file each.
func FS() fs.FS {
	sub, err := fs.Sub(files, "frameworks")
	if err != nil {
		panic(err) // the directory is named above
	}
	return sub
}

// Framework is an outside catalogue: its controls, and the policies that
// answer them.
type Framework struct {
	Name          string            `yaml:"-"` // as users write it: cis-kubernetes-1.12
	File          string            `yaml:"-"` // where it was read; empty where only policies name it
	Title         string            `yaml:"title"`
	Version       string            `yaml:"version"`
	Source        string            `yaml:"source"`     // address or document
	Note          string            `yaml:"note"`       // what a reader must know before believing a verdict
	Levels        []string          `yaml:"levels"`     // that a control may have; empty: controls have none
	References    map[string]string `yaml:"references"` // name → document that the ids were compared with
	Controls      []*Control        `yaml:"controls"`
	Disagreements []Disagreement    `yaml:"disagreements"`

	origin origin
}

// Control is one number of a framework.
type Control struct {
	ID          string              `yaml:"id"`
	Title       string              `yaml:"title"`
	Level       string              `yaml:"level"`
	Kubernetes  policy.VersionRange `yaml:"kubernetes"` // versions at which it asks for something
	Automated   bool                `yaml:"automated"`  // the policies decide; otherwise they can only show a breach
	Policies    []string            `yaml:"policies"`
	Guidance    string              `yaml:"guidance"`    // what a person has to look at
	ConfirmedBy []string            `yaml:"confirmedBy"` // references that have the same id for the same matter
}

// Disagreement is where a reference says something else, and why it is not followed.
type Disagreement struct {
	Controls  []string `yaml:"controls"`
	Reference string   `yaml:"reference"`
	Says      string   `yaml:"says"`
	Reason    string   `yaml:"reason"`
}

// Control finds a control by its id; nil where there is none.
func (f *Framework) Control(id string) *Control {
	for _, c := range f.Controls {
		if c.ID == id {
			return c
		}
	}
	return nil
}
