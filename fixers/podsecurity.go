package fixers

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	psa "k8s.io/pod-security-admission/policy"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// podSecurity labels a namespace with the highest Pod Security level that all
// of its workloads meet, as Kubernetes' own evaluator judges them. Pods that no
// file has are not seen, so that a person must agree.
func podSecurity(f *detect.Finding, c Context) (Fix, *Held) {
	manual := func(format string, args ...any) (Fix, *Held) {
		return Fix{}, &Held{Reason: HeldManual, Detail: fmt.Sprintf(format, args...)}
	}
	workloads := c.Neighbours().workloads(f.Resource.Name, path.Dir(f.Resource.File.Path))
	if len(workloads) == 0 {
		return manual("no file here has a workload of namespace %s, so that the level it needs is not known; start with the labels warn and audit, which refuse nothing", f.Resource.Name)
	}
	if chart := c.Neighbours().chart(f.Resource.Name); chart != nil {
		return manual("%s brings pods that no file here has: look at what the chart renders, and label the namespace by that", chart.ID())
	}
	evaluator, err := psa.NewEvaluator(psa.DefaultChecks(), nil)
	if err != nil {
		return manual("%v", err)
	}
	var failing []string // the level and a workload that does not meet it
	written := f.Resource.Field(manifest.Path{}.Key("metadata", "labels", api.EnforceLevelLabel))
	for _, level := range []api.Level{api.LevelRestricted, api.LevelBaseline} {
		if written.Present && written.Node.Value == string(level) {
			return manual("%s: mend it first", failing[0])
		}
		id, why := breaks(evaluator, level, workloads)
		if id == "" && c.Live != nil {
			id, why = c.Live.breaks(evaluator, level, f.Resource.Name)
		}
		if id == "" {
			text := fmt.Sprintf("Kubernetes' own evaluator passes every workload of the namespace here (%d) at %s", len(workloads), level)
			if len(failing) > 0 {
				text += "; " + failing[0]
			}
			fix := Fix{
				Safety:   policy.Review,
				Evidence: []Evidence{{"assumed", text + "; pods that come from elsewhere and do not meet it would be refused"}},
				Edits:    []policy.Edit{{Op: policy.Set, Path: manifest.Path{}.Key("metadata", "labels", api.EnforceLevelLabel), Value: string(level)}},
			}
			if c.Live != nil && len(c.Live.Running.Pods(f.Resource.Name)) > 0 {
				fix.Safety = policy.Evidence
				fix.Evidence = []Evidence{{"proven", fmt.Sprintf("%s; and every pod that runs there (%d)", text, len(c.Live.Running.Pods(f.Resource.Name)))}}
			}
			return fix, nil
		}
		failing = append(failing, fmt.Sprintf("%s does not meet %s (%s)", id, level, why))
	}
	return manual("%s: mend it first, or label the namespace privileged on purpose", failing[1])
}

// breaks names the first pod of a namespace that does not meet a level, and why.
func (l *Live) breaks(evaluator psa.Evaluator, level api.Level, namespace string) (id, why string) {
	for _, o := range l.Running.Pods(namespace) {
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o, &pod); err != nil {
			return "a pod", err.Error()
		}
		at := api.LevelVersion{Level: level, Version: api.LatestVersion()}
		if result := psa.AggregateCheckResults(evaluator.EvaluatePod(at, &pod.ObjectMeta, &pod.Spec)); !result.Allowed {
			return "Pod " + pod.Namespace + "/" + pod.Name, result.ForbiddenReason()
		}
	}
	return "", ""
}

// breaks names the first workload that does not meet a level, and why.
func breaks(evaluator psa.Evaluator, level api.Level, workloads []*manifest.Resource) (id, why string) {
	for _, r := range workloads {
		_, template, _ := r.PodTemplate()
		var pod corev1.PodTemplateSpec
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod); err != nil {
			return r.ID(), err.Error()
		}
		at := api.LevelVersion{Level: level, Version: api.LatestVersion()}
		if result := psa.AggregateCheckResults(evaluator.EvaluatePod(at, &pod.ObjectMeta, &pod.Spec)); !result.Allowed {
			return r.ID(), result.ForbiddenReason()
		}
	}
	return "", ""
}

// chart is the first release of a Helm chart in a namespace.
func (n *Neighbours) chart(namespace string) *manifest.Resource {
	for _, r := range n.of[namespace] {
		if r.Kind == "HelmRelease" || r.Kind == "HelmChart" {
			return r
		}
	}
	return nil
}

// workloads lists what makes pods in a namespace, and what leaves its
// namespace open in a directory or below it.
func (n *Neighbours) workloads(namespace, dir string) []*manifest.Resource {
	var out []*manifest.Resource
	add := func(home string) {
		for _, r := range n.of[home] {
			if _, _, ok := r.PodTemplate(); ok && !r.Partial {
				out = append(out, r)
			}
		}
	}
	add(namespace)
	var open []string
	for home := range n.of {
		if below := "/" + dir; dir == "." && strings.HasPrefix(home, "/") || home == below || strings.HasPrefix(home, below+"/") {
			open = append(open, home)
		}
	}
	slices.Sort(open)
	for _, home := range open {
		add(home)
	}
	return out
}
