package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/github"
	"github.com/oakum-dev/oakum/webhook"
)

// serverConfig is how the bot runs, from a file and from flags, which count
// before it. Secrets are never in it: it names the files that hold them.
type serverConfig struct {
	Listen    string        `yaml:"listen"`    // address for webhooks and health
	Metrics   string        `yaml:"metrics"`   // address for metrics; empty: none are served
	Database  string        `yaml:"database"`  // path of a SQLite file, or postgres://…; also OAKUM_DATABASE
	Directory string        `yaml:"directory"` // for copies of repositories
	Workers   int           `yaml:"workers"`   // repositories worked on at once
	MaxBytes  int64         `yaml:"maxBytes"`  // of one copy of a repository on disk
	Reconcile time.Duration `yaml:"reconcile"` // in which every repository is looked at once
	GitHub    struct {
		URL          string   `yaml:"url"`          // of GitHub Enterprise
		App          string   `yaml:"app"`          // client ID or number
		KeyFile      string   `yaml:"keyFile"`      // PEM
		Repositories []string `yaml:"repositories"` // owner/name, with a token in GITHUB_TOKEN
	} `yaml:"github"`
	WebhookSecretFiles []string        `yaml:"webhookSecretFiles"` // each holds one; also OAKUM_WEBHOOK_SECRET
	Clusters           []clusterConfig `yaml:"clusters"`
}

// clusterConfig names a cluster and the repositories that decide what is in it.
type clusterConfig struct {
	Name         string        `yaml:"name"`
	Kubeconfig   string        `yaml:"kubeconfig"` // empty: that of the environment, or of the pod
	Context      string        `yaml:"context"`
	Repositories []string      `yaml:"repositories"` // globs of owner/name
	Every        time.Duration `yaml:"every"`        // between two readings
}

// bind makes flags of what is set most often.
func (c *serverConfig) bind(f *pflag.FlagSet) {
	f.StringVar(&c.Listen, "listen", "", "address for webhooks, health and schemas (default 127.0.0.1:8080)")
	f.StringVar(&c.Metrics, "metrics", "", "address for Prometheus metrics, another one (default 127.0.0.1:9090; none: off)")
	f.StringVar(&c.Database, "database", "", "path of a SQLite file, or a postgres:// URL; also OAKUM_DATABASE (default oakum.db)")
	f.StringVar(&c.Directory, "directory", "", "where copies of repositories are kept (default oakum-repositories)")
	f.IntVar(&c.Workers, "workers", 0, "how many repositories are worked on at once (default 4)")
	f.StringVar(&c.GitHub.URL, "github-url", "", "base URL of a GitHub Enterprise server")
	f.StringVar(&c.GitHub.App, "app", "", "client ID or number of the GitHub App")
	f.StringVar(&c.GitHub.KeyFile, "app-key", "", "file with the App's private key")
	f.StringSliceVar(&c.GitHub.Repositories, "repository", nil, "owner/name to look after with the token in GITHUB_TOKEN, instead of an App")
	f.StringSliceVar(&c.WebhookSecretFiles, "webhook-secret", nil, "files with the webhook's secret; several while it is changed")
}

// over puts what flags say over what a file says.
func (c serverConfig) over(file serverConfig) serverConfig {
	out := file
	out.Listen = cmp.Or(c.Listen, file.Listen, "127.0.0.1:8080")
	out.Metrics = cmp.Or(c.Metrics, file.Metrics, "127.0.0.1:9090")
	out.Database = cmp.Or(c.Database, os.Getenv("OAKUM_DATABASE"), file.Database, "oakum.db")
	out.Directory = cmp.Or(c.Directory, file.Directory, "oakum-repositories")
	out.Workers = cmp.Or(c.Workers, file.Workers, 4)
	out.Reconcile = cmp.Or(file.Reconcile, 6*time.Hour)
	out.GitHub.URL = cmp.Or(c.GitHub.URL, file.GitHub.URL)
	out.GitHub.App = cmp.Or(c.GitHub.App, file.GitHub.App)
	out.GitHub.KeyFile = cmp.Or(c.GitHub.KeyFile, file.GitHub.KeyFile)
	if c.GitHub.Repositories != nil {
		out.GitHub.Repositories = c.GitHub.Repositories
	}
	if c.WebhookSecretFiles != nil {
		out.WebhookSecretFiles = c.WebhookSecretFiles
	}
	for i := range out.Clusters {
		out.Clusters[i].Every = cmp.Or(out.Clusters[i].Every, 10*time.Minute)
	}
	return out
}

