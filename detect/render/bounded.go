package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds what the aliases of one file may expand to.
const maxNodes = 1_000_000

// bounded refuses YAML whose aliases expand without end: kustomize writes out
// every one.
func bounded(src []byte) error {
	if !bytes.ContainsRune(src, '&') || !bytes.ContainsRune(src, '*') {
		return nil
	}
	sizes := map[*yaml.Node]int{}
	for decoder := yaml.NewDecoder(bytes.NewReader(src)); ; {
		var n yaml.Node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if expanded(&n, sizes) > maxNodes {
			return fmt.Errorf("its aliases expand to more than %d values", maxNodes)
		}
	}
}

// expanded counts the nodes below n with every alias written out, up to just
// above maxNodes.
func expanded(n *yaml.Node, sizes map[*yaml.Node]int) int {
	if size, ok := sizes[n]; ok {
		return size
	}
	sizes[n] = maxNodes + 1 // for an alias to what it stands in
	size := 1
	if n.Kind == yaml.AliasNode {
		size += expanded(n.Alias, sizes)
	}
	for _, c := range n.Content {
		size += expanded(c, sizes)
		if size > maxNodes {
			break
		}
	}
	sizes[n] = min(size, maxNodes+1)
	return sizes[n]
}
