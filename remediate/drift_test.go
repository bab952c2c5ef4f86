package remediate_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/remediate"
)

const (
	head  = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	older = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// config is a tree with a ConfigMap that Flux applies.
func config(level string) fstest.MapFS {
	return fstest.MapFS{"apps/settings.yaml": {Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {level: " + level + ", size: \"${SIZE}\"}\n")}}
}

// fleet is a cluster in which Flux applied a commit, and the ConfigMap has a level.
func fleet(revision, level string, labels map[string]any) *cluster.Inventory {
	marks := map[string]any{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
	for k, v := range labels {
		marks[k] = v
	}
	return &cluster.Inventory{
		Cluster: "prod", Kubernetes: "v1.34.1", Time: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC),
		Objects: []map[string]any{
			{
				"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": map[string]any{"name": "apps", "namespace": "flux-system"},
				"spec": map[string]any{
					"path": "./apps", "commonMetadata": map[string]any{"labels": map[string]any{"team": "x"}},
					"postBuild": map[string]any{"substitute": map[string]any{"SIZE": "3"}},
				},
				"status": map[string]any{
					"lastAppliedRevision": "main@sha1:" + revision,
					"inventory":           map[string]any{"entries": []any{map[string]any{"id": "shop_settings__ConfigMap"}}},
				},
			},
			{
				"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "settings", "namespace": "shop", "labels": marks},
				"data": map[string]any{"level": level, "size": "3"},
			},
		},
	}
}

// TestDriftApplied: a cluster is compared with what its controller applied, as
// it applied it, and not with what waits for it.
func TestDriftApplied(t *testing.T) {
	t.Parallel()
	all := library(t)
	team := map[string]any{"team": "x"}
	for name, c := range map[string]struct {
		cluster *cluster.Inventory
		known   bool // the older commit is here
		want    string
	}{
		"as Git says":                         {fleet(head, "new", team), false, ""},
		"changed":                             {fleet(head, "debug", team), false, "data.level new debug"},
		"without what Flux adds":              {fleet(head, "new", nil), false, "metadata.labels.team x <nil>"},
		"waiting, and the commit is not here": {fleet(older, "old", team), false, "left out: Flux Kustomization flux-system/apps applied commit bbbbbbbbbbbb, which is not here; the tree is at aaaaaaaaaaaa"},
		"waiting":                             {fleet(older, "old", team), true, ""},
		"waiting, and changed":                {fleet(older, "debug", team), true, "data.level old debug at " + older},
		"changed to what is to come":          {fleet(older, "new", team), true, "data.level old new at " + older},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := remediate.ReadProject(config("new"), remediate.Settings{Policies: all, Selected: all, Wants: func(string, string) bool { return true }})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Join(t.Context(), c.cluster, ""); err != nil {
				t.Fatal(err)
			}
			result, err := p.Drift(t.Context(), remediate.DriftOptions{Commit: head, At: func(commit string) (fs.FS, error) {
				if !c.known || commit != older {
					return nil, errors.New("no such commit")
				}
				return config("old"), nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range result.Drifts {
				for _, x := range d.Differences {
					line := fmt.Sprint(x.Path, " ", x.Git, " ", x.Live)
					if d.Commit != "" {
						line += " at " + d.Commit
					}
					got = append(got, line)
				}
			}
			for _, s := range result.Skipped {
				got = append(got, "left out: "+s.Reason)
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("it says\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}
