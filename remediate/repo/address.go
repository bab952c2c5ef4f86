package repo

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// IsURL says whether what a user names is to be cloned rather than opened.
func IsURL(address string) bool {
	return strings.Contains(address, "://") || scpPattern.MatchString(address)
}

// host:path, git's short form of an ssh address; a drive letter is no host.
var scpPattern = regexp.MustCompile(`^(?:[^/@:\s]+@)?([^/@:\s]{2,}):([^\s]+)$`)

// checkURL accepts what oakum talks to: https, and http on this machine. A URL
// with credentials is refused, for URLs end up in logs; none of these errors
// repeats one.
func checkURL(address string) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		if alternative := HTTPS(address); alternative != "" {
			return nil, fmt.Errorf("ssh addresses are not supported: use %s", alternative)
		}
		return nil, errors.New("not a URL: write https://host/owner/repository")
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the URL does not parse: write https://host/owner/repository")
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		if alternative := HTTPS(address); alternative != "" {
			return nil, fmt.Errorf("%s addresses are not supported: use %s", u.Scheme, alternative)
		}
		return nil, fmt.Errorf("%s addresses are not supported: use https://host/owner/repository", u.Scheme)
	case u.User != nil:
		return nil, fmt.Errorf("the URL of %s carries credentials: take them out and set GITHUB_TOKEN", u.Host)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("http would show the token to the network: use https://%s%s", u.Host, u.Path)
	case u.Host == "" || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") == "":
		return nil, errors.New("the URL is not that of a repository: write https://host/owner/repository")
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// HTTPS is the https form of a remote's address, as far as it has one, without
// credentials: git@host:owner/repo and ssh://git@host/owner/repo become
// https://host/owner/repo. Empty: there is none.
func HTTPS(address string) string {
	if !strings.Contains(address, "://") {
		if m := scpPattern.FindStringSubmatch(address); m != nil {
			return "https://" + m[1] + "/" + strings.TrimPrefix(m[2], "/")
		}
		return ""
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	u.User = nil
	switch u.Scheme {
	case "ssh", "git+ssh":
		return "https://" + u.Hostname() + u.EscapedPath()
	case "https", "http":
		return u.String()
	}
	return ""
}
