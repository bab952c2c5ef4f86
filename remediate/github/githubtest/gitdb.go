package githubtest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

var gitEnv = []string{
	"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "HOME=/nonexistent", "LC_ALL=C",
	"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com",
	"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
}

// run runs git on the bare repository.
func (r *Repository) run(stdin string, args ...string) (string, error) {
	return r.runEnv(nil, stdin, args...)
}

func (r *Repository) runEnv(env []string, stdin string, args ...string) (string, error) {
	if args[0] != "init" {
		args = append([]string{"--git-dir=" + r.dir}, args...)
	}
	cmd := exec.Command("git", args...)
	r.s.mu.Lock()
	date := fmt.Sprintf("%d +0000", 1_700_000_000+r.s.commits)
	r.s.mu.Unlock()
	cmd.Env = append(append(os.Environ(), gitEnv...), append(env, "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out), err
}

// must is run for what cannot fail, without the final line break.
func (r *Repository) must(stdin string, args ...string) string {
	r.s.t.Helper()
	out, err := r.run(stdin, args...)
	if err != nil {
		r.s.t.Fatal(err)
	}
	return strings.TrimSuffix(out, "\n")
}

// Head is the commit of a branch, or empty.
func (r *Repository) Head(branch string) string { return r.refs()["refs/heads/"+branch] }

// Git runs a git command on the bare repository.
func (r *Repository) Git(args ...string) string {
	r.s.t.Helper()
	return r.must("", args...)
}

// Commit is what a person pushes: a commit on top of a branch, which is made if
// it is not there. An empty content deletes the file.
func (r *Repository) Commit(branch, message string, files map[string]string) string {
	r.s.t.Helper()
	hash := r.make(r.Head(branch), message, files)
	r.put(branch, hash)
	return hash
}

// make makes a commit on top of another, or of nothing.
func (r *Repository) make(parent, message string, files map[string]string) string {
	r.s.t.Helper()
	var entries []entry
	for path, content := range files {
		e := entry{Path: path, Mode: "100644"}
		if content != "" {
			e.Content = &content
		}
		entries = append(entries, e)
	}
	tree, err := r.tree(parent, entries)
	if err != nil {
		r.s.t.Fatal(err)
	}
	var parents []string
	if parent != "" {
		parents = []string{parent}
	}
	hash, err := r.commit(message, tree, parents)
	if err != nil {
		r.s.t.Fatal(err)
	}
	return hash
}

// put moves a branch, as a person who pushes.
func (r *Repository) put(branch, hash string) {
	r.s.t.Helper()
	r.pushing.Lock()
	defer r.pushing.Unlock()
	before := r.refs()
	r.must("", "update-ref", "refs/heads/"+branch, hash)
	r.moved(person(Person), before)
}

func (r *Repository) commit(message, tree string, parents []string) (string, error) {
	r.s.mu.Lock()
	r.s.commits++
	r.s.mu.Unlock()
	args := []string{"commit-tree", tree}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	out, err := r.run(message, args...)
	return strings.TrimSpace(out), err
}

// entry is a file of a tree to be made: by content or by hash; neither deletes.
type entry struct {
	Path    string  `json:"path"`
	Mode    string  `json:"mode"`
	Type    string  `json:"type"`
	SHA     *string `json:"sha"`
	Content *string `json:"content"`
}

// tree puts entries into a tree or a commit's tree (empty: into nothing), with
// an index of its own.
func (r *Repository) tree(base string, entries []entry) (string, error) {
	dir, err := os.MkdirTemp("", "githubtest")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	if base != "" {
		if _, err := r.runEnv(env, "", "read-tree", base); err != nil {
			return "", err
		}
	}
	var changes strings.Builder
	for _, e := range entries {
		switch {
		case e.Content != nil:
			hash, err := r.run(*e.Content, "hash-object", "-w", "--stdin")
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&changes, "%s %s\t%s\n", e.Mode, strings.TrimSpace(hash), e.Path)
		case e.SHA != nil:
			fmt.Fprintf(&changes, "%s %s\t%s\n", e.Mode, *e.SHA, e.Path)
		default:
			fmt.Fprintf(&changes, "0 %040d\t%s\n", 0, e.Path)
		}
	}
	if _, err := r.runEnv(env, changes.String(), "update-index", "--index-info"); err != nil {
		return "", err
	}
	out, err := r.runEnv(env, "", "write-tree")
	return strings.TrimSpace(out), err
}

func (s *Server) routeGit() {
	s.on("GET", "/git/ref/{ref...}", "contents:read", (*Repository).getRef)
	s.on("POST", "/git/refs", "contents:write", (*Repository).createRef)
	s.on("PATCH", "/git/refs/{ref...}", "contents:write", (*Repository).updateRef)
	s.on("DELETE", "/git/refs/{ref...}", "contents:write", (*Repository).deleteRef)
	s.on("GET", "/compare/{basehead}", "contents:read", (*Repository).compare)
	s.on("GET", "/git/commits/{hash}", "contents:read", (*Repository).getCommit)
	s.on("POST", "/git/commits", "contents:write", (*Repository).createCommit)
	s.on("GET", "/git/trees/{hash}", "contents:read", (*Repository).getTree)
	s.on("POST", "/git/trees", "contents:write", (*Repository).createTree)
	s.on("GET", "/git/blobs/{hash}", "contents:read", (*Repository).getBlob)
	s.on("POST", "/git/blobs", "contents:write", (*Repository).createBlob)
}

// commitObject is the API's form of a commit. One that named no author and was
// made with an App's token counts as signed by GitHub.
func (r *Repository) commitObject(hash string) (object, error) {
	out, err := r.run("", "show", "--no-patch", "--format=%T%x00%P%x00%an%x00%ae%x00%aI%x00%B", hash)
	if err != nil {
		return nil, err
	}
	field := strings.SplitN(out, "\x00", 6)
	parents := []any{}
	for _, p := range strings.Fields(field[1]) {
		parents = append(parents, object{"sha": p, "url": "https://github.example/", "html_url": "https://github.example/"})
	}
	who := object{"name": field[2], "email": field[3], "date": field[4]}
	return r.s.spec.sample("git-commit", object{
		"sha": hash, "tree": object{"sha": field[0]}, "parents": parents, "author": who, "committer": who,
		"message":      strings.TrimSuffix(field[5], "\n"),
		"verification": object{"verified": field[3] == botEmail, "reason": "valid"},
	}), nil
}

const botEmail = "oakum[bot]@users.noreply.github.com"

func (r *Repository) getCommit(w http.ResponseWriter, req *http.Request) {
	c, err := r.commitObject(req.PathValue("hash"))
	if err != nil {
		reply(w, http.StatusNotFound, basicError("Not Found", http.StatusNotFound))
		return
	}
	reply(w, http.StatusOK, c)
}

func (r *Repository) createCommit(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct {
		Message, Tree     string
		Parents           []string
		Author, Committer *struct{ Name, Email, Date string }
	}](w, req)
	if !ok {
		return
	}
	env := []string{"GIT_AUTHOR_NAME=somebody", "GIT_COMMITTER_NAME=somebody"}
	if body.Author == nil && body.Committer == nil && whose(req.Context()).bot {
		env = []string{"GIT_AUTHOR_NAME=oakum[bot]", "GIT_COMMITTER_NAME=oakum[bot]", "GIT_AUTHOR_EMAIL=" + botEmail, "GIT_COMMITTER_EMAIL=" + botEmail}
	}
	r.s.mu.Lock()
	r.s.commits++
	r.s.mu.Unlock()
	args := []string{"commit-tree", body.Tree}
	for _, p := range body.Parents {
		args = append(args, "-p", p)
	}
	hash, err := r.runEnv(env, body.Message, args...)
	if err != nil {
		reply(w, http.StatusUnprocessableEntity, basicError("Tree SHA does not exist", http.StatusUnprocessableEntity))
		return
	}
	c, err := r.commitObject(strings.TrimSpace(hash))
	if err != nil {
		r.s.t.Error(err)
	}
	reply(w, http.StatusCreated, c)
}

