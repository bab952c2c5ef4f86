package fixers

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// Live is what a cluster knows of the resources of a set.
type Live struct {
	Running *cluster.Running
	Objects func(*manifest.Resource) []*manifest.Resource // the live workloads that a resource decides
}

// containers are those that run of the container that a finding is about, or
// of all where it is about the pod.
func (l *Live) containers(f *detect.Finding) []cluster.Container {
	var out []cluster.Container
	for _, o := range l.Objects(f.Resource) {
		out = append(out, l.Running.Of(o, f.Container)...)
	}
	return out
}

// observe lets what runs decide on a fix that the manifests leave to a person:
// it is as bold as evidence allows, or it is held where it would break what
// runs. Nothing that runs makes a fix safe without evidence being shown.
func (l *Live) observe(f *detect.Finding, r policy.Repair, fix *Fix) *Held {
	if held := l.careful(f, r, fix); held != nil {
		return held
	}
	if held := l.token(f, fix); held != nil {
		return held
	}
	l.bold(f, r, fix)
	running := l.containers(f)
	if len(running) == 0 || len(fix.Edits) == 0 {
		return nil
	}
	if held := l.enough(f, fix, running); held != nil {
		return held
	}
	if held := binds(f, fix, running); held != nil {
		return held
	}
	for _, way := range []func(*detect.Finding, []policy.Edit, []cluster.Container) (Evidence, *Held){l.users, l.profiles, l.hardened} {
		evidence, held := way(f, fix.Edits, running)
		if held != nil {
			held.Finding = f
			return held
		}
		if evidence.Level != "" && fix.Safety == policy.Review {
			fix.Safety, fix.Evidence = policy.Evidence, []Evidence{evidence}
		}
	}
	return nil
}

// careful takes the cluster's word where the policy finds more there that
// speaks against the fix than it finds in the tree.
func (l *Live) careful(f *detect.Finding, git policy.Repair, fix *Fix) *Held {
	for _, twin := range f.Twins {
		r, err := twin.Violation.Repair()
		if err != nil || r.Fixer != "" || r.Safety.Within(git.Safety) {
			continue
		}
		because := "in the cluster, " + r.Because
		if r.Safety == policy.Manual {
			return &Held{Finding: f, Reason: HeldManual, Detail: because}
		}
		fix.Safety, fix.Evidence = r.Safety, []Evidence{{"running", because}}
	}
	return nil
}

// bold takes the cluster's word where the manifests leave a fix to a person only
// because they say nothing more, and the cluster does, of which all was read.
func (l *Live) bold(f *detect.Finding, git policy.Repair, fix *Fix) {
	if git.Known || fix.Safety != policy.Review || len(f.Twins) == 0 || !l.Running.Rights() {
		return
	}
	because := ""
	for _, twin := range f.Twins {
		r, err := twin.Violation.Repair()
		if err != nil || !r.Known || !r.Safety.Within(policy.Evidence) {
			return
		}
		because = r.Because
	}
	fix.Safety, fix.Evidence = policy.Evidence, []Evidence{{"running", because}}
}

// token looks whether containers were seen to read the token that a fix takes away.
func (l *Live) token(f *detect.Finding, fix *Fix) *Held {
	if !slices.ContainsFunc(fix.Edits, func(e policy.Edit) bool {
		return last(e.Path) == "automountServiceAccountToken" && e.Value == false
	}) {
		return nil
	}
	watched := 0
	for _, o := range l.Objects(f.Resource) {
		for _, c := range l.Running.Of(o, "") {
			profile := l.Running.Profile(o, c.Name)
			if profile == nil {
				return nil
			}
			watched++
			for _, open := range list(profile["opens"]) {
				m, _ := open.(map[string]any)
				if name, _ := m["path"].(string); strings.HasPrefix(strings.TrimPrefix(name, "/var"), "/run/secrets/kubernetes.io/serviceaccount") {
					return &Held{Finding: f, Reason: HeldManual, Detail: fmt.Sprintf("Kubescape saw container %q read the token: %s", c.Name, name)}
				}
			}
		}
	}
	if watched > 0 && fix.Safety == policy.Review {
		fix.Safety, fix.Evidence = policy.Evidence, []Evidence{{"observed", "Kubescape watched every container of the pod, and none read the token"}}
	}
	return nil
}

// users looks at which users containers really start as, where a fix refuses root.
func (l *Live) users(_ *detect.Finding, edits []policy.Edit, running []cluster.Container) (none Evidence, _ *Held) {
	if !slices.ContainsFunc(edits, func(e policy.Edit) bool { return last(e.Path) == "runAsNonRoot" && e.Value == true }) {
		return none, nil
	}
	users := map[int64]bool{}
	for _, c := range running {
		if c.UID == nil {
			return none, nil
		}
		if *c.UID == 0 {
			return none, &Held{Reason: HeldManual, Detail: fmt.Sprintf("container %q of pod %s/%s runs as root: it would be refused; declare the user that its image is made for", c.Name, c.Namespace, c.Pod)}
		}
		users[*c.UID] = true
	}
	var names []string
	for u := range users {
		names = append(names, fmt.Sprint(u))
	}
	slices.Sort(names)
	return Evidence{"running", fmt.Sprintf("%s as user %s, not root", counted(running), strings.Join(names, ", "))}, nil
}

