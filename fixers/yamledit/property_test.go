package yamledit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/source"
	"github.com/oakum-dev/oakum/fixers/yamledit"
	"github.com/oakum-dev/oakum/testdata/corpus"
)

// edits is how many the long run makes at least.
const edits = 200_000

// TestRandomEdits changes real manifests at random, in the forms that people
// write them, and verifies every one. OAKUM_LONG=1 makes at least 200,000
// edits; without it a sample of about 20 s is made.
func TestRandomEdits(t *testing.T) {
	t.Parallel()
	long := os.Getenv("OAKUM_LONG") == "1"
	stop := time.Now().Add(18 * time.Second)
	type file struct {
		name string
		src  []byte
	}
	var files []file
	corpus.Manifests(t, func(name string, src []byte) { files = append(files, file{name, src}) })
	var made, refused, failed atomic.Int64
	reasons := map[string]int{}
	seed := uint64(1)
	if long {
		seed = uint64(time.Now().UnixNano())
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	for round := 0; ; round++ {
		rng.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		for _, f := range files {
			if len(f.src) > 200_000 && round%8 != 0 {
				continue
			}
			if !long && time.Now().After(stop) || long && made.Load() >= edits && round > 0 || failed.Load() > 20 {
				t.Logf("%d edits made, %d refused %v", made.Load(), refused.Load(), reasons)
				return
			}
			for _, v := range variants(f.src) {
				text := source.New(v.src)
				docs := text.Documents()
				if len(docs) == 0 {
					continue
				}
				for range 3 {
					i := rng.IntN(len(docs))
					root, err := text.Parse(docs[i])
					if err != nil || root == nil {
						continue
					}
					seed := rng.Uint64()
					n, reason, err := mutate(text, i, root, seed)
					if err != nil {
						failed.Add(1)
						t.Errorf("%s (%s) document %d seed %d: %v", f.name, v.name, i, seed, err)
					} else if reason != "" {
						refused.Add(1)
						reasons[reason]++
					} else {
						made.Add(int64(n))
					}
				}
			}
		}
	}
}

type variant struct {
	name string
	src  []byte
}

// variants are the ways to write one file that are harder than the common one.
func variants(src []byte) []variant {
	out := []variant{
		{"as it is", src},
		{"CRLF", bytes.ReplaceAll(bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))},
		{"BOM", append([]byte(source.BOM), bytes.TrimPrefix(src, []byte(source.BOM))...)},
		{"no final newline", bytes.TrimRight(src, "\r\n")},
	}
	if c := commented(src); c != nil {
		out = append(out, variant{"comments", c})
	}
	text := source.New(src)
	if docs := text.Documents(); len(docs) > 0 {
		if root, err := text.Parse(docs[0]); err == nil && root != nil {
			var v any
			if root.Decode(&v) == nil {
				if compact, err := json.Marshal(v); err == nil {
					var wide bytes.Buffer
					_ = json.Indent(&wide, compact, "", "    ")
					wide.WriteByte('\n')
					out = append(out, variant{"compact JSON", compact}, variant{"indented JSON", wide.Bytes()})
				}
			}
		}
	}
	return out
}

// commented gives every line a comment that can have one, nil if that changes
// what the file means.
func commented(src []byte) []byte {
	text := source.New(src)
	inside := map[int]bool{}
	for _, d := range text.Documents() {
		root, err := text.Parse(d)
		if err != nil {
			return nil
		}
		if root == nil {
			continue
		}
		spans := text.Spans()
		var walk func(*yaml.Node)
		walk = func(n *yaml.Node) {
			if n.Kind == yaml.ScalarNode {
				s := spans.Of(n)
				from, _ := text.Position(s.Start)
				to, _ := text.Position(s.End)
				if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
					from, to = from+1, to+1
				}
				for l := from; l < to; l++ {
					inside[l] = true
				}
				if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
					inside[to-1] = true
				}
			}
			for _, c := range n.Content {
				walk(c)
			}
		}
		walk(root)
	}
	var out bytes.Buffer
	number := 0
	for l := range bytes.Lines(src) {
		number++
		body := bytes.TrimRight(l, "\r\n")
		out.Write(body)
		if !inside[number] && len(bytes.TrimSpace(body)) > 0 && body[0] != '%' && !bytes.HasPrefix(body, []byte("#")) {
			fmt.Fprintf(&out, "  # e 名 %d", number)
		}
		out.Write(l[len(body):])
	}
	return out.Bytes()
}

