package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// judge runs a policy over every resource of a file, and lists what it finds and how it would mend that.
func judge(t *testing.T, spec, src string) []string {
	t.Helper()
	policies, err := compiler().Load("test.yaml", []byte(header+spec))
	if err != nil {
		t.Fatal(err)
	}
	f, errs := manifest.Parse("input.yaml", []byte(src), manifest.Plain, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var out []string
	for _, r := range f.Resources {
		violations, err := policies[0].Evaluate(r, policy.Context{Kubernetes: 37})
		if err != nil {
			t.Fatal(err)
		}
		if len(violations) > 0 != policies[0].Judges(r, policy.Context{Kubernetes: 37}) {
			t.Errorf("%s has %d violations of what always is one, judged %v", r.ID(), len(violations), len(violations) == 0)
		}
		for _, v := range violations {
			at := r.Position(v.Path)
			out = append(out, fmt.Sprintf("%d %s: %s", at.Line, v.Path, v.Message))
			repair, err := v.Repair()
			if err != nil {
				out = append(out, "error: "+err.Error())
			}
			for _, e := range repair.Edits {
				out = append(out, strings.TrimSuffix(fmt.Sprintf("%s %s %#v", e.Op, e.Path, e.Value), " <nil>"))
			}
		}
	}
	return out
}

// flagPolicy finds whatever configures a component, and sets or removes a flag of it.
func flagPolicy(component, flag, edit string) string {
	return fmt.Sprintf(`  match: {components: [%s]}
  require: "false"
  at: flag:%s
  message: '{component} {whole ? "whole" : "part"} {flags[?"%[2]s"].orValue("-")}'
  fix: {title: t, advice: a, safety: [{level: review, because: b}], edits: [%s]}
`, component, flag, edit)
}

const (
	podHead  = "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: kube-system}\nspec:\n  containers:\n    - name: c\n      image: i\n"
	kubeadm4 = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
	kubeadm3 = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n"
)

// TestFlags: a flag is one value however it is written, and is written back the same way.
func TestFlags(t *testing.T) {
	t.Parallel()
	const off, gone = `{set: "flag:profiling", value: "false"}`, `{remove: "flag:profiling"}`
	const c = "spec.containers[name=c]."
	for _, test := range []struct {
		name, component, edit, src string
		want                       []string
	}{
		{"one item", "kube-apiserver", off, podHead + "      command: [/usr/local/bin/kube-apiserver, --v=2, --profiling=True]\n", []string{
			"8 " + c + "command[=--profiling=True]: kube-apiserver whole true",
			`set ` + c + `command[=--profiling=True] "--profiling=false"`,
		}},
		{"two items", "kube-apiserver", off, podHead + "      command: [kube-apiserver, --v, 2, --profiling, yes please]\n", []string{
			"8 " + c + "command[=yes please]: kube-apiserver whole yes please",
			`set ` + c + `command[=yes please] "false"`,
		}},
		{"two items go", "kube-apiserver", gone, podHead + "      command: [kube-apiserver, --x, \"true\", --profiling, \"true\"]\n", []string{
			"8 " + c + "command[4]: kube-apiserver whole true",
			`remove ` + c + `command[4]`, `remove ` + c + `command[=--profiling]`,
		}},
		{"without a value", "kube-apiserver", off, podHead + "      command: [kube-apiserver]\n      args: [--profiling, --v=2]\n", []string{
			"9 " + c + "args[=--profiling]: kube-apiserver whole true",
			`set ` + c + `args[=--profiling] "--profiling=false"`,
		}},
		{"the last counts", "kube-apiserver", off, podHead + "      command: [kube-apiserver, --profiling=true, --profiling=0]\n", []string{
			"8 " + c + "command[=--profiling=0]: kube-apiserver whole 0",
			`set ` + c + `command[=--profiling=0] "--profiling=false"`,
		}},
		{"all go", "kube-apiserver", gone, podHead + "      command: [kube-apiserver, --profiling=true, --profiling=0]\n", []string{
			"8 " + c + "command[=--profiling=0]: kube-apiserver whole 0",
			`remove ` + c + `command[=--profiling=0]`, `remove ` + c + `command[=--profiling=true]`,
		}},
		{"absent from the command", "kube-scheduler", off, podHead + "      command:\n        - kube-scheduler\n", []string{
			"8 " + c + "command[=--profiling]: kube-scheduler whole -",
			`append ` + c + `command "--profiling=false"`,
		}},
		{"absent from the arguments", "kube-scheduler", off, podHead + "      command: [kube-scheduler]\n      args: [--v=2]\n", []string{
			"9 " + c + "args[=--profiling]: kube-scheduler whole -",
			`append ` + c + `args "--profiling=false"`,
		}},
		{"underscores", "kube-controller-manager", off, podHead + "      args: [kube-controller-manager, --profiling=1, --node_cidr=x]\n", []string{
			"8 " + c + "args[=--profiling=1]: kube-controller-manager whole 1",
			`set ` + c + `args[=--profiling=1] "--profiling=false"`,
		}},
		{"a starter before it", "kube-apiserver", off, podHead + "      command: [/go-runner, --redirect-stderr=false, /usr/bin/kube-apiserver]\n", []string{
			"8 " + c + "command[=--profiling]: kube-apiserver whole -",
			`append ` + c + `command "--profiling=false"`,
		}},
		{"the image's own program", "kube-apiserver", off, strings.Replace(podHead, "{name: x", "{labels: {component: kube-apiserver, tier: control-plane}, name: x", 1) + "      args: [--profiling=true]\n", []string{
			"8 " + c + "args[=--profiling=true]: kube-apiserver whole true",
			`set ` + c + `args[=--profiling=true] "--profiling=false"`,
		}},
		{"a shell", "kube-apiserver", off, podHead + "      command: [sh, -c, exec kube-apiserver --profiling=true]\n", nil},
		{"another program", "kube-apiserver", off, podHead + "      command: [kubectl, logs, kube-apiserver]\n", nil},
		{"a Deployment", "kube-apiserver", gone, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {template: {spec: {containers: [{name: c, image: i, command: [kube-apiserver, --profiling]}]}}}\n", []string{
			"4 spec.template.spec.containers[name=c].command[=--profiling]: kube-apiserver whole true",
			"remove spec.template.spec.containers[name=c].command[=--profiling]",
		}},

		{"pairs", "kube-apiserver", off, kubeadm4 + "apiServer:\n  extraArgs:\n    - {name: v, value: \"2\"}\n    - {name: profiling, value: \"true\"}\n", []string{
			"6 apiServer.extraArgs[name=profiling].value: kube-apiserver whole true",
			`set apiServer.extraArgs[name=profiling].value "false"`,
		}},
		{"pairs go", "kube-apiserver", gone, kubeadm4 + "apiServer:\n  extraArgs:\n    - {name: profiling, value: \"true\"}\n    - {name: profiling, value: \"false\"}\n", []string{
			"6 apiServer.extraArgs[1].value: kube-apiserver whole false",
			"remove apiServer.extraArgs[1]", "remove apiServer.extraArgs[0]",
		}},
		{"absent from pairs", "kube-apiserver", off, kubeadm4 + "apiServer:\n  extraArgs:\n    - {name: v, value: \"2\"}\n", []string{
			"4 apiServer.extraArgs[name=profiling].value: kube-apiserver whole -",
			`append apiServer.extraArgs map[string]interface {}{"name":"profiling", "value":"false"}`,
		}},
		{"no section", "kube-scheduler", off, kubeadm4, []string{
			"1 scheduler.extraArgs[name=profiling].value: kube-scheduler whole -",
			`append scheduler.extraArgs map[string]interface {}{"name":"profiling", "value":"false"}`,
		}},
		{"entries", "kube-apiserver", off, kubeadm3 + "apiServer:\n  extraArgs:\n    profiling: \"true\"\n", []string{
			"5 apiServer.extraArgs.profiling: kube-apiserver whole true",
			`set apiServer.extraArgs.profiling "false"`,
		}},
		{"entries go", "kube-apiserver", gone, kubeadm3 + "apiServer:\n  extraArgs:\n    profiling: \"true\"\n", []string{
			"5 apiServer.extraArgs.profiling: kube-apiserver whole true",
			"remove apiServer.extraArgs.profiling",
		}},
		{"absent from entries", "kube-controller-manager", off, kubeadm3 + "apiServer: {}\n", []string{
			"1 controllerManager.extraArgs.profiling: kube-controller-manager whole -",
			`set controllerManager.extraArgs.profiling "false"`,
		}},
		{"a map where a list is new", "kube-controller-manager", off, kubeadm4 + "controllerManager: {extraArgs: {v: \"2\"}}\n", []string{
			"3 controllerManager.extraArgs.profiling: kube-controller-manager whole -",
			`set controllerManager.extraArgs.profiling "false"`,
		}},
		{"Cluster API, a map", "kube-apiserver", off, "apiVersion: controlplane.cluster.x-k8s.io/v1beta1\nkind: KubeadmControlPlane\nmetadata: {name: x}\nspec: {version: v1.34.0, kubeadmConfigSpec: {}}\n", []string{
			"4 spec.kubeadmConfigSpec.clusterConfiguration.apiServer.extraArgs.profiling: kube-apiserver whole -",
			`set spec.kubeadmConfigSpec.clusterConfiguration.apiServer.extraArgs.profiling "false"`,
		}},
		{"Cluster API, a list", "kube-apiserver", off, "apiVersion: controlplane.cluster.x-k8s.io/v1beta2\nkind: KubeadmControlPlaneTemplate\nmetadata: {name: x}\nspec: {template: {spec: {kubeadmConfigSpec: {}}}}\n", []string{
			"4 spec.template.spec.kubeadmConfigSpec.clusterConfiguration.apiServer.extraArgs[name=profiling].value: kube-apiserver whole -",
			`append spec.template.spec.kubeadmConfigSpec.clusterConfiguration.apiServer.extraArgs map[string]interface {}{"name":"profiling", "value":"false"}`,
		}},
		{"Cluster API, a part", "kube-apiserver", off, "apiVersion: controlplane.cluster.x-k8s.io/v1beta1\nkind: KubeadmControlPlane\nmetadata: {name: x}\nspec: {kubeadmConfigSpec: {clusterConfiguration: {apiServer: {extraArgs: {profiling: \"true\"}}}}}\n", []string{
			"4 spec.kubeadmConfigSpec.clusterConfiguration.apiServer.extraArgs.profiling: kube-apiserver part true",
			`set spec.kubeadmConfigSpec.clusterConfiguration.apiServer.extraArgs.profiling "false"`,
		}},
		{"the first machine of Cluster API", "kube-apiserver", off, "apiVersion: bootstrap.cluster.x-k8s.io/v1beta1\nkind: KubeadmConfig\nmetadata: {name: x}\nspec: {initConfiguration: {}, clusterConfiguration: {}}\n", []string{
			"4 spec.clusterConfiguration.apiServer.extraArgs.profiling: kube-apiserver whole -",
			`set spec.clusterConfiguration.apiServer.extraArgs.profiling "false"`,
		}},
		{"workers of Cluster API", "kube-apiserver", off, "apiVersion: bootstrap.cluster.x-k8s.io/v1beta1\nkind: KubeadmConfigTemplate\nmetadata: {name: x}\nspec: {template: {spec: {clusterConfiguration: {}, joinConfiguration: {}}}}\n", nil},
		{"fields", "kube-scheduler", off, "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n", []string{
			"1 enableProfiling: kube-scheduler part -",
			"set enableProfiling false",
		}},
		{"fields that are written", "kube-scheduler", gone, "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nenableProfiling: no\n", []string{
			"3 enableProfiling: kube-scheduler part false",
			"remove enableProfiling",
		}},
		{"etcd for something else", "etcd", off, strings.Replace(podHead, "kube-system", "shop", 1) + "      command: [etcd]\n", nil},
		{"etcd with a file", "etcd", off, podHead + "      command: [etcd, -config-file=/x]\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(test.want, judge(t, flagPolicy(test.component, "profiling", test.edit), test.src)); d != "" {
				t.Errorf("want and got differ:\n%s", d)
			}
		})
	}
}

