package github

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxAnswer  = 96 << 20         // bytes of one answer; a blob of 64 MiB in base64 fits
	attemptFor = 60 * time.Second // for one attempt, answer included
	between    = time.Second      // GitHub asks for it between requests that write
	attempts   = 6
)

// guard is nearest to the network: it is the only place that knows the token,
// and it sends nothing, not even without the token, to any other host.
type guard struct {
	next  http.RoundTripper
	token string
	api   *url.URL
}

func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != g.api.Host || req.URL.Scheme != g.api.Scheme {
		return nil, fmt.Errorf("%w to %s: the token is for %s", errStopped, req.URL.Host, g.api.Host)
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+g.token)
	return g.next.RoundTrip(req)
}

var errStopped = errors.New("a request was stopped")

// patient repeats a request that GitHub put off or that got lost, after the
// time that GitHub asks for. It reads each answer whole, so that one which
// breaks off counts as lost.
type patient struct {
	next    http.RoundTripper
	clock   Clock
	maxWait time.Duration
	onWait  func(why string, d time.Duration)

	writing sync.Mutex // one write at a time
	mu      sync.Mutex
	wrote   time.Time // when the last write was sent
	reset   time.Time // no request before: the hourly limit is used up
}

// repeatable marks a request that writes but may be sent twice, because
// GitHub itself takes the second one for the first. Reading ones always may.
func repeatable(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatableKey{}, true)
}

type repeatableKey struct{}

func (t *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	reading := req.Method == http.MethodGet || req.Method == http.MethodHead
	again := reading || req.Context().Value(repeatableKey{}) != nil
	if !reading {
		t.writing.Lock()
		defer t.writing.Unlock()
	}
	var waited time.Duration
	for n := 1; ; n++ {
		if err := t.pace(req.Context(), reading, &waited); err != nil {
			return nil, err
		}
		res, err := t.once(req)
		why, wait := t.verdict(res, err, n, again)
		if why == "" || n == attempts {
			return res, err
		}
		if err := t.sleep(req.Context(), why, wait, &waited); err != nil {
			return nil, err
		}
	}
}

// once sends the request and reads the answer whole.
func (t *patient) once(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), attemptFor)
	defer cancel()
	attempt := req.Clone(ctx)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		attempt.Body = body
	}
	res, err := t.next.RoundTrip(attempt)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, errTooLarge
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	res.ContentLength = int64(len(body))
	res.Request = req
	t.note(res)
	return res, nil
}

var errTooLarge = fmt.Errorf("the answer is larger than the %d MiB that are read", maxAnswer>>20)

// note remembers an hourly limit that is used up, and takes its headers out of
// the answer: go-github would refuse the next request by them, by a clock of
// its own, instead of letting it wait here.
func (t *patient) note(res *http.Response) {
	if res.Header.Get("X-RateLimit-Remaining") == "0" {
		if at, err := strconv.ParseInt(res.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			t.mu.Lock()
			t.reset = time.Unix(at, 0).Add(time.Second)
			t.mu.Unlock()
		}
	}
	res.Header.Del("X-RateLimit-Reset")
}

// pace holds a request back until the hourly limit allows it and, if it
// writes, until the last one that wrote is a second ago.
func (t *patient) pace(ctx context.Context, reading bool, waited *time.Duration) error {
	t.mu.Lock()
	reset, wrote := t.reset, t.wrote
	t.mu.Unlock()
	if d := reset.Sub(t.clock.Now()); d > 0 {
		if err := t.sleep(ctx, "GitHub's hourly limit is used up", d, waited); err != nil {
			return err
		}
	}
	if reading {
		return nil
	}
	if d := wrote.Add(between).Sub(t.clock.Now()); d > 0 && !wrote.IsZero() {
		if err := t.clock.Sleep(ctx, d); err != nil {
			return err
		}
	}
	t.mu.Lock()
	t.wrote = t.clock.Now()
	t.mu.Unlock()
	return nil
}

// WaitError means that GitHub asks for more patience than there is. Nothing
// was done; the same can be tried again at Until.
type WaitError struct {
	Why   string
	Until time.Time
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("%s: run again after %s", e.Why, e.Until.UTC().Format(time.RFC3339))
}

func (t *patient) sleep(ctx context.Context, why string, d time.Duration, waited *time.Duration) error {
	if *waited += d; *waited > t.maxWait {
		return &WaitError{Why: why, Until: t.clock.Now().Add(d)}
	}
	t.onWait(why, d)
	return t.clock.Sleep(ctx, d)
}

// verdict says whether an attempt is to be repeated, why, and after how long.
// An empty why means that the answer stands.
func (t *patient) verdict(res *http.Response, err error, n int, again bool) (why string, wait time.Duration) {
	backoff := time.Duration(1<<(n-1)) * time.Second
	if err != nil {
		if !again || errors.Is(err, errTooLarge) || errors.Is(err, errStopped) || errors.Is(err, context.Canceled) {
			return "", 0
		}
		return "the connection to GitHub broke", backoff
	}
	switch res.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusInternalServerError:
		if again {
			return "GitHub is out of order", max(backoff, retryAfter(res, t.clock.Now()))
		}
	case http.StatusTooManyRequests, http.StatusForbidden: // refused before anything was done: always safe to repeat
		asked := retryAfter(res, t.clock.Now())
		res.Header.Del("Retry-After") // as note does, for go-github's sake
		switch {
		case asked > 0:
			return "GitHub asks to wait", asked
		case res.Header.Get("X-RateLimit-Remaining") == "0":
			return "GitHub's hourly limit is used up", backoff // and pace waits for the reset
		case res.StatusCode == http.StatusTooManyRequests || secondary(res):
			// Without a time, GitHub wants a minute at least, then ever more.
			return "GitHub asks to slow down", 60 * backoff
		}
	}
	return "", 0
}

// retryAfter reads the header in both its forms; zero if it is absent.
func retryAfter(res *http.Response, now time.Time) time.Duration {
	value := res.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// secondary tells a secondary rate limit from a right that is missing; both
// are 403 and may differ in the text alone.
func secondary(res *http.Response) bool {
	body, err := io.ReadAll(res.Body)
	res.Body = io.NopCloser(bytes.NewReader(body))
	text := strings.ToLower(string(body))
	return err == nil && (strings.Contains(text, "secondary rate limit") || strings.Contains(text, "secondary-rate-limit") ||
		strings.Contains(text, "abuse detection"))
}
