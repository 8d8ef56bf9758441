// Package models opens models for the tests of other packages: built-in ones, a small one, and those that fixture describes.
package models

import (
	"os"
	"path/filepath"
	"testing"

	"partita/internal/fixture"
	"partita/planner/load"
	"partita/planner/zoo"
)

// Zoo opens a built-in architecture.
func Zoo(t testing.TB, name string) *load.Model {
	t.Helper()
	m, err := zoo.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Keras opens an architecture in the JSON of Keras.
func Keras(t testing.TB, config []byte) *load.Model {
	t.Helper()
	m, err := load.FromArchitecture(load.Architecture{Format: load.KerasJSON, Data: config})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Towers opens a model of several towers.
func Towers(t testing.TB, m fixture.Towers) *load.Model {
	t.Helper()
	return Keras(t, m.Keras())
}

// Residual opens a small model with residual connections.
func Residual(t testing.TB) *load.Model {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(fixture.Root(), "planner", "testdata", "residual.json"))
	if err != nil {
		t.Fatal(err)
	}
	return Keras(t, config)
}