// TestOtherFlags: values that come from elsewhere, in part, or more than once.
func TestOtherFlags(t *testing.T) {
	t.Parallel()
	const c = "spec.containers[name=c]."
	for _, test := range []struct {
		name, component, flag, edit, src string
		want                             []string
	}{
		{
			"several add up", "kube-apiserver", "enable-admission-plugins", `{set: "flag:enable-admission-plugins", expression: 'flags["enable-admission-plugins"] + ",C"'}`,
			podHead + "      command: [kube-apiserver, --enable-admission-plugins=A, --enable-admission-plugins, B]\n",
			[]string{
				"8 " + c + "command[=B]: kube-apiserver whole A,B",
				`set ` + c + `command[=B] "A,B,C"`, `remove ` + c + `command[=--enable-admission-plugins=A]`,
			},
		},
		{"kubeadm's own", "kube-apiserver", "authorization-mode", `{set: "flag:authorization-mode", value: RBAC}`, kubeadm4, []string{
			"1 apiServer.extraArgs[name=authorization-mode].value: kube-apiserver whole Node,RBAC",
			`append apiServer.extraArgs map[string]interface {}{"name":"authorization-mode", "value":"RBAC"}`,
		}},
		{
			"in place of kubeadm's own", "kube-apiserver", "authorization-mode", `{remove: "flag:authorization-mode"}`,
			kubeadm3 + "apiServer: {extraArgs: {authorization-mode: AlwaysAllow}}\n",
			[]string{
				"3 apiServer.extraArgs.authorization-mode: kube-apiserver whole AlwaysAllow",
				"remove apiServer.extraArgs.authorization-mode",
			},
		},
		{
			"behind kubeadm's own", "kube-apiserver", "enable-admission-plugins", `{set: "flag:enable-admission-plugins", value: A}`,
			"apiVersion: kubeadm.k8s.io/v1\nkind: ClusterConfiguration\napiServer: {extraArgs: [{name: enable-admission-plugins, value: \",A\", mergeMethod: append}]}\n",
			[]string{
				"3 apiServer.extraArgs[name=enable-admission-plugins].value: kube-apiserver whole NodeRestriction,A",
				`set apiServer.extraArgs[name=enable-admission-plugins].value "A"`,
				"remove apiServer.extraArgs[name=enable-admission-plugins].mergeMethod",
			},
		},
		{"certificates elsewhere", "kube-apiserver", "client-ca-file", `{remove: "flag:client-ca-file"}`, kubeadm4 + "certificatesDir: /srv/pki\n", []string{
			"1 apiServer.extraArgs[name=client-ca-file].value: kube-apiserver whole /srv/pki/ca.crt",
		}},
		{"etcd elsewhere", "kube-apiserver", "etcd-cafile", `{remove: "flag:etcd-cafile"}`, kubeadm4 + "etcd: {external: {caFile: /srv/ca}}\n", []string{
			"1 apiServer.extraArgs[name=etcd-cafile].value: kube-apiserver whole /srv/ca",
		}},
		{"no etcd here", "etcd", "cert-file", `{remove: "flag:cert-file"}`, kubeadm4 + "etcd: {external: {caFile: /srv/ca}}\n", nil},
		{
			"etcd's variables", "etcd", "client-cert-auth", `{set: "flag:client-cert-auth", value: "true"}`,
			podHead + "      command: [etcd]\n      env: [{name: ETCD_CLIENT_CERT_AUTH, value: \"false\"}]\n",
			[]string{
				"9 " + c + "env[name=ETCD_CLIENT_CERT_AUTH].value: etcd whole false",
				`set ` + c + `env[name=ETCD_CLIENT_CERT_AUTH].value "true"`,
			},
		},
		{
			"etcd's flags come first", "etcd", "client-cert-auth", `{set: "flag:client-cert-auth", value: "true"}`,
			podHead + "      command: [etcd, -client-cert-auth]\n      env: [{name: ETCD_CLIENT_CERT_AUTH, value: \"false\"}]\n",
			[]string{
				"8 " + c + "command[=-client-cert-auth]: etcd whole true",
				`set ` + c + `command[=-client-cert-auth] "-client-cert-auth=true"`,
			},
		},
		{
			"text in text", "kube-proxy", "metrics-bind-address", `{set: "flag:metrics-bind-address", value: "x"}`,
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-proxy, namespace: kube-system}\ndata:\n  a: b\n  config.conf: |\n    apiVersion: kubeproxy.config.k8s.io/v1alpha1\n    kind: KubeProxyConfiguration\n    metricsBindAddress: 0.0.0.0:10249\n",
			[]string{
				`6 data["config.conf"]: kube-proxy part 0.0.0.0:10249`,
			},
		},
		{
			"another ConfigMap", "kube-proxy", "metrics-bind-address", `{set: "flag:metrics-bind-address", value: "x"}`,
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes, namespace: kube-system}\ndata: {a: \"apiVersion: kubeproxy.config.k8s.io/v1alpha1\\nkind: KubeProxyConfiguration\\n\"}\n", nil,
		},
		{"no such field", "kube-proxy", "v", `{set: "flag:v", value: "4"}`, "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n", []string{
			"1 : kube-proxy part -",
			"error: policy test on KubeProxyConfiguration : fix: no field of this file is the flag v",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(test.want, judge(t, flagPolicy(test.component, test.flag, test.edit), test.src)); d != "" {
				t.Errorf("want and got differ:\n%s", d)
			}
		})
	}
}

