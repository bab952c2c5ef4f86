package remediate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Proposal is one pull request as it should be: one commit on a branch of its
// own. The same findings and files make the same proposal, so publishing it
// twice changes nothing.
type Proposal struct {
	Branch, Base string            // branch names without refs/heads/
	BaseCommit   string            // hash the files were read at
	Message      string            // commit message without trailers
	Files        map[string][]byte // path (slash, relative) -> content after; existing files keep their mode, new ones get 0644
	Title, Body  string            // of the pull request; Publish appends a hidden marker to the body
	Labels       []string
	Findings     []string // fingerprints, sorted

	Lessened []string // those of Findings that may stay, as less than they were
	Key      []byte   // signs the marker; nil: it is not signed, and any is believed
	Draft    bool     // a person has to look before it can be merged
	Again    bool     // a person wants it: also if it was declined, and made anew if it is there
}

// Digest is the hex SHA-256 of the files as they will be: path and content,
// sorted by path. Neither the base commit nor the wording is part of it.
func (p Proposal) Digest() string { return digest(p.Files) }

// digest writes lengths before values, so that no two sets of files can run
// together into the same bytes.
func digest(files map[string][]byte) string {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%d:%s%d:", len(path), path, len(files[path]))
		h.Write(files[path])
	}
	return hex.EncodeToString(h.Sum(nil))
}

var (
	markerPattern      = regexp.MustCompile(`<!-- oakum:v1 plan=([0-9a-f]{64}) findings=([0-9A-Za-z._:,-]*)( draft)?(?: sig=([0-9a-f]{64}))? -->`)
	hashPattern        = regexp.MustCompile(`^[0-9a-f]{40}$`)
	fingerprintPattern = regexp.MustCompile(`^[0-9A-Za-z._:-]{1,128}$`)
	branchPattern      = regexp.MustCompile(`^[0-9A-Za-z]+([._/-]?[0-9A-Za-z]+)*$`)
)

const (
	draftMark   = " draft" // in a marker, after the findings
	planTrailer = "Oakum-Plan"
	baseTrailer = "Oakum-Base"
)

// CommitMessage is the message of the proposal's commit: its text and two
// trailers, by which ReadTip knows it again.
func (p Proposal) CommitMessage() string {
	return fmt.Sprintf("%s\n\n%s: %s\n%s: %s\n",
		strings.TrimSpace(p.Message), planTrailer, p.Digest(), baseTrailer, p.BaseCommit)
}

// maxBody is what GitHub takes as the body of a pull request, in characters,
// less some room; bytes are counted, which are never fewer.
const maxBody = 65000

// whyDraft holds as well where a forge has no drafts.
const whyDraft = "**Look before you merge:** the evidence for one of these fixes, or more, is weak, as told below."

// Text is what people read of the pull request.
func (p Proposal) Text() string {
	text := strings.TrimSpace(p.Body)
	if p.Draft {
		text = whyDraft + "\n\n" + text
	}
	return text
}

// body is the text of the pull request with the marker that lets a later run
// know which plan and findings it stands for.
func (p Proposal) body() (string, error) {
	plan, findings := p.Digest(), strings.Join(p.Findings, ",")
	if p.Draft {
		findings += draftMark
	}
	marker := fmt.Sprintf("<!-- oakum:v1 plan=%s findings=%s -->", plan, findings)
	if p.Key != nil {
		marker = fmt.Sprintf("<!-- oakum:v1 plan=%s findings=%s sig=%s -->", plan, findings, signature(p.Key, p.Branch, plan, findings))
	}
	room := maxBody - len(marker)
	if room < maxBody/2 {
		return "", fmt.Errorf("%d findings are too many for one pull request: group them into smaller ones", len(p.Findings))
	}
	return Shorten(p.Text(), room) + "\n\n" + marker, nil
}

// Shorten cuts Markdown at the end of a line to at most room bytes, closing a
// code fence that the cut would leave open.
func Shorten(text string, room int) string {
	if len(text) <= room {
		return text
	}
	const note = "\n\n_Cut here: the text is longer than a pull request takes. `oakum fix` prints all of it._"
	text = text[:room-len(note)-len("\n```")]
	text = strings.ToValidUTF8(text[:max(strings.LastIndexByte(text, '\n'), 0)], "")
	open := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "```") {
			open = !open
		}
	}
	if open {
		text += "\n```"
	}
	return text + note
}

