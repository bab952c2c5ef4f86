package github

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
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
	issuesRead    = "Issues: read"
	issuesWrite   = "Issues: read and write"
	checksRead    = "Checks: read"
	checksWrite   = "Checks: read and write"
	metadataRead  = "Metadata: read"
)

// explain is the client's, and names the repository.
func (r *Repo) explain(doing, right string, err error) error {
	return r.c.explain(fmt.Sprintf("%s in %s", doing, r), right, err)
}

// explain turns an error of go-github into one that says what was being done,
// why GitHub refused, and what to do about it. No text in it holds a token.
func (c *Client) explain(doing, right string, err error) error {
	if err == nil {
		return nil
	}
	doing = c.redact(doing)
	if later := (*remediate.Later)(nil); errors.As(err, &later) {
		return fmt.Errorf("%s: %w", doing, later)
	}
	if refusal := (*remediate.Refusal)(nil); errors.As(err, &refusal) {
		return &remediate.Refusal{Reason: refusal.Reason, Text: doing + ": " + c.redact(refusal.Text)}
	}
	res, said := answer(err)
	if res == nil {
		return remediate.RedactError(fmt.Errorf("%s: %w", doing, err), c.source.secrets()...)
	}
	why := fmt.Sprintf("GitHub answered %d", res.StatusCode)
	if said != "" {
		why += fmt.Sprintf(" (%s)", clip(said))
	}
	reason, next := meaning(res, right, said)
	if _, app := c.source.(*signer); app && reason == remediate.RefusedToken {
		next = "check the App's ID, that the private key is one of its keys, and this machine's clock"
	}
	if next != "" {
		why += ": " + next
	}
	return &apiError{text: doing + ": " + c.redact(why), status: res.StatusCode, reason: reason, err: err}
}

// meaning is the reason for which GitHub refuses, if a person has to act, and
// the next step.
func meaning(res *http.Response, right, said string) (reason, next string) {
	switch res.StatusCode {
	case http.StatusUnauthorized:
		reason = remediate.RefusedToken
	case http.StatusForbidden:
		return forbidden(res, right, said)
	case http.StatusNotFound:
		next = "it does not exist or the token may not see it: check the name"
		if right != "" {
			next += fmt.Sprintf(", and give the token %q on this repository", right)
		}
		return remediate.RefusedMissing, next
	case http.StatusGone, http.StatusUnavailableForLegalReasons:
		reason = remediate.RefusedDisabled
	case http.StatusTooManyRequests:
		return "", "try again in an hour"
	case http.StatusConflict:
		reason = remediate.RefusalOf(said)
	case http.StatusUnprocessableEntity:
		reason = remediate.RefusalOf(said)
		if reason == "" && !unready(said) {
			return remediate.RefusedInvalid, ""
		}
	}
	return reason, remediate.NextStep(reason)
}

// unready tells a refusal that may be over in a moment: what was written just
// now is not everywhere yet.
func unready(said string) bool {
	said = strings.ToLower(said)
	for _, part := range []string{"head invalid", "head sha", "does not exist", "already exists", "no commit found"} {
		if strings.Contains(said, part) {
			return true
		}
	}
	return false
}

// apiError keeps the status for those who decide by it, and hides the rest of
// what the library knows, for that includes the request.
type apiError struct {
	text   string
	status int
	reason string // of a remediate.Refusal
	err    error
}

func (e *apiError) Error() string { return e.text }

// As shows the refusal in it.
func (e *apiError) As(target any) bool {
	refusal, ok := target.(**remediate.Refusal)
	if ok = ok && e.reason != ""; ok {
		*refusal = &remediate.Refusal{Reason: e.reason, Text: e.text}
	}
	return ok
}

// says looks for a text in what GitHub wrote about the error.
func (e *apiError) says(text string) bool {
	return strings.Contains(strings.ToLower(e.err.Error()), strings.ToLower(text))
}

// failed is the apiError in err, if it has one with one of these statuses.
func failed(err error, status ...int) (*apiError, bool) {
	var e *apiError
	ok := errors.As(err, &e) && slices.Contains(status, e.status)
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
func forbidden(res *http.Response, right, said string) (reason, next string) {
	text := strings.ToLower(said)
	switch reason := remediate.RefusalOf(said); {
	case strings.Contains(text, "rate limit"):
		return "", "try again in an hour"
	case strings.Contains(text, "not permitted to create or approve pull requests"):
		return remediate.RefusedRight, "allow it under Settings, Actions, General, Workflow permissions, or use the token of an App"
	case reason != "":
		return reason, remediate.NextStep(reason)
	case strings.Contains(text, "saml") || res.Header.Get("X-GitHub-SSO") != "":
		return remediate.RefusedRight, "authorize the token for the organization's single sign-on in your GitHub settings"
	case strings.Contains(text, "authenticate via a github app"):
		return remediate.RefusedRight, "only an App may do this: authenticate as one"
	}
	next = "the token lacks a right"
	if right != "" {
		next += fmt.Sprintf(": give it %q on this repository", right)
	}
	if needs := res.Header.Get("X-Accepted-GitHub-Permissions"); permissionPattern.MatchString(needs) {
		next += fmt.Sprintf(" (GitHub asks for %s)", needs)
	}
	return remediate.RefusedRight, next
}

// clip keeps the part of a message that says something.
func clip(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}
