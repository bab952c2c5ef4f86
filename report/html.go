package report

import (
	"html/template"
	"io"

	"github.com/oakum-dev/oakum/detect/policy"
)

// html prints one self-contained page: no script, nothing fetched.
func (r *Report) html(w io.Writer, o Options) error {
	type file struct {
		Name     string
		Findings []Finding
	}
	type bar struct {
		Severity policy.Severity
		Count    int
		Percent  int
	}
	page := struct {
		*Report
		Version string
		Open    int
		Bars    []bar
		Files   []file
	}{Report: r, Version: o.Version}
	findings := r.Open()
	page.Open = len(findings)
	for _, s := range policy.Severities {
		n := r.Summary.BySeverity[s]
		b := bar{Severity: s, Count: n}
		if len(findings) > 0 {
			b.Percent = n * 100 / len(findings)
		}
		page.Bars = append(page.Bars, b)
	}
	for _, f := range findings {
		if n := len(page.Files); n == 0 || page.Files[n-1].Name != f.Location.File {
			page.Files = append(page.Files, file{Name: f.Location.File})
		}
		last := &page.Files[len(page.Files)-1]
		last.Findings = append(last.Findings, f)
	}
	return pageTemplate.Execute(w, page)
}

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{"text": printable, "where": where, "says": Finding.says, "looked": Summary.looked}).Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>oakum report</title>
<style>
:root { color-scheme: light dark; --line: #8884; --dim: #767676; --critical: #c0392b; --high: #d9652b; --medium: #b8860b; --low: #2c7fb8; --info: #767676; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1rem; font-family: ui-monospace, monospace; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } td.n, th.n { text-align: right; } small { color: var(--dim); }
.bar { height: .7rem; border-radius: .2rem; min-width: 2px; } .critical { --c: var(--critical); } .high { --c: var(--high); } .medium { --c: var(--medium); } .low { --c: var(--low); } .info { --c: var(--info); }
.bar { background: var(--c); } b.sev { color: var(--c); font-weight: 600; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
</style>
</head>
<body>
<h1>oakum report</h1>
<p>{{looked .Summary}}; {{.Open}} findings, {{.Summary.Fixable}} of which can be mended{{with .Summary.Exempted}}; {{.}} exempted{{end}}{{with .Summary.Unchanged}}; {{.}} known from the baseline{{end}}.</p>
<table aria-label="findings by severity">
{{range .Bars}}<tr class="{{.Severity}}"><th scope="row">{{.Severity}}</th><td class="n">{{.Count}}</td><td style="width:80%"><div class="bar" style="width:{{.Percent}}%"></div></td></tr>
{{end}}</table>
{{if .Errors}}<h2>could not be read</h2><ul>{{range .Errors}}<li>{{text (where .)}}: {{text .Message}}</li>{{end}}</ul>{{end}}
{{range .Files}}<h2>{{text .Name}}</h2>
<table>
<thead><tr><th scope="col" class="n">Line</th><th scope="col">Severity</th><th scope="col">Finding</th><th scope="col">Fix</th></tr></thead>
<tbody>
{{range .Findings}}<tr class="{{.Severity}}"><td class="n">{{with .Location.Line}}{{.}}{{end}}</td><td><b class="sev">{{.Severity}}</b></td><td>{{text (says .)}}<br><small>{{text .Resource.Kind}} {{text .Resource.Name}} · {{.Policy}}{{if .Stands}}<br>risk {{.Risk.Score}}: {{.Because}}{{end}}</small></td><td>{{if .Fix.Available}}{{text .Fix.Title}} <small>({{.Fix.Safety}})</small>{{else}}<small>{{text .Fix.Reason}}</small>{{end}}</td></tr>
{{end}}</tbody>
</table>
{{end}}{{if .Summary.Exempted}}<h2>exempted</h2>
<table>
<thead><tr><th scope="col">Finding</th><th scope="col">Reason</th><th scope="col">Owner</th><th scope="col">Until</th></tr></thead>
<tbody>
{{range .Findings}}{{if .Exempted}}<tr><td>{{text .Location.File}}{{with .Location.Line}}:{{.}}{{end}}: {{text .Message}}<br><small>{{.Policy}}</small></td><td>{{text .Exemption.Reason}}</td><td>{{text .Exemption.Owner}}</td><td>{{.Exemption.Until}}</td></tr>
{{end}}{{end}}</tbody>
</table>
{{end}}<p><small>oakum {{.Version}}</small></p>
</body>
</html>
`))
