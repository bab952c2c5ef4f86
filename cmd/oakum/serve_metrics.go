package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/oakum-dev/oakum/remediate/github"
	"github.com/oakum-dev/oakum/remediate/store"
)

// metrics are what a server counts.
type metrics struct {
	registry   *prometheus.Registry
	tasks      *prometheus.HistogramVec
	deliveries *prometheus.CounterVec
	requests   *prometheus.HistogramVec
	remaining  *prometheus.GaugeVec
	waited     prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		tasks: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "oakum_task_seconds", Help: "How long tasks took, by kind and outcome.",
			Buckets: []float64{.1, .25, .5, 1, 2, 5, 10, 30, 60, 300},
		}, []string{"kind", "outcome"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oakum_deliveries_total", Help: "Webhook deliveries, by the status they were answered with.",
		}, []string{"status"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "oakum_github_request_seconds", Help: "Requests to GitHub, by method and status; status 0: no answer.",
		}, []string{"method", "status"}),
		remaining: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "oakum_github_budget_remaining", Help: "What is left of GitHub's hourly limits.",
		}, []string{"installation", "resource"}),
		waited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "oakum_github_wait_seconds_total", Help: "Time spent waiting because GitHub asked for it.",
		}),
	}
	m.registry.MustRegister(m.tasks, m.deliveries, m.requests, m.remaining, m.waited,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) request(method string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) budget(b github.Budget) {
	m.remaining.WithLabelValues(strconv.FormatInt(b.Installation, 10), b.Resource).Set(float64(b.Remaining))
}

// handler serves the metrics, and how much there is to do.
func (m *metrics) handler(s *store.Store) http.Handler {
	m.registry.MustRegister(backlog{
		store:  s,
		tasks:  prometheus.NewDesc("oakum_tasks", "Tasks that are not done, by state.", []string{"state"}, nil),
		oldest: prometheus.NewDesc("oakum_oldest_task_seconds", "For how long the oldest task that is due has been so.", nil, nil),
	})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 10 * time.Second}))
	return mux
}

// backlog asks the store when somebody looks.
type backlog struct {
	store         *store.Store
	tasks, oldest *prometheus.Desc
}

func (b backlog) Describe(out chan<- *prometheus.Desc) { out <- b.tasks; out <- b.oldest }

func (b backlog) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	load, err := b.store.Load(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(b.tasks, fmt.Errorf("asking the store: %w", err))
		return
	}
	for state, n := range map[string]int{"open": load.Open, "running": load.Running, "parked": load.Parked} {
		out <- prometheus.MustNewConstMetric(b.tasks, prometheus.GaugeValue, float64(n), state)
	}
	age := 0.0
	if !load.Oldest.IsZero() {
		age = max(0, time.Since(load.Oldest).Seconds())
	}
	out <- prometheus.MustNewConstMetric(b.oldest, prometheus.GaugeValue, age)
}

// trace sends spans to where OTEL_EXPORTER_OTLP_ENDPOINT points, or nowhere.
func (s *server) trace(ctx context.Context) (flush func(), err error) {
	if !traced() {
		s.tracer = noop.NewTracerProvider().Tracer("oakum")
		return func() {}, nil
	}
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("preparing traces: %w", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter))
	s.tracer = provider.Tracer("oakum")
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			s.log.Warn("the last traces were not sent", "error", err)
		}
	}, nil
}

func taskAttributes(r store.Repository, t store.Task) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Int64("oakum.repository", r.ID), attribute.String("oakum.task", string(t.Kind)), attribute.String("oakum.key", t.Key),
	}
}
