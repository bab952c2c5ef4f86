package report

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/oakum-dev/oakum/detect/compliance"
)

// htmlEvidence is how many findings of a control the page lists.
const htmlEvidence = 25

// segment is one verdict's part of a bar, in hundredths of its width.
type segment struct {
	Verdict  compliance.Verdict
	From, To float64
}

// Width is how wide the segment is.
func (s segment) Width() float64 { return s.To - s.From }

func segments(n Counts) []segment {
	total := 0
	for _, v := range compliance.Verdicts {
		total += n[v]
	}
	var out []segment
	before := 0
	for _, v := range compliance.Verdicts {
		if n[v] > 0 {
			out = append(out, segment{v, 100 * float64(before) / float64(total), 100 * float64(before+n[v]) / float64(total)})
		}
		before += n[v]
	}
	return out
}

// inWords is what a bar shows, for those who do not see it.
func inWords(n Counts) string {
	var parts []string
	for _, v := range compliance.Verdicts {
		if n[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[v], word(v)))
		}
	}
	return strings.Join(parts, ", ")
}

// Detailed tells the page whether to list controls.
func (r *Compliance) Detailed() bool { return !r.brief }

// complianceTemplate is one self-contained page: no script, nothing fetched.
var complianceTemplate = template.Must(template.New("compliance").Funcs(template.FuncMap{
	"text": printable, "where": where, "word": word, "segments": segments, "inWords": inWords,
	"verdicts": func() []compliance.Verdict { return compliance.Verdicts },
	"head":     func(r *Compliance) []string { return r.head() },
	"full":     Framework.full, "why": Control.why, "judged": Control.judged, "place": (*Evidence).place, "says": (*Evidence).says,
	"shown": func(c Control) []*Evidence { e, _ := c.shown(htmlEvidence); return e },
	"left":  func(c Control) int { _, n := c.shown(htmlEvidence); return n },
}).Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>oakum compliance report</title>
<style>
:root { color-scheme: light dark; --line: #8884; --dim: light-dark(#666, #999); --fail: light-dark(#b3261e, #f2867d); --exempted: light-dark(#7b4fa3, #c9a2ee); --manual: light-dark(#8a6100, #dcb44c); --not-evaluated: light-dark(#8b8b8b, #777); --pass: light-dark(#1b7a43, #6cc790); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .25rem; } p { margin: .25rem 0 .75rem; } p.note { color: var(--dim); max-width: 60rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } td.bar { width: 30%; min-width: 8rem; vertical-align: middle; } tr.level th { font-weight: 400; padding-left: 1rem; }
svg { display: block; width: 100%; height: .8rem; border-radius: .2rem; }
.fail { --c: var(--fail); } .exempted { --c: var(--exempted); } .manual { --c: var(--manual); } .not-evaluated { --c: var(--not-evaluated); } .pass { --c: var(--pass); }
rect { fill: var(--c); } b.verdict { color: var(--c); font-weight: 600; white-space: nowrap; } td.id { overflow-wrap: anywhere; min-width: 6rem; } .wide { overflow-x: auto; }
@media (min-width: 48rem) { td.id { white-space: nowrap; } }
ul { margin: .25rem 0; padding-left: 1.1rem; } code { font: .85em ui-monospace, monospace; overflow-wrap: anywhere; } small { color: var(--dim); }
@media print { body { margin: 0; max-width: none; font-size: 10pt; } h2 { break-after: avoid; } tr { break-inside: avoid; } rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; } a { color: inherit; text-decoration: none; } }
</style>
</head>
<body>
<h1>Compliance report</h1>
<p>{{range head .}}{{text .}} {{end}}</p>
{{if .Errors}}<ul>{{range .Errors}}<li><code>{{text (where .)}}</code> {{text .Message}}</li>{{end}}</ul>
{{end}}<div class="wide"><table>
<thead><tr><th scope="col">Framework</th><th scope="col">Controls</th>{{range verdicts}}<th scope="col" class="n">{{word .}}</th>{{end}}</tr></thead>
<tbody>
{{define "counts"}}<td class="bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{{inWords .}}">{{range segments .}}<rect class="{{.Verdict}}" x="{{printf "%.2f" .From}}" y="0" width="{{printf "%.2f" .Width}}" height="8"><title>{{word .Verdict}}</title></rect>{{end}}</svg></td>{{$counts := .}}{{range verdicts}}<td class="n">{{index $counts .}}</td>{{end}}{{end}}{{$detailed := .Detailed}}{{range $i, $f := .Frameworks}}<tr><th scope="row">{{if $detailed}}<a href="#f{{$i}}">{{text (full $f)}}</a>{{else}}{{text (full $f)}}{{end}}</th>{{template "counts" .Counts}}</tr>
{{if $detailed}}{{range .Levels}}<tr class="level"><th scope="row">{{text .Level}}</th>{{template "counts" .Counts}}</tr>
{{end}}{{end}}{{end}}</tbody>
</table></div>
{{if .Detailed}}{{range $i, $f := .Frameworks}}<section>
<h2 id="f{{$i}}">{{text (full $f)}}</h2>
<p class="note">{{text .Note}} Source: {{text .Source}}.</p>
<table>
<thead><tr><th scope="col">Control</th><th scope="col">Verdict</th><th scope="col">Evidence</th></tr></thead>
<tbody>
{{range .Controls}}<tr class="{{.Verdict}}"><td class="id">{{text .ID}}{{if .Level}}<br><small>{{text .Level}}</small>{{end}}</td><td><b class="verdict">{{word .Verdict}}</b></td><td>{{text .Title}}{{if and (ne .Verdict "pass") (ne .Verdict "fail") (why .)}}<br><small>{{text (why .)}}</small>{{end}}{{if .Evidence}}<ul>{{range shown .}}<li><code>{{text (place .)}}</code> {{text (says .)}} <small>{{.Severity}}, {{.Policy}}</small></li>{{end}}{{with left .}}<li>and {{.}} more</li>{{end}}</ul>{{else if eq .Verdict "pass"}}<br><small>{{judged .}}</small>{{end}}</td></tr>
{{end}}</tbody>
</table>
</section>
{{end}}{{end}}<p><small>Verdicts speak of what was read, and of nothing else. Pass: resources were looked at and nothing was found. Manual: a person must judge. Not evaluated: nothing can be said, for the reason given.</small></p>
</body>
</html>
`))
