package bot

import (
	"sync"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

// memory is what is known of a repository, to be faster the next time. All of
// it can be lost; a full reconcile does not trust it.
type memory struct {
	mu       sync.Mutex // held by the one task that works on the repository
	used     int64      // when, in tasks, for the least recently used to go
	settings string     // digest of what the rest was judged by
	files    map[fileKey]*parsed
	reading  int // counts readings of trees
	trees    map[string]*remediate.Project
	last     *remediate.Project  // the one that was read last
	policies []*policy.Policy    // of the settings
	selected []*policy.Policy    // those whose findings are asked for
	groups   map[string]*planned // by key
	full     bool                // groups has all there are
}

type fileKey struct {
	path, identity string
	form           manifest.Form
}

// parsed is a file as it was read from bytes of an identity.
type parsed struct {
	file *manifest.File
	errs []manifest.Error
	used int
}

// planned is a group and what became of it.
type planned struct {
	signature string
	group     *remediate.Group // nil: nothing can be mended
	settled   bool             // what it says is published, or a person decided against it
	outcome   remediate.Outcome
	undecided bool     // people did not decide against it, when that was asked
	reverted  []string // findings that people took back
	again     bool     // a person wants it, whatever was decided or is the limit
	waits     string   // why it is not opened yet; empty: it is, or need not be
}

// maxMemories bounds how many repositories are remembered, and maxSources the
// manifests of one, in bytes.
const (
	maxMemories = 64
	maxSources  = 256 << 20
)

type memories struct {
	mu    sync.Mutex
	clock int64
	known map[int64]*memory
}

// of gives the memory of a repository, locked.
func (m *memories) of(repository int64) *memory {
	m.mu.Lock()
	m.clock++
	r := m.known[repository]
	if r == nil {
		if len(m.known) >= maxMemories {
			m.evict()
		}
		r = &memory{}
		r.reset("")
		m.known[repository] = r
	}
	r.used = m.clock
	m.mu.Unlock()
	r.mu.Lock()
	return r
}

func (m *memories) evict() {
	var oldest int64 = -1
	for id, r := range m.known {
		if oldest < 0 || r.used < m.known[oldest].used {
			oldest = id
		}
	}
	delete(m.known, oldest)
}

func (m *memories) drop(repository int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, repository)
}

// reset forgets everything that other settings would have judged otherwise.
func (r *memory) reset(settings string) {
	r.settings = settings
	r.files = map[fileKey]*parsed{}
	r.trees, r.last = map[string]*remediate.Project{}, nil
	r.groups = map[string]*planned{}
	r.full = false
}

// reuse gives files that were read before.
func (r *memory) reuse(identity func(string) string) manifest.Reuse {
	r.reading++
	reading := r.reading
	var mu sync.Mutex
	return func(path string, form manifest.Form, read func() (*manifest.File, []manifest.Error)) (*manifest.File, []manifest.Error) {
		key := fileKey{path, identity(path), form}
		mu.Lock()
		if p := r.files[key]; p != nil {
			p.used = reading
			mu.Unlock()
			return p.file, p.errs
		}
		mu.Unlock()
		file, errs := read()
		mu.Lock()
		r.files[key] = &parsed{file, errs, reading}
		mu.Unlock()
		return file, errs
	}
}

// keepReadings is how many readings a file outlives that did not need it: base
// and head of a few pull requests.
const keepReadings = 6

// tidy lets go of what was not needed for a while, or is too much.
func (r *memory) tidy() {
	size := 0
	for key, p := range r.files {
		if p.used < r.reading-keepReadings {
			delete(r.files, key)
		} else if p.file != nil {
			size += len(p.file.Source)
		}
	}
	if size > maxSources {
		r.files = map[fileKey]*parsed{}
	}
	if len(r.trees) > 2 {
		r.trees = map[string]*remediate.Project{}
	}
}
