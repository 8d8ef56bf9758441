package platform

import (
	"bytes"
	_ "embed" // for the prices
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed storage.json
var storageJSON []byte

// Storage is what a platform asks for keeping what a deployment is made of, a month long. Its figures stand apart from the price book:
// no plan depends on them.
type Storage struct {
	ObjectPicoUSDPerGB int64 // of objects: packages and weights
	ImagePicoUSDPerGB  int64 // of container images
	Figures            []Figure
}

// bytesPerGB is what storage is sold by.
const bytesPerGB = 1 << 30

// MonthPicoUSD is what it costs to keep so many bytes of objects and of images for a month, rounded up.
func (s *Storage) MonthPicoUSD(objectBytes, imageBytes int64) int64 {
	month := func(stored, picoUSDPerGB int64) int64 {
		return ceilDiv(ceilDiv(stored, 1<<20)*picoUSDPerGB, bytesPerGB>>20) // of whole MiB: the product of bytes would not fit
	}
	return month(objectBytes, s.ObjectPicoUSDPerGB) + month(imageBytes, s.ImagePicoUSDPerGB)
}

var storageFields = []struct {
	name string
	into func(s *Storage) *int64
}{
	{"price.object", func(s *Storage) *int64 { return &s.ObjectPicoUSDPerGB }},
	{"price.image", func(s *Storage) *int64 { return &s.ImagePicoUSDPerGB }},
}

var loadStorages = sync.OnceValue(func() map[string]*Storage {
	all, err := parseStorages(storageJSON)
	if err != nil {
		panic("platform: the embedded prices of storage are broken: " + err.Error())
	}
	return all
})

// StorageOf gives the prices of a platform, in another region under NAME@REGION; nil where none are known.
func StorageOf(platform string) *Storage { return loadStorages()[platform] }

func parseStorages(data []byte) (map[string]*Storage, error) {
	var file struct {
		Format, Date, Currency string
		Sources                map[string]string
		Platforms              []struct {
			Platforms []string
			Figures   map[string]figureJSON
			Regions   []struct {
				Names   []string
				Figures map[string]figureJSON // that differ
			}
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, err
	}
	if file.Format != "partita.storage/1" || file.Currency != "USD" || len(file.Date) != len("2006-01-02") {
		return nil, fmt.Errorf("format %q, currency %q, date %q", file.Format, file.Currency, file.Date)
	}
	all := map[string]*Storage{}
	add := func(name string, figures map[string]figureJSON) error {
		s := &Storage{}
		if all[name] != nil {
			return fmt.Errorf("%s is there twice", name)
		}
		if err := s.fill(figures, file.Sources); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all[name] = s
		return nil
	}
	for _, entry := range file.Platforms {
		for _, name := range entry.Platforms {
			if err := add(name, entry.Figures); err != nil {
				return nil, err
			}
			for _, region := range entry.Regions {
				there := maps.Clone(entry.Figures)
				maps.Copy(there, region.Figures)
				for _, where := range region.Names {
					if err := add(name+"@"+where, there); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return all, nil
}

func (s *Storage) fill(figures map[string]figureJSON, sources map[string]string) error {
	const unit, digits = "USD/GB-month", 12
	if len(figures) != len(storageFields) {
		return fmt.Errorf("%d figures for %d places", len(figures), len(storageFields))
	}
	for _, place := range storageFields {
		figure, there := figures[place.name]
		source, known := sources[figure.Source]
		if !there || figure.Unit != unit || !known || !slices.Contains(confidences, figure.Confidence) {
			return fmt.Errorf("%s: unit %q, source %q, confidence %q", place.name, figure.Unit, figure.Source, figure.Confidence)
		}
		v, err := ParseDecimal(figure.Value, digits)
		if err != nil {
			return fmt.Errorf("%s: %w", place.name, err)
		}
		if v <= 0 {
			return fmt.Errorf("%s is %s", place.name, figure.Value)
		}
		*place.into(s) = v
		s.Figures = append(s.Figures, Figure{place.name, figure.Value, figure.Unit, source, figure.Confidence, figure.Note})
	}
	slices.SortFunc(s.Figures, func(a, b Figure) int { return strings.Compare(a.Name, b.Name) })
	return nil
}
