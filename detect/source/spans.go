package source

import (
	"bytes"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Span is the bytes [Start,End) of a node.
type Span struct{ Start, End int }

// Span is the exact bytes of a node that Parse returned: from its anchor or
// tag to its last byte. A block scalar ends with the last line of its content,
// before that line's break; a value that is not written is empty, behind the
// colon or dash.
func (t *Text) Span(n *yaml.Node) Span { return t.Spans().Of(n) }

// Spans finds the spans of many nodes of one text faster than Text.Span does.
// It is for one goroutine.
type Spans struct {
	t     *Text
	known map[*yaml.Node]Span
	// Where the last position was: long lines are not counted from their start again.
	line, column, offset int
}

// Spans starts an empty index; every node is looked up when it is asked for.
func (t *Text) Spans() *Spans { return &Spans{t: t, known: map[*yaml.Node]Span{}} }

// Of is the span of a node, as Text.Span gives it.
func (s *Spans) Of(n *yaml.Node) Span {
	span, ok := s.known[n]
	if !ok {
		span.Start = s.position(n.Line, n.Column)
		span.End = s.end(n, span.Start)
		s.known[n] = span
	}
	return span
}

func (s *Spans) position(line, column int) int {
	t := s.t
	t.index()
	if t.ascii || s.line != line || s.column > column {
		s.offset = t.Offset(line, column)
	} else {
		s.offset = t.forward(s.offset, column-s.column)
	}
	s.line, s.column = line, column
	return s.offset
}

// Body is where a node's own text starts, behind anchor and tag (YAML 1.2.2,
// section 6.9); for a block sequence that is its first dash.
func (s *Spans) Body(n *yaml.Node) int { return s.body(n, s.Of(n).Start) }

func (s *Spans) body(n *yaml.Node, p int) int {
	src := s.t.src
	for p < len(src) && n.Kind != yaml.AliasNode && (src[p] == '&' || src[p] == '!') {
		if src[p] == '&' {
			p++
			for p < len(src) && anchorByte(src[p]) {
				p++
			}
		} else {
			for p < len(src) && !Blank(src[p]) && BreakLen(src[p:]) == 0 {
				p++
			}
		}
		q := SkipBlank(src, p)
		if !Written(n) && (q >= len(src) || src[q] != '&' && src[q] != '!') {
			return p
		}
		p = q
	}
	return p
}

func anchorByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-'
}

// Blank tells a space or a tab.
func Blank(c byte) bool { return c == ' ' || c == '\t' }

// SkipBlank is the offset behind the blanks, breaks and comments at p, which
// must not be inside a scalar.
func SkipBlank(src []byte, p int) int {
	for p < len(src) {
		n := BreakLen(src[p:])
		switch {
		case n > 0:
			p += n
		case Blank(src[p]):
			p++
		case src[p] == '#': // the parser asks for no blank before it
			for p < len(src) && BreakLen(src[p:]) == 0 {
				p++
			}
		default:
			return p
		}
	}
	return p
}

func atLineStart(src []byte, p int) bool {
	return src[p-1] == '\n' || src[p-1] == '\r' ||
		p >= 2 && BreakLen(src[p-2:p]) == 2 || p >= 3 && BreakLen(src[p-3:p]) == 3
}

// Written tells a node that has text of its own: all but empty plain scalars.
func Written(n *yaml.Node) bool {
	const marked = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Kind != yaml.ScalarNode || n.Value != "" || n.Style&marked != 0
}

func (s *Spans) end(n *yaml.Node, start int) int {
	src := s.t.src
	p := s.body(n, start)
	switch {
	case n.Kind == yaml.AliasNode:
		return min(p+1+len(n.Value), len(src))
	case n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0, n.Kind == yaml.SequenceNode && n.Style&yaml.FlowStyle == 0:
		return s.blockEnd(n, p)
	case n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode:
		return s.flowEnd(n, p)
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return doubleQuotedEnd(src, p)
	case n.Style&yaml.SingleQuotedStyle != 0:
		return singleQuotedEnd(src, p)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return s.blockScalarEnd(n, p)
	}
	return inked(src, p, n.Value)
}

// inked is the offset behind as many characters that are neither blank nor
// break as the value has: folding changes only the others.
func inked(src []byte, p int, value string) int {
	for v := []byte(value); ; {
		v = v[spaceLen(v, len(v)):]
		if len(v) == 0 {
			return min(p, len(src))
		}
		_, n := utf8.DecodeRune(v)
		v = v[n:]
		p += spaceLen(src[min(p, len(src)):], len(src)) + n
	}
}