// mutate makes some random changes on one document and proves them. It tells
// how many, or why they were refused.
func mutate(text *source.Text, index int, root *yaml.Node, seed uint64) (made int, reason string, err error) {
	rng := rand.New(rand.NewPCG(seed, 1))
	after := yamledit.Clone(root)
	steps := 1 + rng.IntN(4)
	var done []string
	for range steps {
		done = append(done, change(rng, after))
	}
	edits, err := yamledit.Rewrite(text, root, after)
	var r *yamledit.Refusal
	if errors.As(err, &r) {
		if r.Detail == "" || r.Line == 0 {
			return 0, "", fmt.Errorf("a refusal that says nothing: %+v", r)
		}
		return 0, r.Reason + ": " + shape(r.Detail), nil
	}
	if err != nil {
		return 0, "", err
	}
	out, err := yamledit.Apply(text.Bytes(), edits)
	if err == nil {
		err = yamledit.Verify(text.Bytes(), out, map[int]*yaml.Node{index: after})
	}
	if err == nil {
		err = tidy(text.Bytes(), out)
	}
	if err != nil {
		return 0, "", fmt.Errorf("%w\nafter %s\nedits %+v", err, strings.Join(done, "; "), edits)
	}
	return steps, "", nil
}

func shape(detail string) string {
	words := strings.Fields(detail)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return strings.ContainsAny(w, "\"0123456789&*") }), " ")
}

// tidy checks what Verify does not: no line ends in new blanks, no break of
// another kind comes in, and the byte order mark stays.
func tidy(src, out []byte) error {
	trailing := func(b []byte) int {
		n := 0
		for l := range bytes.Lines(b) {
			if l = bytes.TrimRight(l, "\r\n"); len(l) > 0 && (l[len(l)-1] == ' ' || l[len(l)-1] == '\t') {
				n++
			}
		}
		return n
	}
	if trailing(out) > trailing(src) {
		return errors.New("a line ends in new blanks")
	}
	lone := func(b []byte) bool {
		return bytes.Count(b, []byte("\n")) > bytes.Count(b, []byte("\r\n"))
	}
	if bytes.Contains(src, []byte("\r\n")) && !lone(src) && lone(out) {
		return errors.New("a line ends in LF where all end in CRLF")
	}
	if bytes.HasPrefix(src, []byte(source.BOM)) != bytes.HasPrefix(out, []byte(source.BOM)) {
		return errors.New("the byte order mark is gone")
	}
	return nil
}

