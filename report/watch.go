package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/oakum-dev/oakum/detect"
)

// The types of events. Those of findings are what a watch of Kubernetes calls
// them.
const (
	Added    = "ADDED"
	Modified = "MODIFIED"
	Deleted  = "DELETED"
	Synced   = "SYNCED"  // all that was there at the start is told
	Stale    = "STALE"   // what a kind is now is not known
	Current  = "CURRENT" // it is known again
)

// Event is what happened in a cluster that is watched: a line of the output.
type Event struct {
	Type    string    `json:"type"`
	Time    time.Time `json:"time"` // when it was noticed; of Stale, when it began
	Cluster string    `json:"cluster"`
	Finding *Finding  `json:"finding,omitempty"`
	Kind    string    `json:"kind,omitempty"`   // group/Kind that is stale or current
	Reason  string    `json:"reason,omitempty"` // why it is stale
}

// Events are what a delta tells of findings: what is gone first.
func Events(cluster string, at time.Time, d detect.Delta, controls func(policy string) map[string][]string) []Event {
	var out []Event
	add := func(kind string, findings []*detect.Finding) {
		for _, f := range findings {
			told := finding(f, true, nil)
			told.Controls = controls(told.Policy)
			out = append(out, Event{Type: kind, Time: at, Cluster: cluster, Finding: &told})
		}
	}
	add(Deleted, d.Gone)
	add(Modified, d.Changed)
	add(Added, d.Appeared)
	return out
}

// Events are the findings of a report, as those of a cluster that is watched from now on.
func (r *Report) Events(cluster string, at time.Time) []Event {
	var out []Event
	for _, f := range r.Open() {
		out = append(out, Event{Type: Added, Time: at, Cluster: cluster, Finding: &f})
	}
	return append(out, Event{Type: Synced, Time: at, Cluster: cluster})
}

// JSON writes the event as a line of JSON.
func (e Event) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(e)
}

var eventMark = map[string]string{Added: "+", Modified: "~", Deleted: "-"}

// Text writes the event as a line for people.
func (e Event) Text(w io.Writer, o Options) error {
	paint := o.paint
	at := e.Time.Local().Format(time.TimeOnly)
	var line string
	switch f := e.Finding; {
	case f != nil:
		line = fmt.Sprintf("%s %s  %s: %s  %s", eventMark[e.Type], paint(severityColor[f.Severity], fmt.Sprintf("%-8s", f.Severity)),
			printable(f.place()), printable(f.says()), paint("2", "["+f.Policy+"]"))
	case e.Type == Stale:
		line = fmt.Sprintf("! cluster %s: not known since then: %s: %s", printable(e.Cluster), printable(e.Kind), printable(e.Reason))
	case e.Type == Current:
		line = fmt.Sprintf("! cluster %s: known again: %s", printable(e.Cluster), printable(e.Kind))
	case e.Type == Synced:
		line = fmt.Sprintf("! cluster %s: watching", printable(e.Cluster))
	}
	_, err := fmt.Fprintf(w, "%s %s\n", at, line)
	return err
}

// place is the object that a finding is about, and the file that decides it.
func (f Finding) place() string {
	if f.Location.Line == 0 {
		return f.Location.File
	}
	return f.Location.String() + ": " + f.Resource.id()
}
