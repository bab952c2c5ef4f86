// Package webhook takes events of GitHub: it checks who sent them, has the store
// keep what they ask for, and only then says that they were received. What was
// missed is asked for again by a Sweeper.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/remediate/store"
)

const (
	// MaxBody is the largest payload that GitHub sends, in bytes.
	MaxBody = 25 << 20
	// MinSecret is the fewest bytes of a secret: 32 random ones, or their hex.
	MinSecret = 32

	// GitHub waits ten seconds for an answer.
	acceptTimeout = 8 * time.Second
	retryAfter    = "30"
)

// Inbox keeps deliveries; *store.Store does.
type Inbox interface {
	Accept(context.Context, store.Delivery, []store.Task) (fresh bool, err error)
}

// Config says whose events are taken, and which of them are oakum's own doing.
type Config struct {
	Secrets  []string // any of them may have signed; several while one is replaced by another
	AppID    int64    // oakum's App; 0 with a token, where check runs have no buttons
	Login    string   // oakum's account, such as oakum[bot]; empty: not known
	Branches string   // what the names of oakum's branches begin with; "oakum/"
	Logger   *slog.Logger
}

// handler takes deliveries.
type handler struct {
	inbox  Inbox
	config Config
}

// New makes the handler that is to be served where GitHub delivers to; the
// server's timeouts for reading bound slow senders. It answers
//
//	202 the delivery and what it asks for are kept, or were before
//	204 it asks for nothing
//	400 not an event of GitHub's: no name, or its JSON cannot be read
//	401 not signed by HMAC-SHA-256 with one of the secrets
//	405, 413, 415 not a POST, too large, not JSON
//	503 it could not be kept, and is to be delivered again
//
// Without a secret, or with one that can be guessed, none is made.
func New(inbox Inbox, c Config) (http.Handler, error) {
	if len(c.Secrets) == 0 {
		return nil, errors.New("taking webhooks: there is no secret: everybody could send events; give the one that the App has")
	}
	for i, secret := range c.Secrets {
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("taking webhooks: secret %d has %d bytes, and at least %d are needed: make one with openssl rand -hex 32", i+1, len(secret), MinSecret)
		}
	}
	if c.Branches == "" {
		c.Branches = "oakum/"
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &handler{inbox, c}, nil
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, reason := h.take(w, r)
	level := slog.LevelDebug
	switch {
	case status >= 500:
		level = slog.LevelError
	case status >= 400:
		level = slog.LevelWarn
	}
	// What the headers say is not signed, and never more than told; the body is
	// not told at all.
	h.config.Logger.Log(r.Context(), level, "delivery", "status", status, "reason", reason,
		"event", short(r.Header.Get("X-GitHub-Event")), "delivery", short(r.Header.Get("X-GitHub-Delivery")))
	switch status {
	case http.StatusNoContent:
		w.WriteHeader(status)
		return
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
		reason = "the delivery could not be kept: deliver it again" // why is not for strangers
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, reason+"\n")
}

func short(text string) string { return text[:min(len(text), 64)] }

// take gives the status of the answer, and why.
func (h *handler) take(w http.ResponseWriter, r *http.Request) (int, string) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, "events are posted"
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" || r.Header.Get("Content-Encoding") != "" {
		return http.StatusUnsupportedMediaType, "set the content type of the webhook to application/json"
	}
	signature, ok := strings.CutPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256=")
	mac, err := hex.DecodeString(signature)
	if !ok || err != nil || len(mac) != sha256.Size {
		return http.StatusUnauthorized, "X-Hub-Signature-256 is needed: give the webhook its secret"
	}
	if r.ContentLength > MaxBody {
		return http.StatusRequestEntityTooLarge, "the payload is larger than GitHub's may be"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return http.StatusRequestEntityTooLarge, "the payload is larger than GitHub's may be"
	} else if err != nil {
		return http.StatusBadRequest, "the payload ends too early"
	}
	if !h.signed(body, mac) {
		return http.StatusUnauthorized, "the signature is of another secret or payload"
	}
	event := r.Header.Get("X-GitHub-Event")
	if event == "" {
		return http.StatusBadRequest, "X-GitHub-Event is needed"
	}
	delivery := store.Delivery{
		ID: short(r.Header.Get("X-GitHub-Delivery")), Digest: sha256.Sum256(body), Event: event, Received: time.Now(),
	}
	tasks, err := h.config.tasks(&delivery, body)
	if err != nil {
		return http.StatusBadRequest, "the payload cannot be read: " + err.Error()
	}
	if len(tasks) == 0 {
		return http.StatusNoContent, "nothing to do"
	}
	// Who hangs up has the delivery kept all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), acceptTimeout)
	defer cancel()
	fresh, err := h.inbox.Accept(ctx, delivery, tasks)
	switch {
	case err != nil:
		return http.StatusServiceUnavailable, err.Error()
	case !fresh:
		return http.StatusAccepted, "known already"
	}
	return http.StatusAccepted, "accepted"
}

// signed says whether one of the secrets made the MAC; all of them are tried, so
// that the time tells nothing.
func (h *handler) signed(body, mac []byte) bool {
	valid := false
	for _, secret := range h.config.Secrets {
		m := hmac.New(sha256.New, []byte(secret))
		_, _ = m.Write(body) // never fails
		valid = hmac.Equal(m.Sum(nil), mac) || valid
	}
	return valid
}
