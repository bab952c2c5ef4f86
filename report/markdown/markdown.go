// Package markdown makes what strangers chose harmless in Markdown that GitHub
// shows. Control characters are the caller's to replace.
package markdown

import "strings"

// references stand for characters wherever these are, in a cell as in an HTML
// block. GitHub looks for mentions and numbers after it resolved references,
// so these get a space of no width as well.
var references = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "&#124;", "`", "&#96;", "\\", "&#92;",
	"*", "&#42;", "_", "&#95;", "[", "&#91;", "]", "&#93;", "~", "&#126;", "://", ":&#47;&#47;", "www.", "www&#46;",
	"@", "@&#8203;", "#", "#&#8203;")

// Text is one line without meaning: no markup, no HTML, no mention, no link, no
// end of a table cell.
func Text(line string) string { return references.Replace(line) }

// Code is one line for between single backticks, in a table too.
func Code(line string) string {
	return strings.NewReplacer("`", "'", "|", "\\|").Replace(line)
}
