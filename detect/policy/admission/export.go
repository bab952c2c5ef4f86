package admission

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/parser"

	"github.com/oakum-dev/oakum/detect/policy"
)

// Export is a policy of oakum's own in the words of the API server's admission.
type Export struct {
	Name        string
	Policy      *policy.Policy
	Kinds       []string // group/Kind
	Variables   []policy.Variable
	Expression  string
	MessageWith string // messageExpression, empty where the title must do
}

// NewExport says in the language of admission what a policy requires of a
// version of Kubernetes 1.x. An error tells what admission cannot express.
func NewExport(p *policy.Policy, kubernetes int) (*Export, error) {
	switch {
	case p.Language != "":
		return nil, fmt.Errorf("policy %s is a %s already", p.Name, p.Language)
	case p.ScanOnly != "":
		return nil, fmt.Errorf("policy %s is for scans only: %s", p.Name, p.ScanOnly)
	case p.Analyzer != "":
		return nil, fmt.Errorf("policy %s looks across resources, which no admission policy does", p.Name)
	case p.Vulnerabilities != "":
		return nil, fmt.Errorf("policy %s judges by reports of scanners, which no admission policy sees", p.Name)
	case len(p.Match.Components) > 0:
		return nil, fmt.Errorf("policy %s judges how a program of the cluster is started, which no admission policy sees", p.Name)
	case kubernetes < p.Kubernetes.Since || p.Kubernetes.Until != 0 && kubernetes > p.Kubernetes.Until:
		return nil, fmt.Errorf("policy %s says nothing of Kubernetes 1.%d", p.Name, kubernetes)
	}
	sc, err := p.Scope()
	if err != nil {
		return nil, err
	}
	t, err := newTranslation()
	if err != nil {
		return nil, err
	}
	e := &exporter{goes: sc, Export: Export{Name: "oakum-" + p.Name, Policy: p}, t: t, kubernetes: kubernetes, used: map[string]bool{}}
	if err = e.export(); err == nil {
		err = e.compile()
	}
	if err != nil {
		return nil, fmt.Errorf("policy %s cannot be a ValidatingAdmissionPolicy: %w", p.Name, err)
	}
	return &e.Export, nil
}

type exporter struct {
	Export
	goes       policy.Scope
	t          *translation
	kubernetes int
	used       map[string]bool // names of variables
	env        *scope
}

// podVariables find the pod template in every kind that makes pods.
var podVariables = []policy.Variable{
	{Name: "pod", Expression: `object.kind == "Pod" ? object : object.kind == "PodTemplate" ? object.template : ` +
		`object.kind == "CronJob" ? object.spec.jobTemplate.spec.template : object.spec.template`},
	{Name: "everyContainer", Expression: `variables.pod.spec.containers + variables.pod.spec.?initContainers.orValue([]) + ` +
		`variables.pod.spec.?ephemeralContainers.orValue([])`},
}

// podMakers are the kinds of Kubernetes that make pods.
var podMakers = []string{
	"/Pod", "/PodTemplate", "/ReplicationController", "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "apps/ReplicaSet",
	"batch/Job", "batch/CronJob",
}

func (e *exporter) export() error {
	p, sc := e.Policy, e.goes
	names := map[string]string{
		"kubernetes":    fmt.Sprint(e.kubernetes),
		"namespaceName": `object.metadata.?namespace.orValue("")`,
	}
	e.Kinds = podMakers
	if sc.Pods {
		names["pod"] = "variables.pod"
		for _, v := range podVariables {
			if v.Name == "pod" || sc.Containers || sc.Contexts {
				e.variable(v.Name, v.Expression)
			}
		}
	} else {
		var err error
		if e.Kinds, err = groups(p.Match.Kinds); err != nil {
			return err
		}
	}
	if err := e.parameters(); err != nil {
		return err
	}
	e.t = e.t.with(names)
	for _, r := range p.Related {
		e.t.cannot[r.Name] = "it looks across resources"
	}
	if err := e.shared(); err != nil {
		return err
	}
	var holds, told []string
	for _, b := range e.branches() {
		condition, message, err := b.write(e)
		if err != nil {
			return err
		}
		holds, told = append(holds, condition), append(told, message)
	}
	e.Expression = strings.Join(holds, " &&\n")
	if !slices.Contains(told, "") {
		e.MessageWith = "(" + strings.Join(told, " +\n ") + ").join(\"; \")"
		if len(told) == 1 {
			e.MessageWith = told[0] + `.join("; ")`
		}
	}
	return nil
}

func (e *exporter) variable(name, expression string) {
	e.used[name] = true
	e.Variables = append(e.Variables, policy.Variable{Name: name, Expression: expression})
}

