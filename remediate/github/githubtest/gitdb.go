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
func (s *Server) run(stdin string, args ...string) (string, error) {
	return s.runEnv(nil, stdin, args...)
}

func (s *Server) runEnv(env []string, stdin string, args ...string) (string, error) {
	if args[0] != "init" {
		args = append([]string{"--git-dir=" + s.dir}, args...)
	}
	cmd := exec.Command("git", args...)
	s.mu.Lock()
	date := fmt.Sprintf("%d +0000", 1_700_000_000+s.commits)
	s.mu.Unlock()
	cmd.Env = append(append(os.Environ(), gitEnv...), append(env, "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out), err
}

// must is run for what cannot fail, without the final line break.
func (s *Server) must(stdin string, args ...string) string {
	s.t.Helper()
	out, err := s.run(stdin, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSuffix(out, "\n")
}

// Head is the commit of a branch, or empty.
func (s *Server) Head(branch string) string { return s.Now().refs["refs/heads/"+branch] }

// Git runs a git command on the bare repository.
func (s *Server) Git(args ...string) string {
	s.t.Helper()
	return s.must("", args...)
}

// Commit is what a person pushes: a commit on top of a branch, which is made if
// it is not there. An empty content deletes the file.
func (s *Server) Commit(branch, message string, files map[string]string) string {
	s.t.Helper()
	parent := s.Head(branch)
	var entries []entry
	for path, content := range files {
		e := entry{Path: path, Mode: "100644"}
		if content != "" {
			e.Content = &content
		}
		entries = append(entries, e)
	}
	tree, err := s.tree(parent, entries)
	if err != nil {
		s.t.Fatal(err)
	}
	var parents []string
	if parent != "" {
		parents = []string{parent}
	}
	hash, err := s.commit(message, tree, parents)
	if err != nil {
		s.t.Fatal(err)
	}
	s.must("", "update-ref", "refs/heads/"+branch, hash)
	return hash
}

func (s *Server) commit(message, tree string, parents []string) (string, error) {
	s.mu.Lock()
	s.commits++
	s.mu.Unlock()
	args := []string{"commit-tree", tree}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	out, err := s.run(message, args...)
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
func (s *Server) tree(base string, entries []entry) (string, error) {
	dir, err := os.MkdirTemp("", "githubtest")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	if base != "" {
		if _, err := s.runEnv(env, "", "read-tree", base); err != nil {
			return "", err
		}
	}
	var changes strings.Builder
	for _, e := range entries {
		switch {
		case e.Content != nil:
			hash, err := s.run(*e.Content, "hash-object", "-w", "--stdin")
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
	if _, err := s.runEnv(env, changes.String(), "update-index", "--index-info"); err != nil {
		return "", err
	}
	out, err := s.runEnv(env, "", "write-tree")
	return strings.TrimSpace(out), err
}

func (s *Server) routeGit(mux *http.ServeMux, root string) {
	mux.HandleFunc("GET "+root+"/git/ref/{ref...}", s.getRef)
	mux.HandleFunc("POST "+root+"/git/refs", s.createRef)
	mux.HandleFunc("PATCH "+root+"/git/refs/{ref...}", s.updateRef)
	mux.HandleFunc("GET "+root+"/git/commits/{hash}", s.getCommit)
	mux.HandleFunc("POST "+root+"/git/commits", s.createCommit)
	mux.HandleFunc("GET "+root+"/git/trees/{hash}", s.getTree)
	mux.HandleFunc("POST "+root+"/git/trees", s.createTree)
	mux.HandleFunc("GET "+root+"/git/blobs/{hash}", s.getBlob)
	mux.HandleFunc("POST "+root+"/git/blobs", s.createBlob)
}

func (s *Server) ref(name, hash string) object {
	return s.spec.sample("git-ref", object{"ref": name, "object": object{"type": "commit", "sha": hash}})
}

func (s *Server) getRef(w http.ResponseWriter, r *http.Request) {
	name := "refs/" + r.PathValue("ref")
	hash := s.look(r).refs[name]
	if hash == "" {
		reply(w, http.StatusNotFound, basicError("Not Found", http.StatusNotFound))
		return
	}
	reply(w, http.StatusOK, s.ref(name, hash))
}

func (s *Server) createRef(w http.ResponseWriter, r *http.Request) {
	body, ok := read[struct{ Ref, SHA string }](w, r)
	if !ok {
		return
	}
	if _, err := s.run("", "cat-file", "-e", body.SHA+"^{commit}"); err != nil {
		reply(w, http.StatusUnprocessableEntity, basicError("Object does not exist", http.StatusUnprocessableEntity))
		return
	}
	if _, err := s.run("", "update-ref", body.Ref, body.SHA, strings.Repeat("0", 40)); err != nil {
		reply(w, http.StatusUnprocessableEntity, basicError("Reference already exists", http.StatusUnprocessableEntity))
		return
	}
	reply(w, http.StatusCreated, s.ref(body.Ref, body.SHA))
}

func (s *Server) updateRef(w http.ResponseWriter, r *http.Request) {
	body, ok := read[struct {
		SHA   string
		Force bool
	}](w, r)
	if !ok {
		return
	}
	name := "refs/" + r.PathValue("ref")
	old, err := s.run("", "rev-parse", "--verify", "--quiet", name)
	if err != nil {
		reply(w, http.StatusUnprocessableEntity, basicError("Reference does not exist", http.StatusUnprocessableEntity))
		return
	}
	if !body.Force {
		if _, err := s.run("", "merge-base", "--is-ancestor", strings.TrimSpace(old), body.SHA); err != nil {
			reply(w, http.StatusUnprocessableEntity, basicError("Update is not a fast forward", http.StatusUnprocessableEntity))
			return
		}
	}
	if _, err := s.run("", "update-ref", name, body.SHA); err != nil {
		reply(w, http.StatusUnprocessableEntity, basicError("Object does not exist", http.StatusUnprocessableEntity))
		return
	}
	reply(w, http.StatusOK, s.ref(name, body.SHA))
}

// commitObject is the API's form of a commit. One that named no author and was
// made with an App's token counts as signed by GitHub.
func (s *Server) commitObject(hash string) (object, error) {
	out, err := s.run("", "show", "--no-patch", "--format=%T%x00%P%x00%an%x00%ae%x00%aI%x00%B", hash)
	if err != nil {
		return nil, err
	}
	field := strings.SplitN(out, "\x00", 6)
	parents := []any{}
	for _, p := range strings.Fields(field[1]) {
		parents = append(parents, object{"sha": p, "url": "https://github.example/", "html_url": "https://github.example/"})
	}
	who := object{"name": field[2], "email": field[3], "date": field[4]}
	return s.spec.sample("git-commit", object{
		"sha": hash, "tree": object{"sha": field[0]}, "parents": parents, "author": who, "committer": who,
		"message":      strings.TrimSuffix(field[5], "\n"),
		"verification": object{"verified": field[3] == botEmail, "reason": "valid"},
	}), nil
}

const botEmail = "oakum[bot]@users.noreply.github.com"

func (s *Server) getCommit(w http.ResponseWriter, r *http.Request) {
	c, err := s.commitObject(r.PathValue("hash"))
	if err != nil {
		reply(w, http.StatusNotFound, basicError("Not Found", http.StatusNotFound))
		return
	}
	reply(w, http.StatusOK, c)
}

func (s *Server) createCommit(w http.ResponseWriter, r *http.Request) {
	body, ok := read[struct {
		Message, Tree     string
		Parents           []string
		Author, Committer *struct{ Name, Email, Date string }
	}](w, r)
	if !ok {
		return
	}
	env := []string{"GIT_AUTHOR_NAME=somebody", "GIT_COMMITTER_NAME=somebody"}
	if body.Author == nil && body.Committer == nil && strings.HasPrefix(s.Token, "ghs_") {
		env = []string{"GIT_AUTHOR_NAME=oakum[bot]", "GIT_COMMITTER_NAME=oakum[bot]", "GIT_AUTHOR_EMAIL=" + botEmail, "GIT_COMMITTER_EMAIL=" + botEmail}
	}
	s.mu.Lock()
	s.commits++
	s.mu.Unlock()
	args := []string{"commit-tree", body.Tree}
	for _, p := range body.Parents {
		args = append(args, "-p", p)
	}
	hash, err := s.runEnv(env, body.Message, args...)
	if err != nil {
		reply(w, http.StatusUnprocessableEntity, basicError("Tree SHA does not exist", http.StatusUnprocessableEntity))
		return
	}
	c, err := s.commitObject(strings.TrimSpace(hash))
	if err != nil {
		s.t.Error(err)
	}
	reply(w, http.StatusCreated, c)
}

func (s *Server) treeObject(hash string) (object, error) {
	out, err := s.run("", "ls-tree", "-z", "--full-tree", hash)
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
	return s.spec.sample("git-tree", object{"sha": hash, "tree": entries}), nil
}

func (s *Server) getTree(w http.ResponseWriter, r *http.Request) {
	tree, err := s.treeObject(r.PathValue("hash"))
	if err != nil {
		reply(w, http.StatusNotFound, basicError("Not Found", http.StatusNotFound))
		return
	}
	reply(w, http.StatusOK, tree)
}

func (s *Server) createTree(w http.ResponseWriter, r *http.Request) {
	body, ok := read[struct {
		BaseTree string `json:"base_tree"`
		Tree     []entry
	}](w, r)
	if !ok {
		return
	}
	hash, err := s.tree(body.BaseTree, body.Tree)
	if err == nil {
		var tree object
		if tree, err = s.treeObject(hash); err == nil {
			reply(w, http.StatusCreated, tree)
			return
		}
	}
	invalid(w, "tree", "invalid", err.Error())
}

func (s *Server) getBlob(w http.ResponseWriter, r *http.Request) {
	hash := r.PathValue("hash")
	content, err := s.run("", "cat-file", "blob", hash)
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
	reply(w, http.StatusOK, s.spec.sample("blob", object{
		"sha": hash, "size": len(content), "content": lines.String(), "encoding": "base64",
	}))
}

func (s *Server) createBlob(w http.ResponseWriter, r *http.Request) {
	body, ok := read[struct{ Content, Encoding string }](w, r)
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
	hash, err := s.run(content, "hash-object", "-w", "--stdin")
	if err != nil {
		s.t.Error(err)
	}
	reply(w, http.StatusCreated, s.spec.sample("short-blob", object{"sha": strings.TrimSpace(hash)}))
}

// Executable makes a file of a branch executable, in a commit of its own.
func (s *Server) Executable(branch, path string) {
	s.t.Helper()
	head := s.Head(branch)
	blob := s.must("", "rev-parse", head+":"+path)
	tree, err := s.tree(head, []entry{{Path: path, Mode: "100755", SHA: &blob}})
	if err != nil {
		s.t.Fatal(err)
	}
	hash, err := s.commit("make "+path+" executable", tree, []string{head})
	if err != nil {
		s.t.Fatal(err)
	}
	s.must("", "update-ref", "refs/heads/"+branch, hash)
}

// Hook installs a hook of the server.
func (s *Server) Hook(name, script string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "hooks", name), []byte(script), 0o755); err != nil {
		s.t.Fatal(err)
	}
}
