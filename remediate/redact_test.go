package remediate_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/remediate"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"token ghs_0123456789abcdef refused":                    "token REDACTED refused",
		"ghp_0123456789abcdef,gho_0123456789abcdef":             "REDACTED,REDACTED",
		"github_pat_11ABCDEFG0_abcdefghij":                      "REDACTED",
		"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl end": "REDACTED end",
		"https://user:hunter2@host/x and https://t@host/y":      "https://REDACTED@host/x and https://REDACTED@host/y",
		"Authorization: Basic eC1hY2Nlc3MtdG9rZW46eA==":         "Authorization: Basic REDACTED",
		"Authorization: Bearer 0123456789abcdef0123":            "Authorization: Bearer REDACTED",
		"ghs_0123\x00456789abcdef and my-\u200bown-secret":      "REDACTED and REDACTED",
		"my-own-secret in the middle":                           "REDACTED in the middle",
		"red \x1b[31malert\x1b[0m\r\nnext":                      "red [31malert[0m\nnext",
		"nothing: ghs_ stays, https://host/a@b stays, é stays":  "nothing: ghs_ stays, https://host/a@b stays, é stays",
	} {
		if got := remediate.Redact(text, "my-own-secret", ""); got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestRedactError(t *testing.T) {
	t.Parallel()
	if remediate.RedactError(nil) != nil {
		t.Error("nil is an error")
	}
	if clean := fmt.Errorf("reading: %w", io.EOF); remediate.RedactError(clean) != clean {
		t.Error("a clean error was changed")
	}
	err := remediate.RedactError(fmt.Errorf("https://ghp_0123456789abcdef@host: %w", io.EOF))
	if !errors.Is(err, io.EOF) || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)), "0123456789abcdef") {
		t.Errorf("error %#v", err)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("a ", " b")
	f.Add("https://", "@host/x")
	f.Add("Basic ", "\x00")
	f.Add("\u200c", "/ghs_")
	f.Fuzz(func(t *testing.T, before, after string) {
		const token = "s3cr3t-0f-a-user"
		if got := remediate.Redact(before+token+after, token); strings.Contains(got, token) {
			t.Errorf("Redact(%q) = %q", before+token+after, got)
		}
	})
}