// TestKubelet: the configuration of a kubelet is one, from its file and from its flags.
func TestKubelet(t *testing.T) {
	t.Parallel()
	kubeletPolicy := func(field, edit string) string {
		return fmt.Sprintf(`  match: {components: [kubelet]}
  require: "false"
  at: kubelet:%s
  message: '{component} {whole ? "whole" : "part"} {kubelet.?%s}'
  fix: {title: t, advice: a, safety: [{level: review, because: b}], edits: [%s]}
`, field, strings.ReplaceAll(field, ".", ".?"), edit)
	}
	const anonymous = "authentication.anonymous.enabled"
	const off = `{set: "kubelet:` + anonymous + `", value: false}`
	const file = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
	for _, test := range []struct {
		name, field, edit, src string
		want                   []string
	}{
		{"a file", anonymous, off, file + "authentication: {anonymous: {enabled: true}}\n", []string{
			"3 authentication.anonymous.enabled: kubelet whole true",
			"set authentication.anonymous.enabled false",
		}},
		{"absent from a file", anonymous, `{remove: "kubelet:` + anonymous + `"}`, file, []string{"1 authentication.anonymous.enabled: kubelet whole "}},
		{"kubeadm fills in", "authentication.x509.clientCAFile", off, kubeadm4 + "---\n" + file, []string{
			"4 authentication.x509.clientCAFile: kubelet whole /etc/kubernetes/pki/ca.crt",
			"set authentication.anonymous.enabled false",
		}},
		{"kubeadm decides", "rotateCertificates", off, kubeadm4 + "---\n" + file + "rotateCertificates: false\n", []string{
			"6 rotateCertificates: kubelet whole true",
			"set authentication.anonymous.enabled false",
		}},
		{"flags in a list", anonymous, off, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\nnodeRegistration:\n  kubeletExtraArgs: [{name: anonymous-auth, value: \"true\"}]\n", []string{
			"4 nodeRegistration.kubeletExtraArgs[name=anonymous-auth].value: kubelet part true",
			`set nodeRegistration.kubeletExtraArgs[name=anonymous-auth].value "false"`,
		}},
		{"flags in a map", "readOnlyPort", `{remove: "kubelet:readOnlyPort"}`, "apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\nnodeRegistration: {kubeletExtraArgs: {read-only-port: \"10255\"}}\n", []string{
			"3 nodeRegistration.kubeletExtraArgs.read-only-port: kubelet part 10255",
			"remove nodeRegistration.kubeletExtraArgs.read-only-port",
		}},
		{"absent from flags", "tlsCipherSuites", `{set: "kubelet:tlsCipherSuites", value: [A, B]}`, "apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\nnodeRegistration: {kubeletExtraArgs: {v: \"2\"}}\n", []string{
			"3 nodeRegistration.kubeletExtraArgs.tls-cipher-suites: kubelet part ",
			`set nodeRegistration.kubeletExtraArgs.tls-cipher-suites "A,B"`,
		}},
		{
			"an entry among feature gates", "featureGates.B", `{remove: "kubelet:featureGates.B"}`,
			"apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\nnodeRegistration: {kubeletExtraArgs: {feature-gates: \"A=true,B=false\"}}\n",
			[]string{
				"3 nodeRegistration.kubeletExtraArgs.feature-gates: kubelet part false",
				`set nodeRegistration.kubeletExtraArgs.feature-gates "A=true"`,
			},
		},
		{
			"the only feature gate", "featureGates.B", `{remove: "kubelet:featureGates.B"}`,
			"apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\nnodeRegistration: {kubeletExtraArgs: {feature-gates: \"B=false\"}}\n",
			[]string{
				"3 nodeRegistration.kubeletExtraArgs.feature-gates: kubelet part false",
				"remove nodeRegistration.kubeletExtraArgs.feature-gates",
			},
		},
		{"feature gates of a file", "featureGates.B", `{remove: "kubelet:featureGates.B"}`, file + "featureGates: {A: true, B: false}\n", []string{
			"3 featureGates.B: kubelet whole false",
			"remove featureGates.B",
		}},
		{"no flags", anonymous, off, "apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\n", nil},
		{"no flag for it", anonymous, `{set: "kubelet:enableProfilingHandler", value: false}`, "apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\nnodeRegistration: {kubeletExtraArgs: {v: \"2\"}}\n", []string{
			"3 nodeRegistration.kubeletExtraArgs.anonymous-auth: kubelet part ",
			"error: policy test on InitConfiguration : fix: no flag of a kubelet means enableProfilingHandler",
		}},
		{"Cluster API", anonymous, off, "apiVersion: bootstrap.cluster.x-k8s.io/v1beta1\nkind: KubeadmConfigTemplate\nmetadata: {name: x}\nspec: {template: {spec: {joinConfiguration: {nodeRegistration: {kubeletExtraArgs: {anonymous-auth: \"true\"}}}}}}\n", []string{
			"4 spec.template.spec.joinConfiguration.nodeRegistration.kubeletExtraArgs.anonymous-auth: kubelet part true",
			`set spec.template.spec.joinConfiguration.nodeRegistration.kubeletExtraArgs.anonymous-auth "false"`,
		}},
		{"eksctl", "readOnlyPort", `{set: "kubelet:readOnlyPort", value: 0}`, "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: x}\nnodeGroups: [{name: a}, {name: b, kubeletExtraConfig: {readOnlyPort: 1}}]\n", []string{
			"4 nodeGroups[name=b].kubeletExtraConfig.readOnlyPort: kubelet part 1",
			"set nodeGroups[name=b].kubeletExtraConfig.readOnlyPort 0",
		}},
		{"flags before the file", "readOnlyPort", `{set: "kubelet:readOnlyPort", value: 0}`, "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {kubelet: {config: {readOnlyPort: 0}, flags: [--read-only-port=1]}}\n", []string{
			"3 spec.kubelet.flags[=--read-only-port=1]: kubelet part 1",
			`set spec.kubelet.flags[=--read-only-port=1] "--read-only-port=0"`,
		}},
		{"text in text", "readOnlyPort", `{set: "kubelet:readOnlyPort", value: 0}`, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kubelet-config, namespace: kube-system}\ndata:\n  kubelet: |\n    apiVersion: kubelet.config.k8s.io/v1beta1\n    kind: KubeletConfiguration\n    readOnlyPort: 1\n", []string{
			"5 data.kubelet: kubelet whole 1",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(test.want, judge(t, kubeletPolicy(test.field, test.edit), test.src)); d != "" {
				t.Errorf("want and got differ:\n%s", d)
			}
		})
	}
}

