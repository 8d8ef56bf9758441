package platform

import (
	"bytes"
	_ "embed" // for the price list
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
)

//go:embed instances.json
var instancesJSON []byte

// Host is another way to serve a model, which plans are compared with: an instance that is paid by the hour, or a metered
// service. The list stands apart from the price book: no plan depends on it.
type Host struct {
	Name           string
	Label          string
	Hourly         bool
	PicoUSDPerHour int64 // of an hourly host
	PicoUSDPerGBs  int64 // of a metered one
	PicoUSDPerGB   int64 // of data in and out
	MinMemoryMB    int64
	MaxMemoryMB    int64
	MemoryStepMB   int64
	Source         string
	Confidence     string // docs, third-party or unverified
}

type hostFigure struct{ Value, Unit, Source, Confidence string }

var hosts = sync.OnceValue(func() []Host {
	list, err := parseHosts(instancesJSON)
	if err != nil {
		panic("platform: the embedded list of hosts is broken: " + err.Error())
	}
	return list
})

// Hosts lists the other ways to serve.
func Hosts() []Host { return slices.Clone(hosts()) }

func parseHosts(data []byte) ([]Host, error) {
	var file struct {
		Format, Date, Currency string
		Sources                map[string]string
		Hosts                  []struct {
			Name, Label, Kind    string
			Price                hostFigure
			Data                 *hostFigure
			MinMB, MaxMB, StepMB int64
			Limits               string
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, err
	}
	if file.Format != "partita.instances/1" || file.Currency != "USD" || len(file.Date) != len("2006-01-02") {
		return nil, fmt.Errorf("format %q, currency %q, date %q", file.Format, file.Currency, file.Date)
	}
	figure := func(f *hostFigure, unit string) (int64, error) {
		if f == nil || f.Unit != unit || file.Sources[f.Source] == "" || !slices.Contains([]string{"docs", "third-party", "unverified"}, f.Confidence) {
			return 0, fmt.Errorf("a figure in %s is absent or has no source", unit)
		}
		v, err := ParseDecimal(f.Value, 12)
		if err == nil && v == 0 {
			err = errors.New("a price is zero")
		}
		return v, err
	}
	var list []Host
	for _, entry := range file.Hosts {
		h := Host{Name: entry.Name, Label: entry.Label, Source: file.Sources[entry.Price.Source], Confidence: entry.Price.Confidence,
			MinMemoryMB: entry.MinMB, MaxMemoryMB: entry.MaxMB, MemoryStepMB: entry.StepMB}
		var err error
		switch entry.Kind {
		case "hourly":
			h.Hourly = true
			h.PicoUSDPerHour, err = figure(&entry.Price, "USD/h")
		case "metered":
			if h.PicoUSDPerGBs, err = figure(&entry.Price, "USD/GB-s"); err == nil {
				h.PicoUSDPerGB, err = figure(entry.Data, "USD/GB")
			}
			if err == nil && (h.MinMemoryMB < 1 || h.MemoryStepMB < 1 || h.MaxMemoryMB < h.MinMemoryMB || file.Sources[entry.Limits] == "") {
				err = errors.New("its memory sizes make no sense or have no source")
			}
		default:
			err = fmt.Errorf("its kind is %q", entry.Kind)
		}
		if err != nil || h.Name == "" || h.Label == "" {
			return nil, fmt.Errorf("host %q: %w", entry.Name, err)
		}
		list = append(list, h)
	}
	return list, nil
}
