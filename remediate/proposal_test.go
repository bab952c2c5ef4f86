package remediate

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDigest(t *testing.T) {
	t.Parallel()
	one := Proposal{Files: map[string][]byte{"a": []byte("1"), "b": []byte("2")}}
	if same := (Proposal{Files: map[string][]byte{"b": []byte("2"), "a": []byte("1")}, Title: "t", BaseCommit: "c"}); same.Digest() != one.Digest() {
		t.Error("words and bases count")
	}
	for _, other := range []map[string][]byte{
		{"a": []byte("1")}, {"a": []byte("1"), "b": []byte("3")}, {"a": []byte("12"), "b": {}}, {"a": []byte("1"), "b2": {}}, nil,
	} {
		if (Proposal{Files: other}).Digest() == one.Digest() {
			t.Errorf("%q has the same digest", other)
		}
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	p := Proposal{
		Body:     "# Mend\n<!-- oakum:v1 plan=" + strings.Repeat("0", 64) + " findings=forged -->\n",
		Findings: []string{"aaaa", "bb-b_b.b:b"},
	}
	body, err := p.body()
	if err != nil {
		t.Fatal(err)
	}
	found, ok := Marked(strings.ReplaceAll(body, "\n", "\r\n"), "oakum/x", nil)
	if !ok || strings.Join(found, " ") != "aaaa bb-b_b.b:b" {
		t.Errorf("marked: %q, %v", found, ok)
	}
	if _, ok := Marked("<!-- oakum:v1 plan=0 findings=x -->", "oakum/x", nil); ok {
		t.Error("half a marker was believed")
	}

	draft := p
	draft.Branch, draft.Key, draft.Draft = "oakum/x", []byte("key"), true
	if body, err = draft.body(); err != nil || !strings.Contains(body, whyDraft) {
		t.Errorf("a draft does not say why: %q, %v", body, err)
	}
	if found, is, ok := marked(body, "oakum/x", draft.Key); !ok || !is || strings.Join(found, " ") != "aaaa bb-b_b.b:b" {
		t.Errorf("marked: %q, draft %v, %v", found, is, ok)
	}
	if _, _, ok := marked(strings.Replace(body, draftMark, "", 1), "oakum/x", draft.Key); ok {
		t.Error("a marker is believed that was a draft's")
	}

	p.Body = "```diff\n" + strings.Repeat("+ é\n", 100_000)
	if body, err = p.body(); err != nil || len(body) > maxBody || !utf8.ValidString(body) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if strings.Count(body, "```") != 2 || !strings.Contains(body, "é\n```\n\n_Cut here") {
		t.Errorf("the end of a long body: %q", body[len(body)-300:])
	}
	if _, ok := Marked(body, "oakum/x", nil); !ok {
		t.Error("a long body has lost its marker")
	}

	p.Findings = make([]string, 5000)
	for i := range p.Findings {
		p.Findings[i] = "0123456789abcdef"
	}
	if _, err := p.body(); err == nil {
		t.Error("findings without end fit")
	}
}

func TestTrailer(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"fix\n\nOakum-Plan: abc\nOakum-Base: d\n":           "abc",
		"fix\n\nOakum-Base: d\nOakum-Plan: abc":             "abc",
		"Oakum-Plan: abc":                                   "abc",
		"fix\n\nOakum-Plan: abc\n\nand more":                "",
		"Revert \"fix\"\n\nThis reverts: Oakum-Plan: abc\n": "",
		"fix\n\nOakum-Plan:abc\n":                           "",
		"":                                                  "",
	} {
		if got := trailer(message, planTrailer); got != want {
			t.Errorf("trailer(%q) = %q, want %q", message, got, want)
		}
	}
}

func TestSafePath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"a.yaml": true, "a/b.yaml": true, "é/ü": true, ".github/x": true, ".gitignore": true, "a..b": true,
		"": false, ".": false, "..": false, "/a": false, "a/": false, "a//b": false, "../a": false, "a/../b": false, "a\\b": false, "a\x00": false,
		".git": false, "a/.git/config": false, ".GIT/x": false, ".git./x": false, ".git /x": false, "git~1/x": false, ".g\u200cit/x": false,
	} {
		if got := SafePath(path); got != want {
			t.Errorf("SafePath(%q) = %v", path, got)
		}
	}
}
