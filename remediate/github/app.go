package github

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// App is how a GitHub App authenticates.
type App struct {
	ID  string // its client ID, or its number
	Key *rsa.PrivateKey
}

func (a App) zero() bool { return a.ID == "" && a.Key == nil }

func (a App) check() error {
	switch {
	case strings.TrimSpace(a.ID) == "":
		return errors.New("the GitHub App has no ID: give its client ID or its number, as on its settings page")
	case a.Key == nil:
		return errors.New("the GitHub App has no private key: make one on its settings page")
	}
	return nil
}

// ReadKey reads an App's private key from a PEM file. No error repeats what is
// in it.
func ReadKey(path string) (*rsa.PrivateKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the App's private key: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("reading the App's private key: %w", err)
	}
	key, err := ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("reading the App's private key %s: %w", path, err)
	}
	return key, nil
}

// ParseKey takes PEM as GitHub gives it (PKCS #1) or as others turn it (PKCS #8).
func ParseKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not PEM: download the key from the App's settings page again")
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("its RSA key does not parse: download it again")
		}
		return key, nil
	case "PRIVATE KEY":
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("its key does not parse: download it again")
		}
		if key, ok := key.(*rsa.PrivateKey); ok {
			return key, nil
		}
		return nil, fmt.Errorf("it holds a %T: a GitHub App has an RSA key", key)
	}
	return nil, fmt.Errorf("its PEM block is of type %q: a private key is needed, and not encrypted", block.Type)
}

const (
	jwtFor  = 9 * time.Minute  // GitHub takes ten at most
	jwtSkew = 60 * time.Second // for a clock that is ahead of GitHub's
)

// jwt is an RS256 JSON web token that says who signs it.
func (a App) jwt(now time.Time) (string, error) {
	encode := base64.RawURLEncoding.EncodeToString
	claims, err := json.Marshal(map[string]any{"iss": a.ID, "iat": now.Add(-jwtSkew).Unix(), "exp": now.Add(jwtFor - jwtSkew).Unix()})
	if err != nil {
		return "", err
	}
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.Key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("signing as the GitHub App: %w", err)
	}
	return text + "." + encode(signature), nil
}

// signer is the source of an App's own tokens, which speak for no installation.
type signer struct {
	app   App
	clock Clock

	mu   sync.Mutex
	text string
	old  time.Time // when a new one is made
}

func (s *signer) token(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if s.text != "" && now.Before(s.old) {
		return s.text, nil
	}
	text, err := s.app.jwt(now)
	if err == nil {
		s.text, s.old = text, now.Add(jwtFor/2)
	}
	return text, err
}

// refused: what was signed wrongly will be so again.
func (s *signer) refused(string) bool { return false }

func (s *signer) secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []string{s.text}
}
