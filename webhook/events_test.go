package webhook

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/remediate/store"
)

var update = flag.Bool("update", false, "rewrite golden files")

func jsonStrict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// tell writes tasks as one line each.
func tell(tasks []store.Task) []string {
	var lines []string
	for _, t := range tasks {
		lines = append(lines, fmt.Sprintf("%d:%d:%s %s/%s %s", t.Repository.Installation, t.Repository.ID, t.Repository.Name, t.Kind, t.Key, t.Data))
	}
	return lines
}

// TestExamples sends every payload that octokit knows of github.com through the
// handler, and holds what it asks for against a golden file.
func TestExamples(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../.cache/webhooks/api.github.com.json")
	if err != nil {
		if os.Getenv("OAKUM_STRICT") != "" {
			t.Fatalf("%v: run .ci/webhooks.sh", err)
		}
		t.Skipf("%v: run .ci/webhooks.sh", err)
	}
	var events []struct {
		Name     string            `json:"name"`
		Examples []json.RawMessage `json:"examples"`
	}
	if err := json.Unmarshal(data, &events); err != nil {
		t.Fatal(err)
	}
	box := newInbox(t)
	url := serve(t, box, Config{AppID: 29310, Login: "oakum[bot]"})
	var golden strings.Builder
	total, nothing := 0, map[string]int{}
	for _, e := range events {
		for i, example := range e.Examples {
			total++
			var head struct {
				Action any `json:"action"`
			}
			if err := json.Unmarshal(example, &head); err != nil {
				t.Fatal(err)
			}
			name := e.Name
			if head.Action != nil {
				name += fmt.Sprintf(".%v", head.Action)
			}
			// Examples repeat one another, which would be a replay.
			body := append(slices.Clone(example), strings.Repeat(" ", total)...)
			res := request(t, url, e.Name, body, nil)
			tasks := box.take()
			if want := map[bool]int{true: 202, false: 204}[len(tasks) > 0]; res.StatusCode != want {
				t.Errorf("%s %d: %s, want %d", name, i, res.Status, want)
			}
			if len(tasks) == 0 {
				nothing[name]++
			}
			for _, line := range tell(tasks) {
				fmt.Fprintf(&golden, "%s %d: %s\n", name, i, line)
			}
		}
	}
	if total != 329 {
		t.Errorf("%d examples", total)
	}
	names := make([]string, 0, len(nothing))
	for name, n := range nothing {
		names = append(names, fmt.Sprintf("%s: nothing, %d times\n", name, n))
	}
	slices.Sort(names)
	got := golden.String() + strings.Join(names, "")
	const file = "testdata/examples.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

// TestTasks: what the examples do not show.
func TestTasks(t *testing.T) {
	t.Parallel()
	const head = `"repository":{"id":7,"full_name":"shop/web","default_branch":"main"},"installation":{"id":3}`
	pull := func(ref string, repo int, sender, more string) string {
		return fmt.Sprintf(`"pull_request":{"number":12,"head":{"ref":%q,"sha":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","repo":{"id":%d}}},"sender":{"login":%q},%s`, ref, repo, sender, more)
	}
	check := func(app int, pulls string) string {
		return fmt.Sprintf(`{"id":9,"head_sha":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","app":{"id":%d},"pull_requests":[%s]}`, app, pulls)
	}
	const (
		commit  = `"commit":"6113728f27ae82c7b1a177c8d03f9e96e0adf246"`
		own     = `{"number":4,"base":{"repo":{"id":7}}}`
		foreign = `{"number":5,"base":{"repo":{"id":8}}}`
	)
	comment := func(body, kind, login string) string {
		text, _ := json.Marshal(body)
		return fmt.Sprintf(`"action":"created","issue":{"number":12},"comment":{"id":8,"body":%s},"sender":{"login":%q,"type":%q},%s`, text, login, kind, head)
	}
	tests := []struct {
		name, event, body string
		want              []string
	}{
		{"a push", "push", push[1 : len(push)-1], []string{`3:7:shop/web reconcile/ {"delivery":"d","sender":"ann",` + commit + `}`}},
		{"the default branch is deleted", "push", `"ref":"refs/heads/main","deleted":true,` + head, nil},
		{"a tag of its name", "push", `"ref":"refs/tags/main",` + head, nil},
		{"no repository", "push", `"ref":"refs/heads/"`, nil},
		{"a fork's pull request", "pull_request", `"action":"opened",` + pull("oakum/x", 8, "ann", head), []string{`3:7:shop/web preview/12 {"delivery":"d","sender":"ann","number":12,` + commit + `}`}},
		{"a push onto oakum's", "pull_request", `"action":"synchronize",` + pull("oakum/x", 7, "ann", head), []string{`3:7:shop/web follow/12 {"delivery":"d","sender":"ann","number":12,` + commit + `}`}},
		{"oakum's own push", "pull_request", `"action":"synchronize",` + pull("oakum/x", 7, "Oakum[bot]", head), nil},
		{"oakum's is closed", "pull_request", `"action":"closed",` + pull("oakum/x", 7, "ann", head), []string{`3:7:shop/web follow/12 {"delivery":"d","sender":"ann","number":12,` + commit + `}`}},
		{"a title is edited", "pull_request", `"action":"edited","changes":{"title":{"from":"x"}},` + pull("y", 7, "ann", head), nil},
		{"a base is edited", "pull_request", `"action":"edited","changes":{"base":{"ref":{"from":"x"}}},` + pull("y", 7, "ann", head), []string{`3:7:shop/web preview/12 {"delivery":"d","sender":"ann","number":12,` + commit + `}`}},
		{"a label", "pull_request", `"action":"labeled",` + pull("y", 7, "ann", head), nil},
		{"a button", "check_run", `"action":"requested_action","requested_action":{"identifier":"fix"},"check_run":` + check(5, own+","+foreign) + `,` + head, []string{`3:7:shop/web action/run/9/fix {"delivery":"d","number":4,` + commit + `,"checkRun":9,"button":"fix"}`}},
		{"a button of another App", "check_run", `"action":"requested_action","requested_action":{"identifier":"fix"},"check_run":` + check(6, own) + `,` + head, nil},
		{"a button with an odd name", "check_run", `"action":"requested_action","requested_action":{"identifier":"f x\n"},"check_run":` + check(5, own) + `,` + head, nil},
		{"run again", "check_run", `"action":"rerequested","check_run":` + check(5, own+","+foreign) + `,` + head, []string{`3:7:shop/web preview/4 {"delivery":"d","number":4,` + commit + `,"checkRun":9}`}},
		{"a fork's, run again", "check_run", `"action":"rerequested","check_run":` + check(5, foreign) + `,` + head, []string{`3:7:shop/web action/run/9 {"delivery":"d",` + commit + `,"checkRun":9}`}},
		{"all of a fork's, run again", "check_suite", `"action":"rerequested","check_suite":` + check(5, ``) + `,` + head, []string{`3:7:shop/web action/suite/9 {"delivery":"d",` + commit + `}`}},
		{"a command", "issue_comment", comment("Please:\r\n/oakum fix  \r\nthanks", "User", "ann"), []string{`3:7:shop/web command/8 {"delivery":"d","sender":"ann","number":12,"comment":8,"lines":["/oakum fix"]}`}},
		{"an edited command", "issue_comment", strings.Replace(comment("/oakum fix", "User", "ann"), "created", "edited", 1), nil},
		{"a bot's command", "issue_comment", comment("/oakum fix", "Bot", "other[bot]"), nil},
		{"oakum's own words", "issue_comment", comment("/oakum fix", "User", "oakum[bot]"), nil},
		{"no command", "issue_comment", comment("see `/oakum fix`\n /oakum fix\n/oakumfix\n> /oakum fix", "User", "ann"), nil},
		{"an endless command", "issue_comment", comment("/oakum "+strings.Repeat("<", 9000), "User", "ann"), nil},
		{"a tick", "issues", `"action":"edited","issue":{"number":2,"body":"- [x] a\n<!-- oakum:v1 dashboard -->"},"sender":{"login":"ann"},` + head, []string{`3:7:shop/web tick/2 {"delivery":"d","sender":"ann","number":2}`}},
		{"oakum's own edit", "issues", `"action":"edited","issue":{"number":2,"body":"<!-- oakum:v1 dashboard -->"},"sender":{"login":"oakum[bot]"},` + head, nil},
		{"somebody's issue", "issues", `"action":"edited","issue":{"number":2,"body":"x"},` + head, nil},
		{"a merge group", "merge_group", `"action":"checks_requested","merge_group":{"head_sha":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","head_ref":"refs/heads/gh-readonly-queue/main/pr-1"},` + head, []string{`3:7:shop/web queue/6113728f27ae82c7b1a177c8d03f9e96e0adf246 {"delivery":"d",` + commit + `,"ref":"refs/heads/gh-readonly-queue/main/pr-1"}`}},
		{"a merge group without a commit", "merge_group", `"action":"checks_requested","merge_group":{"head_sha":"$(id)"},` + head, nil},
		{"suspended", "installation", `"action":"suspend","installation":{"id":3}`, []string{`3:0: removed/ {"delivery":"d"}`}},
		{"repositories", "installation_repositories", `"action":"removed","installation":{"id":3},"repositories_added":[{"id":1,"full_name":"a/b"}],"repositories_removed":[{"id":2,"full_name":"a/b c"}]`, []string{`3:1:a/b installed/ {"delivery":"d"}`, `3:2: removed/ {"delivery":"d"}`}},
		{"very many repositories", "installation_repositories", `"action":"added","installation":{"id":3},"repositories_added":[{"id":1}` + strings.Repeat(`,{"id":2}`, 5000) + `]`, []string{`3:0: installed/ {"delivery":"d"}`}},
		{"another default branch", "repository", `"action":"edited","changes":{"default_branch":{"from":"x"}},` + head, []string{`3:7:shop/web reconcile/ {"delivery":"d"}`}},
		{"another description", "repository", `"action":"edited","changes":{"description":{"from":"x"}},` + head, nil},
		{"archived", "repository", `"action":"archived",` + head, []string{`3:7:shop/web reconcile/ {"delivery":"d"}`}},
		{"deleted", "repository", `"action":"deleted",` + head, []string{`3:7:shop/web removed/ {"delivery":"d"}`}},
	}
	for _, c := range tests {
		config := Config{AppID: 5, Login: "oakum[bot]", Branches: "oakum/"}
		tasks, err := config.tasks(&store.Delivery{Event: c.event, ID: "d"}, []byte("{"+c.body+"}"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := cmp.Diff(c.want, tell(tasks)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}
