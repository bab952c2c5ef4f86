package githubtest

import (
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"
)

// user is the API's form of an account.
func (d *description) user(login string) object {
	return d.sample("simple-user", object{"login": login, "id": number(login), "type": kind(login)})
}

func (d *description) users(logins []string) []any {
	all := []any{}
	for _, l := range logins {
		all = append(all, d.user(l))
	}
	return all
}

// kind tells Apps from people.
func kind(login string) string {
	if strings.HasSuffix(login, "[bot]") {
		return "Bot"
	}
	return "User"
}

// number is always the same for a name.
func number(name string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return int64(h.Sum32()>>1) + 1
}

func teams(d *description, slugs []string) []any {
	all := []any{}
	for _, slug := range slugs {
		all = append(all, d.sample("team", object{"slug": slug, "name": slug, "id": number(slug), "parent": nil}))
	}
	return all
}

func labelObjects(names []string) []any {
	labels := []any{}
	for _, name := range names {
		labels = append(labels, object{
			"id": number(name), "node_id": "L", "url": "https://github.example/", "name": name,
			"description": "", "color": "ededed", "default": false,
		})
	}
	return labels
}

// stamp is a time as GitHub writes it; nil for none.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, x := range b {
		if !slices.Contains(all, x) {
			all = append(all, x)
		}
	}
	return all
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
