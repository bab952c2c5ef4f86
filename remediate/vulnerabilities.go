package remediate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/vuln"
)

// Bounds on the files of a tree that are read as reports.
const (
	maxReportFiles = 2000
	maxReportBytes = 512 << 20 // of all of them
)

// readReports reads the files of a tree that globs name as reports of image
// scanners. What cannot be read is listed, and the others count.
func readReports(tree fs.FS, globs []string) ([]*vuln.Report, []manifest.Error, error) {
	var names []string
	for _, glob := range globs {
		found, err := doublestar.Glob(tree, glob, doublestar.WithFilesOnly(), doublestar.WithNoFollow())
		if err != nil {
			return nil, nil, fmt.Errorf("looking for the reports %s: %w", glob, err)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > maxReportFiles {
		return nil, nil, fmt.Errorf("vulnerabilities: %d reports, more than the %d that are read: name fewer in %s", len(names), maxReportFiles, ConfigName)
	}
	var out []*vuln.Report
	var errs []manifest.Error
	var size int64
	for _, name := range names {
		if info, err := fs.Stat(tree, name); err == nil {
			size += info.Size()
		}
		if size > maxReportBytes {
			return nil, nil, fmt.Errorf("vulnerabilities: more than the %d MiB of reports that are read: name fewer in %s", maxReportBytes>>20, ConfigName)
		}
		reports, err := readReport(tree, name)
		if err != nil {
			errs = append(errs, manifest.Error{File: name, Message: err.Error()})
		}
		out = append(out, reports...)
	}
	if len(out) > vuln.MaxReports {
		return nil, nil, fmt.Errorf("vulnerabilities: reports on %d images, more than the %d that are read", len(out), vuln.MaxReports)
	}
	return out, errs, nil
}

func readReport(tree fs.FS, name string) ([]*vuln.Report, error) {
	f, err := tree.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading: %w", unwrapPath(err))
	}
	defer f.Close()
	return ReadReport(name, f)
}

// ReadReport reads a report of an image scanner from a file of any size.
func ReadReport(name string, from io.Reader) ([]*vuln.Report, error) {
	src, err := io.ReadAll(io.LimitReader(from, vuln.MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading: %w", unwrapPath(err))
	}
	return vuln.Read(name, src)
}

// unwrapPath drops the path that an *fs.PathError repeats.
func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
