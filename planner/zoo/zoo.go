// Package zoo holds the architectures of Keras's applications, so that anybody can plan a well-known network without having
// a file of it. Each is a short program that wires layers as keras.applications does; what it makes is an ordinary Keras
// configuration, which takes the same way as one from a file. There are no weights here.
package zoo

import (
	"fmt"
	"strings"

	"partita/planner/diag"
	"partita/planner/load"
)

// Prefix marks the name of a built-in architecture where a file's name could stand: "zoo:ResNet50".
const Prefix = "zoo:"

// Entry is one architecture.
type Entry struct {
	Name        string // as in keras.applications
	Description string // a few words
	InputSize   int    // height and width of the images that it takes

	build func(size int) *network
}

// families lists the architectures by family. Input sizes are the defaults of keras.applications.
var families = [][]Entry{vgg, resnet, resnetV2, inception, xception, mobilenet, densenet, nasnet, efficientnet, efficientnetV2}

// Entries lists the architectures, families together and small before large.
func Entries() []Entry {
	var all []Entry
	for _, f := range families {
		all = append(all, f...)
	}
	return all
}

// Names lists the names of the architectures.
func Names() []string {
	var names []string
	for _, e := range Entries() {
		names = append(names, e.Name)
	}
	return names
}

// Open opens an architecture by its name; capitals and hyphens in it do not matter.
func Open(name string) (*load.Model, error) {
	for _, e := range Entries() {
		if plain(e.Name) == plain(name) {
			return load.FromArchitecture(load.Architecture{Format: load.KerasJSON, Data: e.build(e.InputSize).config()})
		}
	}
	return nil, diag.New(diag.NotFound, "zoo.unknown", "opening a built-in model", fmt.Sprintf("there is none of the name %.60q", name),
		"choose one of "+strings.Join(Names(), ", "))
}

func plain(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
}
