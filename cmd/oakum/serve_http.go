package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

// listen binds an address now, so that a wrong one is told at once, and gives
// what serves it until a context ends.
func (s *server) listen(ctx context.Context, address string, h http.Handler) (func(context.Context) error, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s.log.Info("listening", "address", l.Addr().String())
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 15 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return func(ctx context.Context) error {
		failed := make(chan error, 1)
		go func() { failed <- server.Serve(l) }()
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			return errors.Join(err, server.Close())
		}
		return nil
	}, nil
}

// public is what the world may see; nothing there tells the version.
func (s *server) public() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/webhook", func(w http.ResponseWriter, r *http.Request) {
		if s.ending.Load() {
			w.Header().Set("Retry-After", "30")
			http.Error(w, "ending", http.StatusServiceUnavailable)
			return
		}
		ctx, span := s.tracer.Start(r.Context(), "webhook")
		defer span.End()
		answer := &status{ResponseWriter: w, code: http.StatusOK}
		(*s.events.Load()).ServeHTTP(answer, r.WithContext(ctx))
		s.metrics.deliveries.WithLabelValues(fmt.Sprint(answer.code)).Inc()
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		if s.ending.Load() || s.store.Ready(ctx) != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	for name, schema := range map[string][]byte{"config": remediate.ConfigSchema, "policy": policy.Schema} {
		mux.HandleFunc("GET /schema/"+name+".json", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/schema+json")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(schema)
		})
	}
	return mux
}

// status remembers what was answered.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}
