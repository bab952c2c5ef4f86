package render

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Object is one rendered object and the file that it came from.
type Object struct {
	APIVersion, Kind, Namespace, Name string
	Origin                            string         // path in the tree; empty for what was generated
	Value                             map[string]any // as JSON has it
}

// ID names the object the way people do.
func (o Object) ID() string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

const (
	originAnnotation = "config.kubernetes.io/origin"
	maxBuild         = 60 * time.Second
	repository       = "/repository"
	wrapper          = "/wrapper"
)

// kustomize keeps schemas and plugins in globals: one build at a time.
var building sync.Mutex

// Build renders a root that Roots found no obstacle in. The build sees a copy
// in memory of the files that the root reads, and nothing else.
func Build(ctx context.Context, tree fs.FS, root Root) ([]Object, error) {
	if root.Err != nil {
		return nil, root.Err
	}
	memory := filesys.MakeFsInMemory()
	marked := true
	sources := make([][]byte, len(root.Files))
	for i, f := range root.Files {
		src, err := fs.ReadFile(tree, f)
		if err != nil {
			return nil, fmt.Errorf("building %s: %w", root.Dir, err)
		}
		role := root.manifests[f]
		if role != "" {
			if err := bounded(src); err != nil {
				return nil, fmt.Errorf("building %s: reading %s: %w", root.Dir, f, err)
			}
		}
		sources[i] = src
		if marked && role == ResourceRole {
			_, marked = mark(src, f)
		}
	}
	for i, f := range root.Files {
		src := sources[i]
		if marked && root.manifests[f] == ResourceRole {
			src, _ = mark(src, f)
		}
		if err := memory.WriteFile(path.Join(repository, f), src); err != nil {
			return nil, fmt.Errorf("building %s: %w", root.Dir, err)
		}
	}
	dir := path.Join(repository, root.Dir)
	if !marked {
		// A kustomization around the root asks for origins without touching it.
		around := fmt.Sprintf("resources:\n- %q\nbuildMetadata: [originAnnotations]\n", ".."+dir)
		if err := memory.WriteFile(wrapper+"/kustomization.yaml", []byte(around)); err != nil {
			return nil, fmt.Errorf("building %s: %w", root.Dir, err)
		}
		dir = wrapper
	}
	ctx, cancel := context.WithTimeout(ctx, maxBuild)
	defer cancel()
	type result struct {
		objects []Object
		err     error
	}
	done := make(chan result, 1)
	go func() {
		objects, err := run(memory, dir)
		done <- result{objects, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("building %s: %s", root.Dir, strings.NewReplacer(".."+repository+"/", "", repository+"/", "").Replace(r.err.Error()))
		}
		return r.objects, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("building %s: %w", root.Dir, ctx.Err())
	}
}

func run(memory filesys.FileSystem, dir string) (objects []Object, err error) {
	building.Lock()
	defer building.Unlock()
	defer func() {
		if r := recover(); r != nil {
			objects, err = nil, fmt.Errorf("kustomize failed: %v", r)
		}
	}()
	defer silence()()
	options := krusty.MakeDefaultOptions()
	// The memory is the jail; within it overlays may reach their siblings.
	options.LoadRestrictions = types.LoadRestrictionsNone
	resources, err := krusty.MakeKustomizer(options).Run(memory, dir)
	if err != nil {
		return nil, err
	}
	for _, r := range resources.Resources() {
		value, err := r.Map()
		if err != nil {
			return nil, err
		}
		o := Object{APIVersion: r.GetApiVersion(), Kind: r.GetKind(), Namespace: r.GetNamespace(), Name: r.GetName(), Value: value}
		o.Origin = takeOrigin(value)
		objects = append(objects, o)
	}
	return objects, nil
}

// silence keeps kustomize's advice about deprecated fields, which it writes to
// os.Stderr whatever its caller wants, out of ours. building is held.
func silence() (restore func()) {
	stderr := os.Stderr
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return func() {}
	}
	os.Stderr = null
	return func() { os.Stderr = stderr; null.Close() }
}
