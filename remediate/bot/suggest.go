package bot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
)

// span is lines of a file, both included.
type span struct{ from, to int }

// lines are what of the new side of a pull request's diff can be remarked on: a
// span for every hunk, by file.
type lines map[string][]span

// within tells whether one hunk has all these lines.
func (l lines) within(path string, from, to int) bool {
	for _, s := range l[path] {
		if s.from <= from && to <= s.to {
			return true
		}
	}
	return false
}

var hunkPattern = regexp.MustCompile(`(?m)^@@ -[0-9]+(?:,[0-9]+)? \+([0-9]+)(?:,([0-9]+))? @@`)

// diffLines asks the forge for the diff as it shows it.
func (v *visit) diffLines(ctx context.Context, number int) (lines, error) {
	files, err := v.host.Files(ctx, number)
	if err != nil {
		return nil, err
	}
	out := lines{}
	for _, f := range files {
		for _, m := range hunkPattern.FindAllStringSubmatch(f.Patch, -1) {
			from, err := strconv.Atoi(m[1])
			if err != nil {
				continue
			}
			n := 1
			if m[2] != "" {
				if n, err = strconv.Atoi(m[2]); err != nil {
					continue
				}
			}
			if n > 0 {
				out[f.Path] = append(out[f.Path], span{from, from + n - 1})
			}
		}
	}
	return out, nil
}

// maxSuggestions bounds the remarks on one pull request; what is beyond them is
// in the comment's patch.
const maxSuggestions = 30

const markSuggestion = "suggestion"

// suggest remarks on the diff with changes that can be taken by a click, each
// once. It tells which files are wholly shown that way.
func (v *visit) suggest(ctx context.Context, pull remediate.Pull, c *comparison, diff lines) (map[string]bool, error) {
	have, err := v.host.ReviewComments(ctx, pull.Number)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, r := range have {
		if v.mine(r.Author, 0) {
			for _, key := range v.marks.all(r.Body, markSuggestion) {
				known[key] = true
			}
		}
	}
	var fresh []remediate.Suggestion
	shown := map[string]bool{}
	n := 0
	for _, change := range c.plan.Changes {
		all := c.suggestions(change, diff)
		if all == nil || n+len(all) > maxSuggestions {
			continue
		}
		n += len(all)
		shown[change.Path] = true
		for _, s := range all {
			key := suggestionKey(s)
			if !known[key] {
				s.Body = bounded(s.Body, v.marks.of(markSuggestion, key))
				fresh = append(fresh, s)
			}
		}
	}
	if len(fresh) == 0 {
		return shown, nil
	}
	left, err := v.host.Review(ctx, pull.Number, remediate.Review{
		Commit: pull.HeadCommit, Suggestions: fresh,
		Body: bounded(count(len(fresh), "fix")+" for what this pull request brings, each to be taken by a click.", v.marks.of(markReview, digestText(fresh))),
	})
	for _, s := range left {
		delete(shown, s.Path)
	}
	return shown, err
}

const markReview = "review"

func digestText(all []remediate.Suggestion) string {
	h := sha256.New()
	for _, s := range all {
		h.Write([]byte(suggestionKey(s)))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func suggestionKey(s remediate.Suggestion) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d\x00%s", s.Path, s.Line, s.EndLine, s.Body))
	return hex.EncodeToString(sum[:8])
}

// suggestions show a change of a file on the lines of a diff; nil where not all
// of it can be.
func (c *comparison) suggestions(change remediate.Change, diff lines) []remediate.Suggestion {
	if change.Before == nil || bytes.Contains(change.Before, []byte("\r")) || !bytes.HasSuffix(change.Before, []byte("\n")) || c.plan.Masked(change) != change.Diff() {
		return nil
	}
	before := strings.SplitAfter(string(change.Before), "\n")
	hunks := change.Hunks()
	fixes := nearest(hunks, change.Fixes)
	var out []remediate.Suggestion
	for i, h := range hunks {
		from, to := h.From, h.To-1
		with := strings.Join(h.With, "")
		if h.From == h.To { // put in: the line before is said again
			if h.From > 1 {
				from, to, with = h.From-1, h.From-1, before[h.From-2]+with
			} else {
				from, to, with = 1, 1, with+before[0]
			}
		}
		if !diff.within(change.Path, from, to) || with != "" && !strings.HasSuffix(with, "\n") {
			return nil
		}
		var b strings.Builder
		for _, f := range fixes[i] {
			fmt.Fprintf(&b, "**%s** %s — %s (%s)\n", f.Finding.Severity, plain(f.Finding.Message), plain(f.Title), f.Safety)
		}
		b.WriteString("\n" + remediate.Fence(with, "suggestion"))
		if with == "" {
			b.Reset()
			b.WriteString("```suggestion\n```")
		}
		out = append(out, remediate.Suggestion{Path: change.Path, Line: from, EndLine: to, Body: strings.TrimSpace(b.String())})
	}
	return out
}

// nearest gives each fix to the hunk that is nearest to its finding.
func nearest(hunks []remediate.Hunk, fixes []*fixers.Fix) [][]*fixers.Fix {
	out := make([][]*fixers.Fix, len(hunks))
	for _, f := range fixes {
		best, least := -1, 0
		for i, h := range hunks {
			d := max(h.From-f.Finding.Position.Line, f.Finding.Position.Line-h.To, 0)
			if best < 0 || d < least {
				best, least = i, d
			}
		}
		if best >= 0 {
			out[best] = append(out[best], f)
		}
	}
	return out
}
