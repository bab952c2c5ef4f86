package githubtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Delivery is one attempt to tell of an event.
type Delivery struct {
	ID            int64
	GUID          string // of the event, the same for all attempts
	Event, Action string
	Installation  int64
	Repository    int64 // zero: of none
	Payload       []byte
	Redelivery    bool
	At            time.Time
	Status        int  // of the answer; zero: nobody answered
	Done          bool // it was attempted
}

// hook is the App's webhook.
type hook struct {
	s      *Server
	client *http.Client

	mu         sync.Mutex
	changed    *sync.Cond
	url        string
	secret     []byte
	held       bool
	events     int
	waiting    []*Delivery // to be sent
	sending    int
	deliveries []*Delivery
	closed     bool
}

func newHook(s *Server) *hook {
	h := &hook{s: s, client: &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	h.changed = sync.NewCond(&h.mu)
	return h
}

// senders is how many deliveries are under way at once: GitHub keeps no order.
const senders = 4

// Webhook has every event from now on delivered to a URL, signed with a secret,
// by senders that keep no order. Called again, it changes both.
func (s *Server) Webhook(url, secret string) {
	h := s.hook
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.url == ""
	h.url, h.secret = url, []byte(secret)
	if !first {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range senders {
		all.Go(func() { h.send(ctx) })
	}
	s.t.Cleanup(func() {
		h.mu.Lock()
		h.closed = true
		h.changed.Broadcast()
		h.mu.Unlock()
		cancel()
		all.Wait()
	})
}

func (h *hook) on() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.url != ""
}

// post puts an event in line.
func (h *hook) post(event, action string, installation, repository int64, with object) {
	if action != "" {
		with["action"] = action
	}
	schemas, err := loadSchemas()
	if err != nil {
		h.s.t.Errorf("reading GitHub's webhook schemas: %v: run .ci/openapi.sh", err)
		return
	}
	body, err := schemas.payload(event, action, with)
	if err != nil {
		h.s.t.Errorf("event against GitHub's schema: %s %s: %v", event, action, err)
		return
	}
	h.mu.Lock()
	h.events++
	guid := fmt.Sprintf("%08x-0000-4000-8000-%012x", h.events, h.events)
	h.mu.Unlock()
	h.enqueue(&Delivery{GUID: guid, Event: event, Action: action, Installation: installation, Repository: repository, Payload: body})
}

func (h *hook) enqueue(d *Delivery) {
	d.ID, d.At = h.s.id(), h.s.Time()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deliveries = append(h.deliveries, d)
	h.waiting = append(h.waiting, d)
	h.changed.Broadcast()
}

func (h *hook) send(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		for !h.closed && (h.held || len(h.waiting) == 0) {
			h.changed.Wait()
		}
		if h.closed {
			return
		}
		d := h.waiting[0]
		h.waiting = h.waiting[1:]
		h.sending++
		url, secret := h.url, h.secret
		h.mu.Unlock()
		status := h.attempt(ctx, d, url, secret)
		h.mu.Lock()
		d.Status, d.Done = status, true
		h.sending--
		h.changed.Broadcast()
	}
}

// attempt is the request that GitHub sends; zero: nobody answered.
func (h *hook) attempt(ctx context.Context, d *Delivery, url string, secret []byte) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.Payload))
	if err != nil {
		h.s.t.Errorf("the webhook's URL: %v", err)
		return 0
	}
	for key, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/0000000", "X-GitHub-Event": d.Event,
		"X-GitHub-Delivery": d.GUID, "X-GitHub-Hook-ID": "1", "X-GitHub-Hook-Installation-Target-Type": "integration",
		"X-GitHub-Hook-Installation-Target-ID": strconv.Itoa(AppID),
		"X-Hub-Signature":                      "sha1=" + sign(sha1.New, secret, d.Payload),
		"X-Hub-Signature-256":                  "sha256=" + sign(sha256.New, secret, d.Payload),
	} {
		req.Header.Set(key, value)
	}
	res, err := h.client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode
}

