package github

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/oakum-dev/oakum/remediate"
)

// Rules are what the rulesets of repository, organization and enterprise say
// of a branch, which need not exist. Classic branch protection is not told to
// who is no administrator; a push finds it out. Kinds of rules that are not
// known are passed over.
func (r *Repo) Rules(ctx context.Context, branch string) (remediate.Rules, error) {
	type rule struct {
		Type       string          `json:"type"`
		Parameters json.RawMessage `json:"parameters"`
	}
	list, err := all[rule](ctx, r.c, r.path("rules", "branches", branch), url.Values{})
	if err != nil {
		return remediate.Rules{}, r.explain("reading the rules of branch "+branch, metadataRead, err)
	}
	var rules remediate.Rules
	for _, one := range list {
		switch one.Type {
		case "pull_request":
			rules.PullRequest = true
		case "required_signatures":
			rules.Signed = true
		case "required_linear_history":
			rules.Linear = true
		case "non_fast_forward":
			rules.NoForce = true
		case "creation":
			rules.NoCreate = true
		case "merge_queue":
			rules.MergeQueue = true
		case "required_status_checks":
			var p struct {
				Checks []struct {
					Context string `json:"context"`
				} `json:"required_status_checks"`
			}
			if json.Unmarshal(one.Parameters, &p) == nil {
				for _, c := range p.Checks {
					rules.Checks = append(rules.Checks, c.Context)
				}
			}
		}
	}
	return rules, nil
}
