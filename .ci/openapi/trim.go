// Command trim reads an OpenAPI description on its input and writes what the
// operations listed in a file (one "METHOD /path" a line) need of it: those
// operations, and the components they lead to.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: trim OPERATIONS <description.json >trimmed.json")
		os.Exit(2)
	}
	if err := trim(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "trim:", err)
		os.Exit(1)
	}
}

type object = map[string]any

func trim(list string, in io.Reader, out io.Writer) error {
	var full object
	if err := json.NewDecoder(in).Decode(&full); err != nil {
		return fmt.Errorf("reading the description: %w", err)
	}
	f, err := os.Open(list)
	if err != nil {
		return err
	}
	defer f.Close()

	paths := object{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		method, path, _ := strings.Cut(lines.Text(), " ")
		item, _ := full["paths"].(object)[path].(object)
		operation, ok := item[strings.ToLower(method)].(object)
		if !ok {
			return fmt.Errorf("%s: the description has no %s", list, lines.Text())
		}
		if paths[path] == nil {
			paths[path] = object{}
		}
		kept := paths[path].(object)
		kept[strings.ToLower(method)] = operation
		if shared, ok := item["parameters"]; ok {
			kept["parameters"] = shared
		}
	}

	components := object{}
	if err := follow(paths, full, components); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(object{
		"openapi": full["openapi"], "info": full["info"], "servers": full["servers"],
		"paths": paths, "components": components,
	})
}

// follow copies every component that node refers to, and what those refer to.
// Examples are dropped on the way: GitHub's do not all fit GitHub's schemas.
func follow(node any, full, components object) error {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			if err := follow(child, full, components); err != nil {
				return err
			}
		}
	case object:
		if ref, ok := node["$ref"].(string); ok {
			return component(ref, full, components)
		}
		for key, child := range node {
			if _, schema := child.(object); key == "examples" || key == "example" && !schema {
				delete(node, key)
				continue
			}
			if err := follow(child, full, components); err != nil {
				return err
			}
		}
	}
	return nil
}

func component(ref string, full, components object) error {
	kind, name, ok := strings.Cut(strings.TrimPrefix(ref, "#/components/"), "/")
	if !ok {
		return fmt.Errorf("reference %q leads out of the components", ref)
	}
	if components[kind] == nil {
		components[kind] = object{}
	}
	kept := components[kind].(object)
	if kept[name] != nil {
		return nil
	}
	from, _ := full["components"].(object)[kind].(object)
	if from[name] == nil {
		return fmt.Errorf("reference %q leads nowhere", ref)
	}
	kept[name] = from[name]
	return follow(from[name], full, components)
}
