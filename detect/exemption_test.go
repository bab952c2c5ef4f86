package detect_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
)

const exempted = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  annotations: {a: b} # ANNOTATION
spec:
  template:
    spec:
      hostNetwork: true # HOSTNETWORK
      # ABOVE
      hostPID: true
      containers:
        # FIRST
        - name: web
          image: web:1
          securityContext: # CONTEXT
            privileged: true
        - name: log
          securityContext:
            privileged: true
`

// TestExemptions: what each kind of exemption covers, and what it is good for.
func TestExemptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		replace  string // old=new in the manifest
		config   *detect.Exemption
		strict   string
		exempted string // policy at line, in order of place
		uses     string
		err      string
	}{
		{name: "none"},
		{
			name: "annotation", replace: "{a: b}=>{oakum.dev/exempt.host-pid: an agent; until=2026-05-31; owner=ops}",
			exempted: "host-pid:12 an agent; until 2026-05-31; owner ops", uses: "needed 1 web.yaml:6",
		},
		{name: "annotation, the day after", replace: "{a: b}=>{oakum.dev/exempt.host-pid: an agent; until=2026-05-30}", uses: "expired 1 web.yaml:6"},
		{name: "annotation by glob", replace: "{a: b}=>{oakum.dev/exempt.host-*: an agent}", exempted: "host-network:10 an agent, host-pid:12 an agent", uses: "needed 2 web.yaml:6"},
		{name: "end of line", replace: "HOSTNETWORK=>oakum: exempt host-network the edge", exempted: "host-network:10 the edge", uses: "needed 1 web.yaml:10"},
		{name: "end of another line", replace: "HOSTNETWORK=>oakum: exempt host-pid the edge", uses: "unneeded 0 web.yaml:10"},
		{name: "line above", replace: "ABOVE=>oakum: exempt host-pid an agent", exempted: "host-pid:12 an agent", uses: "needed 1 web.yaml:11"},
		{name: "two lines above", replace: "ABOVE=>oakum: exempt host-pid an agent\n      # and more", exempted: "host-pid:13 an agent", uses: "needed 1 web.yaml:11"},
		{name: "first item and not the second", replace: "FIRST=>oakum: exempt privileged-container a driver", exempted: "privileged-container:18 a driver", uses: "needed 1 web.yaml:14"},
		{name: "block of a key", replace: "CONTEXT=>oakum: exempt privileged-container a driver", exempted: "privileged-container:18 a driver", uses: "needed 1 web.yaml:17"},
		{name: "no reason", replace: "ABOVE=>oakum: exempt host-pid", err: "web.yaml:11:7: an exemption needs a reason"},
		{name: "no policy", replace: "ABOVE=>oakum: exempt", err: "web.yaml:11:7: an exemption names its policy: # oakum: exempt POLICY reason"},
		{name: "unknown policy", replace: "ABOVE=>oakum: exempt host-pids an agent", err: `web.yaml:11:7: exemption: no policy is called "host-pids"; 'oakum policy list' prints them`},
		{name: "no day", replace: "ABOVE=>oakum: exempt host-pid an agent; until=soon", err: `web.yaml:11:7: exemption: until is "soon", want a day such as 2027-01-31`},
		{name: "unknown key", replace: "ABOVE=>oakum: exempt host-pid an agent; by=me", err: `web.yaml:11:7: an exemption is written as: reason; until=2027-01-31; owner=team; and has no "by=me"`},
		{name: "not ours", replace: "ABOVE=>soakum: exempt host-pid an agent"},
		{
			name: "configuration", config: &detect.Exemption{Policies: []string{"privileged-*"}, Reason: "r", Scope: detect.Scope{
				Kinds: []string{"Deployment"}, Namespaces: []string{"sh*"}, Names: []string{"web", "api"}, Containers: []string{"log"}, Paths: []string{"**/*.yaml"},
			}},
			exempted: "privileged-container:21 r", uses: "needed 1 .oakum.yaml:1",
		},
		{
			name: "configuration for another namespace", config: &detect.Exemption{Policies: []string{"*"}, Reason: "r", Scope: detect.Scope{Namespaces: []string{"bank"}}},
			uses: "unneeded 0 .oakum.yaml:1",
		},
		{
			name: "expired beside one that counts", replace: "ABOVE=>oakum: exempt host-pid over; until=2026-01-01",
			config: &detect.Exemption{Policies: []string{"host-pid"}, Reason: "r"}, exempted: "host-pid:12 r", uses: "needed 1 .oakum.yaml:1, expired 1 web.yaml:11",
		},
		{name: "strict", replace: "ABOVE=>oakum: exempt host-pid an agent", strict: "host-pid", uses: "refused 1 web.yaml:11"},
		{name: "of a policy that is off", replace: "ABOVE=>oakum: exempt host-ipc an agent", uses: "unknown 0 web.yaml:11"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			src := exempted
			if old, to, ok := strings.Cut(test.replace, "=>"); ok {
				src = strings.Replace(src, old, to, 1)
			}
			all, err := compiled()
			if err != nil {
				t.Fatal(err)
			}
			o := detect.Options{Today: time.Date(2026, 5, 31, 23, 0, 0, 0, time.UTC)}
			for _, p := range all {
				o.Known = append(o.Known, p.Name)
				switch p.Name {
				case "host-pid", "host-network", "privileged-container":
					own := *p
					p = &own
					p.Strict = p.Name == test.strict
					o.Policies = append(o.Policies, p)
				}
			}
			if test.config != nil {
				test.config.Position = manifest.Position{File: ".oakum.yaml", Line: 1}
				o.Exemptions = []*detect.Exemption{test.config}
			}
			set, err := manifest.Read(fstest.MapFS{"web.yaml": &fstest.MapFile{Data: []byte(src)}}, manifest.Options{Wants: o.Wants})
			if err != nil {
				t.Fatal(err)
			}
			result := detect.Scan(set, o)
			var covered, uses, errs []string
			for _, f := range result.Exempted {
				covered = append(covered, fmt.Sprintf("%s:%d %s", f.Policy.Name, f.Position.Line, f.Exemption))
			}
			for _, u := range result.Uses(o) {
				uses = append(uses, fmt.Sprintf("%s %d %s:%d", u.State, u.Findings, u.Position.File, u.Position.Line))
			}
			for _, e := range result.Errors {
				errs = append(errs, fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message))
			}
			if n := len(result.Findings) + len(result.Exempted); n != 4 {
				t.Errorf("%d findings, exempted or not, want 4", n)
			}
			for what, pair := range map[string][2]string{
				"exempted": {strings.Join(covered, ", "), test.exempted}, "uses": {strings.Join(uses, ", "), test.uses}, "errors": {strings.Join(errs, ", "), test.err},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
				}
			}
		})
	}
}
