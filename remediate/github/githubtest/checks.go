package githubtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Check is a check run.
type Check struct {
	ID                   int64
	App                  int64
	Name, Commit, Key    string
	Status, Conclusion   string
	Title, Summary, Text string
	DetailsURL           string
	Annotations          []map[string]any
	Actions              []map[string]any
	Started, Completed   time.Time
}

// Checks are those of a commit, oldest first.
func (r *Repository) Checks(commit string) []Check {
	return slices.DeleteFunc(r.Now().checks, func(c Check) bool { return c.Commit != commit })
}

// Press presses a button of a check run.
func (r *Repository) Press(login string, check int64, identifier string) {
	r.s.t.Helper()
	r.tellCheck(person(login), "requested_action", check, object{"requested_action": object{"identifier": identifier}})
}

// Rerun asks for a check run again.
func (r *Repository) Rerun(login string, check int64) {
	r.s.t.Helper()
	r.tellCheck(person(login), "rerequested", check, nil)
}

func (s *Server) routeChecks() {
	s.on("POST", "/check-runs", "checks:write", (*Repository).createCheck)
	s.on("GET", "/check-runs/{check}", "checks:read", (*Repository).getCheck)
	s.on("PATCH", "/check-runs/{check}", "checks:write", (*Repository).updateCheck)
	s.on("GET", "/commits/{commit}/check-runs", "checks:read", (*Repository).listChecks)
}

func (r *Repository) checkObject(c Check) object {
	o := r.s.spec.sample("check-run", object{
		"id": c.ID, "node_id": fmt.Sprintf("CR_%d", c.ID), "head_sha": c.Commit, "name": c.Name, "external_id": c.Key,
		"status": c.Status, "conclusion": nil, "started_at": stamp(c.Started), "completed_at": stamp(c.Completed),
		"details_url": c.DetailsURL, "html_url": fmt.Sprintf("%s/%s/runs/%d", r.s.URL, r.FullName(), c.ID),
		"app": r.s.appObject(AppLogin), "check_suite": object{"id": number(c.Commit)},
		"output": object{
			"title": nil, "summary": nil, "text": nil, "annotations_count": len(c.Annotations), "annotations_url": "https://github.example/",
		},
	})
	output := o["output"].(object)
	for key, text := range map[string]string{"title": c.Title, "summary": c.Summary, "text": c.Text} {
		if text != "" {
			output[key] = text
		}
	}
	if c.Conclusion != "" {
		o["conclusion"] = c.Conclusion
	}
	return o
}

type checkRequest struct {
	Name       string     `json:"name"`
	Commit     string     `json:"head_sha"`
	Key        *string    `json:"external_id"`
	DetailsURL *string    `json:"details_url"`
	Status     string     `json:"status"`
	Conclusion string     `json:"conclusion"`
	Started    *time.Time `json:"started_at"`
	Completed  *time.Time `json:"completed_at"`
	Output     *struct {
		Title, Summary, Text string
		Annotations          []map[string]any
	} `json:"output"`
	Actions []map[string]any `json:"actions"`
}

// apply changes a check as a request says.
func (q checkRequest) apply(c *Check, now time.Time) {
	if q.Name != "" {
		c.Name = q.Name
	}
	for to, from := range map[*string]*string{&c.Key: q.Key, &c.DetailsURL: q.DetailsURL} {
		if from != nil {
			*to = *from
		}
	}
	if q.Status != "" {
		c.Status = q.Status
	}
	if q.Conclusion != "" {
		c.Status, c.Conclusion, c.Completed = "completed", q.Conclusion, now
	}
	if c.Status != "completed" {
		c.Conclusion, c.Completed = "", time.Time{}
	}
	if q.Started != nil {
		c.Started = *q.Started
	}
	if q.Completed != nil {
		c.Completed = *q.Completed
	}
	if q.Output != nil {
		c.Title, c.Summary, c.Text = q.Output.Title, q.Output.Summary, q.Output.Text
		c.Annotations = append(slices.Clone(c.Annotations), q.Output.Annotations...)
	}
	if q.Actions != nil {
		c.Actions = q.Actions
	}
}

