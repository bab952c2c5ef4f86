package githubtest

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// limit is the hourly one.
type limit struct {
	most  int
	spent map[int64]int // by installation
	reset time.Time
}

// Limit lets every installation send so many requests an hour from now on.
func (s *Server) Limit(most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = &limit{most: most, spent: map[int64]int{}, reset: s.Time().Add(time.Hour)}
}

// spend counts a request and says in headers what is left.
func (s *Server) spend(w http.ResponseWriter, who *actor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limit
	if l == nil {
		return true
	}
	if now := s.Time(); !now.Before(l.reset) {
		l.spent, l.reset = map[int64]int{}, now.Add(time.Hour)
	}
	id := who.installation()
	left := l.most - l.spent[id]
	if left > 0 {
		l.spent[id]++
	}
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(l.most))
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(left-1, 0)))
	w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(l.reset.Unix(), 10))
	if left <= 0 {
		reply(w, http.StatusForbidden, basicError("API rate limit exceeded for installation.", http.StatusForbidden))
	}
	return left > 0
}

// tagged passes an answer on with an ETag, or says that it is still the same.
// GitHub's tags depend on the token; so do these.
func tagged(w http.ResponseWriter, r *http.Request, token string, answer *httptest.ResponseRecorder) {
	for key, values := range answer.Header() {
		w.Header()[key] = values
	}
	if answer.Code != http.StatusOK {
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
		return
	}
	etag := fmt.Sprintf(`W/"%x"`, sha256.Sum256(append([]byte(token+w.Header().Get("Link")), answer.Body.Bytes()...)))
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}
