package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/remediate/github/githubtest"
)

// portrait is all that people see of a repository, without what depends on when
// it came about, and on who signed it.
func portrait(server *githubtest.Server, r *githubtest.Repository) string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	names := map[string]string{} // of pull requests and issues, by number
	for _, p := range r.Pulls() {
		names[fmt.Sprintf("#%d", p.Number)] = "#" + p.Head
	}
	timeless := func(text string) string {
		text = strings.ReplaceAll(text, server.URL, "URL")
		for _, change := range timely {
			text = change.pattern.ReplaceAllString(text, change.with)
		}
		return numbered.ReplaceAllStringFunc(text, func(n string) string {
			if name := names[n]; name != "" {
				return name
			}
			return n
		})
	}

	for _, branch := range strings.Fields(r.Git("for-each-ref", "--format=%(refname:short)", "refs/heads")) {
		add("branch %s: %s commits of its own\n%s", branch, r.Git("rev-list", "--count", "main.."+branch), r.Git("diff", "main..."+branch))
	}
	add("main has %s", r.Git("rev-parse", "main^{tree}"))
	for _, p := range r.Pulls() {
		add("pull request %s <- %s by %s: %s merged %t draft %t %q: %s\n%s",
			p.Base, p.Head, p.Author, p.State, p.Merged, p.Draft, p.Labels, p.Title, timeless(p.Body))
		for _, c := range r.Comments(p.Number) {
			add("comment on %s by %s %q: %s", p.Head, c.Author, slices.Sorted(slices.Values(c.Reactions)), timeless(c.Body))
		}
		for _, review := range r.Reviews(p.Number) {
			for _, remark := range review.Remarks {
				add("remark on %s by %s at %s:%d: %s", p.Head, review.Author, remark.Path, remark.Line, timeless(remark.Body))
			}
		}
		if p.State != "open" {
			continue
		}
		for _, c := range r.Checks(r.Head(p.Head)) {
			add("check of %s: %s %s %s, %d annotations, %d actions\n%s", p.Head, c.Name, c.Status, c.Conclusion, len(c.Annotations), len(c.Actions), timeless(c.Title+"\n"+c.Summary))
		}
	}
	for _, i := range r.Issues() {
		add("issue %s by %s %q: %s\n%s", i.State, i.Author, i.Labels, i.Title, timeless(unordered(i.Body)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// unordered is a text whose lists do not depend on the order in which pull
// requests were opened.
func unordered(text string) string {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		end := i
		for end < len(lines) && strings.HasPrefix(lines[end], "- #") {
			end++
		}
		slices.SortFunc(lines[i:end], func(a, b string) int {
			return strings.Compare(numbered.ReplaceAllString(a, ""), numbered.ReplaceAllString(b, ""))
		})
		i = max(i, end-1)
	}
	return strings.Join(lines, "\n")
}

var (
	marked   = regexp.MustCompile(`<!-- oakum:\S+ \S+`)
	numbered = regexp.MustCompile(`#\d+`)
	timely   = []struct {
		pattern *regexp.Regexp
		with    string
	}{
		{regexp.MustCompile(`sig=\w+`), "sig="},
		{regexp.MustCompile(`<!-- oakum:([a-z]+) \d+`), "<!-- oakum:$1 N"},
		{regexp.MustCompile(`\b[0-9a-f]{12}([0-9a-f]{28})?\b`), "COMMIT"},
		{regexp.MustCompile("(of 100\\*\\*), .*`"), "$1"},
	}
)

// commitsTwice are pushes of oakum's that changed nothing: the same files on
// the same commit, once more.
func commitsTwice(server *githubtest.Server) (found []string) {
	seen := map[string]bool{}
	for _, d := range server.Deliveries() {
		var push struct {
			Ref, Before, After string
			Sender             struct{ Login string }
			Repository         struct {
				FullName string `json:"full_name"`
			}
		}
		if d.Event != "push" || seen[d.GUID] || json.Unmarshal(d.Payload, &push) != nil || push.Sender.Login != githubtest.AppLogin ||
			strings.Trim(push.Before, "0") == "" || strings.Trim(push.After, "0") == "" {
			continue
		}
		seen[d.GUID] = true
		what := func(commit string) string {
			return server.Find(push.Repository.FullName).Git("show", "--no-patch", "--format=%T %P", commit)
		}
		if what(push.Before) == what(push.After) {
			found = append(found, fmt.Sprintf("%s: %s was pushed again without a change", push.Repository.FullName, push.Ref))
		}
	}
	return found
}
