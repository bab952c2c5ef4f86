package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.opentelemetry.io/otel/trace"

	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/bot"
	"github.com/oakum-dev/oakum/remediate/github"
	"github.com/oakum-dev/oakum/remediate/store"
	"github.com/oakum-dev/oakum/webhook"
)

func (a *app) serveCommand() *cobra.Command {
	s := &server{app: a}
	var settings, format string
	c := &cobra.Command{
		Use:   "serve",
		Short: "keep the pull requests of repositories true, as a GitHub App",
		Long: `Serve takes the webhooks of a GitHub App, keeps one pull request for each group
of fixes in every repository that it is installed on, judges the pull requests
of people, and answers commands. docs/bot.md says how it is set up.

It ends on SIGTERM when what it works on is done or given back, and reads
policies, secrets and settings again on SIGHUP.`,
		Example: "  oakum serve --app 123456 --app-key app.pem --webhook-secret secret.txt --listen :8080\n  GITHUB_TOKEN=... oakum serve --repository you/manifests --webhook-secret secret.txt",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := oneOf("log-format", format, []string{"text", "json"}); err != nil {
				return err
			}
			for _, name := range []string{"config", "framework", "frameworks", "kubernetes-version", "exclude", "presets"} {
				if c.Flags().Changed(name) {
					return fmt.Errorf("--%s is not for serve: every repository has a %s of its own that says it", name, remediate.ConfigName)
				}
			}
			s.file, s.format = settings, format
			return s.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&settings, "settings", "", "file with the server's settings, for what flags do not say")
	f.StringVar(&format, "log-format", "text", "format of the log on stderr: text, json")
	s.flags.bind(f)
	a.safetyFlag(c)
	return c
}

// server is one run of the verb.
type server struct {
	*app
	flags        serverConfig
	file, format string

	config  serverConfig
	store   *store.Store
	hub     *github.Hub
	bot     *bot.Bot
	metrics *metrics
	tracer  trace.Tracer
	secrets []string // of the webhook
	events  atomic.Pointer[http.Handler]
	ending  atomic.Bool
}

// grace is how long what runs may take to end.
const grace = 20 * time.Second

func (s *server) run(ctx context.Context) error {
	if err := s.read(); err != nil {
		return err
	}
	flush, err := s.trace(ctx)
	if err != nil {
		return err
	}
	defer flush()
	s.metrics = newMetrics()
	if s.store, err = store.Open(ctx, s.config.Database, store.Options{Workers: s.config.Workers, Grace: grace, Logger: s.log}); err != nil {
		return remediate.RedactError(err)
	}
	defer s.store.Close()
	if s.hub, err = s.config.hub(github.Options{
		Processes: s.store.Processes,
		MaxWait:   time.Minute, // longer is for the queue
		OnWait: func(why string, d time.Duration) {
			s.metrics.waited.Add(d.Seconds())
			s.log.Info("waiting for GitHub", "why", why, "for", d)
		},
		OnRequest: s.metrics.request, OnBudget: s.metrics.budget,
	}); err != nil {
		return err
	}
	if err := s.makeBot(ctx); err != nil {
		return err
	}
	if err := s.takeEvents(ctx); err != nil {
		return err
	}
	return s.serve(ctx)
}

// read takes settings from file, flags and environment, and makes the log that
// hides what is secret in them.
func (s *server) read() error {
	file, err := readServerConfig(s.file)
	if err != nil {
		return err
	}
	s.config = s.flags.over(file)
	if err := s.config.check(); err != nil {
		return err
	}
	if s.secrets, err = s.config.webhookSecrets(); err != nil {
		return err
	}
	level := slog.LevelInfo
	if s.verbose {
		level = slog.LevelDebug
	}
	var handler slog.Handler = slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level})
	if s.format == "json" {
		handler = slog.NewJSONHandler(s.err, &slog.HandlerOptions{Level: level})
	}
	hidden := append([]string{os.Getenv("GITHUB_TOKEN")}, s.secrets...)
	s.log = slog.New(remediate.RedactLog(handler, hidden...))
	return nil
}

func (s *server) makeBot(ctx context.Context) error {
	dir, err := s.config.absolute()
	if err != nil {
		return err
	}
	key, err := s.store.Secret(ctx, "marks")
	if err != nil {
		return err
	}
	library, err := s.policies()
	if err != nil {
		return err
	}
	var clusters []*bot.Cluster
	for _, c := range s.config.Clusters {
		clusters = append(clusters, &bot.Cluster{Name: c.Name, Repositories: c.Repositories, Every: c.Every, Read: c.read})
	}
	s.bot, err = bot.New(bot.Options{
		Hub: hosts{s.hub}, Store: s.store, Library: library, Dir: dir, MaxBytes: s.config.MaxBytes, Key: key, Clusters: clusters, Log: s.log,
	})
	return err
}

// policies are what every repository is judged by.
func (s *server) policies() (bot.Library, error) {
	all, err := s.library()
	if err != nil {
		return bot.Library{}, err
	}
	if all, err = strict(all, s.strict); err != nil {
		return bot.Library{}, err
	}
	if _, err := s.selected(all, nil); err != nil { // a name that is none
		return bot.Library{}, err
	}
	l := bot.Library{Policies: all, Only: s.only, Least: policy.Severity(s.severity)}
	if s.safety != "" {
		l.Safety, err = oneOf("safety", s.safety, policy.Safeties[:3])
	}
	return l, err
}

