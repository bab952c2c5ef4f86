package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	maxObject = 64 << 20 // bytes of one object; the API server takes some 1.5 MiB, and keeps a little more
	maxNested = 500      // levels of one object
)

// stream reads JSON values one after another, without the whole of what holds them.
type stream struct {
	from  io.Reader
	buf   []byte // what was read and is not done with
	start int    // of the value at hand, or of what comes next

	spans []span
	open  []int
}

// span tells where an object or an array ends, so that it can be passed over.
// The spans of a value are in the order in which they begin.
type span struct {
	end  int // the byte behind it, from the start of the value
	next int // the span that begins behind it
}

var errCut = fmt.Errorf("the text ends in the middle: %w", io.ErrUnexpectedEOF)

// more reads on.
func (s *stream) more() error {
	if s.start > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.start:])]
		s.start = 0
	}
	if len(s.buf) == maxObject {
		return fmt.Errorf("one object has more than the %d MiB that are read", maxObject>>20)
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = append(make([]byte, 0, min(max(2*cap(s.buf), 64<<10), maxObject)), s.buf...)
	}
	for {
		n, err := s.from.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if n > 0 {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return errCut
		}
		if err != nil {
			return err
		}
	}
}

// peek is the next byte that is no space.
func (s *stream) peek() (byte, error) {
	for {
		for ; s.start < len(s.buf); s.start++ {
			if c := s.buf[s.start]; !space(c) {
				return c, nil
			}
		}
		if err := s.more(); err != nil {
			return 0, err
		}
	}
}

// take passes a byte, which is one of those that are wanted.
func (s *stream) take(wanted string) (byte, error) {
	c, err := s.peek()
	if err != nil {
		return 0, err
	}
	if !bytes.ContainsRune([]byte(wanted), rune(c)) {
		return 0, fmt.Errorf("it is no JSON: %q instead of one of %q", c, wanted)
	}
	s.start++
	return c, nil
}

// value is the next value, and the spans in it; both hold until the next call.
func (s *stream) value() ([]byte, []span, error) {
	first, err := s.peek()
	if err != nil {
		return nil, nil, err
	}
	if bytes.IndexByte([]byte(",:}]"), first) >= 0 {
		return nil, nil, fmt.Errorf("it is no JSON: %q instead of a value", first)
	}
	s.spans, s.open = s.spans[:0], s.open[:0]
	for i := 0; ; {
		if s.start+i == len(s.buf) {
			if err := s.more(); err != nil {
				return nil, nil, err
			}
		}
		c := s.buf[s.start+i]
		switch {
		case c == '"':
			if i, err = s.quoted(i); err != nil {
				return nil, nil, err
			}
		case c == '{' || c == '[':
			if len(s.open) == maxNested {
				return nil, nil, fmt.Errorf("an object is nested deeper than %d levels", maxNested)
			}
			s.open = append(s.open, len(s.spans))
			s.spans = append(s.spans, span{})
			i++
			continue
		case (c == '}' || c == ']') && len(s.open) > 0:
			i++
			last := len(s.open) - 1
			s.spans[s.open[last]] = span{i, len(s.spans)}
			s.open = s.open[:last]
		case len(s.open) == 0 && (c == ',' || c == '}' || c == ']' || space(c)): // behind a number or a word
		default:
			i++
			continue
		}
		if len(s.open) == 0 {
			raw := s.buf[s.start : s.start+i]
			s.start += i
			return raw, s.spans, nil
		}
	}
}

// quoted is the place behind a string that begins at i.
func (s *stream) quoted(i int) (int, error) {
	for from := i + 1; ; {
		text := s.buf[s.start:]
		n := bytes.IndexByte(text[from:], '"')
		if n < 0 {
			from = len(text)
			// A backslash at the end may belong to what comes.
			if err := s.more(); err != nil {
				return 0, err
			}
			continue
		}
		end := from + n
		escapes := 0
		for text[end-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return end + 1, nil
		}
		from = end + 1
	}
}

func space(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// members reads an object, which comes next: member takes the value of each.
func (s *stream) members(member func(key string) error) error {
	if _, err := s.take("{"); err != nil {
		return err
	}
	if c, err := s.peek(); err != nil || c == '}' {
		s.start++
		return err
	}
	for more := byte(','); more == ','; {
		raw, _, err := s.value()
		if err != nil {
			return err
		}
		var key string
		if err := json.Unmarshal(raw, &key); err != nil {
			return fmt.Errorf("it is no JSON: %w", err)
		}
		if _, err := s.take(":"); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		if more, err = s.take(",}"); err != nil {
			return err
		}
	}
	return nil
}

// readList reads a JSON object that has objects as its items, however many
// there are: item is called for each as soon as it was read, and the other
// members are returned.
func readList(r io.Reader, d *decoder, item func(map[string]any) error) (map[string]json.RawMessage, error) {
	s := &stream{from: r}
	head, size := map[string]json.RawMessage{}, 0
	err := s.members(func(key string) error {
		c, err := s.peek()
		if err != nil {
			return err
		}
		if key == "items" && c == '[' {
			return s.items(d, item)
		}
		raw, _, err := s.value()
		if err != nil {
			return err
		}
		if size += len(raw); size > maxObject {
			return fmt.Errorf("it has more than %d MiB besides its items", maxObject>>20)
		}
		head[key] = bytes.Clone(raw)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return head, nil
}

func (s *stream) items(d *decoder, item func(map[string]any) error) error {
	s.start++ // [
	if c, err := s.peek(); err != nil || c == ']' {
		s.start++
		return err
	}
	for n := 0; ; n++ {
		raw, spans, err := s.value()
		if err != nil {
			return fmt.Errorf("item %d: %w", n, err)
		}
		o, err := d.object(raw, spans)
		if err != nil {
			return fmt.Errorf("item %d: %w", n, err)
		}
		if err := item(o); err != nil {
			return fmt.Errorf("item %d: %w", n, err)
		}
		if c, err := s.take(",]"); err != nil || c == ']' {
			return err
		}
	}
}