// change makes one random change on a tree.
func change(rng *rand.Rand, root *yaml.Node) string {
	var all []*yaml.Node
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		all = append(all, n)
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(root)
	n := all[rng.IntN(len(all))]
	where := fmt.Sprintf("at %d:%d", n.Line, n.Column)
	switch n.Kind {
	case yaml.MappingNode:
		k := len(n.Content) / 2
		switch op := rng.IntN(4); {
		case op < 2 && k > 0 && n.Content[0].Value == "<<" && n.Content[1].Kind == yaml.AliasNode && n.Content[1].Alias.Kind == yaml.MappingNode:
			from := n.Content[1].Alias
			if len(from.Content) == 0 {
				return "nothing"
			}
			key := from.Content[2*rng.IntN(len(from.Content)/2)].Value
			if slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return c.Value == key }) {
				return "nothing"
			}
			if own := yamledit.Own(n, key); own != nil && own.Kind == yaml.ScalarNode && op == 0 {
				own.Tag, own.Value, own.Style = "!!str", "own", 0
			}
			return "own " + key + " " + where
		case op == 0 && k > 0: // remove
			i := 2 * rng.IntN(k)
			n.Content = slices.Delete(n.Content, i, i+2)
			return "remove a key " + where
		case op == 1 && k > 0: // replace
			i := 2 * rng.IntN(k)
			n.Content[i+1] = random(rng, 0)
			return "replace a value " + where
		default: // insert
			i := 2 * rng.IntN(k+1)
			key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: fmt.Sprintf("key%d", rng.IntN(1000))}
			n.Content = slices.Insert(n.Content, i, key, random(rng, 0))
			return "insert a key " + where
		}
	case yaml.SequenceNode:
		k := len(n.Content)
		switch op := rng.IntN(4); {
		case op == 0 && k > 0:
			i := rng.IntN(k)
			n.Content = slices.Delete(n.Content, i, i+1)
			return "remove an item " + where
		case op == 1 && k > 0:
			n.Content[rng.IntN(k)] = random(rng, 0)
			return "replace an item " + where
		case op == 2:
			n.Content = append(n.Content, random(rng, 0))
			return "append " + where
		default:
			n.Content = slices.Insert(n.Content, rng.IntN(k+1), random(rng, 0))
			return "insert an item " + where
		}
	case yaml.AliasNode:
		yamledit.Concrete(n)
		return "make concrete " + where
	}
	if isKey(root, n) {
		return "nothing"
	}
	r := random(rng, 0)
	if rng.IntN(3) > 0 {
		r = random(rng, 9)
	}
	r.Line, r.Column = n.Line, n.Column
	if rng.IntN(2) == 0 {
		r.Line, r.Column = 0, 0
	} else if _, ok := manifest.Scalar(r).(string); r.Tag == "!!str" && !ok {
		r.Style = yaml.DoubleQuotedStyle // a plain word with a position is what the file has
	}
	r.Anchor = n.Anchor
	*n = *r
	return "replace " + where
}

// isKey tells a node that is a key, or stands inside one.
func isKey(root, n *yaml.Node) bool {
	return slices.ContainsFunc(root.Content, func(c *yaml.Node) bool {
		key := root.Kind == yaml.MappingNode && slices.Index(root.Content, c)%2 == 0
		return c == n && key || isKey(c, n) || key && holds(c, n)
	})
}

func holds(root, n *yaml.Node) bool {
	return slices.ContainsFunc(root.Content, func(c *yaml.Node) bool { return c == n || holds(c, n) })
}

var strange = []string{
	"", "x", "yes", "on", "Off", "y", "null", "~", "0777", "1e3", "1:30", "0x1f", "1_000", ".5", "-", "- a", "a: b", "a #b", "#",
	" lead", "trail ", "two\nlines", "two\nlines\n", "\nlead", "a\n\n\nb\n\n", "tab\there", "'", `"`, `\`, "名前", "\u2028", "\u0085", "é😀", "{a}", "[", "&a", "*a", "!t",
	"%", "@", "`", "?", "? a", ":", "a:", "---", "...", "<<", "=", "2001-01-01", "true", "a, b", "\ufeff", "long " + strings.Repeat("word ", 40) + "end", "$(A)", "10m", "${V}", "+1", ".inf", "\x07", "a\r\nb",
}

// random makes a value.
func random(rng *rand.Rand, depth int) *yaml.Node {
	kind := rng.IntN(8)
	if depth > 2 {
		kind = rng.IntN(5)
	}
	switch kind {
	case 0:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(rng.IntN(2) == 0)}
	case 1:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: fmt.Sprint(rng.IntN(2000) - 1000)}
	case 2:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: []string{"", "null", "~"}[rng.IntN(3)]}
	case 3, 4:
		n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strange[rng.IntN(len(strange))]}
		n.Style = []yaml.Style{0, 0, yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle, yaml.LiteralStyle}[rng.IntN(5)]
		return n
	case 5:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: []yaml.Style{0, yaml.FlowStyle}[rng.IntN(2)]}
		for range rng.IntN(4) {
			n.Content = append(n.Content, random(rng, depth+1))
		}
		return n
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: []yaml.Style{0, 0, yaml.FlowStyle}[rng.IntN(3)]}
	for i := range rng.IntN(4) {
		key := []string{"name", "a b", "on", "1", "x/y.z", "é", "k:", "null"}[(i*3+rng.IntN(3))%8]
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key + fmt.Sprint(i)}, random(rng, depth+1))
	}
	return n
}

