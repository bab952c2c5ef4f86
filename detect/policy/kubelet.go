package policy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// kubeletConfiguration has the fields of a KubeletConfiguration
// (kubelet.config.k8s.io/v1beta1) that bear on the security of a node, for the
// type checker, and the flag that means the same and comes before the field.
type kubeletConfiguration struct {
	Address                        string                `json:"address" flag:"address"`
	Port                           int32                 `json:"port" flag:"port"`
	ReadOnlyPort                   int32                 `json:"readOnlyPort" flag:"read-only-port"`
	HealthzBindAddress             string                `json:"healthzBindAddress" flag:"healthz-bind-address"`
	StaticPodPath                  string                `json:"staticPodPath" flag:"pod-manifest-path"`
	StaticPodURL                   string                `json:"staticPodURL" flag:"manifest-url"`
	TLSCertFile                    string                `json:"tlsCertFile" flag:"tls-cert-file"`
	TLSPrivateKeyFile              string                `json:"tlsPrivateKeyFile" flag:"tls-private-key-file"`
	TLSCipherSuites                []string              `json:"tlsCipherSuites" flag:"tls-cipher-suites"`
	TLSMinVersion                  string                `json:"tlsMinVersion" flag:"tls-min-version"`
	RotateCertificates             bool                  `json:"rotateCertificates" flag:"rotate-certificates"`
	ServerTLSBootstrap             bool                  `json:"serverTLSBootstrap" flag:"rotate-server-certificates"`
	Authentication                 kubeletAuthentication `json:"authentication"`
	Authorization                  kubeletAuthorization  `json:"authorization"`
	EventRecordQPS                 int32                 `json:"eventRecordQPS" flag:"event-qps"`
	EventBurst                     int32                 `json:"eventBurst" flag:"event-burst"`
	EnableServer                   bool                  `json:"enableServer" flag:"enable-server"`
	EnableDebuggingHandlers        bool                  `json:"enableDebuggingHandlers" flag:"enable-debugging-handlers"`
	EnableContentionProfiling      bool                  `json:"enableContentionProfiling" flag:"contention-profiling"`
	EnableProfilingHandler         bool                  `json:"enableProfilingHandler"`
	EnableDebugFlagsHandler        bool                  `json:"enableDebugFlagsHandler"`
	EnableSystemLogHandler         bool                  `json:"enableSystemLogHandler"`
	EnableSystemLogQuery           bool                  `json:"enableSystemLogQuery"`
	StreamingConnectionIdleTimeout string                `json:"streamingConnectionIdleTimeout" flag:"streaming-connection-idle-timeout"`
	MakeIPTablesUtilChains         bool                  `json:"makeIPTablesUtilChains" flag:"make-iptables-util-chains"`
	ProtectKernelDefaults          bool                  `json:"protectKernelDefaults" flag:"protect-kernel-defaults"`
	PodPidsLimit                   int64                 `json:"podPidsLimit" flag:"pod-max-pids"`
	MaxPods                        int32                 `json:"maxPods" flag:"max-pods"`
	SeccompDefault                 bool                  `json:"seccompDefault" flag:"seccomp-default"`
	AllowedUnsafeSysctls           []string              `json:"allowedUnsafeSysctls" flag:"allowed-unsafe-sysctls"`
	FeatureGates                   map[string]bool       `json:"featureGates" flag:"feature-gates"`
	FailSwapOn                     bool                  `json:"failSwapOn" flag:"fail-swap-on"`
}

type kubeletAuthentication struct {
	Anonymous kubeletAnonymous `json:"anonymous"`
	Webhook   kubeletWebhook   `json:"webhook"`
	X509      kubeletX509      `json:"x509"`
}

type kubeletAnonymous struct {
	Enabled bool `json:"enabled" flag:"anonymous-auth"`
}

type kubeletWebhook struct {
	Enabled bool `json:"enabled" flag:"authentication-token-webhook"`
}

type kubeletX509 struct {
	ClientCAFile string `json:"clientCAFile" flag:"client-ca-file"`
}

type kubeletAuthorization struct {
	Mode string `json:"mode" flag:"authorization-mode"`
}

// kubelet is the configuration of a kubelet: what its file says, and what its
// flags say in place of that.
type kubelet struct {
	value map[string]any
	at    manifest.Path // of its file; nil where only flags are written
	flags *flags
}

// newKubelet folds flags into the fields of a file. The file's own tree is not changed.
func newKubelet(file map[string]any, f *flags, at manifest.Path) *kubelet {
	k := &kubelet{value: file, at: at, flags: f}
	if k.value == nil {
		k.value = map[string]any{}
	}
	for flag, field := range kubeletFlags(reflect.TypeFor[kubeletConfiguration](), nil) {
		if text, ok := f.values[flag]; ok {
			k.value = with(k.value, field.path, field.value(text))
		}
	}
	return k
}

// kubeletField is the field that means the same as a flag.
type kubeletField struct {
	path manifest.Path
	kind reflect.Kind
}

// kubeletFlags yields the flags of a configuration's fields; at leads to it.
func kubeletFlags(t reflect.Type, at manifest.Path) func(yield func(string, kubeletField) bool) {
	return func(yield func(string, kubeletField) bool) {
		for f := range jsonFields(t) {
			here := at.Key(f.Name)
			if f.Type.Kind() == reflect.Struct {
				for flag, field := range kubeletFlags(f.Type, here) {
					if !yield(flag, field) {
						return
					}
				}
			} else if flag := f.Tag.Get("flag"); flag != "" && !yield(flag, kubeletField{here, f.Type.Kind()}) {
				return
			}
		}
	}
}