// read reads the cluster with the rights of its context, or of the pod.
func (c clusterConfig) read(ctx context.Context, wants manifest.Wants) (*cluster.Inventory, error) {
	var access cluster.Flags
	flags := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
	access.Bind(flags)
	for name, value := range map[string]string{"kubeconfig": c.Kubeconfig, "context": c.Context} {
		if value != "" {
			if err := flags.Set(name, value); err != nil {
				return nil, err
			}
		}
	}
	config, _, err := access.Connect("")
	if err != nil {
		return nil, err
	}
	return cluster.Read(ctx, config, cluster.Options{Cluster: c.Name, Wants: wants, Owners: true, Now: time.Now})
}

// hosts is the hub as the bot sees it.
type hosts struct{ *github.Hub }

func (h hosts) Host(ctx context.Context, r remediate.Repository) (bot.Host, error) {
	host, err := h.Hub.Host(ctx, r)
	if err != nil {
		return nil, err
	}
	return host, nil
}

// Failed is the hub's failed deliveries, as the sweeper sees them.
func (h hosts) Failed(ctx context.Context, since time.Time) ([]webhook.FailedDelivery, error) {
	all, err := h.FailedDeliveries(ctx, since)
	var out []webhook.FailedDelivery
	for _, f := range all {
		out = append(out, webhook.FailedDelivery{ID: f.ID, GUID: f.GUID, At: f.Attempted})
	}
	return out, err
}

// takeEvents makes the handler for webhooks.
func (s *server) takeEvents(ctx context.Context) error {
	login, id, err := s.hub.Identity(ctx)
	if err != nil {
		return err
	}
	h, err := webhook.New(s.store, webhook.Config{Secrets: s.secrets, AppID: id, Login: login, Branches: remediate.BranchPrefix, Logger: s.log})
	if err != nil {
		return err
	}
	s.events.Store(&h)
	return nil
}

// serve runs everything until the context ends, or one part of it fails.
func (s *server) serve(ctx context.Context) error {
	public, err := s.listen(ctx, s.config.Listen, s.public())
	if err != nil {
		return err
	}
	parts := []func(context.Context) error{public}
	if s.config.Metrics != "none" {
		private, err := s.listen(ctx, s.config.Metrics, s.metrics.handler(s.store))
		if err != nil {
			return err
		}
		parts = append(parts, private)
	}
	sweeper := &webhook.Sweeper{Tasks: s.store, Repositories: s.repositories, Reconcile: s.config.Reconcile, Logger: s.log}
	if s.config.GitHub.App != "" {
		sweeper.Deliveries = hosts{s.hub}
	}
	parts = append(parts,
		func(ctx context.Context) error { return s.store.Work(ctx, s.work) },
		func(ctx context.Context) error { sweeper.Run(ctx); return nil },
		s.reloads,
	)
	if len(s.config.Clusters) > 0 {
		parts = append(parts, func(ctx context.Context) error { return s.bot.Watch(ctx, time.Minute) })
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	errs := make([]error, len(parts))
	for i, part := range parts {
		all.Go(func() {
			defer stop()
			errs[i] = part(ctx)
		})
	}
	<-ctx.Done()
	s.ending.Store(true)
	s.log.Info("ending: what is worked on is done or given back")
	all.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return remediate.RedactError(err)
		}
	}
	return nil
}

// work does one task, and tells of it.
func (s *server) work(ctx context.Context, r store.Repository, t store.Task) error {
	ctx, span := s.tracer.Start(ctx, string(t.Kind), trace.WithAttributes(taskAttributes(r, t)...))
	defer span.End()
	begin := time.Now()
	err := s.bot.Work(ctx, r, t)
	outcome := "done"
	switch {
	case err == nil:
	case store.IsLater(err):
		outcome = "later"
	case store.IsParked(err):
		outcome = "parked"
	default:
		outcome = "failed"
	}
	s.metrics.tasks.WithLabelValues(string(t.Kind), outcome).Observe(time.Since(begin).Seconds())
	log := s.log.With("repository", r.Name, "task", string(t.Kind), "key", t.Key, "outcome", outcome, "took", time.Since(begin).Round(time.Millisecond))
	if err != nil {
		span.RecordError(remediate.RedactError(err))
		if outcome == "later" {
			log.Debug("task", "error", err)
		} else {
			log.Warn("task", "error", err)
		}
		return err
	}
	log.Info("task")
	return nil
}

func (s *server) repositories(ctx context.Context) ([]store.Repository, error) {
	all, err := s.hub.Repositories(ctx)
	var out []store.Repository
	for _, r := range all {
		out = append(out, store.Repository{ID: r.ID, Installation: r.Installation, Name: r.Name})
	}
	return out, err
}

// reloads reads policies and secrets again on SIGHUP. What cannot be read leaves
// everything as it was. Addresses, the database, clusters and the App need a restart.
func (s *server) reloads(ctx context.Context) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	defer signal.Stop(signals)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-signals:
		}
		if err := s.reload(ctx); err != nil {
			s.log.Error("nothing was reloaded", "error", err)
			continue
		}
		s.log.Info("reloaded policies and secrets")
	}
}

func (s *server) reload(ctx context.Context) error {
	library, err := s.policies()
	if err != nil {
		return err
	}
	file, err := readServerConfig(s.file)
	if err != nil {
		return err
	}
	if s.secrets, err = s.flags.over(file).webhookSecrets(); err != nil {
		return err
	}
	if err := s.takeEvents(ctx); err != nil {
		return err
	}
	s.bot.SetLibrary(library)
	return nil
}

// traced says whether traces are wanted, as OpenTelemetry has it.
func traced() bool {
	return strings.TrimSpace(os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")+os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) != ""
}
