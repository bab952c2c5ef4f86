package githubtest

import (
	"net/http"
	"strings"
)

func (r *Repository) ref(name, hash string) object {
	return r.s.spec.sample("git-ref", object{"ref": name, "object": object{"type": "commit", "sha": hash}})
}

func (r *Repository) getRef(w http.ResponseWriter, req *http.Request) {
	name := "refs/" + req.PathValue("ref")
	hash := r.look(req).refs[name]
	if hash == "" {
		reply(w, http.StatusNotFound, basicError("Not Found", http.StatusNotFound))
		return
	}
	reply(w, http.StatusOK, r.ref(name, hash))
}

func (r *Repository) createRef(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct{ Ref, SHA string }](w, req)
	if !ok {
		return
	}
	r.pushing.Lock()
	defer r.pushing.Unlock()
	if _, err := r.run("", "cat-file", "-e", body.SHA+"^{commit}"); err != nil {
		unprocessable(w, "Object does not exist")
		return
	}
	if why := r.refused(body.Ref, "", body.SHA); why != "" {
		unprocessable(w, why)
		return
	}
	before := r.refs()
	if _, err := r.run("", "update-ref", body.Ref, body.SHA, strings.Repeat("0", 40)); err != nil {
		unprocessable(w, "Reference already exists")
		return
	}
	r.moved(whose(req.Context()), before)
	reply(w, http.StatusCreated, r.ref(body.Ref, body.SHA))
}

func (r *Repository) updateRef(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct {
		SHA   string
		Force bool
	}](w, req)
	if !ok {
		return
	}
	r.pushing.Lock()
	defer r.pushing.Unlock()
	name := "refs/" + req.PathValue("ref")
	before := r.refs()
	old := before[name]
	if old == "" {
		unprocessable(w, "Reference does not exist")
		return
	}
	if !body.Force {
		if _, err := r.run("", "merge-base", "--is-ancestor", old, body.SHA); err != nil {
			unprocessable(w, "Update is not a fast forward")
			return
		}
	}
	if why := r.refused(name, old, body.SHA); why != "" {
		unprocessable(w, why)
		return
	}
	if _, err := r.run("", "update-ref", name, body.SHA); err != nil {
		unprocessable(w, "Object does not exist")
		return
	}
	r.moved(whose(req.Context()), before)
	reply(w, http.StatusOK, r.ref(name, body.SHA))
}

func (r *Repository) deleteRef(w http.ResponseWriter, req *http.Request) {
	r.pushing.Lock()
	defer r.pushing.Unlock()
	name := "refs/" + req.PathValue("ref")
	before := r.refs()
	if before[name] == "" {
		unprocessable(w, "Reference does not exist")
		return
	}
	r.must("", "update-ref", "-d", name)
	r.moved(whose(req.Context()), before)
	w.WriteHeader(http.StatusNoContent)
}
