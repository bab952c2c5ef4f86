package policy

import _ "embed"

// Schema is the JSON schema of a policy file (draft 2020-12), for editors.
//
//go:embed schema.json
var Schema []byte
