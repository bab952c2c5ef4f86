package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
)

func table(runs []run) []byte {
	var b bytes.Buffer
	b.WriteString("objects,pods,cpu_seconds,peak_mib\n")
	for _, r := range runs {
		fmt.Fprintf(&b, "%d,%d,%.2f,%d\n", r.objects, r.pods, r.cpu.Seconds(), r.memory>>20)
	}
	return b.Bytes()
}

// The picture, in its own units.
const (
	width, height        = 720, 420
	left, right, top, at = 64, 64, 36, 370 // at: where the lowest values lie
)

// plot draws both figures over the size, all axes by powers of ten: what grows
// in proportion rises by one decade where the size does. A thin line shows that.
func plot(runs []run) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	x := func(objects int) float64 {
		return left + (math.Log10(float64(objects))-2.9)/(5.1-2.9)*(width-left-right)
	}
	y := func(v, lowest, decades float64) float64 {
		return at - math.Log10(v/lowest)/decades*(at-top)
	}
	for n := 1_000; n <= 100_000; n *= 10 {
		fmt.Fprintf(&b, `<path d="M%.1f %d V%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x(n), top, at, x(n), at+20, thousands(n))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">objects of the cluster</text>`+"\n", width/2, height-8)
	const decades = 3
	series := []struct {
		color, unit, anchor string
		at, side            float64
		lowest              float64
		of                  func(run) float64
	}{
		{"#1f6feb", "s of CPU", "end", left - 8, left, 0.1, func(r run) float64 { return r.cpu.Seconds() }},
		{"#d1242f", "MiB at the most", "start", width - right + 8, width - right, 10, func(r run) float64 { return float64(r.memory) / (1 << 20) }},
	}
	for _, s := range series {
		for i := range decades + 1 {
			v := s.lowest * math.Pow10(i)
			fmt.Fprintf(&b, `<text x="%.0f" y="%.1f" text-anchor="%s" fill="%s">%g</text>`+"\n", s.at, y(v, s.lowest, decades)+4, s.anchor, s.color, v)
		}
		fmt.Fprintf(&b, `<text x="%.0f" y="%d" text-anchor="%s" fill="%s">%s</text>`+"\n", s.side, top-16, map[string]string{"end": "start", "start": "end"}[s.anchor], s.color, s.unit)
		fmt.Fprintf(&b, `<path d="M%d %d V%d" transform="translate(%.0f 0)" stroke="%s"/>`+"\n", 0, top, at, s.side, s.color)
		var points, linear []string
		last := runs[len(runs)-1]
		for _, r := range runs {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(r.objects), y(s.of(r), s.lowest, decades)))
			if share := s.of(last) * float64(r.objects) / float64(last.objects); share >= s.lowest {
				linear = append(linear, fmt.Sprintf("%.1f,%.1f", x(r.objects), y(share, s.lowest, decades)))
			}
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", x(r.objects), y(s.of(r), s.lowest, decades), s.color)
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), s.color)
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-dasharray="3 4" opacity="0.7"/>`+"\n", strings.Join(linear, " "), s.color)
	}
	fmt.Fprintf(&b, `<path d="M%d %d H%d" stroke="#333"/>`+"\n</svg>\n", left, at, width-right)
	return b.Bytes()
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
