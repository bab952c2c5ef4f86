package policies_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// TestSafety: no fix that is made without a person's judgment may do what is
// known to break workloads, or override what an author wrote.
func TestSafety(t *testing.T) {
	t.Parallel()
	t.Run("goldens", func(t *testing.T) {
		t.Parallel()
		names, err := filepath.Glob(filepath.Join(root(t), "testdata", "policies", "*.txtar"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no goldens: %v", err)
		}
		set := &manifest.Set{}
		for _, name := range names {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, errs := manifest.Parse(filepath.Base(name), section(src, "input.yaml"), manifest.Plain, nil)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			set.Files = append(set.Files, f)
		}
		safety(t, set)
	})
	t.Run("corpus", func(t *testing.T) {
		t.Parallel()
		safety(t, manifests(t))
	})
}

func safety(t *testing.T, set *manifest.Set) {
	fixes := 0
	for _, f := range detect.Scan(set, detect.Options{Policies: load(t)}).Findings {
		r, err := f.Violation.Repair()
		if err != nil {
			t.Error(err)
			continue
		}
		if r.Because == "" && r.Fixer == "" {
			t.Errorf("%s: policy %s gives no reason for %s", f.Resource.ID(), f.Policy.Name, r.Safety)
		}
		if !r.Safety.Within(policy.Evidence) {
			continue
		}
		for _, e := range r.Edits {
			fixes++
			if why := breaks(f.Resource, e); why != "" {
				t.Errorf("%s:%d: policy %s, %s: %s %s: %s", f.Position.File, f.Position.Line, f.Policy.Name, r.Safety, e.Op, e.Path, why)
			}
		}
	}
	if fixes == 0 {
		t.Error("nothing is mended without a person")
	}
	t.Logf("%d edits that need no person", fixes)
}

// breaks says what an edit is known to break.
func breaks(r *manifest.Resource, e policy.Edit) string {
	field := e.Path[len(e.Path)-1].Key
	if meansTheSame(r, e) {
		return ""
	}
	if e.Op == policy.Remove {
		return "something that the author wrote goes"
	}
	if was := r.Field(e.Path); e.Op == policy.Set && was.Present && manifest.Scalar(was.Node) != nil && field != "drop" {
		return "a value that the author wrote is overridden"
	}
	if flag, ok := addedFlag(e); ok {
		return flagBreaks(r, flag)
	}
	_, template, ok := r.PodTemplate()
	if !ok {
		return "no fix without a person is known for this kind"
	}
	spec := template["spec"].(map[string]any)
	switch field {
	case "seccompProfile":
		for _, c := range concerned(spec, e.Path) {
			if get(c, "securityContext", "privileged") == true {
				return "a privileged container gets a seccomp profile"
			}
		}
	case "runAsNonRoot":
		for _, c := range concerned(spec, e.Path) {
			if !declaresUser(spec, c) {
				return "a container that may be root would be refused"
			}
		}
	case "allowPrivilegeEscalation":
		for _, c := range concerned(spec, e.Path) {
			if get(c, "securityContext", "privileged") == true || slices.Contains(list(c, "securityContext", "capabilities", "add"), "SYS_ADMIN") {
				return "the API server refuses it beside privileged and SYS_ADMIN"
			}
			if !startsNonRoot(spec, c) {
				return "a container that may be root can no longer change users by set-user-ID programs"
			}
		}
	case "drop", "add":
		for _, c := range concerned(spec, e.Path) {
			if !startsNonRoot(spec, c) {
				return "a container that may be root loses what its start-up needs"
			}
		}
	case "readOnly":
		if from := mounted(spec, r, e.Path[:len(e.Path)-1]); !onlyRead.MatchString(from) {
			return "a container that may write to " + from + " of its node no longer can"
		}
	case "automountServiceAccountToken":
		if name, _ := get(spec, "serviceAccountName").(string); name != "" && name != "default" {
			return "a pod with a service account of its own loses its token"
		}
	default:
		return "no fix of this field is known to need no person"
	}
	return ""
}

// onlyRead are the paths of a node that belong to it alone: what mounts them reads.
var onlyRead = regexp.MustCompile(`^(/etc/(localtime|timezone|machine-id|os-release)|/usr/lib/os-release|/usr/share/(zoneinfo|ca-certificates)|` +
	`/etc/(ssl|pki/tls)/certs|(/etc|/usr/local/share)/ca-certificates)/?$`)

// mounted is the path of the node that a mount of a container leads to.
func mounted(spec map[string]any, r *manifest.Resource, mount manifest.Path) string {
	name := r.Field(mount.Key("name"))
	volumes, _ := spec["volumes"].([]any)
	for _, v := range volumes {
		if name.Present && get(v, "name") == manifest.Scalar(name.Node) {
			from, _ := get(v, "hostPath", "path").(string)
			return from
		}
	}
	return ""
}

// meansTheSame tells edits that say otherwise what was said already.
func meansTheSame(r *manifest.Resource, e policy.Edit) bool {
	last := e.Path[len(e.Path)-1]
	_, template, _ := r.PodTemplate()
	switch {
	case last.Key == "serviceAccount" && e.Op == policy.Remove:
		return get(template, "spec", "serviceAccountName") == nil
	case last.Key == "serviceAccountName" && e.Op == policy.Set:
		return e.Value == get(template, "spec", "serviceAccount")
	case last.Key == "image" && e.Op == policy.Set:
		was, _ := manifest.Scalar(r.Field(e.Path).Node).(string)
		rest, old := strings.CutPrefix(was, "k8s.gcr.io/")
		return old && e.Value == "registry.k8s.io/"+rest
	case last.Item && e.Path[len(e.Path)-2].Key == "env" && e.Op == policy.Remove:
		return shadowed(r.Field(e.Path[:len(e.Path)-1]).Node.Content, last.Index)
	}
	return false
}

// shadowed tells whether a variable is given again behind, and no other is made from it.
func shadowed(env []*yaml.Node, index int) bool {
	var names, values []string
	for _, n := range env {
		var v struct{ Name, Value string }
		if n.Decode(&v) != nil {
			return false
		}
		names, values = append(names, v.Name), append(values, v.Value)
	}
	return slices.Contains(names[index+1:], names[index]) && !strings.Contains(strings.Join(values, " "), "$("+names[index]+")")
}

// addedFlag is the flag of a component that an edit adds, as name=value.
func addedFlag(e policy.Edit) (string, bool) {
	last := e.Path[len(e.Path)-1].Key
	switch v := e.Value.(type) {
	case string:
		if e.Op == policy.Append && (last == "command" || last == "args") {
			return strings.CutPrefix(v, "--")
		}
		if len(e.Path) > 1 && e.Path[len(e.Path)-2].Key == "extraArgs" {
			return last + "=" + v, true
		}
	case map[string]any:
		return fmt.Sprint(v["name"], "=", v["value"]), last == "extraArgs"
	case bool:
		return "profiling=false", last == "enableProfiling" && !v
	}
	return "", false
}

// flagBreaks says what a flag that is new is known to break.
func flagBreaks(r *manifest.Resource, flag string) string {
	switch flag {
	case "profiling=false":
		return ""
	case "bind-address=127.0.0.1":
		_, template, _ := r.PodTemplate()
		items, _ := get(template, "spec", "containers").([]any)
		for _, c := range items {
			for _, probe := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
				if p := get(c, probe); p != nil && get(p, "httpGet", "host") != "127.0.0.1" {
					return "a probe asks for the address of the pod"
				}
			}
		}
		return ""
	}
	return "no flag " + flag + " is known to need no person"
}

