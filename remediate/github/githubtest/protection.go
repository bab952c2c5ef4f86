package githubtest

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
)

// what a rule says to who breaks it.
var violations = map[string]string{
	"required_signatures": "Commits must have verified signatures.",
	"creation":            "Cannot create ref due to creations being restricted.",
	"update":              "Cannot update this protected ref.",
	"non_fast_forward":    "Cannot force-push to this branch",
	"pull_request":        "Changes must be made through a pull request.",
}

// refused says why rules do not allow a branch to move; empty: they do.
func (r *Repository) refused(ref, old, hash string) string {
	r.s.mu.Lock()
	rules := slices.Clone(r.rules)
	r.s.mu.Unlock()
	for _, rule := range rules {
		if ok, _ := path.Match(rule.Branches, strings.TrimPrefix(ref, "refs/heads/")); ok && r.breaks(rule.Type, old, hash) {
			return "Repository rule violations found\n\n" + violations[rule.Type]
		}
	}
	return ""
}

func (r *Repository) breaks(rule, old, hash string) bool {
	switch rule {
	case "required_signatures":
		email, err := r.run("", "show", "--no-patch", "--format=%ce", hash)
		return err != nil || strings.TrimSpace(email) != botEmail
	case "creation":
		return old == ""
	case "update":
		return old != ""
	case "pull_request":
		return true
	case "non_fast_forward":
		_, err := r.run("", "merge-base", "--is-ancestor", old, hash)
		return old != "" && err != nil
	}
	return false
}

// guard has git refuse the same of a push.
func (r *Repository) guard(rules []Rule) {
	var script strings.Builder
	script.WriteString("#!/bin/sh\nzero=0000000000000000000000000000000000000000\nfail() { echo \"error: GH013: Repository rule violations found for $ref.\" >&2; echo \"- $1\" >&2; exit 1; }\nwhile read old new ref; do\n")
	for _, rule := range rules {
		condition := map[string]string{
			"required_signatures": `[ "$(git show --no-patch --format=%ce $new)" != '` + botEmail + `' ]`,
			"creation":            `[ $old = $zero ]`,
			"update":              `[ $old != $zero ]`,
			"pull_request":        `true`,
			"non_fast_forward":    `[ $old != $zero ] && ! git merge-base --is-ancestor $old $new`,
		}[rule.Type]
		if condition != "" {
			fmt.Fprintf(&script, "case \"$ref\" in refs/heads/%s) if %s; then fail '%s'; fi;; esac\n", rule.Branches, condition, violations[rule.Type])
		}
	}
	script.WriteString("done\n")
	r.Hook("pre-receive", script.String())
}

// branchRules answers what rules say of a branch.
func (r *Repository) branchRules(w http.ResponseWriter, req *http.Request) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	list := []any{}
	for _, rule := range r.rules {
		if ok, _ := path.Match(rule.Branches, req.PathValue("branch")); !ok {
			continue
		}
		one := object{"type": rule.Type, "ruleset_source_type": "Repository", "ruleset_source": r.name, "ruleset_id": 1}
		if rule.Parameters != nil {
			one["parameters"] = rule.Parameters
		}
		list = append(list, one)
	}
	reply(w, http.StatusOK, list)
}