func sign(new func() hash.Hash, secret, body []byte) string {
	mac := hmac.New(new, secret)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Deliveries are all attempts so far, oldest first; those that wait as well.
func (s *Server) Deliveries() []Delivery {
	s.hook.mu.Lock()
	defer s.hook.mu.Unlock()
	return copies(s.hook.deliveries)
}

// Settle waits until nothing is left to deliver, or for a minute.
func (s *Server) Settle() {
	s.t.Helper()
	h := s.hook
	timeout := time.AfterFunc(time.Minute, h.changed.Broadcast)
	defer timeout.Stop()
	deadline := time.Now().Add(time.Minute)
	h.mu.Lock()
	defer h.mu.Unlock()
	for (len(h.waiting) > 0 || h.sending > 0) && !h.closed {
		if !time.Now().Before(deadline) {
			s.t.Error("webhooks are still waiting after a minute")
			return
		}
		h.changed.Wait()
	}
}

// Hold keeps what is to be delivered waiting.
func (s *Server) Hold() {
	s.hook.mu.Lock()
	defer s.hook.mu.Unlock()
	s.hook.held = true
}

// Release lets it go, in the order that arrange makes of it: it may swap,
// repeat and drop deliveries. Nil: as it is.
func (s *Server) Release(arrange func([]Delivery) []Delivery) {
	h := s.hook
	h.mu.Lock()
	defer h.mu.Unlock()
	if arrange != nil {
		waiting := make([]*Delivery, 0, len(h.waiting))
		for _, d := range arrange(copies(h.waiting)) {
			at := slices.IndexFunc(h.waiting, func(w *Delivery) bool { return w.ID == d.ID })
			waiting = append(waiting, h.waiting[at])
		}
		h.waiting = waiting
	}
	h.held = false
	h.changed.Broadcast()
}

// Redeliver attempts an event again, as somebody does who presses the button.
func (s *Server) Redeliver(id int64) { s.repeat(id, true, "") }

// Duplicate sends the very same request once more, which GitHub may do.
func (s *Server) Duplicate(id int64) { s.repeat(id, false, "") }

// Replay sends a body again, signature and all, with another identifier: an
// attack, for the identifier is not signed.
func (s *Server) Replay(id int64, guid string) { s.repeat(id, false, guid) }

func (s *Server) repeat(id int64, redelivery bool, guid string) bool {
	h := s.hook
	h.mu.Lock()
	at := slices.IndexFunc(h.deliveries, func(d *Delivery) bool { return d.ID == id })
	if at < 0 {
		h.mu.Unlock()
		return false
	}
	d := *h.deliveries[at]
	h.mu.Unlock()
	d.Redelivery, d.Status, d.Done = redelivery, 0, false
	if guid != "" {
		d.GUID = guid
	}
	h.enqueue(&d)
	return true
}

// list answers which attempts there were, the newest first.
func (h *hook) list(w http.ResponseWriter, req *http.Request) {
	all := slices.DeleteFunc(h.s.Deliveries(), func(d Delivery) bool { return !d.Done })
	slices.Reverse(all)
	size, _ := strconv.Atoi(req.URL.Query().Get("per_page"))
	size = min(max(size, 1), 100)
	if cursor := req.URL.Query().Get("cursor"); cursor != "" {
		all = all[max(slices.IndexFunc(all, func(d Delivery) bool { return strconv.FormatInt(d.ID, 10) == cursor }), 0):]
	}
	if len(all) > size {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s/app/hook/deliveries?per_page=%d&cursor=%d>; rel="next"`, h.s.URL, apiRoot, size, all[size].ID))
		all = all[:size]
	}
	list := []any{}
	for _, d := range all {
		status := "OK"
		if d.Status < 200 || d.Status > 299 {
			status = fmt.Sprintf("Invalid HTTP Response: %d", d.Status)
		}
		if d.Status == 0 {
			status = "failed to connect to host"
		}
		o := h.s.spec.sample("hook-delivery-item", object{
			"id": d.ID, "guid": d.GUID, "delivered_at": stamp(d.At), "redelivery": d.Redelivery, "status": status, "status_code": d.Status,
			"event": d.Event, "action": nil, "installation_id": d.Installation, "repository_id": nil,
		})
		if d.Action != "" {
			o["action"] = d.Action
		}
		if d.Repository != 0 {
			o["repository_id"] = d.Repository
		}
		list = append(list, o)
	}
	reply(w, http.StatusOK, list)
}

func (h *hook) again(w http.ResponseWriter, req *http.Request) {
	id, _ := strconv.ParseInt(req.PathValue("delivery"), 10, 64)
	if !h.s.repeat(id, true, "") {
		missing(w)
		return
	}
	reply(w, http.StatusAccepted, object{})
}
