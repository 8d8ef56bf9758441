// Package document writes the files in which the local cloud keeps what it knows: each appears, or changes, as a whole or not at all.
package document

import (
	"encoding/json"
	"os"
)

// Unfinished ends the name of a file that was not written to its end. When a folder is opened, such files are of no use.
const Unfinished = ".new"

// Write writes a file.
func Write(path string, data []byte) error {
	temporary := path + Unfinished
	err := os.WriteFile(temporary, data, 0o600)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary)
	}
	return err
}

// WriteJSON writes a value as JSON, in lines that people can read.
func WriteJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return err
	}
	return Write(path, data)
}
