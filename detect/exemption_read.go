package detect

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/source"
)

// annotation is the key that exempts an object: the name of the policy follows.
const annotation = "oakum.dev/exempt."

// remark is a comment that exempts what begins on its line or, alone on a
// line, on the next: # oakum: exempt POLICY reason; until=2027-01-31; owner=team.
var remark = regexp.MustCompile(`^(|.*?\s)#\s*oakum:\s*exempt\b[ \t]*(\S*)[ \t]*(.*?)\s*$`)

// written reads the exemptions that stand in some of the manifests.
func written(set *manifest.Set, among func(*manifest.File) bool, known []string) ([]*Exemption, []manifest.Error) {
	read := exemptionReader{known: known}
	for r := range set.Resources {
		if !among(r.File) {
			continue
		}
		annotated(r, read.add)
	}
	for _, f := range set.Files {
		if among(f) && bytes.Contains(f.Source, []byte("oakum:")) {
			remarks(f, read.add)
		}
	}
	return read.exemptions, read.errs
}

// exemptionReader gathers exemptions that make sense, and what is wrong with others.
type exemptionReader struct {
	known      []string // names of policies
	exemptions []*Exemption
	errs       []manifest.Error
}

func (read *exemptionReader) add(e *Exemption, err error) {
	if err == nil {
		err = e.Check(read.known)
	}
	if err != nil {
		read.errs = append(read.errs, errorAt(e.Position, err))
		return
	}
	read.exemptions = append(read.exemptions, e)
}

func errorAt(at manifest.Position, err error) manifest.Error {
	return manifest.Error{File: at.File, Line: at.Line, Column: at.Column, Message: err.Error()}
}

// annotated reads the annotations of a resource that exempt something of it.
func annotated(r *manifest.Resource, add func(*Exemption, error)) {
	metadata, _ := r.Value["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		name, ok := strings.CutPrefix(key, annotation)
		if !ok {
			continue
		}
		text, _ := annotations[key].(string)
		e := &Exemption{Position: r.Position(manifest.Path{}.Key("metadata", "annotations", key)), Policies: []string{name}, resource: r}
		add(e, e.parse(text))
	}
}

// remarks reads the comments of a file that exempt something.
func remarks(f *manifest.File, add func(*Exemption, error)) {
	var waiting []*Exemption // comments that stand alone: they speak of the next line
	number := 1
	for rest := f.Source; len(rest) > 0; number++ {
		var line string
		line, rest = cutLine(rest)
		m := remark.FindStringSubmatch(line)
		alone := strings.HasPrefix(strings.TrimLeft(line, " \t"), "#")
		if m != nil {
			e := &Exemption{Position: manifest.Position{File: f.Path, Line: number, Column: len([]rune(m[1])) + 1}, Policies: []string{m[2]}, line: number}
			err := e.parse(m[3])
			if m[2] == "" {
				err = fmt.Errorf("an exemption names its policy: # oakum: exempt POLICY reason")
			}
			add(e, err)
			if alone {
				waiting = append(waiting, e)
			}
		}
		if !alone {
			for _, e := range waiting {
				e.line = number
			}
			waiting = nil
		}
	}
}

// cutLine takes the first line off a file, without its break.
func cutLine(src []byte) (line string, rest []byte) {
	for i := range src {
		if n := source.BreakLen(src[i:]); n > 0 {
			return string(src[:i]), src[i+n:]
		}
	}
	return string(src), nil
}

// parse reads "reason; until=2027-01-31; owner=team".
func (e *Exemption) parse(text string) error {
	parts := strings.Split(text, ";")
	e.Reason = strings.TrimSpace(parts[0])
	for _, p := range parts[1:] {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		var err error
		switch key {
		case "until":
			e.Until, err = ParseDay(value)
		case "owner":
			e.Owner = value
		default:
			err = fmt.Errorf("an exemption is written as: reason; until=2027-01-31; owner=team; and has no %q", strings.TrimSpace(p))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ParseDay reads the last day of an exemption, as 2027-01-31.
func ParseDay(s string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return t, fmt.Errorf("exemption: until is %q, want a day such as 2027-01-31", s)
	}
	return t, nil
}
