package remediate

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
)

// Redact takes credentials out of text that came from a library or a server:
// GitHub's tokens, JSON web tokens, the user part of URLs, Authorization
// values, and the given secrets. Control characters go too, lest a server
// write to somebody's terminal.
func Redact(text string, secrets ...string) string {
	text = strings.Map(func(r rune) rune { // first, or what is left might be a token
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "REDACTED")
		}
	}
	for _, p := range tokenPatterns {
		text = p.ReplaceAllString(text, "REDACTED")
	}
	text = headerPattern.ReplaceAllString(text, "$1 REDACTED")
	return userPattern.ReplaceAllString(text, "${1}REDACTED@")
}

var (
	tokenPatterns = [...]*regexp.Regexp{
		regexp.MustCompile(`\bgh[a-z]_[0-9A-Za-z_.-]{10,}`),
		regexp.MustCompile(`\bgithub_pat_[0-9A-Za-z_]{10,}`),
		regexp.MustCompile(`\beyJ[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]*`),
	}
	headerPattern = regexp.MustCompile(`(?i)\b(bearer|basic|token) +[0-9A-Za-z+/=_.-]{16,}`)
	userPattern   = regexp.MustCompile(`(://)[^/\s@"']+@`)
)

// RedactError is err with a redacted text. errors.Is sees through it, and so
// does errors.As for a Later and a Refusal, which hold no secret; nothing can
// unwrap it to the text it hides.
func RedactError(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	clean := Redact(text, secrets...)
	if clean == text {
		return err
	}
	return redacted{clean, err}
}

type redacted struct {
	text string
	err  error
}

func (r redacted) Error() string        { return r.text }
func (r redacted) Is(target error) bool { return errors.Is(r.err, target) }

func (r redacted) As(target any) bool {
	switch target.(type) {
	case **Later, **Refusal:
		return errors.As(r.err, target)
	}
	return false
}
