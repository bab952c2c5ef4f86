package cluster

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Flags choose a cluster as kubectl's do.
type Flags struct {
	rules     clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides
}

// Bind adds kubectl's flags: --kubeconfig, --context, --cluster, --user,
// --namespace, --as, --server, --token, --request-timeout and the like.
func (f *Flags) Bind(flags *pflag.FlagSet) {
	f.rules = *clientcmd.NewDefaultClientConfigLoadingRules()
	flags.StringVar(&f.rules.ExplicitPath, "kubeconfig", "", "the kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or where oakum runs in a cluster)")
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.AuthOverrideFlags.Username.LongName, names.AuthOverrideFlags.Password.LongName = "", ""
	clientcmd.BindOverrideFlags(&f.overrides, flags, names)
}

// Namespace is the one that --namespace names, empty for all.
func (f *Flags) Namespace() string { return f.overrides.Context.Namespace }

// In is the same flags for another context of the kubeconfig.
func (f Flags) In(context string) *Flags {
	f.overrides.CurrentContext = context
	return &f
}

// Connect says how to reach the cluster that the flags and the kubeconfig
// choose, and what it is called there. A kubeconfig that lies below untrusted,
// the root of a repository, may not have programs run.
func (f *Flags) Connect(untrusted string) (config *rest.Config, name string, err error) {
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&f.rules, &f.overrides)
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	name = f.overrides.CurrentContext
	if name == "" {
		name = raw.CurrentContext
	}
	if err := refusePrograms(raw, name, f.overrides.Context.AuthInfo, untrusted); err != nil {
		return nil, "", err
	}
	config, err = loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) || errors.Is(err, rest.ErrNotInCluster) {
		return nil, "", errors.New("no cluster is configured: give --kubeconfig or --context, set KUBECONFIG, or run in a cluster")
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if name == "" {
		name = strings.TrimPrefix(strings.TrimPrefix(config.Host, "https://"), "http://")
	}
	config.QPS = -1 // requests are bounded by how many run at once, and by the server's priority and fairness
	config.UserAgent = "oakum"
	if config.Timeout == 0 {
		config.Timeout = time.Minute
	}
	return config, name, nil
}

// refusePrograms keeps a repository from having programs run by a kubeconfig
// that it brings.
func refusePrograms(raw api.Config, context, user, untrusted string) error {
	if untrusted == "" {
		return nil
	}
	if c := raw.Contexts[context]; c != nil && user == "" {
		user = c.AuthInfo
	}
	info := raw.AuthInfos[user]
	if info == nil || info.Exec == nil && info.AuthProvider == nil || info.LocationOfOrigin == "" {
		return nil
	}
	for _, resolve := range []func(string) (string, error){filepath.Abs, filepath.EvalSymlinks} {
		file, err := resolve(info.LocationOfOrigin)
		if err != nil {
			return fmt.Errorf("reading the kubeconfig: %w", err)
		}
		root, err := resolve(untrusted)
		if err != nil {
			return fmt.Errorf("reading the kubeconfig: %w", err)
		}
		if rel, err := filepath.Rel(root, file); err == nil && filepath.IsLocal(rel) {
			return fmt.Errorf("%s: user %q runs a program (exec or auth-provider), and the file is part of the repository %s: keep the kubeconfig elsewhere", file, user, root)
		}
	}
	return nil
}