// hardened looks for the same image that runs elsewhere as the fix would have it.
func (l *Live) hardened(_ *detect.Finding, edits []policy.Edit, running []cluster.Container) (none Evidence, _ *Held) {
	example := ""
	for _, c := range running {
		i := slices.IndexFunc(l.Running.Same(c.Digest), func(other cluster.Container) bool {
			return other.Steady() && reflect.DeepEqual(c.Spec["command"], other.Spec["command"]) && reflect.DeepEqual(c.Spec["args"], other.Spec["args"]) &&
				!slices.ContainsFunc(edits, func(e policy.Edit) bool { return !runsSo(other, e) })
		})
		if c.Digest == "" || i < 0 {
			return none, nil
		}
		other := l.Running.Same(c.Digest)[i]
		example = fmt.Sprintf("%s of pod %s/%s", other.Name, other.Namespace, other.Pod)
	}
	return Evidence{"running", fmt.Sprintf("the same image runs so already, ready and without a restart: container %s", example)}, nil
}

// runsSo tells whether a container has what an edit would write into a
// security context: its own, or its pod's where it has none.
func runsSo(c cluster.Container, e policy.Edit) bool {
	i := slices.IndexFunc(e.Path, func(s manifest.Step) bool { return s.Key == "securityContext" })
	if i < 0 || e.Op == policy.Remove {
		return false
	}
	own, _ := c.Spec["securityContext"].(map[string]any)
	for _, context := range []map[string]any{own, c.PodSecurity} {
		var v any = context
		for _, s := range e.Path[i+1:] {
			m, _ := v.(map[string]any)
			v = m[s.Key]
		}
		if v == nil {
			continue
		}
		if l, ok := v.([]any); ok && e.Op == policy.Append {
			return slices.ContainsFunc(l, func(item any) bool { return reflect.DeepEqual(item, e.Value) })
		}
		return reflect.DeepEqual(v, e.Value)
	}
	return false
}

// profiles looks at what Kubescape saw a container do that the fix would forbid.
func (l *Live) profiles(f *detect.Finding, edits []policy.Edit, _ []cluster.Container) (none Evidence, _ *Held) {
	if f.Container == "" || len(edits) != 1 {
		return none, nil
	}
	var seen []map[string]any
	for _, o := range l.Objects(f.Resource) {
		profile := l.Running.Profile(o, f.Container)
		if profile == nil {
			return none, nil
		}
		seen = append(seen, profile)
	}
	var does []string
	var what string
	switch key := last(edits[0].Path); {
	case key == "readOnlyRootFilesystem" && edits[0].Value == true:
		what = "write outside of its volumes"
		for _, profile := range seen {
			does = append(does, written(profile, mounts(f))...)
		}
	case slices.ContainsFunc(edits[0].Path, func(s manifest.Step) bool { return s.Key == "drop" }) || key == "drop":
		what = "use a capability"
		for _, profile := range seen {
			for _, c := range list(profile["capabilities"]) {
				does = append(does, fmt.Sprint(c))
			}
		}
	default:
		return none, nil
	}
	slices.Sort(does)
	does = slices.Compact(does)
	if len(does) > 0 {
		return none, &Held{Reason: HeldManual, Detail: fmt.Sprintf("Kubescape saw container %q %s: %s", f.Container, what, strings.Join(does[:min(len(does), 5)], ", "))}
	}
	return Evidence{"observed", fmt.Sprintf("Kubescape watched container %q and never saw it %s", f.Container, what)}, nil
}

// written are the files that a container opened to write to and that lie on no volume.
func written(profile map[string]any, mounts []string) []string {
	var out []string
	for _, o := range list(profile["opens"]) {
		open, _ := o.(map[string]any)
		name, _ := open["path"].(string)
		writes := slices.ContainsFunc(list(open["flags"]), func(flag any) bool {
			return slices.Contains([]any{"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}, flag)
		})
		mounted := slices.ContainsFunc(mounts, func(m string) bool { return name == m || strings.HasPrefix(name, strings.TrimSuffix(m, "/")+"/") })
		if writes && !mounted {
			out = append(out, name)
		}
	}
	return out
}

// mounts are the places that a container may write to whatever its root is:
// its volumes, and what the kernel shows as files.
func mounts(f *detect.Finding) []string {
	out := []string{"/dev", "/proc", "/sys"}
	for path, container := range containers(f.Resource) {
		if path[len(path)-1].Value != f.Container {
			continue
		}
		for _, m := range list(container["volumeMounts"]) {
			mount, _ := m.(map[string]any)
			if at, _ := mount["mountPath"].(string); at != "" && mount["readOnly"] != true {
				out = append(out, at)
			}
		}
	}
	return out
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func last(p manifest.Path) string {
	if len(p) == 0 {
		return ""
	}
	return p[len(p)-1].Key
}

func counted(running []cluster.Container) string {
	if len(running) == 1 {
		return "its one container runs"
	}
	return fmt.Sprintf("its %d containers run", len(running))
}