func (r *Repository) treeObject(hash string) (object, error) {
	out, err := r.run("", "ls-tree", "-z", "--full-tree", hash)
	if err != nil {
		return nil, err
	}
	entries := []any{}
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		about, path, _ := strings.Cut(line, "\t")
		if field := strings.Fields(about); len(field) == 3 {
			entries = append(entries, object{"path": path, "mode": field[0], "type": field[1], "sha": field[2]})
		}
	}
	return r.s.spec.sample("git-tree", object{"sha": hash, "tree": entries}), nil
}

func (r *Repository) getTree(w http.ResponseWriter, req *http.Request) {
	tree, err := r.treeObject(req.PathValue("hash"))
	if err != nil {
		reply(w, http.StatusNotFound, basicError("Not Found", http.StatusNotFound))
		return
	}
	reply(w, http.StatusOK, tree)
}

func (r *Repository) createTree(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct {
		BaseTree string `json:"base_tree"`
		Tree     []entry
	}](w, req)
	if !ok {
		return
	}
	hash, err := r.tree(body.BaseTree, body.Tree)
	if err == nil {
		var tree object
		if tree, err = r.treeObject(hash); err == nil {
			reply(w, http.StatusCreated, tree)
			return
		}
	}
	invalid(w, "tree", "invalid", err.Error())
}

