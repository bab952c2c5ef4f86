// Command size measures what oakum costs by the size of a cluster: it makes
// recordings of clusters of a thousand to a hundred thousand objects, scans
// each with the oakum it is given, as a whole process, and writes what that
// took as a table and as a plot.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/oakum-dev/oakum/testdata/fleet"
)

var sizes = []int{1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000}

// run is what one size took: the median of several scans.
type run struct {
	objects, pods int
	cpu           time.Duration
	memory        int64 // bytes, at the most
}

func main() {
	oakum := flag.String("oakum", "dist/oakum", "the program to measure")
	out := flag.String("out", "docs", "the directory that size.csv and size.svg are written to")
	times := flag.Int("n", 3, "scans of each size, of which the median counts")
	snapshot := flag.String("snapshot", "", "only write a recording of a cluster of -pods pods to this file")
	pods := flag.Int("pods", 10_000, "of the recording")
	flag.Parse()
	var err error
	if *snapshot != "" {
		_, _, err = record(*snapshot, fleet.Cluster{Seed: 1, Pods: *pods})
	} else {
		err = measure(*oakum, *out, *times)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

func measure(oakum, out string, times int) error {
	dir, err := os.MkdirTemp("", "oakum-size-")
	if err != nil {
		return fmt.Errorf("making a directory for recordings: %w", err)
	}
	defer os.RemoveAll(dir)
	var runs []run
	for _, n := range sizes {
		file := filepath.Join(dir, "snapshot.json")
		objects, pods, err := record(file, fleet.Of(n))
		if err != nil {
			return err
		}
		r, err := median(oakum, file, times)
		if err != nil {
			return err
		}
		r.objects, r.pods = objects, pods
		fmt.Printf("%d objects, %d pods: %.2f s of CPU, %d MiB\n", r.objects, r.pods, r.cpu.Seconds(), r.memory>>20)
		runs = append(runs, r)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(out, "size.csv"), table(runs), 0o644),
		os.WriteFile(filepath.Join(out, "size.svg"), plot(runs), 0o644),
	)
}

// record writes a recording of a cluster, and counts what is in it.
func record(name string, c fleet.Cluster) (objects, pods int, err error) {
	file, err := os.Create(name)
	if err != nil {
		return 0, 0, fmt.Errorf("writing a recording: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return c.Record(file)
}

// median scans a recording several times.
func median(oakum, file string, times int) (run, error) {
	var runs []run
	for range times {
		c := exec.Command(oakum, "scan", "--snapshot", file, "-o", "json", "--fail-on", "none")
		c.Stderr = os.Stderr
		if err := c.Run(); err != nil {
			return run{}, fmt.Errorf("running %s: %w", oakum, err)
		}
		usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage)
		if !ok {
			return run{}, errors.New("this system does not say what a process used")
		}
		runs = append(runs, run{cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime(), memory: usage.Maxrss << 10})
	}
	of := func(by func(run) int64) int64 {
		slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(by(a), by(b)) })
		return by(runs[len(runs)/2])
	}
	return run{
		cpu:    time.Duration(of(func(r run) int64 { return int64(r.cpu) })),
		memory: of(func(r run) int64 { return r.memory }),
	}, nil
}