// concerned are the containers that an edit below the pod's or one container's security context reaches.
func concerned(spec map[string]any, path manifest.Path) []map[string]any {
	var out []map[string]any
	for _, lists := range manifest.ContainerLists {
		items, _ := spec[lists].([]any)
		for i := range items {
			c, _ := items[i].(map[string]any)
			own := slices.IndexFunc(path, func(s manifest.Step) bool { return s.Item })
			if own < 0 || path[own-1].Key == lists && path[own] == manifest.ItemStep(lists, items, i) {
				out = append(out, c)
			}
		}
	}
	return out
}

func declaresUser(spec, container map[string]any) bool {
	user, ok := get(container, "securityContext", "runAsUser").(int64)
	if !ok {
		user, _ = get(spec, "securityContext", "runAsUser").(int64)
	}
	return user > 0
}

func startsNonRoot(spec, container map[string]any) bool {
	nonRoot, ok := get(container, "securityContext", "runAsNonRoot").(bool)
	if !ok {
		nonRoot, _ = get(spec, "securityContext", "runAsNonRoot").(bool)
	}
	return nonRoot || declaresUser(spec, container)
}

func get(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func list(v any, keys ...string) []string {
	items, _ := get(v, keys...).([]any)
	var out []string
	for _, item := range items {
		s, _ := item.(string)
		out = append(out, strings.TrimPrefix(s, "CAP_"))
	}
	return out
}
