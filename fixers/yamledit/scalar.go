package yamledit

import (
	"encoding/json"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// scalar writes a scalar so that readers of YAML 1.1, YAML 1.2 and JSON agree
// on it. old is the scalar whose quotes it takes over.
func (s style) scalar(n, old *yaml.Node, flow, json bool) string {
	if n.Kind != yaml.ScalarNode {
		return s.compact(n, nil, json) // a key that is no scalar
	}
	if n.ShortTag() != "!!str" && n.Style&quoted == 0 {
		if n.Value == "" && (json || flow) && n.ShortTag() == "!!null" {
			return "null"
		}
		return n.Value
	}
	if plain(n) && word(n) != "" {
		return n.Value // what the file has, it keeps: quotes would make it another key or value
	}
	quotes := n.Style
	if old != nil && old.Kind == yaml.ScalarNode && old.Style&quoted != 0 && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
		quotes = old.Style
	}
	switch {
	case json:
		return quote(n.Value)
	case quotes&yaml.SingleQuotedStyle != 0 && printable(n.Value):
		return "'" + strings.ReplaceAll(n.Value, "'", "''") + "'"
	case quotes&yaml.DoubleQuotedStyle != 0:
		return quote(n.Value)
	case plainSafe(n.Value, flow):
		return n.Value
	}
	return quote(n.Value)
}

// quote writes a JSON string, which is a YAML double-quoted scalar too.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""` // a string always encodes
	}
	// JSON leaves these as they are; YAML takes some for breaks, and refuses the rest.
	return strings.NewReplacer("\u0085", `\u0085`, "\u007f", `\u007f`, "\ufeff", `\ufeff`).Replace(strings.TrimSuffix(b.String(), "\n"))
}

// printable tells text that quotes alone carry on one line.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffd
	})
}

var (
	plainStart = regexp.MustCompile(`^([\p{L}0-9_/.$(+\\^~;]|--?\p{L})`)
	// Numbers of YAML 1.1 in all their bases, and what looks like them: sexagesimals, dates, versions in part.
	numberLike = regexp.MustCompile(`^[-+.]?[0-9][0-9_,.:eExXoObBa-fA-F+-]*$|^[-+]?\.(inf|Inf|INF|nan|NaN|NAN)$|^[-+]?\.[0-9]|^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}`)
)

// plainSafe tells whether a string may stand without quotes, for readers of
// YAML 1.1 (kubectl) and 1.2 alike (YAML 1.2.2, section 7.3.3).
func plainSafe(s string, flow bool) bool {
	if s == "" || boolean[strings.ToLower(s)] != "" || numberLike.MatchString(s) || !plainStart.MatchString(s) || !printable(s) {
		return false
	}
	if n := (&yaml.Node{Kind: yaml.ScalarNode, Value: s}); n.ShortTag() != "!!str" {
		return false
	}
	if strings.Contains(s, ": ") || strings.Contains(s, " #") || strings.HasSuffix(s, ":") || strings.HasSuffix(s, " ") || strings.HasPrefix(s, "...") {
		return false
	}
	return !flow || !strings.ContainsAny(s, ",[]{}:")
}

// literalSafe tells a text of several lines that a literal block scalar holds
// without indicators for indentation (YAML 1.2.2, section 8.1.2).
func literalSafe(s string) bool {
	body := strings.TrimSuffix(s, "\n")
	if !strings.Contains(body, "\n") || strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\n") || strings.HasPrefix(s, "\t") || strings.HasSuffix(body, "\n") {
		return false
	}
	for line := range strings.SplitSeq(body, "\n") {
		if !printable(strings.ReplaceAll(line, "\t", " ")) || strings.TrimRight(line, " \t") != line || strings.HasPrefix(line, "\t") {
			return false
		}
	}
	return true
}

// literal writes a text as a literal block scalar: its indicators and lines.
func literal(s string) (indicator string, lines []string) {
	indicator = "|"
	if !strings.HasSuffix(s, "\n") {
		indicator = "|-"
	}
	return indicator, strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// opens tells whether the text of a new value ends in a literal whose last
// break is part of it.
func opens(n *yaml.Node) bool {
	for n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	return n.Kind == yaml.ScalarNode && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && literalSafe(n.Value) && strings.HasSuffix(n.Value, "\n")
}
