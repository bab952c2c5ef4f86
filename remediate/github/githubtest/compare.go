package githubtest

import (
	"net/http"
	"strings"
)

// compare tells at which commit two others parted, as git finds it.
func (r *Repository) compare(w http.ResponseWriter, req *http.Request) {
	base, head, ok := strings.Cut(req.PathValue("basehead"), "...")
	at, err := r.run("", "merge-base", base, head)
	if !ok || err != nil {
		reply(w, http.StatusNotFound, basicError("Not Found", http.StatusNotFound))
		return
	}
	commit := func(hash string) object { return r.s.spec.sample("commit", object{"sha": hash}) }
	reply(w, http.StatusOK, r.s.spec.sample("commit-comparison", object{
		"status": "diverged", "base_commit": commit(r.must("", "rev-parse", base)), "merge_base_commit": commit(strings.TrimSpace(at)),
	}))
}
