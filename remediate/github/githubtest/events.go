package githubtest

import (
	"fmt"
	"slices"
	"strings"
)

// tellPush tells that a branch went from one commit to another; empty: it was
// not there.
func (r *Repository) tellPush(who *actor, ref, old, new string) {
	if !r.s.hook.on() {
		return
	}
	zero := strings.Repeat("0", 40)
	more := object{
		"ref": ref, "before": old, "after": new, "created": old == "", "deleted": new == "", "forced": false, "base_ref": nil,
		"compare": r.s.URL + "/compare", "commits": []any{}, "head_commit": nil, "pusher": object{"name": who.login, "email": nil},
	}
	switch {
	case new == "":
		more["after"] = zero
	case old == "":
		more["before"] = zero
		more["head_commit"] = r.pushed(new)
	default:
		_, err := r.run("", "merge-base", "--is-ancestor", old, new)
		more["forced"] = err != nil
		more["head_commit"] = r.pushed(new)
		more["commits"] = []any{more["head_commit"]}
	}
	r.s.hook.emit(r, who, "push", "", more)
}

// pushed is a commit as a push tells of it.
func (r *Repository) pushed(hash string) object {
	c, err := r.commitObject(hash)
	if err != nil {
		r.s.t.Error(err)
		return object{}
	}
	changed := map[string][]any{"A": {}, "M": {}, "D": {}}
	names, _ := r.run("", "show", "--no-renames", "--name-status", "--format=", "-z", hash)
	field := strings.Split(strings.TrimSuffix(names, "\x00"), "\x00")
	for i := 0; i+1 < len(field); i += 2 {
		changed[field[i]] = append(changed[field[i]], field[i+1])
	}
	who := c["author"].(object)
	by := object{"name": who["name"], "email": who["email"]}
	return object{
		"id": hash, "tree_id": c["tree"].(object)["sha"], "distinct": true, "message": c["message"], "timestamp": who["date"],
		"url": fmt.Sprintf("%s/%s/commit/%s", r.s.URL, r.FullName(), hash), "author": by, "committer": by,
		"added": changed["A"], "modified": changed["M"], "removed": changed["D"],
	}
}

// tellPull tells of a pull request as the action has left it: it may be another
// by now.
func (r *Repository) tellPull(who *actor, action string, p Pull, more object) {
	if !r.s.hook.on() {
		return
	}
	o := r.pullObject("pull-request", p, r.refs())
	o["merged"] = p.Merged
	if p.Merged {
		o["merged_by"] = r.s.spec.user(who.login)
	}
	with := object{"number": p.Number, "pull_request": o}
	merge(with, more)
	r.s.hook.emit(r, who, "pull_request", action, with)
}

func (r *Repository) tellIssue(who *actor, action string, number int, more object) {
	if !r.s.hook.on() {
		return
	}
	with := object{"issue": r.issueOf(number)}
	merge(with, more)
	r.s.hook.emit(r, who, "issues", action, with)
}

// issueOf is an issue as webhooks have it, or a pull request as one.
func (r *Repository) issueOf(number int) object {
	v := r.Now()
	for _, i := range v.issues {
		if i.Number == number {
			return r.issueObject(i)
		}
	}
	for _, p := range v.pulls {
		if p.Number == number {
			o := r.issueObject(p.asIssue())
			at := fmt.Sprintf("%s%s/repos/%s/pulls/%d", r.s.URL, apiRoot, r.FullName(), number)
			o["pull_request"] = object{"url": at, "html_url": at, "diff_url": at, "patch_url": at}
			return o
		}
	}
	return object{}
}

func (r *Repository) tellComment(who *actor, action string, c Comment, more object) {
	if !r.s.hook.on() {
		return
	}
	with := object{"issue": r.issueOf(c.Number), "comment": r.commentObject(c)}
	merge(with, more)
	r.s.hook.emit(r, who, "issue_comment", action, with)
}

func (r *Repository) tellCheck(who *actor, action string, id int64, more object) {
	if !r.s.hook.on() {
		return
	}
	v := r.Now()
	at := slices.IndexFunc(v.checks, func(c Check) bool { return c.ID == id })
	if at < 0 {
		r.s.t.Errorf("no check %d", id)
		return
	}
	o := r.checkObject(v.checks[at])
	suite := object{"id": number(v.checks[at].Commit), "head_sha": v.checks[at].Commit, "head_branch": nil, "app": r.s.appObject(AppLogin), "pull_requests": []any{}}
	for _, p := range v.pulls {
		if p.State == "open" && !p.Fork && p.head(v.refs) == v.checks[at].Commit {
			suite["head_branch"] = p.Head
			one := []any{object{"id": p.Number, "number": p.Number, "url": "https://github.example/", "head": r.end(p, true, v.refs), "base": r.end(p, false, v.refs)}}
			suite["pull_requests"], o["pull_requests"] = one, one
		}
	}
	o["check_suite"] = suite
	with := object{"check_run": o}
	merge(with, more)
	r.s.hook.emit(r, who, "check_run", action, with)
}

// RequestChecks tells of a check suite that GitHub made for a commit, which it
// does for every push, or that somebody wants again.
func (r *Repository) RequestChecks(login, branch, action string) {
	head := r.Head(branch)
	r.s.hook.emit(r, person(login), "check_suite", action, object{"check_suite": object{
		"id": number(head), "head_sha": head, "head_branch": branch, "status": "queued", "conclusion": nil, "app": r.s.appObject(AppLogin),
		"before": nil, "after": head,
	}})
}

// Queue tells of a merge group that was made of a pull request.
func (r *Repository) Queue(number int) {
	p := r.Pull(number)
	tree := r.must("", "merge-tree", "--write-tree", r.Head(p.Base), r.Head(p.Head))
	hash, err := r.commit("Merge", tree, []string{r.Head(p.Base), r.Head(p.Head)})
	if err != nil {
		r.s.t.Error(err)
		return
	}
	ref := fmt.Sprintf("refs/heads/gh-readonly-queue/%s/pr-%d-%s", p.Base, number, r.Head(p.Base))
	r.must("", "update-ref", ref, hash)
	r.s.hook.emit(r, person(Person), "merge_group", "checks_requested", object{"merge_group": object{
		"head_sha": hash, "head_ref": ref, "base_ref": "refs/heads/" + p.Base, "base_sha": r.Head(p.Base), "head_commit": r.pushed(hash),
	}})
}

// emit sends an event of a repository.
func (h *hook) emit(r *Repository, who *actor, event, action string, with object) {
	if !h.on() {
		return
	}
	with["repository"], with["sender"] = r.object("repository"), h.s.spec.user(who.login)
	in := r.Installation()
	if in == nil {
		return // the App does not hear of it
	}
	with["installation"] = object{"id": in.ID, "node_id": fmt.Sprintf("I_%d", in.ID)}
	h.post(event, action, in.ID, r.ID, with)
}

// tellInstallation sends an event of an installation.
func (h *hook) tellInstallation(in *Installation, event, action string, with object) {
	if !h.on() {
		return
	}
	h.s.mu.Lock()
	with["installation"] = in.object()
	suspended := !in.suspendedAt.IsZero()
	h.s.mu.Unlock()
	if suspended {
		with["installation"].(object)["suspended_by"] = h.s.spec.user(Person)
	}
	with["sender"] = h.s.spec.user(Person)
	h.post(event, action, in.ID, 0, with)
}
