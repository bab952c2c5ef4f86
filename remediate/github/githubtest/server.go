// Package githubtest is a GitHub for tests: one repository with branches,
// commits, pull requests and labels, kept in a real bare repository that git
// itself serves. Every request to its API and every answer is checked against
// GitHub's own OpenAPI description; a violation fails the test. Faults can be
// injected into any request.
package githubtest

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Owner and Name are those of the repository.
const (
	Owner = "acme"
	Name  = "shop"
)

// Server is the fake. Its methods may be called while it serves.
type Server struct {
	URL   string // the base URL, as of a GitHub Enterprise
	Token string // the only one it takes; a test may change it before the first request

	t        testing.TB
	spec     *description
	dir      string // the bare repository
	git      http.Handler
	stranger *httptest.Server

	mu      sync.Mutex
	pulls   []*Pull
	commits int // made so far; their dates follow from it
	faults  []*Fault
	log     []Request
	leaks   []string
	output  bytes.Buffer
}

// Request is one request that was received, and how it was answered.
type Request struct {
	Method, Path string
	Status       int // 0: the connection was cut
}

// Write says whether the request could change something.
func (r Request) Write() bool {
	return r.Method != http.MethodGet && !strings.HasSuffix(r.Path, "/git-upload-pack")
}

// New starts a server whose repository has one commit with the given files on
// the branch main. It ends with the test.
func New(t testing.TB, token string, files map[string]string) *Server {
	t.Helper()
	s := &Server{t: t, Token: token, spec: describe(t)}
	root := t.TempDir()
	s.dir = filepath.Join(root, Owner, Name+".git")
	backend, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatalf("git is needed: %v", err)
	}
	s.git = &cgi.Handler{
		Path:   filepath.Join(strings.TrimSpace(string(backend)), "git-http-backend"),
		Env:    append([]string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x"}, gitEnv...),
		Logger: log.New(&s.output, "", 0),
		Stderr: &s.output,
	}
	s.must("", "init", "--quiet", "--bare", "--initial-branch=main", s.dir)
	s.must("", "config", "http.receivepack", "true")
	s.Commit("main", "first", files)

	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = log.New(&s.output, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	s.URL = server.URL
	s.stranger = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.leaks = append(s.leaks, fmt.Sprintf("%s %s %v", r.Method, r.URL, r.Header))
	}))
	t.Cleanup(s.stranger.Close)
	return s
}

// CloneURL is where git reaches the repository.
func (s *Server) CloneURL() string { return fmt.Sprintf("%s/%s/%s.git", s.URL, Owner, Name) }

// Requests are all that were received since the last call.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}

// Strayed are the requests that reached the other host of Redirect.
func (s *Server) Strayed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaks
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := s.fault(r)
	if fault == nil {
		fault = func(_ *Server, w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) }
	}
	next := http.HandlerFunc(s.serveGit)
	if strings.HasPrefix(r.URL.Path, apiRoot+"/") {
		next = s.serveAPI
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.t.Errorf("reading the body of %s %s: %v", r.Method, r.URL.Path, err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		input, err := s.spec.request(r, body)
		if err != nil {
			s.t.Errorf("request against GitHub's description: %s %s %s: %v", r.Method, r.URL, body, err)
		}
		answer := httptest.NewRecorder()
		defer func() {
			if input == nil || answer.Code == 0 {
				return
			}
			if err := s.spec.response(input, answer.Code, answer.Header(), answer.Body.Bytes()); err != nil {
				s.t.Errorf("answer against GitHub's description: %s %s: %d: %v", r.Method, r.URL, answer.Code, err)
			}
		}()
		fault(s, answer, r, next)
		s.send(w, r, answer)
		return
	}
	answer := httptest.NewRecorder()
	fault(s, answer, r, next)
	s.send(w, r, answer)
}

// cut is the status of an answer that never arrives.
const cut = 0

// send passes an answer on, or cuts the connection.
func (s *Server) send(w http.ResponseWriter, r *http.Request, answer *httptest.ResponseRecorder) {
	s.mu.Lock()
	s.log = append(s.log, Request{r.Method, r.URL.Path, answer.Code})
	s.mu.Unlock()
	if answer.Code == cut {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			s.t.Errorf("cutting a connection: %v", err)
			return
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, not an orderly end
		}
		_ = conn.Close()
		return
	}
	for key, values := range answer.Header() {
		w.Header()[key] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (s *Server) serveGit(w http.ResponseWriter, r *http.Request) {
	_, password, _ := r.BasicAuth()
	if subtle.ConstantTimeCompare([]byte(password), []byte(s.Token)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, "authentication failed", http.StatusUnauthorized)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/git-receive-pack") && r.Method == http.MethodPost {
	}
	s.git.ServeHTTP(w, r)
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+s.Token {
		reply(w, http.StatusUnauthorized, basicError("Bad credentials", http.StatusUnauthorized))
		return
	}
	if r.Method != http.MethodGet {
	}
	mux := http.NewServeMux()
	root := apiRoot + "/repos/" + Owner + "/" + Name
	s.routeGit(mux, root)
	s.routePulls(mux, root)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusNotFound, basicError("Not Found", http.StatusNotFound))
	})
	mux.ServeHTTP(w, r)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func basicError(message string, status int) object {
	return object{"message": message, "documentation_url": "https://docs.github.com/rest", "status": fmt.Sprint(status)}
}

// invalid answers 422 as GitHub does.
func invalid(w http.ResponseWriter, field, code, message string) {
	reply(w, http.StatusUnprocessableEntity, object{
		"message": "Validation Failed", "documentation_url": "https://docs.github.com/rest",
		"errors": []object{{"resource": "PullRequest", "field": field, "code": code, "message": message}},
	})
}

// read decodes a request body, which has been validated before.
func read[T any](w http.ResponseWriter, r *http.Request) (T, bool) {
	var body T
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		reply(w, http.StatusBadRequest, basicError("Problems parsing JSON", http.StatusBadRequest))
		return body, false
	}
	return body, true
}
