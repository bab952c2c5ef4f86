package bot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// marks signs what oakum writes, so that it knows it again and nobody else can
// write the same: comments, checkboxes, issues. Each repository has its own.
type marks struct{ key []byte }

// marksFor derives the key of one repository from that of the server.
func marksFor(server []byte, repository int64) marks {
	h := hmac.New(sha256.New, server)
	h.Write([]byte("repository " + strconv.FormatInt(repository, 10)))
	return marks{h.Sum(nil)}
}

func (m marks) sign(what, key string) string {
	h := hmac.New(sha256.New, m.key)
	fmt.Fprintf(h, "%d:%s%s", len(what), what, key)
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// of is the mark of a thing: what it is, and which one. Neither may have blanks
// or end a comment.
func (m marks) of(what, key string) string {
	return fmt.Sprintf("<!-- oakum:%s %s sig=%s -->", what, key, m.sign(what, key))
}

// in says whether a text has a mark.
func (m marks) in(text, what, key string) bool { return strings.Contains(text, m.of(what, key)) }

var markPattern = regexp.MustCompile(`<!-- oakum:([a-z]+) ([0-9A-Za-z_._/:-]+) sig=([0-9a-f]{32}) -->`)

// all are the keys of all marks of a kind in a text, in order, that are signed.
func (m marks) all(text, what string) []string {
	var out []string
	for _, found := range markPattern.FindAllStringSubmatch(text, -1) {
		if found[1] == what && hmac.Equal([]byte(found[3]), []byte(m.sign(what, found[2]))) {
			out = append(out, found[2])
		}
	}
	return out
}
