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
	"time"

	"github.com/oakum-dev/oakum/remediate"
)

const (
	maxAnswer  = 96 << 20         // bytes of one answer; a blob of 64 MiB in base64 fits
	attemptFor = 60 * time.Second // for one attempt, answer included
	attempts   = 6
)

// guard is nearest to the network. Every request has the token by then, so it
// sends none to any other host.
type guard struct {
	next http.RoundTripper
	api  *url.URL
}

func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != g.api.Host || req.URL.Scheme != g.api.Scheme {
		return nil, fmt.Errorf("%w to %s: the token is for %s", errStopped, req.URL.Host, g.api.Host)
	}
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
	budget  *budget
	content *spacing
	// processes is among how many the limits of writing are divided.
	processes func() int
	watch     watch
}

// watch is who hears of what happens on the way; all are set.
type watch struct {
	wait    func(why string, d time.Duration)
	request func(method string, status int, took time.Duration)
	budget  func(Budget)
}

// repeatable marks a request that writes but may be sent twice, because
// GitHub itself takes the second one for the first. Reading ones always may.
func repeatable(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatableKey{}, true)
}

type repeatableKey struct{}

func (t *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	reading := req.Method == http.MethodGet || req.Method == http.MethodHead
	again := reading || ctx.Value(repeatableKey{}) != nil
	if !reading {
		done, err := t.budget.turn(ctx)
		if err != nil {
			return nil, err
		}
		defer done()
	}
	var waited time.Duration
	for n := 1; ; n++ {
		if err := t.pace(req, reading, &waited); err != nil {
			return nil, err
		}
		res, err := t.once(req)
		why, wait := t.verdict(res, err, n, again)
		if why == "" || n == attempts {
			return res, err
		}
		if err := t.sleep(ctx, why, wait, &waited); err != nil {
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
	began := t.clock.Now()
	res, err := t.next.RoundTrip(attempt)
	if err != nil {
		t.watch.request(req.Method, 0, t.clock.Now().Sub(began))
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	t.watch.request(req.Method, res.StatusCode, t.clock.Now().Sub(began))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, errTooLarge
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	res.ContentLength = int64(len(body))
	res.Request = req
	t.note(req, res)
	return res, nil
}

var errTooLarge = fmt.Errorf("the answer is larger than the %d MiB that are read", maxAnswer>>20)

// note keeps what the answer says of the hourly limit, and takes its headers
// out: go-github would refuse the next request by them, by a clock of its own,
// instead of letting it wait here.
func (t *patient) note(req *http.Request, res *http.Response) {
	number := func(name string) int64 {
		n, err := strconv.ParseInt(res.Header.Get("X-RateLimit-"+name), 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	remaining, reset := number("Remaining"), number("Reset")
	res.Header.Del("X-RateLimit-Reset")
	if remaining < 0 || reset < 0 {
		return
	}
	b := Budget{
		Installation: t.budget.installation, Resource: resource(req),
		Limit: int(max(number("Limit"), 0)), Remaining: int(remaining), Reset: time.Unix(reset, 0),
	}
	t.watch.budget(b)
	if remaining == 0 {
		t.budget.block(b.Resource, hourly, b.Reset.Add(time.Second))
	}
}

const hourly = "GitHub's hourly limit is used up"

// pace holds a request back until the limits allow it.
func (t *patient) pace(req *http.Request, reading bool, waited *time.Duration) error {
	ctx := req.Context()
	if why, until := t.budget.blocked(resource(req)); until.After(t.clock.Now()) {
		if err := t.sleep(ctx, why, until.Sub(t.clock.Now()), waited); err != nil {
			return err
		}
	}
	if reading {
		return nil
	}
	pacer := t.budget.writes
	if creates(req) {
		pacer = t.content
	}
	at, err := pacer.reserve(t.clock.Now(), t.processes(), t.maxWait-*waited)
	if err != nil {
		return err
	}
	d := at.Sub(t.clock.Now())
	if d <= 0 {
		return nil
	}
	*waited += d
	return t.clock.Sleep(ctx, d)
}

func (t *patient) sleep(ctx context.Context, why string, d time.Duration, waited *time.Duration) error {
	if *waited+d > t.maxWait {
		return &remediate.Later{Why: why, Until: t.clock.Now().Add(d)}
	}
	*waited += d
	t.watch.wait(why, d)
	return t.clock.Sleep(ctx, d)
}

// verdict says whether an attempt is to be repeated, why, and after how long.
// An empty why means that the answer stands. What GitHub puts off it puts off
// for everything that the installation sends.
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
			why, wait = "GitHub asks to wait", asked
		case res.Header.Get("X-RateLimit-Remaining") == "0":
			return hourly, backoff // and pace waits for the reset
		case res.StatusCode == http.StatusTooManyRequests || secondary(res):
			// Without a time, GitHub wants a minute at least, then ever more.
			why, wait = "GitHub asks to slow down", 60*backoff
		default:
			return "", 0
		}
		t.budget.block("", why, t.clock.Now().Add(wait))
		return why, wait
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
