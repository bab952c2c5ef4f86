package bot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/remediate"
)

// exemption is what /oakum ignore asks for: an entry of exemptions in the
// configuration.
type exemption struct {
	Policy string   `json:"policy"`
	Reason string   `json:"reason"`
	Owner  string   `json:"owner"`
	Until  string   `json:"until"`
	Kinds  []string `json:"kinds,omitempty"`
	Names  []string `json:"names,omitempty"`
	Paths  []string `json:"paths,omitempty"`
}

// key is the same for the same exemption.
func (e exemption) key() string {
	text, _ := json.Marshal(e) // strings alone
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

func (e exemption) branch() string {
	return configPrefix + "ignore-" + strings.Trim(branchWord.ReplaceAllString(strings.ToLower(e.Policy), "-"), "-") + "-" + e.key()
}

var branchWord = regexp.MustCompile(`[^a-z0-9]+`)

// proposal is the pull request that adds the exemption to the configuration as
// it is at the base. It has a pull request of its own because configuration is
// only ever read from the base branch, and is reviewed there like anything else.
func (e exemption) proposal(r *run, src []byte) (remediate.Proposal, error) {
	added, err := remediate.AddExemption(src, remediate.NewExemption{
		Policy: e.Policy, Reason: e.Reason, Owner: e.Owner, Until: e.Until, Kinds: e.Kinds, Names: e.Names, Paths: e.Paths,
	})
	if err != nil {
		return remediate.Proposal{}, err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return remediate.Proposal{}, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s asks to leave findings of %s as they are until **%s**:\n\n> %s\n\n", plain(e.Owner), code(e.Policy), plain(e.Until), plain(e.Reason))
	b.WriteString("Merge this to exempt them; the day after, they count again. Close it to refuse.\n")
	for _, p := range e.Paths {
		fmt.Fprintf(&b, "- %s\n", code(p))
	}
	encoded := base64.RawURLEncoding.EncodeToString(text)
	b.WriteString("\n" + r.marks.of(markExemption, encoded))
	title := fmt.Sprintf("Leave %s as it is until %s", e.Policy, e.Until)
	return remediate.Proposal{
		Branch: e.branch(), Base: r.base, BaseCommit: r.head, Title: title, Message: title + "\n\n" + line(e.Reason),
		Files: map[string][]byte{remediate.ConfigName: added}, Body: b.String(), Labels: []string{"oakum"},
		Findings: []string{"ignore-" + e.key()}, Key: r.marks.key,
	}, nil
}

const markExemption = "exemption"

// keepConfig keeps a pull request that changes the configuration: one that was
// overtaken is closed, an exemption is put into what the base has by now.
func (r *run) keepConfig(ctx context.Context, pull remediate.Pull) error {
	if pull.Branch == onboardingBranch {
		return r.withdraw(ctx, pull, "the repository has a configuration by now")
	}
	marked := r.marks.all(pull.Body, markExemption)
	if len(marked) == 0 {
		return nil // a person rewrote it
	}
	text, err := base64.RawURLEncoding.DecodeString(marked[len(marked)-1])
	if err != nil {
		return nil // signed, so this is never so
	}
	var e exemption
	if err := json.Unmarshal(text, &e); err != nil {
		return nil // the same
	}
	src, err := r.configAt(ctx, r.head)
	if err != nil {
		return err
	}
	p, err := e.proposal(r, src)
	if errors.Is(err, remediate.ErrExempted) {
		return r.withdraw(ctx, pull, "the configuration says so already")
	}
	if err != nil {
		return err
	}
	_, err = remediate.Publish(ctx, r.writer, r.host, p)
	return err
}

// configAt is the configuration at a commit; nil where there is none.
func (v *visit) configAt(ctx context.Context, commit string) ([]byte, error) {
	tree, err := v.tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	src, err := readConfig(tree)
	if errors.Is(err, errNoConfig) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return bytes.Clone(src), err
}

// sortedUnique is a list in order, each once.
func sortedUnique(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
