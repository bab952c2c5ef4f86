package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// gateway stands between GitHub and the replicas. It brings every delivery to
// one of them, again and again until it is acknowledged, as GitHub and who has
// failed ones repeated do together. In a storm it makes many of each: new ones
// of the same event, the same once more, and the same body under another name.
type gateway struct {
	t        *testing.T
	secret   string
	replicas []*replica
	url      string // for GitHub

	mu      sync.Mutex
	known   []*event // those that ask for something
	pending []*event // not sent on yet
	held    bool     // in a storm, which takes from pending itself
	sent    []letter
	flying  atomic.Int64 // not acknowledged yet
	again   atomic.Int64 // attempts that were not
}

// event is what GitHub told.
type event struct {
	header http.Header
	body   []byte
	known  bool
}

// letter is one body, which a replica said that it keeps.
type letter struct {
	of    *event
	stars int // that the repository has in it; 0: as it was
}

func newGateway(t *testing.T, secret string, replicas []*replica) *gateway {
	t.Helper()
	g := &gateway{t: t, secret: secret, replicas: replicas}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// ServeHTTP takes what GitHub delivers.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		g.t.Errorf("reading a delivery: %v", err)
	}
	e := &event{header: r.Header.Clone(), body: body}
	e.header.Del("Content-Length")
	g.mu.Lock()
	if g.held {
		g.pending = append(g.pending, e)
	} else {
		g.post(letter{of: e}, "")
	}
	g.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

// crowd is how many deliveries are under way at once at most: who keeps the pace
// while nobody answers.
const crowd = 5000

// storm makes deliveries at a rate, out of order; tick is called for each.
func (g *gateway) storm(deliveries, rate int, tick func(n int)) (took time.Duration) {
	g.mu.Lock()
	g.held = true
	g.mu.Unlock()
	random := rand.New(rand.NewPCG(1, 2))
	begin := time.Now()
	next := time.NewTicker(time.Second / time.Duration(rate))
	defer next.Stop()
	for n := range deliveries {
		for <-next.C; g.flying.Load() >= crowd; <-next.C {
		}
		tick(n)
		g.mu.Lock()
		switch at := random.IntN(40); {
		case at < len(g.pending): // what is told late is told after what came later
			e := g.pending[at]
			g.pending = append(g.pending[:at], g.pending[at+1:]...)
			g.post(letter{of: e}, "")
		case len(g.known) == 0:
		default:
			e := g.known[random.IntN(len(g.known))]
			switch kind := random.IntN(10); {
			case kind < 6: // it happened again, as far as anybody can tell
				g.post(letter{of: e, stars: n + 1}, fmt.Sprintf("%08x-1111-4000-8000-000000000000", n))
			case kind < 8: // the same request
				g.post(letter{of: e}, "")
			default: // a replay: the identifier is not signed
				g.post(letter{of: e}, fmt.Sprintf("%08x-2222-4000-8000-000000000000", n))
			}
		}
		g.mu.Unlock()
	}
	took = time.Since(begin)
	g.mu.Lock()
	g.held = false
	for _, e := range g.pending {
		g.post(letter{of: e}, "")
	}
	g.pending = nil
	g.mu.Unlock()
	return took
}

// post sends a letter until it is acknowledged. The mutex is held.
func (g *gateway) post(l letter, guid string) {
	g.flying.Add(1)
	go func() {
		defer g.flying.Add(-1)
		for tries := 0; ; tries++ {
			status, _ := g.attempt(l, guid)
			switch {
			case status == http.StatusAccepted:
				g.mu.Lock()
				g.sent = append(g.sent, l)
				if !l.of.known {
					l.of.known = true
					g.known = append(g.known, l.of)
				}
				g.mu.Unlock()
				return
			case status == http.StatusNoContent:
				return
			case status != 0 && status != http.StatusServiceUnavailable:
				g.t.Errorf("a delivery of %s was answered with %d", l.of.header.Get("X-GitHub-Event"), status)
				return
			}
			g.again.Add(1)
			time.Sleep(min(50*time.Millisecond<<min(tries, 5), time.Second)) // which is sooner than anybody else would come again
		}
	}()
}

var starred = regexp.MustCompile(`"stargazers_count":\d+`)

// attempt sends a letter to one of the replicas.
func (g *gateway) attempt(l letter, guid string) (status int, answer string) {
	body := l.of.body
	if at := starred.FindIndex(body); l.stars > 0 && at != nil {
		body = bytes.Join([][]byte{body[:at[0]], body[at[1]:]}, fmt.Appendf(nil, `"stargazers_count":%d`, l.stars))
	}
	r, err := http.NewRequest(http.MethodPost, g.replicas[rand.N(len(g.replicas))].url(), bytes.NewReader(body))
	if err != nil {
		g.t.Error(err)
		return http.StatusTeapot, ""
	}
	r.Header = l.of.header.Clone()
	mac := hmac.New(sha256.New, []byte(g.secret))
	mac.Write(body)
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	if guid != "" {
		r.Header.Set("X-GitHub-Delivery", guid)
	}
	res, err := patient.Do(r)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, ""
	}
	return res.StatusCode, strings.TrimSpace(string(text))
}

// patient waits as long for an answer as GitHub does.
var patient = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// quiet says whether everything that GitHub told was acknowledged.
func (g *gateway) quiet() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.pending) == 0 && g.flying.Load() == 0
}

// lost sends everything that was acknowledged once more, and counts what is not
// known any more.
func (g *gateway) lost() (distinct, lost int) {
	g.mu.Lock()
	sent := g.sent
	g.sent = nil
	g.mu.Unlock()
	seen := map[letter]bool{}
	letters := make(chan letter)
	var missing atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for l := range letters {
				if status, answer := g.attempt(l, ""); status != http.StatusAccepted || answer != "known already" {
					missing.Add(1)
					g.t.Errorf("a delivery of %s that was acknowledged is not known: %d %s", l.of.header.Get("X-GitHub-Event"), status, answer)
				}
			}
		})
	}
	for _, l := range sent {
		if !seen[l] {
			seen[l] = true
			letters <- l
		}
	}
	close(letters)
	all.Wait()
	return len(seen), int(missing.Load())
}