// readServerConfig reads the file of --settings; an unknown key is an error.
func readServerConfig(name string) (serverConfig, error) {
	var c serverConfig
	if name == "" {
		return c, nil
	}
	src, err := readFile(name, remediate.MaxConfig)
	if err != nil {
		return c, fmt.Errorf("--settings: %w", describe(err))
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("--settings %s: %s", name, strings.ReplaceAll(strings.ReplaceAll(err.Error(), "yaml: unmarshal errors:\n  ", ""), " in type main.serverConfig", ""))
	}
	return c, nil
}

func (c serverConfig) check() error {
	for _, address := range []string{c.Listen, c.Metrics} {
		if _, _, err := net.SplitHostPort(address); err != nil && address != "none" {
			return fmt.Errorf("address %q: want host:port: %w", address, err)
		}
	}
	switch {
	case c.Workers < 1 || c.Workers > 64:
		return fmt.Errorf("workers is %d, want 1 to 64", c.Workers)
	case c.Reconcile < time.Minute:
		return fmt.Errorf("reconcile is %s, want a minute at least", c.Reconcile)
	case c.MaxBytes < 0:
		return errors.New("maxBytes is negative")
	case (c.GitHub.App == "") != (c.GitHub.KeyFile == ""):
		return errors.New("a GitHub App needs both its ID (--app) and its private key (--app-key)")
	case c.GitHub.App != "" && len(c.GitHub.Repositories) > 0:
		return errors.New("--repository is for a token; an App looks after the repositories that it is installed on")
	case c.GitHub.App == "" && len(c.GitHub.Repositories) == 0:
		return errors.New("nothing to look after: give a GitHub App by --app and --app-key, or a token in GITHUB_TOKEN and each --repository")
	}
	names := map[string]bool{}
	for _, k := range c.Clusters {
		switch {
		case k.Name == "" || names[k.Name]:
			return fmt.Errorf("clusters: each needs a name of its own; %q is none", k.Name)
		case len(k.Repositories) == 0:
			return fmt.Errorf("clusters: %s: name the repositories that decide what is in it", k.Name)
		case k.Every < time.Minute:
			return fmt.Errorf("clusters: %s: every is %s, want a minute at least", k.Name, k.Every)
		case slices.ContainsFunc(k.Repositories, func(g string) bool { return !doublestar.ValidatePattern(g) }):
			return fmt.Errorf("clusters: %s: repositories: not a glob", k.Name)
		}
		names[k.Name] = true
	}
	return nil
}

// maxSecretFile bounds a file with a secret.
const maxSecretFile = 4 << 10

// webhookSecrets are those of the files and of OAKUM_WEBHOOK_SECRET, where
// several stand on lines of their own.
func (c serverConfig) webhookSecrets() ([]string, error) {
	var out []string
	for _, name := range c.WebhookSecretFiles {
		text, err := readFile(name, maxSecretFile)
		if err != nil {
			return nil, fmt.Errorf("reading the webhook's secret: %w", describe(err))
		}
		out = append(out, strings.Fields(string(text))...)
	}
	out = append(out, strings.Fields(os.Getenv("OAKUM_WEBHOOK_SECRET"))...)
	if len(out) == 0 {
		return nil, errors.New("there is no webhook secret, so anybody could send events: give --webhook-secret FILE or OAKUM_WEBHOOK_SECRET, as it is set at the App")
	}
	for i, s := range out {
		if len(s) < webhook.MinSecret {
			return nil, fmt.Errorf("webhook secret %d has %d bytes, and at least %d are needed: make one with openssl rand -hex 32", i+1, len(s), webhook.MinSecret)
		}
	}
	return out, nil
}

// hub is how GitHub is reached.
func (c serverConfig) hub(watch github.Options) (*github.Hub, error) {
	watch.BaseURL, watch.Repositories = c.GitHub.URL, c.GitHub.Repositories
	if c.GitHub.App == "" {
		watch.Token = os.Getenv("GITHUB_TOKEN")
		return github.NewHub(watch)
	}
	key, err := github.ReadKey(c.GitHub.KeyFile)
	if err != nil {
		return nil, err
	}
	watch.App = github.App{ID: c.GitHub.App, Key: key}
	return github.NewHub(watch)
}

// absolute makes the directory for copies, and its name independent of where the
// program runs.
func (c serverConfig) absolute() (string, error) {
	dir, err := filepath.Abs(c.Directory)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", c.Directory, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the directory for copies of repositories: %w", err)
	}
	return dir, nil
}