func seedOf(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// FuzzRewrite makes random changes on any text. What the proof lets pass must
// read as intended to a parser that is not the one that proved it; where the
// two do not agree on the text as it was, they are not compared.
func FuzzRewrite(f *testing.F) {
	for _, src := range []string{
		"a: 1 # c\nb:\n- x\n- y: z\n", "{\"a\": [1, {\"b\": null}]}", "a: {}\nb: []\nc: ~ # why\nd:\n", "- - a\n  - b\n-\n  - c\n",
		"a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 1\n", "a: |+\n  x\n\nb: >-\n  y\n  z", "? a\n: b\n", "a: [b: c, {d}, 'e', \"f\"]\n", "--- # c\na: 1\n...\n",
		"\ufeffa: 'x'\r\nb: y\r\n", "a:\n    # head\n    b: 1\n\n    # tail\n# end\n", "a: !t b\nc: !!str 1\nd: &e\n", "[a,\n b, # c\n c]\n", "a: x\n  y\n  z\n",
		" a 1", "a: {}# c\n",
	} {
		f.Add([]byte(src), uint64(1))
	}
	f.Fuzz(func(t *testing.T, src []byte, seed uint64) {
		if len(src) > 1<<14 || bytes.IndexByte(src, '!') >= 0 || bytes.Contains(src, []byte("<<")) {
			// Parsers differ about tags that nobody defined, and about a merge
			// key behind the keys that it brings.
			return
		}
		text := source.New(src)
		docs := text.Documents()
		if len(docs) != 1 {
			return
		}
		root, err := text.Parse(docs[0])
		if err != nil || root == nil {
			return
		}
		rng := rand.New(rand.NewPCG(seed^seedOf(src), 1))
		after := yamledit.Clone(root)
		var done []string
		for range 1 + rng.IntN(4) {
			done = append(done, change(rng, after))
		}
		edits, err := yamledit.Rewrite(text, root, after)
		if err != nil {
			return
		}
		out, err := yamledit.Apply(src, edits)
		if err != nil || yamledit.Verify(src, out, map[int]*yaml.Node{0: after}) != nil || !agree(root, src) {
			return
		}
		asked(after, root)
		if !agree(after, out) {
			t.Fatalf("%q became %q after %s", src, out, strings.Join(done, "; "))
		}
	})
}

// agree tells whether the parser that kubectl uses reads a text as a tree.
func agree(n *yaml.Node, src []byte) bool {
	want, err := manifest.ToValue(n)
	if err != nil {
		return false
	}
	var got any
	if err := kyaml.UnmarshalStrict(src, &got); err != nil {
		return false
	}
	a, errA := json.Marshal(want)
	b, errB := json.Marshal(withoutNull(got))
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// asked quotes the strings that are new in a tree: they are strings whatever
// they look like.
func asked(n, before *yaml.Node) {
	type scalar struct {
		line, column int
		tag, value   string
	}
	had := map[scalar]bool{}
	var each func(n *yaml.Node, f func(*yaml.Node, scalar))
	each = func(n *yaml.Node, f func(*yaml.Node, scalar)) {
		if n.Kind == yaml.ScalarNode {
			f(n, scalar{n.Line, n.Column, n.Tag, n.Value})
		}
		for _, c := range n.Content {
			each(c, f)
		}
	}
	each(before, func(_ *yaml.Node, s scalar) { had[s] = true })
	each(n, func(n *yaml.Node, s scalar) {
		if n.Tag == "!!str" && n.Style == 0 && !had[s] {
			n.Style = yaml.DoubleQuotedStyle
		}
	})
}

// withoutNull leaves out the keys whose value is null, as manifest does.
func withoutNull(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if v[k] = withoutNull(e); e == nil {
				delete(v, k)
			}
		}
	case []any:
		for i, e := range v {
			v[i] = withoutNull(e)
		}
	}
	return v
}