// parameters become variables that hold what they are set to.
func (e *exporter) parameters() error {
	for _, name := range sortedKeys(e.Policy.Parameters) {
		source, err := literal(e.Policy.Parameters[name].Default)
		if err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
		as := name
		for e.used[as] || slices.ContainsFunc(e.Policy.Variables, func(v policy.Variable) bool { return v.Name == as }) {
			as += "Parameter"
		}
		e.t.params[name] = as
		if e.uses("params." + name) {
			e.variable(as, source)
		}
	}
	return nil
}

// uses tells whether what is exported of the policy names something.
func (e *exporter) uses(name string) bool {
	p := e.Policy
	sources := []string{p.Match.Where, p.Require, p.Message}
	for _, v := range p.Variables {
		if e.needs(v.Name) {
			sources = append(sources, v.Expression)
		}
	}
	return slices.ContainsFunc(sources, func(s string) bool { return mentionsText(s, name) })
}

// shared makes variables of admission of those of the policy that are the same
// for every item. The others are written out where they are used. Those that
// admission cannot say may be no part of the verdict.
func (e *exporter) shared() error {
	items := e.itemNames()
	for _, v := range e.Policy.Variables {
		tree, err := e.t.tree(v.Expression)
		if err != nil {
			e.t.cannot[v.Name] = fmt.Sprintf("variable %s: %v", v.Name, err)
			continue
		}
		if mentions(tree, items) {
			e.t.names[v.Name] = tree
			items = append(items, v.Name)
			continue
		}
		source, err := unparse(tree)
		if err != nil {
			return err
		}
		if e.needs(v.Name) {
			e.variable(v.Name, source)
		}
		e.t = e.t.with(map[string]string{v.Name: "variables." + v.Name})
	}
	return nil
}

// needs tells whether a variable is more than a part of the fix.
func (e *exporter) needs(name string) bool {
	p := e.Policy
	if mentionsText(p.Require, name) || mentionsText(p.Match.Where, name) || mentionsText(p.Message, name) {
		return true
	}
	return slices.ContainsFunc(p.Variables, func(v policy.Variable) bool {
		return v.Name != name && mentionsText(v.Expression, name) && e.needs(v.Name)
	})
}

// itemNames are the names that stand for something else at every item.
func (e *exporter) itemNames() []string {
	sc := e.goes
	var out []string
	if sc.Containers || sc.Contexts {
		out = append(out, "container", "containerList", "holder")
	}
	if sc.Mapping {
		out = append(out, "key")
	}
	if sc.Item != "" {
		out = append(out, sc.Item)
	}
	return out
}

// compile makes sure that the API server takes what was written. A message
// that it does not take is left out: the title tells what is wrong.
func (e *exporter) compile() error {
	s, err := newScope(false, false)
	if err != nil {
		return err
	}
	for _, v := range e.Variables {
		if err := s.variable(v.Name, v.Expression); err != nil {
			return fmt.Errorf("variable %s: %w", v.Name, err)
		}
	}
	if _, err := s.compile(e.Expression, cel.BoolType); err != nil {
		return err
	}
	if e.MessageWith != "" {
		if _, err := s.compile(e.MessageWith, cel.StringType); err != nil {
			e.MessageWith = ""
		}
	}
	return nil
}

// groups finds the API groups of kinds of Kubernetes.
func groups(kinds []string) ([]string, error) {
	known := newScheme().AllKnownTypes()
	var out []string
	for _, k := range kinds {
		if strings.Contains(k, "/") {
			out = append(out, k)
			continue
		}
		var found []string
		for gvk := range known {
			if id := gvk.Group + "/" + gvk.Kind; gvk.Kind == k && !slices.Contains(found, id) {
				found = append(found, id)
			}
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("the API group of kind %s is not known: write match.kinds as group/%s", k, k)
		}
		slices.Sort(found)
		out = append(out, found...)
	}
	return out, nil
}

// literal writes a value as an expression.
func literal(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return quoted(v), nil
	case bool, int64:
		return fmt.Sprint(v), nil
	case []any:
		items := make([]string, len(v))
		for i := range v {
			s, err := literal(v[i])
			if err != nil {
				return "", err
			}
			items[i] = s
		}
		return "[" + strings.Join(items, ", ") + "]", nil
	case map[string]any:
		var items []string
		for _, key := range sortedKeys(v) {
			s, err := literal(v[key])
			if err != nil {
				return "", err
			}
			items = append(items, quoted(key)+": "+s)
		}
		return "{" + strings.Join(items, ", ") + "}", nil
	}
	return "", errors.New("only texts, numbers, truth values, and lists and mappings of them can be written")
}

// quoted writes a text as CEL does.
func quoted(s string) string {
	out, err := parser.Unparse(celast.NewExprFactory().NewLiteral(0, celString(s)), celast.NewSourceInfo(nil))
	if err != nil {
		return fmt.Sprintf("%q", s)
	}
	return out
}
