package github

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/oakum-dev/oakum/remediate"
)

// The rights that requests need, in GitHub's words.
const (
	contentsRead  = "Contents: read"
	contentsWrite = "Contents: read and write"
	pullsRead     = "Pull requests: read"
	pullsWrite    = "Pull requests: read and write"
)

// explain turns an error of go-github into one that says what was being done,
// why GitHub refused, and what to do about it. No text in it holds a token.
func (r *Repo) explain(doing, right string, err error) error {
	if err == nil {
		return nil
	}
	doing = remediate.Redact(fmt.Sprintf("%s in %s", doing, r), r.c.token)
	if wait := (*WaitError)(nil); errors.As(err, &wait) {
		return fmt.Errorf("%s: %w", doing, wait)
	}
	res, said := answer(err)
	if res == nil {
		return remediate.RedactError(fmt.Errorf("%s: %w", doing, err), r.c.token)
	}
	why := fmt.Sprintf("GitHub answered %d", res.StatusCode)
	if said != "" {
		why += fmt.Sprintf(" (%s)", clip(said))
	}
	next := ""
	switch res.StatusCode {
	case http.StatusUnauthorized:
		next = "the token is wrong, expired or revoked: set GITHUB_TOKEN to a valid one"
	case http.StatusForbidden:
		next = forbidden(res, right, said)
	case http.StatusNotFound:
		next = fmt.Sprintf("it does not exist or the token may not see it: check the name, and give the token %q on this repository", right)
	case http.StatusGone:
		next = "it is switched off in the repository's settings"
	case http.StatusTooManyRequests:
		next = "try again in an hour"
	}
	if next != "" {
		why += ": " + next
	}
	return &apiError{text: doing + ": " + remediate.Redact(why, r.c.token), status: res.StatusCode, err: err}
}

// apiError keeps the status for those who decide by it, and hides the rest of
// what the library knows, for that includes the request.
type apiError struct {
	text   string
	status int
	err    error
}

func (e *apiError) Error() string { return e.text }

// says looks for a text in what GitHub wrote about the error.
func (e *apiError) says(text string) bool {
	return strings.Contains(strings.ToLower(e.err.Error()), strings.ToLower(text))
}

// failed is the apiError in err, if it has one with this status.
func failed(err error, status int) (*apiError, bool) {
	var e *apiError
	ok := errors.As(err, &e) && e.status == status
	return e, ok
}

// answer is the response behind an error, and GitHub's message.
func answer(err error) (*http.Response, string) {
	var plain *github.ErrorResponse
	var rate *github.RateLimitError
	var abuse *github.AbuseRateLimitError
	switch {
	case errors.As(err, &plain):
		said := plain.Message
		for _, e := range plain.Errors {
			said += "; " + strings.TrimSpace(strings.Join([]string{e.Resource, e.Field, e.Code, e.Message}, " "))
		}
		return plain.Response, said
	case errors.As(err, &rate):
		return rate.Response, rate.Message
	case errors.As(err, &abuse):
		return abuse.Response, abuse.Message
	}
	return nil, ""
}

var permissionPattern = regexp.MustCompile(`^[a-z_=,; ]{1,200}$`)

// forbidden finds out which of the many meanings of 403 this one has.
func forbidden(res *http.Response, right, said string) string {
	said = strings.ToLower(said)
	switch {
	case strings.Contains(said, "rate limit"):
		return "try again in an hour"
	case strings.Contains(said, "not permitted to create or approve pull requests"):
		return "allow it under Settings, Actions, General, Workflow permissions, or use the token of an App"
	case strings.Contains(said, "archived"):
		return "unarchive the repository, or leave it out"
	case strings.Contains(said, "saml") || res.Header.Get("X-GitHub-SSO") != "":
		return "authorize the token for the organization's single sign-on in your GitHub settings"
	}
	if needs := res.Header.Get("X-Accepted-GitHub-Permissions"); permissionPattern.MatchString(needs) {
		return fmt.Sprintf("the token lacks a right: give it %q on this repository (GitHub asks for %s)", right, needs)
	}
	return fmt.Sprintf("the token lacks a right: give it %q on this repository", right)
}

// clip keeps the part of a message that says something.
func clip(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}
