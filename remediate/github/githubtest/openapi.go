package githubtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// apiRoot is where GitHub Enterprise serves its API, and so does the fake.
const apiRoot = "/api/v3"

// description is GitHub's own account of its API. It judges what oakum sends
// and what the fake answers: neither side is trusted to know.
type description struct {
	doc    *openapi3.T
	router routers.Router
}

var load = sync.OnceValues(func() (*description, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading GitHub's description: %w", err)
	}
	doc.Servers = openapi3.Servers{{URL: apiRoot}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("reading GitHub's description: %w", err)
	}
	return &description{doc, router}, nil
})

// find looks where OAKUM_OPENAPI says, or in the cache at the module's root.
func find() (string, error) {
	if path := os.Getenv("OAKUM_OPENAPI"); path != "" {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".cache", "openapi", "api.github.com.trimmed.json"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the test's directory")
		}
	}
}

// describe loads the description, or skips the test where it has not been
// fetched, unless OAKUM_STRICT asks for it.
func describe(t testing.TB) *description {
	t.Helper()
	d, err := load()
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("OAKUM_STRICT") != "1" {
		t.Skip("GitHub's description is not here: run .ci/openapi.sh")
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// request validates what a client sent, and finds its operation.
func (d *description) request(r *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	judged := r.Clone(context.Background())
	judged.Body = io.NopCloser(bytes.NewReader(body))
	judged.URL = d.singleSegment(r.URL)
	route, params, err := d.router.FindRoute(judged)
	if err != nil {
		return nil, fmt.Errorf("GitHub has no such operation, or it is missing in operations.txt: %w", err)
	}
	for name := range r.URL.Query() {
		if !declared(route, name) {
			return nil, fmt.Errorf("the operation has no query parameter %q", name)
		}
	}
	input := &openapi3filter.RequestValidationInput{Request: judged, PathParams: params, Route: route}
	return input, openapi3filter.ValidateRequest(context.Background(), input)
}

func declared(route *routers.Route, name string) bool {
	for _, p := range route.Operation.Parameters {
		if p.Value.In == "query" && p.Value.Name == name {
			return true
		}
	}
	return false
}

// singleSegment escapes the slashes in a last parameter that GitHub lets run
// over several segments, like a ref; OpenAPI knows no such thing.
func (d *description) singleSegment(u *url.URL) *url.URL {
	escaped := *u
	for _, marker := range []string{"/git/ref/", "/git/refs/", "/git/commits/", "/rules/branches/"} {
		if before, tail, ok := strings.Cut(u.EscapedPath(), marker); ok {
			escaped.RawPath = before + marker + strings.ReplaceAll(tail, "/", "%2F")
		}
	}
	return &escaped
}

func (d *description) response(input *openapi3filter.RequestValidationInput, status int, header http.Header, body []byte) error {
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: status < 300},
	})
}

// object is a JSON object.
type object = map[string]any

// sample makes the smallest object of a named schema: what is required, filled
// with something of the right kind. The fake then sets the fields that tell
// something; the answer as a whole is validated like any other.
func (d *description) sample(schema string, with object) object {
	whole := *d.doc.Components.Schemas[schema].Value
	whole.Nullable = false
	made, _ := fill(&whole).(object)
	merge(made, with)
	return made
}

func fill(s *openapi3.Schema) any {
	switch {
	case s.Nullable:
		return nil
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.OneOf) > 0:
		return fill(s.OneOf[0].Value)
	case len(s.AnyOf) > 0:
		return fill(s.AnyOf[0].Value)
	case len(s.AllOf) > 0:
		all := object{}
		for _, part := range s.AllOf {
			if o, ok := fill(part.Value).(object); ok {
				merge(all, o)
			}
		}
		return all
	case s.Type.Is("string") && s.Format == "uri":
		return "https://github.example/"
	case s.Type.Is("string") && s.Format == "date-time":
		return "2024-01-01T00:00:00Z"
	case s.Type.Is("string"):
		return "text"
	case s.Type.Is("integer"), s.Type.Is("number"):
		return 1
	case s.Type.Is("boolean"):
		return false
	case s.Type.Is("array"):
		return []any{}
	}
	made := object{}
	for _, name := range s.Required {
		made[name] = fill(s.Properties[name].Value)
	}
	return made
}

func merge(into, from object) {
	for key, value := range from {
		child, ok := value.(object)
		if have, is := into[key].(object); ok && is {
			merge(have, child)
			continue
		}
		into[key] = value
	}
}
