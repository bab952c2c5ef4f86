// Package policies is the built-in policy library: one YAML file per policy.
package policies

import "embed"

// FS holds the policy files.
//
//go:embed *.yaml
var FS embed.FS