// value is a flag's text as the field has it. Text that does not fit stays
// text: no policy can judge it then, and says so.
func (f kubeletField) value(text string) any {
	switch f.kind {
	case reflect.Bool:
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	case reflect.Int32, reflect.Int64:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case reflect.Slice:
		out := []any{}
		for word := range strings.SplitSeq(text, ",") {
			out = append(out, word)
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for pair := range strings.SplitSeq(text, ",") {
			key, value, _ := strings.Cut(pair, "=")
			on, err := strconv.ParseBool(value)
			if err != nil {
				return text
			}
			out[strings.TrimSpace(key)] = on
		}
		return out
	}
	return text
}

// with is a copy of a tree with another value at a path.
func with(m map[string]any, at manifest.Path, value any) map[string]any {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]any{}
	}
	if len(at) > 1 {
		inner, _ := out[at[0].Key].(map[string]any)
		value = with(inner, at[1:], value)
	}
	out[at[0].Key] = value
	return out
}

// place is where a field counts: at its flag where that is written, else in
// the file, or else at the flag that it would take. The flag of a map stands
// for its entries too.
func (k *kubelet) place(field manifest.Path) (flag string, at manifest.Path) {
	for name, f := range kubeletFlags(reflect.TypeFor[kubeletConfiguration](), nil) {
		if len(f.path) <= len(field) && f.path.String() == field[:len(f.path)].String() {
			flag = name
		}
	}
	if len(k.flags.written[flag]) == 0 && k.at != nil && k.flags.shape != unwritable {
		return "", k.at.Join(field)
	}
	if flag == "" {
		return "", k.flags.at
	}
	return flag, k.flags.path(flag)
}

// edit sets a field, or removes it.
func (k *kubelet) edit(op Op, field manifest.Path, value any) ([]Edit, error) {
	if k.flags.shape == unwritable {
		return nil, nil
	}
	flag, at := k.place(field)
	switch {
	case flag == "" && k.at != nil:
		return []Edit{{Op: op, Path: at, Value: value}}, nil
	case flag == "":
		return nil, fmt.Errorf("no flag of a kubelet means %s", field)
	}
	if entries, ok := get(k.value, field[:len(field)-1]); ok && flag == "feature-gates" && len(field) > 1 {
		m, _ := entries.(map[string]any)
		m = maps.Clone(m)
		if m[field[len(field)-1].Key] = value; op == Remove {
			delete(m, field[len(field)-1].Key)
		}
		if op, value = Set, m; len(m) == 0 {
			op = Remove
		}
	}
	if op == Remove {
		return k.flags.remove(flag), nil
	}
	return k.flags.set(flag, flagText(value))
}

// flagText is a field's value as the flag has it.
func flagText(value any) string {
	switch v := value.(type) {
	case []any:
		words := make([]string, len(v))
		for i := range v {
			words[i] = fmt.Sprint(v[i])
		}
		return strings.Join(words, ",")
	case map[string]any:
		var words []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			words = append(words, fmt.Sprintf("%s=%v", k, v[k]))
		}
		return strings.Join(words, ",")
	}
	return fmt.Sprint(value)
}

// kubeletDocument is the kubelet of a KubeletConfiguration. Beside other
// documents of kubeadm it is kubeadm's, which fills in what is missing.
func kubeletDocument(r *manifest.Resource) []component {
	c := component{name: "kubelet", whole: true, flags: newFlags(fields, nil, nil)}
	value := r.Value
	for _, other := range r.File.Resources {
		if other.Group() == "kubeadm.k8s.io" {
			value = with(value, manifest.Path{}.Key("rotateCertificates"), true)
			if _, ok := get(value, manifest.Path{}.Key("authentication", "x509", "clientCAFile")); !ok {
				value = with(value, manifest.Path{}.Key("authentication", "x509", "clientCAFile"), "/etc/kubernetes/pki/ca.crt")
			}
			break
		}
	}
	c.kubelet = newKubelet(value, c.flags, manifest.Path{})
	return []component{c}
}

// eksctlNodes are the kubelets of the node groups of eksctl.
func eksctlNodes(r *manifest.Resource) []component {
	var out []component
	for _, list := range []string{"nodeGroups", "managedNodeGroups"} {
		groups, _ := r.Value[list].([]any)
		for i := range groups {
			group, _ := groups[i].(map[string]any)
			config, ok := group["kubeletExtraConfig"].(map[string]any)
			if !ok {
				continue
			}
			at := append(manifest.Path{}.Key(list), manifest.ItemStep(list, groups, i)).Key("kubeletExtraConfig")
			c := component{name: "kubelet", path: at, flags: newFlags(fields, nil, nil)}
			c.kubelet = newKubelet(config, c.flags, at)
			out = append(out, c)
		}
	}
	return out
}

// eksNode is the kubelet of a NodeConfig of Amazon EKS.
func eksNode(r *manifest.Resource) []component {
	at := manifest.Path{}.Key("spec", "kubelet")
	v, ok := get(r.Value, at)
	if !ok {
		return nil
	}
	section, _ := v.(map[string]any)
	config, _ := section["config"].(map[string]any)
	list, _ := section["flags"].([]any)
	c := component{name: "kubelet", path: at, flags: newFlags(arguments, at.Key("flags"), nil)}
	c.flags.arguments(list, 0, at.Key("flags"), c.name)
	c.flags.settle()
	c.kubelet = newKubelet(config, c.flags, at.Key("config"))
	return []component{c}
}
