package bot

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/repo"
)

// presetCache keeps presets for a while: many repositories extend the same.
type presetCache struct {
	mu    sync.Mutex
	known map[presetKey]presetText
}

// presetKey tells apart who reads, for what one may read another may not.
type presetKey struct {
	owner string
	remediate.Preset
}

type presetText struct {
	text []byte
	at   time.Time
}

const (
	presetAge      = 5 * time.Minute
	maxPresets     = 500
	maxPresetBytes = 64 << 20 // of the repository that holds one
)

// preset reads a shared preset. A repository of the same owner is read with
// oakum's own rights there; any other as the public reads it, or whoever names a
// private repository of somebody else would be shown it.
func (v *visit) preset(ctx context.Context, p remediate.Preset) ([]byte, error) {
	owner, _, _ := strings.Cut(v.about.Name, "/")
	key := presetKey{strings.ToLower(owner), p}
	c := &v.b.presets
	c.mu.Lock()
	known, ok := c.known[key]
	c.mu.Unlock()
	if ok && v.b.o.Now().Sub(known.at) < presetAge {
		return known.text, nil
	}
	text, err := v.readPreset(ctx, owner, p)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxPresets {
		c.known = map[presetKey]presetText{}
	}
	c.known[key] = presetText{text, v.b.o.Now()}
	return text, nil
}

func (v *visit) readPreset(ctx context.Context, owner string, p remediate.Preset) ([]byte, error) {
	of, _, _ := strings.Cut(p.Repository, "/")
	url := strings.TrimSuffix(v.host.CloneURL(), v.about.Name+".git") + p.Repository + ".git"
	access := v.b.o.Access
	if strings.EqualFold(of, owner) {
		all, err := v.b.o.Hub.Repositories(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			if !strings.EqualFold(r.Name, p.Repository) {
				continue
			}
			host, err := v.b.o.Hub.Host(ctx, r)
			if err != nil {
				return nil, err
			}
			if access.Token, err = host.Token(ctx); err != nil {
				return nil, err
			}
			url = host.CloneURL()
		}
	}
	access.MaxBytes = maxPresetBytes
	return repo.ReadFile(ctx, url, access, p.Ref, p.File, remediate.MaxConfig)
}
