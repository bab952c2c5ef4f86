package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// hard are items of lists that are hard to read.
var hard = []string{
	`{}`, `{"a":null,"b":[null,1]}`, `{"a":1,"a":null}`, `{"a":{"b":1},"a":{"c":2}}`, `{"a":{"b":{"c":{"d":[1,-0,0.5,1e3,123456789012345678901234567890,-9223372036854775808]}}}}`,
	`{"quotes":"\"","backslash":"\\","both":"\\\"","end":"a\\","unicode":"\u00e9\ud83d\ude00\ud800","raw":"é😀"}`,
	" {\n\t\"a\" : [ 1 , 2 ] , \"b\" : { \"c\" : true , \"d\" : false } }\r\n",
	`{"metadata":{"managedFields":[{"x":{}}],"name":"a"},"spec":{"managedFields":1,"deep":{"managedFields":[2]}}}`,
	`{"spec":{"x":{"a":[{"b":1},{"b":1}]}}}`, `{"spec":{"x":{"a":[{"b":1},{"b":1}]}},"y":{"z":{"a":[{"b":1},{"b":1}]}}}`,
	"{\"a\":\"\xff\"}", `{"a":[[],{},[[]],""]}`,
	// and these are not what they should be
	`{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":+1}`, `{"a":1e}`, `{"a":tru}`, `{"a":truefalse}`, `{"a" 1}`, `{"a":1,}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{"a":{]}`, `{"a":[}]`,
	`{a:1}`, `{"a":"` + "\n" + `"}`, `{"a":"\x"}`, `[1]`, `"text"`, `1`, `null`, `{"a":1e999}`, `{"spec":{"x":{"a":[{"b":1},{"b":01}]}}}`, `{`, `{"a`, `{"a":"\`, `{"a":{"b":"}"}`,
}

// read reads a list of items with a decoder.
func read(r io.Reader, d *decoder) ([]map[string]any, map[string]json.RawMessage, error) {
	var out []map[string]any
	head, err := readList(r, d, func(o map[string]any) error {
		out = append(out, o)
		return nil
	})
	return out, head, err
}

// reference reads an object as apimachinery does.
func reference(src []byte) (map[string]any, error) {
	var v map[string]any
	if err := utiljson.Unmarshal(src, &v); err != nil {
		return nil, err
	}
	if v == nil {
		return nil, errors.New("null")
	}
	withoutNulls(v)
	return v, nil
}

func withoutNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
			}
			withoutNulls(e)
		}
	case []any:
		for _, e := range v {
			withoutNulls(e)
		}
	}
}

// TestDecode: values are those of apimachinery, however the bytes come, and
// what it refuses is refused.
func TestDecode(t *testing.T) {
	t.Parallel()
	d := newDecoder(true) // one for all: what was read before must not matter
	for _, item := range hard {
		want, wrong := reference([]byte(item))
		list := `{"kind":"List","items":[` + item + "," + item + `],"metadata":{"continue":"x\"]}"}}`
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(list), "bytes": iotest.OneByteReader(strings.NewReader(list)), "with the end": iotest.DataErrReader(strings.NewReader(list)),
		} {
			got, head, err := read(r, d)
			if wrong != nil {
				if err == nil {
					t.Errorf("%s, %s: read as %v, want an error: %v", item, name, got, wrong)
				}
				continue
			}
			if diff := cmp.Diff([]map[string]any{want, want}, got); err != nil || diff != "" {
				t.Errorf("%s, %s: %v\n%s", item, name, err, diff)
			}
			if string(head["kind"]) != `"List"` || string(head["metadata"]) != `{"continue":"x\"]}"}` || len(head) != 2 {
				t.Errorf("%s, %s: the rest is %s", item, name, head)
			}
		}
	}
}

// TestDecodeBounds: what is too large or too deep, and what ends too early, is refused.
func TestDecodeBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ src, want string }{
		{`{"items":[{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}]}`, "item 0: an object is nested deeper than 500 levels"},
		{`{"items":[{},{"a":"` + strings.Repeat("x", maxObject) + `"}]}`, "item 1: one object has more than the 64 MiB that are read"},
		{`{"items":[{"a":1}`, "the text ends in the middle: unexpected EOF"},
		{`{"items":[{"a":1},`, "item 1: the text ends in the middle: unexpected EOF"},
		{`{"items":[]`, "the text ends in the middle: unexpected EOF"},
		{`{"items":[{"a":1}{"b":2}]}`, `it is no JSON: '{' instead of one of ",]"`},
		{`{"items":[]}`, ""},
		{`{"items":null}`, ""},
		{`{}`, ""},
		{"  {\n} ", ""},
	} {
		_, _, err := read(strings.NewReader(c.src), newDecoder(false))
		if fmt.Sprint(err) != c.want && (err != nil || c.want != "") {
			t.Errorf("%.40s: %v, want %s", c.src, err, c.want)
		}
	}
}

// TestDecodeShares: what two objects have in common is there once, and what is
// each one's own is not shared.
func TestDecodeShares(t *testing.T) {
	t.Parallel()
	const list = `{"items":[
{"metadata":{"name":"a","labels":{"app":"x"},"managedFields":[{"manager":"y"}]},"spec":{"containers":[{"name":"c","env":[{"name":"A"}]}]}},
{"metadata":{"name":"b","labels":{"app":"x"},"managedFields":[{"manager":"y"}]},"spec":{"containers":[{"name":"d","env":[{"name":"A"}]}]}},
{"metadata":{"name":"a"},"spec":{}},{"metadata":{"name":"a"},"spec":{}}]}`
	for _, owners := range []bool{false, true} {
		got, _, err := read(strings.NewReader(list), newDecoder(owners))
		if err != nil {
			t.Fatal(err)
		}
		at := func(i int, keys ...string) any { return field(got[i], keys...) }
		same := func(a, b any) bool { return fmt.Sprintf("%p", a) == fmt.Sprintf("%p", b) }
		if !same(at(0, "metadata", "labels"), at(1, "metadata", "labels")) {
			t.Error("labels are there twice")
		}
		env := func(i int) any { return items(at(i, "spec", "containers"))[0]["env"] }
		if !same(env(0), env(1)) {
			t.Error("variables are there twice")
		}
		if same(at(2, "metadata"), at(3, "metadata")) || same(at(2, "spec"), at(3, "spec")) {
			t.Error("the metadata or the spec of two objects is one")
		}
		if kept := at(0, "metadata", "managedFields") != nil; kept != owners {
			t.Errorf("managed fields are kept: %t, want %t", kept, owners)
		}
	}
}

// FuzzDecode: what is read is what apimachinery reads; what it refuses is
// never read as something else than it is before.
func FuzzDecode(f *testing.F) {
	for _, item := range hard {
		f.Add([]byte(item))
	}
	d := newDecoder(true)
	f.Fuzz(func(t *testing.T, item []byte) {
		want, wrong := reference(item)
		list := slices.Concat([]byte(`{"items":[`), item, []byte(`]}`))
		got, _, err := read(bytes.NewReader(list), d)
		if wrong != nil {
			return // the item may end the list, and begin another
		}
		if err != nil {
			t.Fatalf("%q: %v", item, err)
		}
		if diff := cmp.Diff([]map[string]any{want}, got); diff != "" {
			t.Fatalf("%q:\n%s", item, diff)
		}
	})
}
