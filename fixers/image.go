package fixers

import (
	"fmt"
	"strings"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/vuln"
)

// pinImage pins an image to the digest that the same repository already gives
// for the same tag, or else to the one that a scanner saw under it. Without
// either there is nothing to write: oakum asks no registry.
func pinImage(f *detect.Finding, c Context) (Fix, *Held) {
	field := f.Resource.Field(f.Field)
	if !field.Present {
		return Fix{}, &Held{Reason: HeldManual}
	}
	image := field.Node.Value
	if strings.Contains(image, "@") || !strings.Contains(image[strings.LastIndexByte(image, '/')+1:], ":") {
		return Fix{}, &Held{Reason: HeldManual}
	}
	found, where := "", ""
	for _, pinned := range c.Images()[image] {
		if found != "" && found != pinned.Reference {
			return Fix{}, &Held{Reason: HeldManual, Detail: fmt.Sprintf("the repository pins %s to more than one digest", image)}
		}
		found, where = pinned.Reference, fmt.Sprintf("%s:%d", pinned.Where.File, pinned.Where.Line)
	}
	if found == "" && c.Live != nil {
		if fix, ok := c.Live.pin(image, f.Field); ok {
			return fix, nil
		}
	}
	if found == "" {
		return pinScanned(image, f.Field, c)
	}
	return Fix{
		Safety:   policy.Evidence,
		Evidence: []Evidence{{"declared", where + " pins the same tag to this digest"}},
		Edits:    []policy.Edit{{Op: policy.Set, Path: f.Field, Value: found}},
	}, nil
}

// pin pins an image to the digest that runs under that name, if it is one.
func (l *Live) pin(image string, at manifest.Path) (Fix, bool) {
	running := l.Running.Named(image)
	if len(running) == 0 || running[0].Digest == "" {
		return Fix{}, false
	}
	for _, c := range running {
		if c.Digest != running[0].Digest {
			return Fix{}, false
		}
	}
	return Fix{
		Safety:   policy.Evidence,
		Evidence: []Evidence{{"running", fmt.Sprintf("all containers of the cluster that run %s (%d) run this digest", image, len(running))}},
		Edits:    []policy.Edit{{Op: policy.Set, Path: at, Value: image + "@" + running[0].Digest}},
	}, true
}

// pinScanned pins an image to the digest that its newest scan saw. A person
// must judge: the tag may have moved since, and some scanners tell the digest
// of one platform, which nodes of another cannot run.
func pinScanned(image string, at manifest.Path, c Context) (Fix, *Held) {
	scan := c.Scans().Of(image)
	if scan == nil {
		return Fix{}, &Held{Reason: HeldManual}
	}
	digest, ok := scan.Pinned(vuln.ParseReference(image).Name)
	if !ok {
		return Fix{}, &Held{Reason: HeldManual}
	}
	return Fix{
		Safety: policy.Review,
		Evidence: []Evidence{
			{"declared", "the scanner saw this digest under that tag (" + scan.Source() + ")"},
			{"assumed", "the tag still means it, and it is that of all platforms on which the nodes run"},
		},
		Edits: []policy.Edit{{Op: policy.Set, Path: at, Value: image + "@" + digest}},
	}, nil
}

// Images lists the images that a set pins by digest, by name and tag.
func Images(set *manifest.Set) map[string][]Image {
	out := map[string][]Image{}
	for r := range set.Resources {
		for path, container := range containers(r) {
			image, _ := container["image"].(string)
			if tag, _, ok := strings.Cut(image, "@sha256:"); ok {
				out[tag] = append(out[tag], Image{image, r.Position(path.Key("image"))})
			}
		}
	}
	return out
}

// containers yields every container of a workload with the path to it.
func containers(r *manifest.Resource) func(yield func(manifest.Path, map[string]any) bool) {
	return func(yield func(manifest.Path, map[string]any) bool) {
		at, template, ok := r.PodTemplate()
		if !ok {
			return
		}
		spec, _ := template["spec"].(map[string]any)
		for _, list := range manifest.ContainerLists {
			items, _ := spec[list].([]any)
			for i := range items {
				if c, ok := items[i].(map[string]any); ok &&
					!yield(append(at.Key("spec", list), manifest.ItemStep(list, items, i)), c) {
					return
				}
			}
		}
	}
}
