package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestEvents: what a watch tells is read one by one, however it arrives, and
// trimmed; an end between two events is none within one.
func TestEvents(t *testing.T) {
	t.Parallel()
	const (
		added    = `{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"b","managedFields":[{}]},"data":null}}`
		bookmark = ` { "object" : { "kind" : "ConfigMap" , "metadata" : { "resourceVersion" : "7" } } , "type" : "BOOKMARK" } `
		failed   = `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","code":410,"reason":"Expired"}}`
	)
	const addedIs, bookmarkIs = `ADDED {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"b"}}`, `BOOKMARK {"kind":"ConfigMap","metadata":{"resourceVersion":"7"}}`
	const failedIs = `ERROR {"apiVersion":"v1","code":410,"kind":"Status","reason":"Expired"}`
	for name, test := range map[string]struct {
		src  string
		want []string
		end  error // nil: it is no JSON
	}{
		"nothing":      {"", nil, io.EOF},
		"spaces":       {"\n \n", nil, io.EOF},
		"events":       {added + "\n" + bookmark + added, []string{addedIs, bookmarkIs, addedIs}, io.EOF},
		"an error":     {failed, []string{failedIs}, io.EOF},
		"cut":          {added + added[:60], []string{addedIs}, io.ErrUnexpectedEOF},
		"cut at once":  {"{", nil, io.ErrUnexpectedEOF},
		"no JSON":      {added + "{]", []string{addedIs}, nil},
		"a page":       {"<html>", nil, nil},
		"not an event": {`[1]`, nil, nil},
		"no object":    {`{"type":"ADDED","object":1}`, nil, nil},
	} {
		for how, reader := range map[string]io.Reader{"at once": strings.NewReader(test.src), "by bytes": iotest.OneByteReader(strings.NewReader(test.src))} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				w := newWatcher(Options{Now: time.Now})
				f := w.newFollower(t.Context(), kind{schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, "ConfigMap", true}, false)
				e := &events{f, io.NopCloser(reader), stream{from: reader}}
				var got []string
				for {
					is, o, err := e.Decode()
					if err != nil {
						if test.end != nil && err != test.end || test.end == nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
							t.Errorf("it ends with %v, want %v", err, test.end)
						}
						break
					}
					src, err := json.Marshal(o.(*unstructured.Unstructured).Object)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, fmt.Sprint(is, " ", string(src)))
				}
				if d := cmp.Diff(test.want, got); d != "" {
					t.Error(d)
				}
			})
		}
	}
}
