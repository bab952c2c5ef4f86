package render

import (
	"bytes"
	"path"
	"regexp"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/oakum-dev/oakum/detect/source"
)

// originKey is the field that tells, during a build, which file an object came
// from. kustomize has an annotation for that, but notes every step with it,
// which makes a build more than twice as slow.
const originKey = "oakumOrigin"

var (
	keyAtStart = regexp.MustCompile(`^["']?[A-Za-z]`)
	aList      = regexp.MustCompile(`(?m)^["']?kind["']?:\s*["']?\w*List\b`)
)

// mark adds the origin to every object of a file of resources. ok is false for
// files that are not written in a way that a line can be added to: JSON, flow
// style, lists of objects, a byte order mark.
func mark(src []byte, file string) (marked []byte, ok bool) {
	if bytes.HasPrefix(src, []byte(source.BOM)) {
		return nil, false
	}
	line := originKey + ": " + strconv.Quote(file) + "\n"
	var out bytes.Buffer
	at := 0
	for _, d := range source.New(src).Documents() {
		text := src[d.Start:d.End]
		if aList.Match(text) {
			return nil, false
		}
		p, ok := firstKey(text)
		if !ok {
			return nil, false
		}
		if p == len(text) {
			continue // empty
		}
		out.Write(src[at : d.Start+p])
		out.WriteString(line)
		at = d.Start + p
	}
	out.Write(src[at:])
	return out.Bytes(), true
}

// firstKey is the offset of the line with the first key of a document in block
// style, or its length where nothing but comments is in it.
func firstKey(text []byte) (offset int, ok bool) {
	for line := range bytes.Lines(text) {
		body := bytes.TrimSpace(line)
		switch {
		case len(body) == 0 || body[0] == '#' || line[0] == '%':
		case bytes.HasPrefix(line, []byte("---")) || bytes.HasPrefix(line, []byte("...")):
			if rest := bytes.TrimSpace(line[3:]); len(rest) > 0 && rest[0] != '#' {
				return 0, false
			}
		default:
			return offset, keyAtStart.Match(line)
		}
		offset += len(line)
	}
	return offset, true
}

// takeOrigin reads and removes what tells the origin.
func takeOrigin(value map[string]any) string {
	if file, ok := value[originKey].(string); ok {
		delete(value, originKey)
		return file
	}
	meta, _ := value["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	text, ok := annotations[originAnnotation].(string)
	if !ok {
		return ""
	}
	delete(annotations, originAnnotation)
	if len(annotations) == 0 {
		delete(meta, "annotations")
	}
	var origin struct{ Path string }
	if yaml.Unmarshal([]byte(text), &origin) != nil || origin.Path == "" {
		return ""
	}
	return strings.TrimPrefix(path.Join(wrapper, origin.Path), repository+"/")
}
