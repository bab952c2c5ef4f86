package github

import (
	"bytes"
	"context"
	"io"
	"net/http"
)

// source is where a client has its tokens from.
type source interface {
	// token is one that is good for a while.
	token(ctx context.Context) (string, error)
	// refused forgets a token that GitHub did not take, and says whether there
	// can be another.
	refused(token string) bool
	// secrets are what must not be shown.
	secrets() []string
}

// fixed is a token that somebody gave; GitHub tells when it is over.
type fixed string

func (f fixed) token(context.Context) (string, error) { return string(f), nil }
func (f fixed) refused(string) bool                   { return false }
func (f fixed) secrets() []string                     { return []string{string(f)} }

// authorized gives every request a token, and tries once more with a new one
// where GitHub takes the first no longer: nothing has been done then.
type authorized struct {
	next   http.RoundTripper
	source source
}

func (a authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	for again := true; ; again = false {
		token, err := a.source.token(req.Context())
		if err != nil {
			return nil, err
		}
		attempt := req.Clone(req.Context())
		if req.GetBody != nil {
			if attempt.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		attempt.Header.Set("Authorization", "Bearer "+token)
		res, err := a.next.RoundTrip(attempt)
		if err != nil || res.StatusCode != http.StatusUnauthorized || !again || !a.source.refused(token) {
			if res != nil {
				res.Request = req // which has no token
			}
			return res, err
		}
		res.Body.Close()
	}
}

// whole is an answer made of what is remembered.
func whole(req *http.Request, status int, header http.Header, body []byte) *http.Response {
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header.Clone(), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}
