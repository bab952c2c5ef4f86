package vuln

import "strings"

// Reference is an image as manifests and scanners name it, taken apart.
type Reference struct {
	Name   string // normalised the way Docker does: docker.io/library/nginx is nginx
	Tag    string // empty where none is given
	Digest string // sha256:…, empty where none is given
}

// ParseReference takes an image reference apart (distribution reference
// grammar). It takes any text: what is no reference matches no image.
func ParseReference(s string) Reference {
	var r Reference
	r.Name, r.Digest, _ = strings.Cut(s, "@")
	if i := strings.LastIndexByte(r.Name, ':'); i > strings.LastIndexByte(r.Name, '/') {
		r.Name, r.Tag = r.Name[:i], r.Name[i+1:]
	}
	for _, prefix := range []string{"docker.io/", "index.docker.io/", "library/"} {
		r.Name = strings.TrimPrefix(r.Name, prefix)
	}
	return r
}

// String is the reference in its shortest form.
func (r Reference) String() string {
	s := r.Name
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}
