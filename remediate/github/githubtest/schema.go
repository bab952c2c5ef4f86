package githubtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas are GitHub's descriptions of what its webhooks send.
type schemas struct {
	definitions object
	compiler    *jsonschema.Compiler

	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
}

var loadSchemas = sync.OnceValues(func() (*schemas, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(filepath.Dir(path), "webhooks.json"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	document, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource("webhooks.json", document); err != nil {
		return nil, err
	}
	return &schemas{definitions: document.(object)["definitions"].(object), compiler: c, compiled: map[string]*jsonschema.Schema{}}, nil
})

// payload makes what GitHub sends of an event: of the given values those that
// its schema knows, and something of the right kind for what else it requires.
// The result is held against the schema by a validator that had no part in it.
func (s *schemas) payload(event, action string, with object) ([]byte, error) {
	name := event + "$" + action
	if action == "" {
		name = event + "$event"
	}
	definition, ok := s.definitions[name].(object)
	if !ok {
		return nil, fmt.Errorf("GitHub has no event %s", name)
	}
	body, err := json.Marshal(s.fit(definition, with, true))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	schema := s.compiled[name]
	if schema == nil {
		if schema, err = s.compiler.Compile("webhooks.json#/definitions/" + name); err != nil {
			return nil, err
		}
		s.compiled[name] = schema
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	return body, schema.Validate(document)
}

// fit makes a value of a schema out of one that may have more, or less, or the
// wrong kind.
func (s *schemas) fit(schema object, value any, given bool) any {
	schema = s.flat(schema)
	for _, choice := range []string{"oneOf", "anyOf"} {
		if options, ok := schema[choice].([]any); ok {
			return s.fit(s.choose(options, value, given), value, given)
		}
	}
	if given && value == nil && takes(schema, "null") {
		return nil
	}
	switch {
	case takes(schema, "object"):
		properties, _ := schema["properties"].(object)
		had, _ := value.(object)
		if len(properties) == 0 && had != nil {
			return had
		}
		made := object{}
		for name, property := range properties {
			if v, has := had[name]; has || requires(schema, name) {
				made[name] = s.fit(property.(object), v, has)
			}
		}
		return made
	case takes(schema, "array"):
		made := []any{}
		had, _ := value.([]any)
		items, _ := schema["items"].(object)
		for _, v := range had {
			made = append(made, s.fit(items, v, true))
		}
		return made
	}
	text, isText := value.(string)
	address := schema["format"] == "uri" || schema["format"] == "uri-template"
	if given && value != nil && takes(schema, typeOf(value)) && !(isText && address && !strings.Contains(text, "://")) {
		return value
	}
	if enum, ok := schema["enum"].([]any); ok {
		return enum[0]
	}
	switch {
	case takes(schema, "null"):
		return nil
	case address:
		return "https://github.example/"
	case takes(schema, "string") && schema["format"] == "date-time":
		return "2024-01-01T00:00:00Z"
	case takes(schema, "string"):
		return "text"
	case takes(schema, "boolean"):
		return false
	}
	return 1
}

// flat follows a reference, and joins what must all hold.
func (s *schemas) flat(schema object) object {
	if ref, ok := schema["$ref"].(string); ok {
		return s.flat(s.definitions[strings.TrimPrefix(ref, "#/definitions/")].(object))
	}
	parts, ok := schema["allOf"].([]any)
	if !ok {
		return schema
	}
	properties, required := object{}, []any{}
	for _, part := range parts {
		p := s.flat(part.(object))
		if more, ok := p["properties"].(object); ok {
			for name, property := range more { // the later one is narrower
				properties[name] = property
			}
		}
		if more, ok := p["required"].([]any); ok {
			required = append(required, more...)
		}
	}
	return object{"type": "object", "properties": properties, "required": required}
}

func (s *schemas) choose(options []any, value any, given bool) object {
	for _, o := range options {
		option := s.flat(o.(object))
		if given && takes(option, typeOf(value)) || !given && takes(option, "null") {
			return option
		}
	}
	return s.flat(options[0].(object))
}

func takes(schema object, kind string) bool {
	switch t := schema["type"].(type) {
	case string:
		return t == kind || t == "number" && kind == "integer"
	case []any:
		for _, one := range t {
			if one == kind {
				return true
			}
		}
	case nil:
		return kind == "object" && schema["properties"] != nil
	}
	return false
}

func requires(schema object, name string) bool {
	required, _ := schema["required"].([]any)
	for _, one := range required {
		if one == name {
			return true
		}
	}
	return false
}

func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case int, int64:
		return "integer"
	case object:
		return "object"
	case []any:
		return "array"
	}
	return ""
}
