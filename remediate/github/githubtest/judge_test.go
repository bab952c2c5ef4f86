package githubtest

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestJudges: what is wrong does not pass.
func TestJudges(t *testing.T) {
	t.Parallel()
	d := describe(t)
	for query, wrong := range map[string]string{
		`{"query":"query { viewer { login } }"}`: "",
		`{"query":"query { viewer { logon } }"}`: "logon",
		`{"query":"query { viewer { login }"}`:   "Expected",
		`{"query":"mutation($id: ID!) { disablePullRequestAutoMerge(input: {pullRequestId: $id}) { pullRequest { id } } }"}`: "must be defined",
	} {
		if err := d.graphql([]byte(query)); (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v, want %q", query, err, wrong)
		}
	}
	s, err := loadSchemas()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		event, action string
		with          object
		wrong         bool
	}{
		{"push", "", object{"ref": "refs/heads/main"}, false},
		{"issues", "opened", object{"action": "opened"}, false},
		{"issues", "opened", object{"action": "closed"}, true},
		{"issues", "vanished", object{}, true},
	} {
		if _, err := s.payload(test.event, test.action, test.with); (err != nil) != test.wrong {
			t.Errorf("%+v: %v", test, err)
		}
	}
	for body, wrong := range map[string]bool{`{"title":"x"}`: false, `{"body":"x"}`: true, `{"title":"x","labels":7}`: true} {
		r := httptest.NewRequest("POST", apiRoot+"/repos/a/b/issues", nil)
		r.Header.Set("Content-Type", "application/json")
		if _, err := d.request(r, []byte(body)); (err != nil) != wrong {
			t.Errorf("%s: %v", body, err)
		}
	}
}
