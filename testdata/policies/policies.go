// Package policies holds the test case of every built-in policy, which is its
// example as well.
package policies

import "embed"

// FS holds NAME.txtar for each policy.
//
//go:embed *.txtar
var FS embed.FS
