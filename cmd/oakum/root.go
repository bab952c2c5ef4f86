package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

// version is set by the build.
var version = "dev"

// Exit codes, as scripts rely on them.
const (
	exitDone     = 0
	exitFindings = 1 // findings at or above --fail-on
	exitFailure  = 2 // wrong usage, or something could not be read or done
)

// errFindings makes the exit code 1; what was found is printed already.
var errFindings = errors.New("findings at or above --fail-on")

// errReported makes the exit code 2; what went wrong is printed already.
var errReported = errors.New("reported")

// app is what every verb shares.
type app struct {
	in          io.Reader
	out, err    io.Writer
	log         *slog.Logger
	config      string
	policyPaths []string
	bundles     map[string]bundled // of policyPaths
	only        []string
	strict      []string
	severity    string
	framework   []string
	frameworks  []string
	safety      string
	kubernetes  string
	exclude     []string
	reports     []string // files of image scanners
	presets     string   // directory of presets
	noColor     bool
	quiet       bool
	verbose     bool

	remotePresets remediate.Presets // nil: the verb does not go to the network
}

// run is the whole program but for the process: arguments in, exit code out.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{in: in, out: out, err: errOut}
	root := a.command()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errFindings):
		return exitFindings
	case !errors.Is(err, errReported):
		fmt.Fprintf(errOut, "oakum: %v\n", err)
	}
	return exitFailure
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "oakum",
		Short: "find and mend what is wrong with Kubernetes manifests",
		Long: `oakum reads Kubernetes manifests, judges them by policies written as code, and
mends them by small, proved changes: as a diff, in place, or as pull requests.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			level := slog.LevelWarn
			if a.verbose {
				level = slog.LevelDebug
			}
			a.log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
			return a.openBundles(c.Context())
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w\nsee '%s --help'", err, c.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVar(&a.config, "config", "", "configuration file (default: .oakum.yaml at the repository root)")
	f.StringSliceVar(&a.policyPaths, "policies", nil, "your own policies, added to the built-in ones: files, directories, git+URL@TAG#DIR, oci:LAYOUT@DIGEST")
	f.StringSliceVar(&a.only, "policy", nil, "only these policies")
	f.StringSliceVar(&a.strict, "strict", nil, "policies that the repository cannot exempt from, switch off or change")
	f.StringVar(&a.severity, "severity", "", "only findings of this severity and worse: "+list(policy.Severities))
	f.StringSliceVar(&a.framework, "framework", nil, "only policies that answer a control of these frameworks, e.g. pss")
	f.StringSliceVar(&a.frameworks, "frameworks", nil, "files and directories of your own frameworks, added to the built-in ones")
	f.StringVar(&a.kubernetes, "kubernetes-version", "", "the version of the cluster, e.g. 1.34 (default: the newest known)")
	f.StringSliceVar(&a.exclude, "exclude", nil, "globs of paths to leave out; ** crosses directories")
	f.StringVar(&a.presets, "presets", "", "directory with the presets that configurations extend, as owner/repository/file")
	f.BoolVar(&a.noColor, "no-color", false, "no colours (also with NO_COLOR set)")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no summary on stderr")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "say more on stderr")
	root.AddCommand(a.scanCommand(), a.pathsCommand(), a.fixCommand(), a.remediateCommand(), a.reportCommand(), a.diffCommand(), a.snapshotCommand(), a.policyCommand(), a.configCommand(), a.serveCommand(), a.demoCommand())
	return root
}

// reportsFlag adds --vulnerabilities to the verbs that judge a tree.
func (a *app) reportsFlag(c *cobra.Command) {
	c.Flags().StringSliceVar(&a.reports, "vulnerabilities", nil,
		"reports of image scanners: JSON or SARIF of Trivy or Grype, VulnerabilityReports of trivy-operator")
}

// safetyFlag adds --safety to the verbs that plan fixes.
func (a *app) safetyFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.safety, "safety", "", "how bold: safe, evidence or review (default evidence)")
}

func list[T ~string](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return strings.Join(words, ", ")
}

// oneOf checks a flag's value.
func oneOf[T ~string](flag, value string, allowed []T) (T, error) {
	if !slices.Contains(allowed, T(value)) {
		return "", fmt.Errorf("--%s is %q, want one of %s", flag, value, list(allowed))
	}
	return T(value), nil
}

// color tells whether w is a terminal that wants colours.
func (a *app) color(w io.Writer) bool {
	return !a.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && terminal(w)
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
