package github

import (
	"bytes"
	"container/list"
	"fmt"
	"io"
	"net/http"
	"sync"
)

const (
	maxCached   = 64 << 20 // bytes of all answers that are remembered
	maxCacheOne = 1 << 20  // and of one
)

// memory remembers answers with their ETag: GitHub does not count a question
// whose answer is still the same. It is shared by all clients of a hub.
type memory struct {
	mu     sync.Mutex
	byKey  map[string]*list.Element
	recent *list.List // of *remembered; the front was used last
	size   int
}

type remembered struct {
	key, etag string
	header    http.Header
	body      []byte
}

func newMemory() *memory { return &memory{byKey: map[string]*list.Element{}, recent: list.New()} }

func (m *memory) get(key string) *remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.byKey[key]
	if !ok {
		return nil
	}
	m.recent.MoveToFront(e)
	return e.Value.(*remembered)
}

func (m *memory) put(r *remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.byKey[r.key]; ok {
		m.drop(e)
	}
	m.byKey[r.key] = m.recent.PushFront(r)
	m.size += len(r.body)
	for m.size > maxCached {
		m.drop(m.recent.Back())
	}
}

func (m *memory) drop(e *list.Element) {
	r := m.recent.Remove(e).(*remembered)
	delete(m.byKey, r.key)
	m.size -= len(r.body)
}

// conditional asks GitHub only for what has changed. Whose answers are kept
// apart, for what one may see another may not.
type conditional struct {
	next   http.RoundTripper
	memory *memory
	whose  string
}

func (c conditional) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet || req.Header.Get("If-None-Match") != "" {
		return c.next.RoundTrip(req)
	}
	key := fmt.Sprintf("%s %s %s", c.whose, req.Header.Get("Accept"), req.URL)
	had := c.memory.get(key)
	if had != nil {
		req = req.Clone(req.Context())
		req.Header.Set("If-None-Match", had.etag)
	}
	res, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if had != nil && res.StatusCode == http.StatusNotModified {
		res.Body.Close()
		return whole(req, http.StatusOK, had.header, had.body), nil
	}
	etag := res.Header.Get("ETag")
	if res.StatusCode != http.StatusOK || etag == "" || res.ContentLength > maxCacheOne {
		return res, nil
	}
	body, err := io.ReadAll(res.Body) // which is in memory, see patient
	if err != nil {
		return nil, err
	}
	c.memory.put(&remembered{key, etag, res.Header.Clone(), body})
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}
