package yamledit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// spans computes where nodes end: yaml.v3 tells only where they start.
type spans struct {
	src    []byte
	offset func(line, column int) int
	ends   map[*yaml.Node]int
}

func (s *spans) start(n *yaml.Node) int { return s.offset(n.Line, n.Column) }

// body is where the node's own text starts, behind anchor and tag (YAML 1.2.2, 6.9).
func (s *spans) body(n *yaml.Node) int {
	p := s.start(n)
	for p < len(s.src) && (s.src[p] == '&' || s.src[p] == '!') {
		for p < len(s.src) && !isBlank(s.src[p]) && !isBreak(s.src[p]) {
			p++
		}
		q := p
		for q < len(s.src) && (isBlank(s.src[q]) || isBreak(s.src[q])) {
			q++
		}
		if n.Kind == yaml.ScalarNode && n.Value == "" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
			return p
		}
		p = q
	}
	return p
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
func isBreak(c byte) bool { return c == '\n' || c == '\r' }

// end is the offset behind the node's last byte; for a block scalar that is
// behind the last line of its content.
func (s *spans) end(n *yaml.Node) int {
	if e, ok := s.ends[n]; ok {
		return e
	}
	e := s.findEnd(n)
	s.ends[n] = e
	return e
}

func (s *spans) findEnd(n *yaml.Node) int {
	switch n.Kind {
	case yaml.AliasNode:
		return s.start(n) + 1 + len(n.Value)
	case yaml.MappingNode, yaml.SequenceNode:
		if n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0 {
			last := n.Content[len(n.Content)-1]
			e := s.end(last)
			if n.Kind == yaml.MappingNode && implicit(last) {
				// An empty value: the colon behind its key ends the pair.
				key := s.end(n.Content[len(n.Content)-2])
				if c := bytes.IndexByte(s.src[key:], ':'); c >= 0 {
					e = max(e, key+c+1)
				}
			}
			return e
		}
		p := s.body(n) + 1
		if k := len(n.Content); k > 0 {
			p = max(p, s.end(n.Content[k-1]))
		}
		for p < len(s.src) && s.src[p] != '}' && s.src[p] != ']' {
			if s.src[p] == '#' {
				p = lineEnd(s.src, p)
				continue
			}
			p++
		}
		return min(p+1, len(s.src))
	}
	p := s.body(n)
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		for p++; p < len(s.src) && s.src[p] != '"'; p++ {
			if s.src[p] == '\\' {
				p++
			}
		}
		return min(p+1, len(s.src))
	case n.Style&yaml.SingleQuotedStyle != 0:
		for p++; p < len(s.src); p++ {
			if s.src[p] != '\'' {
				continue
			}
			if p+1 < len(s.src) && s.src[p+1] == '\'' {
				p++
				continue
			}
			return p + 1
		}
		return len(s.src)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return s.blockScalarEnd(n, p)
	}
	for _, word := range strings.Fields(n.Value) {
		for p < len(s.src) && !bytes.HasPrefix(s.src[p:], []byte(word)) {
			p++
		}
		p += len(word)
	}
	return min(p, len(s.src))
}

func (s *spans) blockScalarEnd(n *yaml.Node, p int) int {
	header := s.src[p:lineEnd(s.src, p)]
	keep := bytes.IndexByte(header[:min(3, len(header))], '+') >= 0
	end := p + len(header)
	if h := bytes.IndexByte(header, '#'); h >= 0 {
		header = header[:h]
	}
	end = p + len(bytes.TrimRight(s.src[p:end], " \t"))
	q := nextLine(s.src, p)
	indent := -1
	first, _, _ := strings.Cut(strings.TrimLeft(n.Value, "\n"), "\n")
	lead := len(first) - len(strings.TrimLeft(first, " "))
	for q < len(s.src) {
		e := lineEnd(s.src, q)
		line := s.src[q:e]
		body := bytes.TrimLeft(line, " ")
		if len(body) == 0 {
			if keep {
				end = e
			}
			if q = nextLine(s.src, q); q <= e {
				break
			}
			continue
		}
		have := len(line) - len(body)
		if indent < 0 {
			indent = have - lead
			if n.Value == "" || strings.Trim(n.Value, "\n") == "" {
				break
			}
		}
		if have < indent || indent < 0 {
			break
		}
		end = e
		next := nextLine(s.src, q)
		if next == q {
			break
		}
		q = next
	}
	return end
}

// implicit tells a value that is not written at all.
func implicit(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0 && n.Anchor == "" && n.Tag != "!!str"
}

// lineEnd is the offset of the break that ends the line of p.
func lineEnd(src []byte, p int) int {
	for p < len(src) && !isBreak(src[p]) {
		p++
	}
	return p
}

// nextLine is the offset behind the break that ends the line of p.
func nextLine(src []byte, p int) int {
	p = lineEnd(src, p)
	if p < len(src) && src[p] == '\r' {
		p++
	}
	if p < len(src) && src[p] == '\n' {
		p++
	}
	return p
}

// lineStart is the offset of the first byte of the line of p.
func lineStart(src []byte, p int) int {
	for p > 0 && !isBreak(src[p-1]) {
		p--
	}
	return p
}
