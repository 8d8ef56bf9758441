package keras_test

import (
	"testing"

	"partita/internal/fixture"
	"partita/planner/keras"
)

// BenchmarkParse is the time from an architecture's text to its graph, which the browser spends in the page.
func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"keras2/ResNet50", "keras3/ResNet50", "keras3/NASNetLarge"} {
		for _, format := range []string{".json.gz", ".yaml.gz"} {
			text := fixture.Read(b, fixture.Shared(b, "zoo", name+format))
			parse := keras.Parse
			if format == ".yaml.gz" {
				parse = keras.ParseYAML
			}
			b.Run(name+format, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := parse(text); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
