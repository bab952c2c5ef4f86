package render

import (
	"fmt"
	"io/fs"
	"strings"

	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
)

// plugin checks what configures a generator, transformer or validator: YAML
// written inline or a file of it. The built-in ones read files too, and would
// fetch them. One that is itself built by a kustomization could be patched to
// say anything: it is refused.
func (w *walk) plugin(kustomization, text string) error {
	if remote(text) {
		return fmt.Errorf("%w: %s names %q", ErrRemote, kustomization, text)
	}
	configs, err := resources([]byte(text))
	if err != nil { // so kustomize tells inline YAML from a path
		p, err := inside(kustomization, text)
		if err != nil {
			return err
		}
		info, err := fs.Stat(w.tree, p)
		if err != nil {
			return fmt.Errorf("%s names %q, which does not exist", kustomization, text)
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s takes the configuration of a plugin from the directory %q, which is not supported", kustomization, text)
		}
		if err := w.file(p, info.Size()); err != nil {
			return err
		}
		src, err := fs.ReadFile(w.tree, p)
		if err != nil {
			return fmt.Errorf("reading %s: %w", p, err)
		}
		if configs, err = resources(src); err != nil {
			return fmt.Errorf("reading %s: %w", p, err)
		}
	}
	for _, r := range configs.Resources() {
		if r.GetApiVersion() != "builtin" {
			return fmt.Errorf("%s runs the plugin %s", kustomization, r.GetKind())
		}
		if strings.EqualFold(r.GetKind(), "HelmChartInflationGenerator") {
			return fmt.Errorf("%s inflates a Helm chart", kustomization)
		}
		config, err := r.Map()
		if err != nil {
			return fmt.Errorf("reading a plugin of %s: %w", kustomization, err)
		}
		if err := w.pluginFiles(kustomization, "", config); err != nil {
			return err
		}
	}
	return nil
}

// pluginFiles finds the files that a built-in plugin reads: the strings below
// the keys that name files in any of them. Not every such string is one.
func (w *walk) pluginFiles(kustomization, key string, value any) error {
	switch v := value.(type) {
	case map[string]any:
		for k, below := range v {
			if err := w.pluginFiles(kustomization, strings.ToLower(k), below); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := w.pluginFiles(kustomization, key, item); err != nil {
				return err
			}
		}
	case string:
		switch key {
		case "path", "paths", "files", "env", "envs", "targetfilepath":
		default:
			return nil
		}
		name := v
		if _, after, ok := strings.Cut(v, "="); ok && key == "files" {
			name = after
		}
		if remote(v) || remote(name) {
			return fmt.Errorf("%w: a plugin of %s names %q", ErrRemote, kustomization, v)
		}
		p, err := inside(kustomization, name)
		if err != nil {
			return err
		}
		if info, err := fs.Stat(w.tree, p); err == nil && info.Mode().IsRegular() {
			return w.file(p, info.Size())
		}
	}
	return nil
}

// resources reads a text as the build would.
func resources(src []byte) (m resmap.ResMap, err error) {
	if err := bounded(src); err != nil {
		return nil, err
	}
	building.Lock()
	defer building.Unlock()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("kustomize failed: %v", r)
		}
	}()
	return resmap.NewFactory(provider.NewDefaultDepProvider().GetResourceFactory()).NewResMapFromBytes(src)
}
