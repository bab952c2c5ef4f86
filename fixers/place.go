package fixers

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// after lists, by new field, the siblings that it comes right behind: the
// last of them that is there counts. Where none is there it goes before the
// first of before, or else to the end.
var after = map[string][]string{
	"container/securityContext":                   {"name", "image", "imagePullPolicy"},
	"container/resources":                         {"name", "image", "imagePullPolicy", "command", "args", "ports", "env", "envFrom"},
	"pod/securityContext":                         {"serviceAccountName", "serviceAccount", "automountServiceAccountToken"},
	"pod/automountServiceAccountToken":            {"serviceAccountName", "serviceAccount"},
	"capabilities/add":                            {},
	"resources/limits":                            {},
	"resources/requests":                          {"limits"},
	"ServiceAccount/automountServiceAccountToken": {"metadata"},
}

var before = map[string][]string{
	"pod/securityContext":              {"initContainers", "containers"},
	"pod/automountServiceAccountToken": {"securityContext", "initContainers", "containers"},
	"capabilities/add":                 {"drop"},
	"resources/limits":                 {"requests"},
}

// insertKey adds a key to a mapping where a person would put it: in the order
// of the alphabet where the author keeps it, behind its usual neighbours
// elsewhere.
func insertKey(n *yaml.Node, path manifest.Path, key string, value *yaml.Node) {
	k := node(key)
	at := place(n, role(path), key)
	n.Content = slices.Insert(n.Content, at, k, value)
}

// place is the index in n.Content for a new key.
func place(n *yaml.Node, role, key string) int {
	if sorted(n) || role == "securityContext" {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value > key && !(role == "object" && n.Content[i].Value == "kind") {
				return i
			}
		}
		return len(n.Content)
	}
	at := -1
	for i := 0; i+1 < len(n.Content); i += 2 {
		if slices.Contains(after[role+"/"+key], n.Content[i].Value) {
			at = i + 2
		}
	}
	if at >= 0 {
		return at
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if slices.Contains(before[role+"/"+key], n.Content[i].Value) {
			return i
		}
	}
	return len(n.Content)
}

// sorted tells whether the author keeps the keys in alphabetical order.
func sorted(n *yaml.Node) bool {
	if len(n.Content) < 6 {
		return false
	}
	for i := 2; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value < n.Content[i-2].Value {
			return false
		}
	}
	return true
}

// role names the mapping at path, for the tables above.
func role(path manifest.Path) string {
	if len(path) == 0 {
		return "object"
	}
	last := path[len(path)-1]
	switch {
	case last.Item && len(path) > 1 && slices.Contains(manifest.ContainerLists, path[len(path)-2].Key):
		return "container"
	case last.Key == "spec":
		return "pod"
	}
	return last.Key
}