func (r *Repository) getBlob(w http.ResponseWriter, req *http.Request) {
	hash := req.PathValue("hash")
	content, err := r.run("", "cat-file", "blob", hash)
	if err != nil {
		reply(w, http.StatusNotFound, basicError("Not Found", http.StatusNotFound))
		return
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(content))
	var lines strings.Builder
	for len(encoded) > 60 { // as GitHub breaks them
		lines.WriteString(encoded[:60] + "\n")
		encoded = encoded[60:]
	}
	lines.WriteString(encoded + "\n")
	reply(w, http.StatusOK, r.s.spec.sample("blob", object{
		"sha": hash, "size": len(content), "content": lines.String(), "encoding": "base64",
	}))
}

func (r *Repository) createBlob(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct{ Content, Encoding string }](w, req)
	if !ok {
		return
	}
	content := body.Content
	if body.Encoding == "base64" {
		decoded, err := base64.StdEncoding.DecodeString(content)
		if err != nil {
			invalid(w, "content", "invalid", strconv.Quote(content)+" is not base64")
			return
		}
		content = string(decoded)
	}
	hash, err := r.run(content, "hash-object", "-w", "--stdin")
	if err != nil {
		r.s.t.Error(err)
	}
	reply(w, http.StatusCreated, r.s.spec.sample("short-blob", object{"sha": strings.TrimSpace(hash)}))
}

// Executable makes a file of a branch executable, in a commit of its own.
func (r *Repository) Executable(branch, path string) {
	r.s.t.Helper()
	head := r.Head(branch)
	blob := r.must("", "rev-parse", head+":"+path)
	tree, err := r.tree(head, []entry{{Path: path, Mode: "100755", SHA: &blob}})
	if err != nil {
		r.s.t.Fatal(err)
	}
	hash, err := r.commit("make "+path+" executable", tree, []string{head})
	if err != nil {
		r.s.t.Fatal(err)
	}
	r.put(branch, hash)
}

// Hook installs a hook of the server.
func (r *Repository) Hook(name, script string) {
	r.s.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "hooks", name), []byte(script), 0o755); err != nil {
		r.s.t.Fatal(err)
	}
}