// refusal is what GitHub checks beyond its own description.
func (q checkRequest) refusal() string {
	if q.Output == nil {
		return ""
	}
	if len(q.Output.Annotations) > 50 {
		return "Only 50 annotations are allowed per request"
	}
	if len(q.Output.Summary) > 65535 || len(q.Output.Text) > 65535 {
		return "Invalid request: only 65535 characters are allowed"
	}
	for _, a := range q.Output.Annotations {
		if a["start_column"] != nil && a["start_line"] != a["end_line"] {
			return "Annotations with columns must be on one line"
		}
	}
	return ""
}

func (r *Repository) createCheck(w http.ResponseWriter, req *http.Request) {
	body, ok := read[checkRequest](w, req)
	if !ok {
		return
	}
	who := whose(req.Context())
	_, err := r.run("", "cat-file", "-e", body.Commit+"^{commit}")
	switch why := body.refusal(); {
	case who.app == 0:
		reply(w, http.StatusForbidden, basicError("You must authenticate via a GitHub App.", http.StatusForbidden))
		return
	case err != nil:
		unprocessable(w, "No commit found for SHA: "+body.Commit)
		return
	case why != "":
		unprocessable(w, why)
		return
	}
	c := &Check{ID: r.s.id(), App: who.app, Commit: body.Commit, Status: "queued", Started: r.s.Time()}
	body.apply(c, r.s.Time())
	r.s.mu.Lock()
	r.checks = append(r.checks, c)
	r.s.mu.Unlock()
	r.tellCheck(who, "created", c.ID, nil)
	reply(w, http.StatusCreated, r.checkObject(*c))
}

// check is the one that a path names, or answers that there is none.
func (r *Repository) check(w http.ResponseWriter, req *http.Request) (Check, bool) {
	for _, c := range r.look(req).checks {
		if strconv.FormatInt(c.ID, 10) == req.PathValue("check") {
			return c, true
		}
	}
	missing(w)
	return Check{}, false
}

func (r *Repository) getCheck(w http.ResponseWriter, req *http.Request) {
	if c, ok := r.check(w, req); ok {
		reply(w, http.StatusOK, r.checkObject(c))
	}
}

func (r *Repository) updateCheck(w http.ResponseWriter, req *http.Request) {
	body, ok := read[checkRequest](w, req)
	if !ok {
		return
	}
	c, ok := r.check(w, req)
	if !ok {
		return
	}
	who := whose(req.Context())
	if who.app != c.App {
		reply(w, http.StatusForbidden, basicError("Invalid app_id `"+strconv.FormatInt(who.app, 10)+"` - check run can only be modified by the GitHub App that created it.", http.StatusForbidden))
		return
	}
	if why := body.refusal(); why != "" {
		unprocessable(w, why)
		return
	}
	r.s.mu.Lock()
	for _, one := range r.checks {
		if one.ID == c.ID {
			body.apply(one, r.s.Time())
			c = *one
		}
	}
	r.s.mu.Unlock()
	if c.Status == "completed" {
		r.tellCheck(who, "completed", c.ID, nil)
	}
	reply(w, http.StatusOK, r.checkObject(c))
}

func (r *Repository) listChecks(w http.ResponseWriter, req *http.Request) {
	q := req.URL.Query()
	app, _ := strconv.ParseInt(q.Get("app_id"), 10, 64)
	found := slices.DeleteFunc(r.look(req).checks, func(c Check) bool {
		return c.Commit != req.PathValue("commit") || app != 0 && c.App != app
	})
	if q.Get("filter") != "all" { // the newest of each name
		newest := map[string]int64{}
		for _, c := range found {
			newest[c.Name] = c.ID
		}
		found = slices.DeleteFunc(found, func(c Check) bool { return newest[c.Name] != c.ID })
	}
	total := len(found)
	list := []any{}
	for _, c := range paged(r.s, w, req.URL, found) {
		list = append(list, r.checkObject(c))
	}
	reply(w, http.StatusOK, object{"total_count": total, "check_runs": list})
}
