package githubtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Installation is the App at one owner.
type Installation struct {
	ID    int64
	Owner string

	s *Server
	// All below is guarded by the server's mutex.
	repositories map[int64]bool
	rights       map[string]string
	suspendedAt  time.Time
	removed      bool
}

// install puts the App on a repository.
func (s *Server) install(r *Repository) {
	owner := r.owner()
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.installations, func(in *Installation) bool { return in.Owner == owner && !in.removed })
	if at < 0 {
		at = len(s.installations)
		s.installations = append(s.installations, &Installation{
			ID: int64(101 + at), Owner: owner, s: s, repositories: map[int64]bool{},
			rights: map[string]string{"checks": "write", "contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write"},
		})
	}
	s.installations[at].repositories[r.ID] = true
}

// Installation is the App's, at the repository's owner; nil: it is not there.
func (r *Repository) Installation() *Installation {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for _, in := range r.s.installations {
		if in.repositories[r.ID] && !in.removed {
			return in
		}
	}
	return nil
}

// Suspend suspends the installation, or takes that back.
func (in *Installation) Suspend(on bool) {
	in.s.mu.Lock()
	action := "unsuspend"
	in.suspendedAt = time.Time{}
	if on {
		action, in.suspendedAt = "suspend", in.s.Time()
	}
	in.s.mu.Unlock()
	in.s.hook.tellInstallation(in, "installation", action, object{})
}

// Remove uninstalls the App.
func (in *Installation) Remove() {
	in.s.mu.Lock()
	in.removed = true
	in.s.mu.Unlock()
	in.s.hook.tellInstallation(in, "installation", "deleted", object{})
}

// Grant changes a right of the installation: write, read, or nothing.
func (in *Installation) Grant(right, level string) {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	in.rights = maps.Clone(in.rights)
	if in.rights[right] = level; level == "" {
		delete(in.rights, right)
	}
}

// Select puts the App on a repository of its owner, or takes it off.
func (in *Installation) Select(r *Repository, on bool) {
	in.s.mu.Lock()
	in.repositories[r.ID] = on
	in.s.mu.Unlock()
	name := r.FullName()
	one := []any{object{"id": r.ID, "node_id": fmt.Sprintf("R_%d", r.ID), "name": name[strings.Index(name, "/")+1:], "full_name": name, "private": true}}
	added, removed, action := one, []any{}, "added"
	if !on {
		added, removed, action = []any{}, one, "removed"
	}
	in.s.hook.tellInstallation(in, "installation_repositories", action, object{
		"repositories_added": added, "repositories_removed": removed, "repository_selection": "selected", "requester": nil,
	})
}

// object is the API's form. The mutex is held.
func (in *Installation) object() object {
	rights := object{}
	for right, level := range in.rights {
		rights[right] = level
	}
	account := in.s.spec.sample("enterprise", object{"slug": in.Owner, "name": in.Owner}) // GitHub wants it to be both
	merge(account, in.s.spec.user(in.Owner))
	return in.s.spec.sample("installation", object{
		"id": in.ID, "app_id": AppID, "app_slug": AppSlug, "target_id": number(in.Owner), "target_type": "Organization",
		"account": account, "permissions": rights, "repository_selection": "selected",
		"suspended_at": stamp(in.suspendedAt), "suspended_by": nil,
	})
}

func (s *Server) listInstallations(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	var all []object
	for _, in := range s.installations {
		if !in.removed {
			all = append(all, in.object())
		}
	}
	s.mu.Unlock()
	reply(w, http.StatusOK, append([]object{}, paged(s, w, req.URL, all)...))
}

// installation is the one that a path names; nil: there is none.
func (s *Server) installation(req *http.Request) *Installation {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.installations {
		if strconv.FormatInt(in.ID, 10) == req.PathValue("installation") && !in.removed {
			return in
		}
	}
	return nil
}

func (s *Server) getInstallation(w http.ResponseWriter, req *http.Request) {
	in := s.installation(req)
	if in == nil {
		missing(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	reply(w, http.StatusOK, in.object())
}

func (r *Repository) installed(w http.ResponseWriter, _ *http.Request) {
	in := r.Installation()
	if in == nil {
		missing(w)
		return
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	reply(w, http.StatusOK, in.object())
}
