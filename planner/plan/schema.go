package plan

import (
	_ "embed" // for the schema
	"slices"
)

//go:embed schema.json
var schema []byte

// Schema gives the JSON schema (draft 2020-12) of the documents that Encode writes. What it cannot say is that stages
// follow each other, that costs add up, and that the hash is right: Decode checks that.
func Schema() []byte { return slices.Clone(schema) }
