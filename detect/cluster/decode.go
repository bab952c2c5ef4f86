package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"strconv"
	"sync"
	"unicode/utf8"
)

// decoder makes values of JSON: maps, slices, strings, bools, int64 and
// float64. Members that are null are left out. What was read before is not
// made again: the pods of a template share most of what they are made of, and so
// nothing below the top two levels of an object may be changed afterwards.
type decoder struct {
	owners bool // keep metadata.managedFields

	mu    sync.Mutex
	seeds [2]maphash.Seed
	texts [1 << 12]string // by hash
	trees [1 << 14]tree   // by hash

	src   []byte
	spans []span
	at    int // in src
	next  int // in spans
	depth int
}

// tree is a value, and two hashes of the text that it was made of. Nobody knows
// their seeds, so that no two texts have the same.
type tree struct {
	sums  [2]uint64
	value any
}

const (
	maxSharedText = 128     // bytes; longer texts rarely come twice
	maxSharedTree = 4 << 10 // bytes
	sharedBelow   = 2       // levels of an object that are its own
)

func newDecoder(owners bool) *decoder {
	return &decoder{owners: owners, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

var errNoObject = errors.New("it is no object")

// object decodes one object. The spans are those of src.
func (d *decoder) object(src []byte, spans []span) (map[string]any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.src, d.spans, d.at, d.next, d.depth = src, spans, 0, 0, 0
	if len(src) == 0 || src[0] != '{' {
		return nil, errNoObject
	}
	v, err := d.value()
	if err != nil {
		return nil, fmt.Errorf("it is no JSON at byte %d: %w", d.at, err)
	}
	return v.(map[string]any), nil
}

var (
	errSyntax = errors.New("unexpected text")
	errNumber = errors.New("no number")
)

func (d *decoder) value() (any, error) {
	switch c := d.peek(); c {
	case '{', '[':
		return d.nested(c)
	case '"':
		return d.text()
	case 't':
		return true, d.word("true")
	case 'f':
		return false, d.word("false")
	case 'n':
		return nil, d.word("null")
	default:
		return d.number()
	}
}

// nested is an object or an array: one that was read before, if it was.
func (d *decoder) nested(c byte) (any, error) {
	s := d.spans[d.next]
	src := d.src[d.at:s.end]
	var known *tree
	var sums [2]uint64
	if d.depth >= sharedBelow && len(src) <= maxSharedTree {
		sums = [2]uint64{maphash.Bytes(d.seeds[0], src), maphash.Bytes(d.seeds[1], src)}
		known = &d.trees[sums[0]%uint64(len(d.trees))]
		if known.value != nil && known.sums == sums {
			d.at, d.next = s.end, s.next
			return known.value, nil
		}
	}
	d.at, d.next, d.depth = d.at+1, d.next+1, d.depth+1
	var v any
	var err error
	if c == '{' {
		v, err = d.members()
	} else {
		v, err = d.elements()
	}
	d.depth--
	if err == nil && known != nil {
		known.sums, known.value = sums, v
	}
	return v, err
}

func (d *decoder) members() (map[string]any, error) {
	out := map[string]any{}
	if d.peek() == '}' {
		d.at++
		return out, nil
	}
	for {
		if d.peek() != '"' {
			return nil, errSyntax
		}
		key, err := d.text()
		if err != nil {
			return nil, err
		}
		if d.peek() != ':' {
			return nil, errSyntax
		}
		d.at++
		if key == "managedFields" && d.depth == 2 && !d.owners && d.peek() == '[' {
			d.at, d.next = d.spans[d.next].end, d.spans[d.next].next
		} else {
			v, err := d.value()
			if err != nil {
				return nil, err
			}
			if v == nil {
				delete(out, key)
			} else {
				out[key] = v
			}
		}
		switch d.peek() {
		case '}':
			d.at++
			return out, nil
		case ',':
			d.at++
		default:
			return nil, errSyntax
		}
	}
}

func (d *decoder) elements() ([]any, error) {
	out := []any{}
	if d.peek() == ']' {
		d.at++
		return out, nil
	}
	for {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		switch d.peek() {
		case ']':
			d.at++
			return out, nil
		case ',':
			d.at++
		default:
			return nil, errSyntax
		}
	}
}

// peek is the next byte that is no space, 0 at the end.
func (d *decoder) peek() byte {
	for ; d.at < len(d.src); d.at++ {
		if c := d.src[d.at]; !space(c) {
			return c
		}
	}
	return 0
}

func (d *decoder) word(w string) error {
	if !bytes.HasPrefix(d.src[d.at:], []byte(w)) {
		return errSyntax
	}
	d.at += len(w)
	return nil
}

// text is a string, which begins here.
func (d *decoder) text() (string, error) {
	end, plain := d.at+1, true
	for ; end < len(d.src) && d.src[end] != '"'; end++ {
		if d.src[end] == '\\' {
			plain = false
			end++
		}
	}
	if end >= len(d.src) {
		return "", errSyntax
	}
	quoted := d.src[d.at : end+1]
	src := quoted[1 : len(quoted)-1]
	d.at = end + 1
	var known *string
	if plain && len(src) <= maxSharedText {
		known = &d.texts[maphash.Bytes(d.seeds[0], src)%uint64(len(d.texts))]
		if *known == string(src) {
			return *known, nil
		}
	}
	var s string
	if plain && utf8.Valid(src) && !bytes.ContainsFunc(src, func(r rune) bool { return r < ' ' }) {
		s = string(src)
	} else if err := json.Unmarshal(quoted, &s); err != nil {
		return "", err
	}
	if known != nil {
		*known = s
	}
	return s, nil
}

// number is an int64, or a float64 where that has no room for it.
func (d *decoder) number() (any, error) {
	start := d.at
	digits := func() bool {
		from := d.at
		for d.at < len(d.src) && '0' <= d.src[d.at] && d.src[d.at] <= '9' {
			d.at++
		}
		return d.at > from
	}
	has := func(chars string) bool {
		ok := d.at < len(d.src) && bytes.IndexByte([]byte(chars), d.src[d.at]) >= 0
		if ok {
			d.at++
		}
		return ok
	}
	has("-")
	if !has("0") && !digits() {
		return nil, errNumber
	}
	whole := true
	if has(".") {
		whole = false
		if !digits() {
			return nil, errNumber
		}
	}
	if has("eE") {
		whole = false
		has("+-")
		if !digits() {
			return nil, errNumber
		}
	}
	src := string(d.src[start:d.at])
	if whole {
		if i, err := strconv.ParseInt(src, 10, 64); err == nil {
			return i, nil
		}
	}
	f, err := strconv.ParseFloat(src, 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, errNumber
	}
	return f, nil
}
