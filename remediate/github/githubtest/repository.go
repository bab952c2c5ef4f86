package githubtest

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// Person is who does what tests have done, unless they name somebody.
const Person = "ada"

// Repository is one, with all that people see of it.
type Repository struct {
	ID int64

	s       *Server
	dir     string // the bare repository
	place   string // owner/name.git, as it was made
	pushing sync.Mutex

	// All below is guarded by the server's mutex.
	name        string   // owner/name
	before      []string // its names before
	isArchived  bool
	issuesOff   bool
	private     bool
	autoMerge   bool
	noDrafts    bool
	permissions map[string]string // by login
	rules       []Rule
	next        int // number of a pull request or issue
	pulls       []*Pull
	issues      []*Issue
	comments    []*Comment
	reviews     []*Review
	checks      []*Check
}

// Add makes another repository, with one commit on the branch main. The App is
// installed on it.
func (s *Server) Add(name string, files map[string]string) *Repository {
	s.t.Helper()
	s.mu.Lock()
	r := &Repository{
		ID: int64(len(s.repositories) + 1), s: s, name: name, place: name + ".git", dir: filepath.Join(s.root, name+".git"),
		private: true, autoMerge: true, permissions: map[string]string{Person: "admin"},
	}
	s.repositories = append(s.repositories, r)
	s.mu.Unlock()
	r.must("", "init", "--quiet", "--bare", "--initial-branch=main", r.dir)
	r.must("", "config", "http.receivepack", "true")
	r.Commit("main", "first", files)
	s.install(r)
	return r
}

// Find finds one by its present name.
func (s *Server) Find(name string) *Repository {
	s.t.Helper()
	r, moved := s.named(name)
	if r == nil || moved {
		s.t.Fatalf("no repository %s", name)
	}
	return r
}

// named finds a repository by a name, which it may have had before.
func (s *Server) named(name string) (r *Repository, moved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.repositories {
		if strings.EqualFold(r.name, name) {
			return r, false
		}
	}
	for _, r := range s.repositories {
		for _, old := range r.before {
			if strings.EqualFold(old, name) {
				return r, true
			}
		}
	}
	return nil, false
}

// FullName is owner/name.
func (r *Repository) FullName() string {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.name
}

func (r *Repository) owner() string {
	owner, _, _ := strings.Cut(r.FullName(), "/")
	return owner
}

func (r *Repository) archived() bool {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.isArchived
}

// CloneURL is where git reaches the repository.
func (r *Repository) CloneURL() string { return fmt.Sprintf("%s/%s.git", r.s.URL, r.FullName()) }

// Permit says what somebody may do: admin, write, read, or none.
func (r *Repository) Permit(login, permission string) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.permissions[login] = permission
}

// Archive makes the repository read-only, or not.
func (r *Repository) Archive(on bool) {
	r.s.mu.Lock()
	r.isArchived = on
	r.s.mu.Unlock()
	action := "unarchived"
	if on {
		action = "archived"
	}
	r.s.hook.emit(r, person(Person), "repository", action, object{})
}

// SwitchIssues switches issues on or off.
func (r *Repository) SwitchIssues(on bool) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.issuesOff = !on
}

// AllowAutoMerge says whether pull requests may merge by themselves.
func (r *Repository) AllowAutoMerge(on bool) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.autoMerge = on
}

// AllowDrafts says whether pull requests may be drafts; private repositories of
// some plans have none.
func (r *Repository) AllowDrafts(on bool) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.noDrafts = !on
}

// Rename gives the repository another name; the old one leads there.
func (r *Repository) Rename(name string) {
	r.s.mu.Lock()
	old := r.name
	r.before, r.name = append(r.before, old), name
	r.s.mu.Unlock()
	_, from, _ := strings.Cut(old, "/")
	r.s.hook.emit(r, person(Person), "repository", "renamed", object{"changes": object{"repository": object{"name": object{"from": from}}}})
}

// Rule protects branches, as rulesets do.
type Rule struct {
	Branches   string // a pattern of path.Match
	Type       string // GitHub's, such as required_signatures
	Parameters object // as GitHub has them; nil: none
}

// Protect adds a rule. One of type required_signatures, creation, update or
// non_fast_forward refuses pushes as well; so does pull_request.
func (r *Repository) Protect(rule Rule) {
	r.s.t.Helper()
	r.s.mu.Lock()
	r.rules = append(r.rules, rule)
	rules := append([]Rule(nil), r.rules...)
	r.s.mu.Unlock()
	r.guard(rules)
}

// refs are all branches with their commits, read as git keeps them: starting
// git for each question would be most of what a test waits for.
func (r *Repository) refs() map[string]string {
	refs := map[string]string{}
	packed, _ := os.ReadFile(filepath.Join(r.dir, "packed-refs"))
	for line := range strings.Lines(string(packed)) {
		hash, name, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && strings.HasPrefix(name, "refs/heads/") {
			refs[name] = hash
		}
	}
	_ = filepath.WalkDir(filepath.Join(r.dir, "refs", "heads"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return nil //nolint:nilerr // it is gone by now
		}
		if hash, err := os.ReadFile(path); err == nil {
			name, _ := filepath.Rel(r.dir, path)
			refs[filepath.ToSlash(name)] = strings.TrimSpace(string(hash))
		}
		return nil
	})
	return refs
}

