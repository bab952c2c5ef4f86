package github

import (
	"errors"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/remediate"
)

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ base, api, web, fails string }{
		{base: "", api: "https://api.github.com/", web: "https://github.com"},
		{base: "https://github.com", api: "https://api.github.com/", web: "https://github.com"},
		{base: "https://api.github.com/", api: "https://api.github.com/", web: "https://github.com"},
		{base: "https://ghe.example.com", api: "https://ghe.example.com/api/v3/", web: "https://ghe.example.com"},
		{base: "https://ghe.example.com/", api: "https://ghe.example.com/api/v3/", web: "https://ghe.example.com"},
		{base: "https://ghe.example.com/api/v3/", api: "https://ghe.example.com/api/v3/", web: "https://ghe.example.com"},
		{base: "https://example.com/git/api/v3", api: "https://example.com/git/api/v3/", web: "https://example.com/git"},
		{base: "https://acme.ghe.com", api: "https://api.acme.ghe.com/", web: "https://acme.ghe.com"},
		{base: "https://api.acme.ghe.com", api: "https://api.acme.ghe.com/", web: "https://acme.ghe.com"},
		{base: "http://127.0.0.1:8080", api: "http://127.0.0.1:8080/api/v3/", web: "http://127.0.0.1:8080"},
		{base: "http://ghe.example.com", fails: "must be https"},
		{base: "https://u:hunter2@ghe.example.com", fails: "more than a host"},
		{base: "https://ghe.example.com?x", fails: "more than a host"},
		{base: "ghe.example.com", fails: "does not parse"},
		{base: "https://%zz", fails: "does not parse"},
	} {
		api, web, err := endpoints(test.base)
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: %v; want %q", test.base, err, test.fails)
			}
			continue
		}
		if err != nil || api.String() != test.api || web.String() != test.web {
			t.Errorf("%q: %v, %v, %v; want %s, %s", test.base, api, web, err, test.api, test.web)
		}
	}
}

func TestRepo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ base, address, clone, fails string }{
		{address: "acme/shop", clone: "https://github.com/acme/shop.git"},
		{address: "https://github.com/acme/shop.git", clone: "https://github.com/acme/shop.git"},
		{address: "https://GitHub.com/acme/shop/", clone: "https://github.com/acme/shop.git"},
		{base: "https://example.com/git", address: "https://example.com/git/acme/shop", clone: "https://example.com/git/acme/shop.git"},
		{address: "https://evil.example/acme/shop", fails: "the token is for github.com"},
		{address: "http://github.com/acme/shop", fails: "the token is for github.com"},
		{base: "https://ghe.example.com", address: "https://github.com/acme/shop", fails: "the token is for ghe.example.com"},
		{address: "acme", fails: "write owner/name"},
		{address: "acme/shop/issues", fails: "write owner/name"},
		{address: "acme/..", fails: "write owner/name"},
		{address: "../shop", fails: "write owner/name"},
		{address: "acme/shop?x", fails: "write owner/name"},
		{address: "", fails: "write owner/name"},
	} {
		c, err := New(Options{Token: "ghp_x", BaseURL: test.base})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Repo(test.address)
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%q: %v; want %q", test.address, err, test.fails)
			}
			continue
		}
		if err != nil || r.CloneURL() != test.clone || r.String() != "acme/shop" {
			t.Errorf("%q: %v, %v; want %s", test.address, r, err, test.clone)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{Token: " "}); !errors.Is(err, ErrNoToken) {
		t.Errorf("no token: %v", err)
	}
	if _, err := New(Options{Token: "ghp_secret\n"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a token with a line break: %v", err)
	}
	git := remediate.Writer(&writer{})
	for token, viaGit := range map[string]bool{"ghs_x": false, "ghp_x": true, "github_pat_x": true, "gho_x": true, "0123abcd": true} {
		c, err := New(Options{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Repo("acme/shop")
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Writer(git) == git; got != viaGit {
			t.Errorf("%s: git push %v, want %v", token, got, viaGit)
		}
	}
}
