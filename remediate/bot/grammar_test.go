package bot

import (
	"strings"
	"testing"
	"time"
)

func TestParseOrder(t *testing.T) {
	t.Parallel()
	today := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	tests := []struct{ text, want, wrong string }{
		{"/oakum", "help", ""},
		{"/oakum help", "help", ""},
		{"/oakum fix", "fix", ""},
		{"/oakum  fix\t0123abc", "fix 0123abc", ""},
		{"/oakum fix $(id)", "", "hash of the commit"},
		{"/oakum fix 0123abc 4567def", "", "hash of the commit"},
		{"/oakum rebase", "rebase", ""},
		{"/oakum rebase --force", "", "takes nothing more"},
		{"/oakum explain", "explain", ""},
		{"/oakum explain host-pid", "explain host-pid", ""},
		{"/oakum explain ../x", "", "name of a policy"},
		{"/oakum ignore host-port agents need it until 2027-01-31", "ignore host-port|agents need it|2027-01-31", ""},
		{"/oakum ignore host-port agents need it", "", "needs a policy, a reason and an end"},
		{"/oakum ignore host-port until 2027-01-31", "", "needs a policy, a reason and an end"},
		{"/oakum ignore * all until 2027-01-31", "", "no name of a policy"},
		{"/oakum ignore a b until tomorrow", "", "no day"},
		{"/oakum ignore a b until 2020-01-01", "", "within the next two years"},
		{"/oakum ignore a b until 2099-01-01", "", "within the next two years"},
		{"/oakum ignore a " + strings.Repeat("x", 400) + " until 2027-01-01", "", "longer than"},
		{"/oakum merge", "", "no such command"},
	}
	for _, c := range tests {
		o, err := parseOrder(c.text, today)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s: error %v, want %q", c.text, err, c.wrong)
			}
			continue
		}
		got := strings.TrimSpace(o.verb + " " + o.commit + o.policy)
		if o.verb == verbIgnore {
			got += "|" + o.reason + "|" + o.until.Format(time.DateOnly)
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %q, error %v; want %q", c.text, got, err, c.want)
		}
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	key := []byte(strings.Repeat("k", 32))
	m, other := marksFor(key, 1), marksFor(key, 2)
	text := "hello\n\n" + m.of("answer", "12") + "\n" + other.of("answer", "13") + "\n" + strings.Replace(m.of("answer", "14"), "answer", "preview", 1)
	if got := m.all(text, "answer"); len(got) != 1 || got[0] != "12" {
		t.Errorf("marks %q", got)
	}
	if got := m.all(text, "preview"); len(got) != 0 {
		t.Errorf("a mark of another kind counts: %q", got)
	}
	if !m.in(text, "answer", "12") || m.in(text, "answer", "13") || other.in(text, "answer", "12") {
		t.Error("marks of one repository count in another")
	}
}
