package remediate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Schedule is when pull requests may be opened.
type Schedule struct {
	Timezone string   `yaml:"timezone"` // name in the IANA database; empty: UTC
	Windows  []string `yaml:"windows"`  // days, hours or both: mon-fri 22:00-06:00
}

// window is a span of hours on some days of the week. One that ends before it
// begins ends on the next day.
type window struct {
	days     [7]bool
	from, to int // minutes of the day; to may be 24 hours
}

var (
	weekdays    = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	hoursFormat = regexp.MustCompile(`^([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})$`)
)

// maxWindows bounds a schedule.
const maxWindows = 50

func (s Schedule) check() error {
	if _, err := s.location(); err != nil {
		return err
	}
	if len(s.Windows) == 0 || len(s.Windows) > maxWindows {
		return fmt.Errorf("windows: want 1 to %d", maxWindows)
	}
	_, err := s.parsed()
	return err
}

func (s Schedule) location() (*time.Location, error) {
	zone := s.Timezone
	if zone == "Local" {
		zone = "?" // that of a server says nothing to the repository
	}
	at, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("timezone %q is not known: want a name such as Europe/Berlin", s.Timezone)
	}
	return at, nil
}

func (s Schedule) parsed() ([]window, error) {
	var out []window
	for _, text := range s.Windows {
		w, err := parseWindow(text)
		if err != nil {
			return nil, fmt.Errorf("window %q: %w", text, err)
		}
		out = append(out, w)
	}
	return out, nil
}

func parseWindow(text string) (window, error) {
	w := window{to: 24 * 60}
	days, hours, both := strings.Cut(text, " ")
	if !both && hoursFormat.MatchString(text) {
		days, hours = "sun-sat", text
	}
	for part := range strings.SplitSeq(days, ",") {
		first, last, span := strings.Cut(part, "-")
		if !span {
			last = first
		}
		from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if from < 0 || to < 0 {
			return w, errors.New("want days such as mon-fri or sat,sun, hours such as 22:00-06:00, or days and then hours")
		}
		for d := from; ; d = (d + 1) % 7 {
			w.days[d] = true
			if d == to {
				break
			}
		}
	}
	if hours == "" && !both {
		return w, nil
	}
	m := hoursFormat.FindStringSubmatch(hours)
	if m == nil {
		return w, errors.New("want hours such as 22:00-06:00")
	}
	var n [4]int
	for i, digits := range m[1:] {
		n[i], _ = strconv.Atoi(digits) // two digits
	}
	w.from, w.to = n[0]*60+n[1], n[2]*60+n[3]
	if n[1] > 59 || n[3] > 59 || w.from >= 24*60 || w.to > 24*60 || w.from == w.to {
		return w, errors.New("want hours from 00:00 to 24:00 that differ")
	}
	return w, nil
}

// Open tells whether pull requests may be opened at a time, and if not, when
// they may. A schedule that is not one is never open.
func (s *Schedule) Open(now time.Time) (open bool, next time.Time) {
	if s == nil {
		return true, time.Time{}
	}
	at, err := s.location()
	windows, err2 := s.parsed()
	if err != nil || err2 != nil {
		return false, now.Add(24 * time.Hour)
	}
	local := now.In(at)
	for ahead := -1; ahead <= 7; ahead++ {
		for _, w := range windows {
			year, month, day := local.Date()
			midnight := time.Date(year, month, day+ahead, 0, 0, 0, 0, at)
			if !w.days[midnight.Weekday()] {
				continue
			}
			to := w.to
			if to < w.from {
				to += 24 * 60
			}
			// The clock on the wall counts, also on days that have 23 or 25 hours.
			begin := time.Date(year, month, day+ahead, 0, w.from, 0, 0, at)
			end := time.Date(year, month, day+ahead, 0, to, 0, 0, at)
			switch {
			case !now.Before(begin) && now.Before(end):
				return true, time.Time{}
			case begin.After(now) && (next.IsZero() || begin.Before(next)):
				next = begin
			}
		}
	}
	return false, next
}
