// Package githubtest is a GitHub for tests: repositories with branches,
// commits, pull requests, issues, comments and checks, each kept in a real bare
// repository that git itself serves, an App that is installed on them, and the
// webhooks that tell of every change. Requests to its API and its answers are
// checked against GitHub's own OpenAPI description, GraphQL against its schema,
// and what it sends against the schemas of its webhooks; a violation fails the
// test. Faults can be injected into any request.
package githubtest

import (
	"bytes"
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
	"time"
)

// Owner and Name are those of the first repository.
const (
	Owner = "acme"
	Name  = "shop"
)

// Server is the fake. Its methods may be called while it serves. Those of its
// first repository are its own.
type Server struct {
	*Repository

	URL   string // the base URL, as of a GitHub Enterprise
	Token string // one with every right; a test may change it before the first request
	// Time is what the server takes for now; a test may set it before the
	// first request.
	Time func() time.Time

	t        testing.TB
	spec     *description
	root     string // of the bare repositories: owner/name.git
	git      http.Handler
	mux      *http.ServeMux
	stranger *httptest.Server
	hook     *hook

	mu            sync.Mutex
	repositories  []*Repository
	installations []*Installation
	tokens        map[string]*grant
	nextID        int64 // of all but repositories
	commits       int   // made so far; their dates follow from it
	limit         *limit
	faults        []*Fault
	log           []Request
	leaks         []string
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

// New starts a server whose first repository has one commit with the given
// files on the branch main. It ends with the test.
func New(t testing.TB, token string, files map[string]string) *Server {
	t.Helper()
	s := &Server{
		t: t, Token: token, Time: time.Now, spec: describe(t), root: t.TempDir(),
		mux: http.NewServeMux(), tokens: map[string]*grant{}, nextID: 1000,
	}
	s.hook = newHook(s)
	backend, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatalf("git is needed: %v", err)
	}
	s.git = &cgi.Handler{
		Path:   filepath.Join(strings.TrimSpace(string(backend)), "git-http-backend"),
		Env:    append([]string{"GIT_PROJECT_ROOT=" + s.root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x"}, gitEnv...),
		Logger: log.New(io.Discard, "", 0),
		Stderr: io.Discard,
	}
	s.Repository = s.Add(Owner+"/"+Name, files)
	s.routes()

	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	s.URL = server.URL
	s.stranger = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.leaks = append(s.leaks, fmt.Sprintf("%s %s %v", r.Method, r.URL, r.Header))
	}))
	t.Cleanup(s.stranger.Close)
	return s
}

func (s *Server) routes() {
	s.routeGit()
	s.routeRepositories()
	s.routePulls()
	s.routeReviews()
	s.routeIssues()
	s.routeComments()
	s.routeChecks()
	s.routeApp()
	s.mux.HandleFunc("POST /api/graphql", s.serveGraphQL)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { missing(w) })
}

// id makes a number that nothing else has.
func (s *Server) id() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	return s.nextID
}

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
	answer := httptest.NewRecorder()
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		fault(s, answer, r, http.HandlerFunc(s.serveGit))
		s.send(w, r, answer)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil { // cut off by the client
		s.send(w, r, answer)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	judge := s.judge(r, body)
	fault(s, answer, r, http.HandlerFunc(s.serveAPI))
	if answer.Code != cut {
		judge(answer)
	}
	s.send(w, r, answer)
}

// judge holds a request against GitHub's description; what it returns does the
// same with the answer.
func (s *Server) judge(r *http.Request, body []byte) func(*httptest.ResponseRecorder) {
	if r.URL.Path == graphqlPath {
		if err := s.spec.graphql(body); err != nil {
			s.t.Errorf("request against GitHub's GraphQL schema: %s: %v", body, err)
		}
		return func(*httptest.ResponseRecorder) {}
	}
	input, err := s.spec.request(s.byName(r), body)
	if err != nil {
		s.t.Errorf("request against GitHub's description: %s %s %s: %v", r.Method, r.URL, body, err)
	}
	return func(answer *httptest.ResponseRecorder) {
		if input == nil || answer.Code == http.StatusNotModified {
			return
		}
		if err := s.spec.response(input, answer.Code, answer.Header(), answer.Body.Bytes()); err != nil {
			s.t.Errorf("answer against GitHub's description: %s %s: %d: %v", r.Method, r.URL, answer.Code, err)
		}
	}
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

// serveGit lets git serve a repository, and tells of what was pushed.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request) {
	_, password, _ := r.BasicAuth()
	who := s.who(password)
	if who == nil {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, "authentication failed", http.StatusUnauthorized)
		return
	}
	path, _, ok := strings.Cut(r.URL.Path, ".git/")
	repository, moved := s.named(strings.TrimPrefix(path, "/"))
	pushing := strings.HasSuffix(r.URL.Path, "/git-receive-pack") || r.URL.Query().Get("service") == "git-receive-pack"
	switch {
	case !ok || repository == nil || !who.sees(repository):
		http.Error(w, "Repository not found.", http.StatusNotFound)
		return
	case moved:
		http.Redirect(w, r, strings.Replace(r.URL.RequestURI(), path, "/"+repository.FullName(), 1), http.StatusMovedPermanently)
		return
	case pushing && (repository.archived() || !who.may("contents", "write")):
		http.Error(w, "ERROR: This repository was archived so it is read-only.", http.StatusForbidden)
		return
	}
	r = r.Clone(r.Context())
	r.URL.Path = "/" + repository.place + strings.TrimPrefix(r.URL.Path, path+".git")
	if !pushing || r.Method != http.MethodPost {
		s.git.ServeHTTP(w, r)
		return
	}
	repository.pushing.Lock()
	defer repository.pushing.Unlock()
	before := repository.refs()
	s.git.ServeHTTP(w, r)
	repository.moved(who, before)
}

// serveAPI answers who has a token that is good.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	who := s.who(token)
	if who == nil {
		reply(w, http.StatusUnauthorized, basicError("Bad credentials", http.StatusUnauthorized))
		return
	}
	if who.suspended() {
		reply(w, http.StatusForbidden, basicError("This installation has been suspended", http.StatusForbidden))
		return
	}
	if !s.spend(w, who) {
		return
	}
	if r.Method != http.MethodGet {
		s.mux.ServeHTTP(w, r.WithContext(with(r.Context(), who)))
		return
	}
	answer := httptest.NewRecorder()
	s.mux.ServeHTTP(answer, r.WithContext(with(r.Context(), who)))
	tagged(w, r, token, answer)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func basicError(message string, status int) object {
	return object{"message": message, "documentation_url": "https://docs.github.com/rest", "status": fmt.Sprint(status)}
}

func missing(w http.ResponseWriter) {
	reply(w, http.StatusNotFound, basicError("Not Found", http.StatusNotFound))
}

// invalid answers 422 as GitHub does.
func invalid(w http.ResponseWriter, field, code, message string) {
	reply(w, http.StatusUnprocessableEntity, object{
		"message": "Validation Failed", "documentation_url": "https://docs.github.com/rest",
		"errors": []object{{"resource": "PullRequest", "field": field, "code": code, "message": message}},
	})
}

// unprocessable answers 422 in the other way that GitHub has.
func unprocessable(w http.ResponseWriter, message string, errors ...string) {
	body := basicError(message, http.StatusUnprocessableEntity)
	if len(errors) > 0 {
		body["errors"] = errors
	}
	reply(w, http.StatusUnprocessableEntity, body)
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
