package github

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/github/githubtest"
)

// answers serves one status after the other, the last one for ever.
func answers(t *testing.T, list ...http.HandlerFunc) (string, *atomic.Int32) {
	t.Helper()
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || r.Method == http.MethodPost && string(body) != "body" {
			t.Errorf("body %q, %v", body, err)
		}
		list[min(int(n.Add(1))-1, len(list)-1)](w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, &n
}

func status(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func broken(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// TestPatience: what is repeated, after how long, and what is not.
func TestPatience(t *testing.T) {
	t.Parallel()
	clock := githubtest.NewClock()
	in := func(d time.Duration) string { return strconv.FormatInt(clock.Now().Add(d).Unix(), 10) }
	const secondaryText = `{"message":"You have exceeded a secondary rate limit"}`
	ok := status(200, "fine")

	tests := map[string]struct {
		method     string
		repeatable bool
		answers    []http.HandlerFunc
		want       int // status; 0: an error
		sent       int
		slept      []time.Duration
	}{
		"fine":                      {"GET", false, []http.HandlerFunc{ok}, 200, 1, nil},
		"seconds":                   {"GET", false, []http.HandlerFunc{status(429, "", "Retry-After", "7"), ok}, 200, 2, secs(7)},
		"a date":                    {"GET", false, []http.HandlerFunc{status(429, "", "Retry-After", clock.Now().Add(9*time.Second).Format(http.TimeFormat)), ok}, 200, 2, secs(9)},
		"429 without":               {"GET", false, []http.HandlerFunc{status(429, ""), status(429, ""), ok}, 200, 3, secs(60, 120)},
		"secondary with":            {"POST", false, []http.HandlerFunc{status(403, secondaryText, "Retry-After", "30"), ok}, 200, 2, secs(30)},
		"secondary without":         {"POST", false, []http.HandlerFunc{status(403, secondaryText), ok}, 200, 2, secs(60)},
		"hourly limit":              {"GET", false, []http.HandlerFunc{status(403, "", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", in(100*time.Second)), ok}, 200, 2, secs(1, 100)},
		"hourly limit, unsaid":      {"GET", false, []http.HandlerFunc{status(403, "", "X-RateLimit-Remaining", "0"), ok}, 200, 2, secs(1)},
		"a missing right":           {"GET", false, []http.HandlerFunc{status(403, "Resource not accessible")}, 403, 1, nil},
		"not found":                 {"GET", false, []http.HandlerFunc{status(404, "")}, 404, 1, nil},
		"502 on reading":            {"GET", false, []http.HandlerFunc{status(502, ""), status(503, "", "Retry-After", "20"), ok}, 200, 3, secs(1, 20)},
		"502 on writing":            {"POST", false, []http.HandlerFunc{status(502, ""), ok}, 502, 1, nil},
		"502 on writing, may again": {"POST", true, []http.HandlerFunc{status(502, ""), ok}, 200, 2, secs(1)},
		"cut on reading":            {"GET", false, []http.HandlerFunc{broken, broken, ok}, 200, 3, secs(1, 2)},
		"cut on writing":            {"POST", false, []http.HandlerFunc{broken, ok}, 0, 1, nil},
		"cut on writing, may again": {"POST", true, []http.HandlerFunc{broken, ok}, 200, 2, secs(1)},
		"half an answer":            {"GET", false, []http.HandlerFunc{status(200, "half", "Content-Length", "100"), ok}, 200, 2, secs(1)},
		"never":                     {"GET", false, []http.HandlerFunc{status(502, "")}, 502, 6, secs(1, 2, 4, 8, 16)},
		"too patient":               {"GET", false, []http.HandlerFunc{status(429, "", "Retry-After", "601")}, 0, 1, nil},
		"too patient in sum":        {"GET", false, []http.HandlerFunc{status(429, "", "Retry-After", "400")}, 0, 2, secs(400)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := githubtest.NewClock()
			address, sent := answers(t, test.answers...)
			client, said := patientClient(t, address, clock)
			ctx := context.Background()
			if test.repeatable {
				ctx = repeatable(ctx)
			}
			req, err := http.NewRequestWithContext(ctx, test.method, address, strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			res, err := client.Do(req)
			if err == nil {
				defer res.Body.Close()
				got = res.StatusCode
				if body, err := io.ReadAll(res.Body); got == 200 && string(body) != "fine" {
					t.Errorf("body %q, %v", body, err)
				}
			}
			// Whole seconds: writes are spaced by less than that in real answers.
			if got != test.want || int(sent.Load()) != test.sent || !slices.Equal(clock.Slept(), test.slept) {
				t.Errorf("status %d after %d requests and %v, %v; want %d, %d, %v", got, sent.Load(), clock.Slept(), err, test.want, test.sent, test.slept)
			}
			var later *remediate.Later
			if strings.HasPrefix(name, "too patient") != errors.As(err, &later) {
				t.Errorf("error %v", err)
			}
			if len(*said) != len(test.slept) {
				t.Errorf("said %q", *said)
			}
		})
	}
}

func secs(list ...int) []time.Duration {
	var all []time.Duration
	for _, n := range list {
		all = append(all, time.Duration(n)*time.Second)
	}
	return all
}

func patientClient(t *testing.T, address string, clock Clock) (*http.Client, *[]string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	return &http.Client{
		Transport: authorized{source: fixed("ghp_secret"), next: &patient{
			next:  guard{next: &http.Transport{DisableKeepAlives: true}, api: u},
			clock: clock, maxWait: 10 * time.Minute, budget: newBudget(0), content: newContent(), processes: func() int { return 1 },
			watch: watch{
				wait:    func(why string, d time.Duration) { said = append(said, fmt.Sprint(why, d)) },
				request: func(string, int, time.Duration) {},
				budget:  func(Budget) {},
			},
		}},
		CheckRedirect: stayHome,
	}, &said
}

// TestWritesKeepTheirDistance: a second between any two that people are told
// of, and between others once there are many.
func TestWritesKeepTheirDistance(t *testing.T) {
	t.Parallel()
	clock := githubtest.NewClock()
	address, _ := answers(t, status(200, ""))
	client, _ := patientClient(t, address, clock)
	send := func(method, path string) {
		res, err := client.Do(must(http.NewRequest(method, address+path, strings.NewReader("body"))))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	for _, method := range []string{"POST", "GET", "POST", "POST"} {
		send(method, "/repos/acme/shop/pulls")
	}
	if !slices.Equal(clock.Slept(), secs(1, 1)) {
		t.Errorf("slept %v", clock.Slept())
	}
	for range 22 {
		send("POST", "/repos/acme/shop/git/blobs")
	}
	if !slices.Equal(clock.Slept(), secs(1, 1, 1, 1)) {
		t.Errorf("slept %v after a burst", clock.Slept())
	}
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var strayed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	t.Cleanup(other.Close)
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(r.URL.Query().Get("code"))
		if err != nil {
			if r.Header.Get("Authorization") != "Bearer ghp_secret" {
				t.Errorf("%s without the token", r.URL)
			}
			return
		}
		to := "/new"
		if r.URL.Path == "/stray" {
			to = other.URL
		}
		http.Redirect(w, r, to, code)
	}))
	t.Cleanup(home.Close)

	for _, code := range []int{301, 302, 307, 308} {
		for _, method := range []string{"GET", "POST"} {
			client, _ := patientClient(t, home.URL, githubtest.NewClock())
			res, err := client.Do(must(http.NewRequest(method, fmt.Sprintf("%s/stray?code=%d", home.URL, code), nil)))
			if err == nil {
				res.Body.Close()
				t.Errorf("%s %d to another host was followed", method, code)
			}
			res, err = client.Do(must(http.NewRequest(method, fmt.Sprintf("%s/?code=%d", home.URL, code), nil)))
			if follows := method == "GET" || code > 302; (err == nil) != follows {
				t.Errorf("%s %d on the same host: %v", method, code, err)
			}
			if err == nil {
				res.Body.Close()
			}
		}
	}
	if n := strayed.Load(); n > 0 {
		t.Errorf("%d requests reached another host", n)
	}

	// And the guard itself, should nobody have asked before.
	client, _ := patientClient(t, home.URL, githubtest.NewClock())
	if res, err := client.Get(other.URL); err == nil {
		res.Body.Close()
		t.Error("a request to another host was sent")
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	address, sent := answers(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for range maxAnswer>>20 + 1 {
			_, _ = w.Write(chunk)
		}
	})
	client, _ := patientClient(t, address, githubtest.NewClock())
	res, err := client.Get(address)
	if err == nil {
		res.Body.Close()
	}
	if !errors.Is(err, errTooLarge) || sent.Load() != 1 {
		t.Errorf("%d requests, error %v", sent.Load(), err)
	}
}

// TestLimitsAreOursToKeep: go-github would refuse a request by the limits of
// the one before, by the real clock, and for the life of the client.
func TestLimitsAreOursToKeep(t *testing.T) {
	t.Parallel()
	const tooFast = `{"message":"You have exceeded a secondary rate limit","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`
	slow := status(403, tooFast, "Retry-After", "1")
	clock := githubtest.NewClock()
	reset := strconv.FormatInt(clock.Now().Add(90*time.Second).Unix(), 10)
	address, _ := answers(t,
		status(200, "[]", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", reset), status(200, "[]"),
		slow, slow, slow, slow, slow, slow, status(200, "[]"),
	)
	r := anyRepo(t, address, "ghp_secret", clock)
	for i, want := range []struct {
		fails bool
		slept time.Duration
	}{{false, 0}, {false, 91 * time.Second}, {true, 5 * time.Second}, {false, time.Second}} {
		before := clock.Now()
		_, err := r.PullRequests(context.Background(), "b")
		if slept := clock.Now().Sub(before); (err != nil) != want.fails || slept != want.slept {
			t.Errorf("request %d: %v after %v, want %+v", i, err, slept, want)
		}
	}
}

// TestErrorsHideAnyToken, also one of a form that nobody would recognize.
func TestErrorsHideAnyToken(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef0123456789abcdef01234567"
	for _, code := range []int{400, 401, 403, 404, 410, 422, 500} {
		address, _ := answers(t, status(code, `{"message":"no, `+token+`","errors":[{"code":"`+token+`"}]}`))
		_, err := anyRepo(t, address, token, githubtest.NewClock()).PullRequests(context.Background(), token)
		if err == nil || !strings.Contains(err.Error(), "REDACTED") || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), strconv.Itoa(code)) {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func anyRepo(t *testing.T, address, token string, clock Clock) *Repo {
	t.Helper()
	c, err := New(Options{Token: token, BaseURL: address, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Repo("acme/shop")
	if err != nil {
		t.Fatal(err)
	}
	return r
}