// number is the next one. The mutex is held.
func (r *Repository) number() int {
	r.next++
	return r.next
}

// handler answers a request about a repository.
type handler func(r *Repository, w http.ResponseWriter, req *http.Request)

// on serves a path below a repository, by its name and by its number, to who
// has a right: contents:read, say.
func (s *Server) on(method, path, right string, serve handler) {
	f := func(w http.ResponseWriter, req *http.Request) {
		var r *Repository
		moved := false
		if id, err := strconv.ParseInt(req.PathValue("id"), 10, 64); err == nil {
			r = s.numbered(id)
		} else {
			r, moved = s.named(req.PathValue("owner") + "/" + req.PathValue("repo"))
		}
		who := whose(req.Context())
		kind, level, _ := strings.Cut(right, ":")
		switch {
		case r == nil || !who.sees(r):
			missing(w)
		case moved:
			old := apiRoot + "/repos/" + req.PathValue("owner") + "/" + req.PathValue("repo")
			w.Header().Set("Location", s.URL+strings.Replace(req.URL.RequestURI(), old, fmt.Sprintf("%s/repositories/%d", apiRoot, r.ID), 1))
			status := http.StatusTemporaryRedirect
			if method == http.MethodGet {
				status = http.StatusMovedPermanently
			}
			reply(w, status, basicError("Moved Permanently", status))
		case !who.may(kind, level):
			w.Header().Set("X-Accepted-GitHub-Permissions", kind+"="+level)
			reply(w, http.StatusForbidden, basicError("Resource not accessible by integration", http.StatusForbidden))
		case method != http.MethodGet && r.archived():
			reply(w, http.StatusForbidden, basicError("Repository was archived so is read-only.", http.StatusForbidden))
		default:
			serve(r, w, req)
		}
	}
	s.mux.HandleFunc(method+" "+apiRoot+"/repos/{owner}/{repo}"+path, f)
	s.mux.HandleFunc(method+" "+apiRoot+"/repositories/{id}"+path, f)
}

func (s *Server) numbered(id int64) *Repository {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id < 1 || id > int64(len(s.repositories)) {
		return nil
	}
	return s.repositories[id-1]
}

// byName is a request by a repository's number as one by its name, which is
// what GitHub describes.
func (s *Server) byName(req *http.Request) *http.Request {
	rest, ok := strings.CutPrefix(req.URL.Path, apiRoot+"/repositories/")
	if !ok {
		return req
	}
	id, tail, _ := strings.Cut(rest, "/")
	n, _ := strconv.ParseInt(id, 10, 64)
	r := s.numbered(n)
	if r == nil {
		return req
	}
	req = req.Clone(context.Background())
	req.URL.Path, req.URL.RawPath = strings.TrimSuffix(apiRoot+"/repos/"+r.FullName()+"/"+tail, "/"), ""
	return req
}

func (s *Server) routeRepositories() {
	s.on("GET", "", "metadata:read", (*Repository).about)
	s.on("GET", "/installation", "metadata:read", (*Repository).installed)
	s.on("GET", "/collaborators/{login}/permission", "metadata:read", (*Repository).permission)
	s.on("GET", "/rules/branches/{branch...}", "metadata:read", (*Repository).branchRules)
}

// object is the API's form of a repository; schema is GitHub's name for the
// long or a short one.
func (r *Repository) object(schema string) object {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	owner, name, _ := strings.Cut(r.name, "/")
	return r.s.spec.sample(schema, object{
		"id": r.ID, "node_id": fmt.Sprintf("R_%d", r.ID), "name": name, "full_name": r.name, "private": r.private,
		"owner": r.s.spec.user(owner), "default_branch": "main", "archived": r.isArchived, "disabled": false,
		"has_issues": !r.issuesOff, "size": 1, "html_url": r.s.URL + "/" + r.name, "clone_url": r.s.URL + "/" + r.name + ".git",
		"allow_auto_merge": r.autoMerge, "allow_merge_commit": true, "allow_squash_merge": true, "allow_rebase_merge": false,
	})
}

func (r *Repository) about(w http.ResponseWriter, req *http.Request) {
	o := r.object("full-repository")
	o["permissions"] = object{"admin": false, "push": whose(req.Context()).may("contents", "write"), "pull": true}
	reply(w, http.StatusOK, o)
}

func (r *Repository) permission(w http.ResponseWriter, req *http.Request) {
	login := req.PathValue("login")
	r.s.mu.Lock()
	permission := r.permissions[login]
	r.s.mu.Unlock()
	if permission == "" {
		missing(w)
		return
	}
	reply(w, http.StatusOK, r.s.spec.sample("repository-collaborator-permission", object{
		"permission": permission, "role_name": permission,
		"user": r.s.spec.sample("nullable-collaborator", object{"login": login, "role_name": permission}),
	}))
}