// spaceLen is the length of the blanks and breaks that b begins with.
func spaceLen(b []byte, most int) int {
	i := 0
	for i < len(b) && i < most {
		if Blank(b[i]) {
			i++
		} else if n := BreakLen(b[i:]); n > 0 {
			i += n
		} else {
			break
		}
	}
	return i
}

func doubleQuotedEnd(src []byte, p int) int {
	for p++; p < len(src) && src[p] != '"'; p++ {
		if src[p] == '\\' {
			p++
		}
	}
	return min(p+1, len(src))
}

func singleQuotedEnd(src []byte, p int) int {
	for p++; p < len(src); p++ {
		if src[p] != '\'' {
			continue
		}
		if p+1 >= len(src) || src[p+1] != '\'' {
			return p + 1
		}
		p++
	}
	return len(src)
}

func (s *Spans) blockEnd(n *yaml.Node, p int) int {
	if len(n.Content) == 0 {
		return p
	}
	last := n.Content[len(n.Content)-1]
	if n.Kind == yaml.SequenceNode || Written(last) {
		return s.Of(last).End
	}
	return s.PairEnd(n, len(n.Content)-2)
}

// PairEnd is the end of the pair of a mapping whose key is Content[i]: that of
// its value, or of the colon where no value is written.
func (s *Spans) PairEnd(n *yaml.Node, i int) int {
	key, value := n.Content[i], n.Content[i+1]
	if Written(value) {
		return s.Of(value).End
	}
	end := s.Of(key).End
	colon := SkipBlank(s.t.src, end)
	if colon >= len(s.t.src) || s.t.src[colon] != ':' {
		return end // a key alone: {key} or ? key
	}
	if value.Anchor == "" && value.Style&yaml.TaggedStyle == 0 {
		return colon + 1
	}
	return s.Of(value).End
}

func (s *Spans) flowEnd(n *yaml.Node, p int) int {
	src := s.t.src
	if p >= len(src) {
		return len(src)
	}
	k := len(n.Content)
	if src[p] != '{' && src[p] != '[' || n.Kind == yaml.MappingNode && k > 0 && s.Of(n.Content[0]).Start <= p {
		if k == 0 { // [? ] is a pair of nothing
			return p
		}
		return s.PairEnd(n, k-2) // [key: value] is a mapping without braces
	}
	p++
	if k > 0 && n.Kind == yaml.MappingNode {
		p = max(p, s.PairEnd(n, k-2))
	} else if k > 0 {
		p = max(p, s.Of(n.Content[k-1]).End)
	}
	for p = SkipBlank(src, p); p < len(src) && src[p] != '}' && src[p] != ']'; p = SkipBlank(src, p) {
		p++
	}
	return min(p+1, len(src))
}

// blockScalarEnd counts the characters of the content and then takes the lines
// of blanks that belong to it (YAML 1.2.2, section 8.1.1.2).
func (s *Spans) blockScalarEnd(n *yaml.Node, p int) int {
	src := s.t.src
	header := p + 1
	keep := false
	for header < len(src) && (src[header] == '+' || src[header] == '-' || src[header] >= '0' && src[header] <= '9') {
		keep = keep || src[header] == '+'
		header++
	}
	line, broken := lineEnd(src, header)
	if !broken {
		return header
	}
	body := line + BreakLen(src[line:])
	end := header
	indent := -1
	if ink := inked(src, body, n.Value); ink > body && spaceLen([]byte(n.Value), len(n.Value)) < len(n.Value) {
		end, _ = lineEnd(src, ink)
		indent = contentIndent(src, body, n.Value)
	}
	// Blank lines behind: kept ones are content, and so is what is wider than the indentation.
	at := end
	if end == header {
		at = line
	}
	for n.Value != "" && at < len(src) {
		from := at + BreakLen(src[at:])
		to, broken := lineEnd(src, from)
		if len(bytes.TrimRight(src[from:to], " \t")) > 0 {
			break
		}
		if keep && broken || indent >= 0 && to-from > indent {
			end = to
		}
		if !broken {
			break
		}
		at = to
	}
	return end
}

// contentIndent is the indentation of a block scalar, told by its first line
// that is not blank: the blanks it has more in the file than in the value.
func contentIndent(src []byte, body int, value string) int {
	have := spaceLen(src[body:], len(src))
	p := body + have
	from := p
	for from > body && src[from-1] == ' ' {
		from--
	}
	v := value[:spaceLen([]byte(value), len(value))]
	extra := 0
	for extra < len(v) && v[len(v)-1-extra] == ' ' {
		extra++
	}
	return p - from - extra
}

// lineEnd is the offset of the break that ends the line of p, and whether there is one.
func lineEnd(src []byte, p int) (int, bool) {
	for p < len(src) {
		if BreakLen(src[p:]) > 0 {
			return p, true
		}
		p++
	}
	return p, false
}
