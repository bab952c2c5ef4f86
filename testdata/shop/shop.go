// Package shop holds the demo repository: a small online shop whose manifests
// have the mistakes that real ones have.
package shop

import "embed"

// FS holds the repository below the directory repo.
//
//go:embed all:repo
var FS embed.FS