// signature is what only the holder of the key can put into a marker. It holds
// for the branch, so that a marker says nothing of another pull request.
func signature(key []byte, branch, plan, findings string) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "pull request\x00%s\x00%s\x00%s", branch, plan, findings)
	return hex.EncodeToString(h.Sum(nil))
}

// Marked are the fingerprints in the marker of a pull request for a branch. It
// is the last marker that counts: Publish puts it at the end, so text that
// imitates one further up is not believed. With a key only a signed one counts.
func Marked(body, branch string, key []byte) (findings []string, ok bool) {
	findings, _, ok = marked(body, branch, key)
	return findings, ok
}

// marked also tells whether the pull request was to be a draft.
func marked(body, branch string, key []byte) (findings []string, draft, ok bool) {
	all := markerPattern.FindAllStringSubmatch(body, -1)
	if len(all) == 0 {
		return nil, false, false
	}
	m := all[len(all)-1]
	if key != nil && !hmac.Equal([]byte(m[4]), []byte(signature(key, branch, m[1], m[2]+m[3]))) {
		return nil, false, false
	}
	return strings.Split(m[2], ","), m[3] != "", true
}

// Withdraw is the body of a pull request that oakum itself closes, since it is
// needed no more: nobody declined it, and its findings may come back.
func Withdraw(body, branch string, key []byte) string {
	if Withdrawn(body, branch, key) {
		return body
	}
	return Shorten(body, maxBody) + "\n" + withdrawal(branch, key)
}

// Withdrawn says whether oakum closed a pull request with this body.
func Withdrawn(body, branch string, key []byte) bool {
	return key != nil && strings.HasSuffix(strings.TrimSpace(body), withdrawal(branch, key))
}

func withdrawal(branch string, key []byte) string {
	return fmt.Sprintf("<!-- oakum:withdrawn sig=%s -->", signature(key, branch, "withdrawn", ""))
}

// check refuses a proposal that could write outside what a proposal may write.
func (p Proposal) check() error {
	switch {
	case !safeBranch(p.Branch):
		return fmt.Errorf("branch name %q: use letters, digits and single . _ - / only", p.Branch)
	case p.Base == "":
		return errors.New("no base branch: name the branch the pull request should target")
	case p.Base == p.Branch:
		return fmt.Errorf("branch %q is its own base: give the proposal a branch of its own", p.Branch)
	case !hashPattern.MatchString(p.BaseCommit):
		return fmt.Errorf("base commit %q is not a full commit hash", p.BaseCommit)
	case strings.TrimSpace(p.Title) == "" || strings.TrimSpace(p.Message) == "":
		return errors.New("a proposal needs a title and a commit message")
	case len(p.Files) == 0:
		return errors.New("a proposal needs at least one changed file")
	case len(p.Findings) == 0:
		return errors.New("a proposal needs at least one finding")
	}
	for path := range p.Files {
		if !SafePath(path) {
			return fmt.Errorf("path %q must stay inside the repository and out of .git", path)
		}
	}
	for _, f := range p.Findings {
		if !fingerprintPattern.MatchString(f) {
			return fmt.Errorf("fingerprint %q has characters that a marker cannot carry", f)
		}
	}
	return nil
}

// safeBranch is stricter than git: what is left needs no quoting anywhere.
func safeBranch(name string) bool {
	if !branchPattern.MatchString(name) || len(name) > 200 {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// SafePath says whether a slash-separated path may be read from or written to
// a repository: relative, inside, and with no part that git or a file system
// could take for .git.
func SafePath(path string) bool {
	if path == "." || !fs.ValidPath(path) || strings.ContainsAny(path, "\\\x00") {
		return false
	}
	for part := range strings.SplitSeq(path, "/") {
		// NTFS short name, and the characters HFS+ ignores, after git's own check.
		folded := strings.Map(func(r rune) rune {
			if r >= 0x200c && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x206a && r <= 0x206f || r == 0xfeff {
				return -1
			}
			return r
		}, strings.ToLower(strings.TrimRight(part, ". ")))
		if folded == ".git" || folded == "git~1" {
			return false
		}
	}
	return true
}