// TestPlace: a finding stays the same one when the flag gets another value, or goes.
func TestPlace(t *testing.T) {
	t.Parallel()
	policies, err := compiler().Load("test.yaml", []byte(header+flagPolicy("kube-apiserver", "profiling", `{remove: "flag:profiling"}`)))
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"[kube-apiserver]", "[kube-apiserver, --profiling]", "[kube-apiserver, --profiling=true]", "[kube-apiserver, --profiling, x]"} {
		violations, err := policies[0].Evaluate(resource(t, podHead+"      command: "+command+"\n"), policy.Context{Kubernetes: 37})
		if err != nil || len(violations) != 1 {
			t.Fatalf("%s: %d violations, %v", command, len(violations), err)
		}
		if got, want := violations[0].Place.String(), "spec.containers[name=c].flag:profiling"; got != want {
			t.Errorf("%s: the finding is at %s, want %s", command, got, want)
		}
	}
}

// TestManyFlags: a command line of many repeated flags takes no time out of proportion.
func TestManyFlags(t *testing.T) {
	t.Parallel()
	var src strings.Builder
	src.WriteString(podHead + "      command:\n        - kube-apiserver\n")
	for range 100_000 {
		src.WriteString("        - --feature-gates=A=true\n")
	}
	start := time.Now()
	found := judge(t, flagPolicy("kube-apiserver", "profiling", `{set: "flag:profiling", value: "false"}`), src.String())
	if took := time.Since(start); len(found) != 2 || took > 20*time.Second {
		t.Errorf("%d lines after %s, want 2 within seconds", len(found), took)
	}
}
