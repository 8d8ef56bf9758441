package platform

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the price book
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

//go:embed pricebook.json
var bookJSON []byte

// Figure is one number of the price book as people may want to see it.
type Figure struct {
	Name       string // "price.compute"
	Value      string // decimal
	Unit       string // "USD/GB-s"
	Source     string // the document or measurement it comes from
	Confidence string // docs, measured, derived, choice or assumed
	Note       string
}

type book struct {
	id        Book
	names     []string
	platforms map[string]*Platform // in other regions under NAME@REGION
	regions   map[string][]string  // others than the one whose prices hold unless another is named, by platform
}

type bookFile struct {
	Format    string            `json:"format"`
	Date      string            `json:"date"`
	Currency  string            `json:"currency"`
	Sources   map[string]string `json:"sources"`
	Platforms []struct {
		Name         string                `json:"name"`
		Label        string                `json:"label"`
		Architecture string                `json:"architecture"`
		Base         string                `json:"base"` // an earlier platform whose figures hold unless stated
		PlanningOnly bool                  `json:"planningOnly"`
		Sizes        *sizesJSON            `json:"sizes"` // in the place of the figures that sizesReplace names
		Figures      map[string]figureJSON `json:"figures"`
		Region       string                `json:"region"`  // whose prices the figures are, where there are those of others
		Regions      []regionJSON          `json:"regions"` // others
	} `json:"platforms"`
}

// regionJSON is what differs in another region of a platform.
type regionJSON struct {
	Name    string                `json:"name"`
	Figures map[string]figureJSON `json:"figures"`
}

// sizesJSON lists the memory sizes of a platform that sells no range of them.
type sizesJSON struct {
	List       []listedSize `json:"list"`
	Source     string       `json:"source"`
	Confidence string       `json:"confidence"`
	Note       string       `json:"note"`
}

// sizesReplace names the figures that a list of sizes stands for.
var sizesReplace = []string{"memory.minMB", "memory.maxMB", "memory.stepMB", "memory.planningStepMB", "cpu.mbPerVCPU", "cpu.maxMilliVCPU"}

type figureJSON struct {
	Value      string `json:"value"`
	Unit       string `json:"unit"`
	Source     string `json:"source"` // key into sources
	Confidence string `json:"confidence"`
	Note       string `json:"note"`
}

// field says where a figure goes: the unit the book must state and how many decimal digits the integer has below it.
type field struct {
	name   string
	unit   string
	digits int // 12: USD to pico-USD; 3: ms to us; 6: s to us
	into   func(p *Platform) *int64
}

var fields = []field{
	{"memory.minMB", "MB", 0, func(p *Platform) *int64 { return &p.MinMemoryMB }},
	{"memory.maxMB", "MB", 0, func(p *Platform) *int64 { return &p.MaxMemoryMB }},
	{"memory.stepMB", "MB", 0, func(p *Platform) *int64 { return &p.MemoryStepMB }},
	{"memory.planningStepMB", "MB", 0, func(p *Platform) *int64 { return &p.PlanningStepMB }},
	{"cpu.mbPerVCPU", "MB", 0, func(p *Platform) *int64 { return &p.MBPerVCPU }},
	{"cpu.maxMilliVCPU", "vCPU/1000", 0, func(p *Platform) *int64 { return &p.MaxMilliVCPU }},
	{"cpu.parallelPermille", "1/1000", 0, func(p *Platform) *int64 { return &p.ParallelPermille }},
	{"billing.granularity", "ms", 3, func(p *Platform) *int64 { return &p.GranularityUs }},
	{"billing.minimum", "ms", 3, func(p *Platform) *int64 { return &p.MinBilledUs }},
	{"price.cpu", "USD/vCPU-s", 12, func(p *Platform) *int64 { return &p.PicoUSDPerVCPUs }},
	{"price.compute", "USD/GB-s", 12, func(p *Platform) *int64 { return &p.PicoUSDPerGBs }},
	{"price.request", "USD", 12, func(p *Platform) *int64 { return &p.RequestPicoUSD }},
	{"price.s3Put", "USD", 12, func(p *Platform) *int64 { return &p.ObjectPutPicoUSD }},
	{"price.s3Get", "USD", 12, func(p *Platform) *int64 { return &p.ObjectGetPicoUSD }},
	{"limit.payload", "B", 0, func(p *Platform) *int64 { return &p.PayloadLimitBytes }},
	{"limit.package", "B", 0, func(p *Platform) *int64 { return &p.PackageLimitBytes }},
	{"limit.image", "B", 0, func(p *Platform) *int64 { return &p.ImageLimitBytes }},
	{"limit.temporaryStorageMB", "MB", 0, func(p *Platform) *int64 { return &p.TemporaryMB }},
	{"limit.temporaryMaxMB", "MB", 0, func(p *Platform) *int64 { return &p.MaxTemporaryMB }},
	{"price.temporary", "USD/GB-s", 12, func(p *Platform) *int64 { return &p.TemporaryPicoUSDPerGBs }},
	{"limit.timeout", "s", 6, func(p *Platform) *int64 { return &p.TimeoutUs }},
	{"limit.init", "s", 6, func(p *Platform) *int64 { return &p.InitTimeoutUs }},
	{"environment.idle", "s", 6, func(p *Platform) *int64 { return &p.IdleUs }},
	{"network.rate", "B/s", 0, func(p *Platform) *int64 { return &p.NetworkBytesPerSecond }},
	{"network.burst", "B", 0, func(p *Platform) *int64 { return &p.NetworkBurstBytes }},
	{"network.burstRate", "B/s", 0, func(p *Platform) *int64 { return &p.NetworkBurstBytesPerSecond }},
	{"inline.latency", "us", 0, func(p *Platform) *int64 { return &p.InlineLatencyUs }},
	{"inline.rate", "B/s", 0, func(p *Platform) *int64 { return &p.InlineBytesPerSecond }},
	{"s3.getLatency", "us", 0, func(p *Platform) *int64 { return &p.ObjectGetLatencyUs }},
	{"s3.putLatency", "us", 0, func(p *Platform) *int64 { return &p.ObjectPutLatencyUs }},
	{"s3.getRate", "B/s", 0, func(p *Platform) *int64 { return &p.ObjectGetBytesPerSecond }},
	{"s3.putRate", "B/s", 0, func(p *Platform) *int64 { return &p.ObjectPutBytesPerSecond }},
	{"dispatch.time", "us", 0, func(p *Platform) *int64 { return &p.DispatchUs }},
	{"wake.time", "ms", 3, func(p *Platform) *int64 { return &p.WakeUs }},
	{"init.boot", "us", 0, func(p *Platform) *int64 { return &p.BootUs }},
	{"init.fetch", "ps/B", 0, func(p *Platform) *int64 { return &p.FetchPicosecPerByte }},
	{"init.imageBoot", "us", 0, func(p *Platform) *int64 { return &p.ImageBootUs }},
	{"init.imageFetch", "ps/B", 0, func(p *Platform) *int64 { return &p.ImageFetchPicosecPerByte }},
	{"init.load", "ps/B", 0, func(p *Platform) *int64 { return &p.LoadPicosecPerByte }},
	{"init.loadFetched", "ps/B", 0, func(p *Platform) *int64 { return &p.LoadFetchedPicosecPerByte }},
	{"init.widen", "ps/B", 0, func(p *Platform) *int64 { return &p.WidenPicosecPerByte }},
	{"gateway.memoryMB", "MB", 0, func(p *Platform) *int64 { return &p.GatewayMemoryMB }},
	{"gateway.decode", "us", 0, func(p *Platform) *int64 { return &p.GatewayDecodeUs }},
	{"rate.convolution", "MFLOP/s", 0, func(p *Platform) *int64 { return &p.ConvolutionMFLOPS }},
	{"rate.depthwise", "MFLOP/s", 0, func(p *Platform) *int64 { return &p.DepthwiseMFLOPS }},
	{"rate.matrix", "MFLOP/s", 0, func(p *Platform) *int64 { return &p.MatrixMFLOPS }},
	{"rate.recurrent", "MFLOP/s", 0, func(p *Platform) *int64 { return &p.RecurrentMFLOPS }},
	{"rate.elementwise", "MFLOP/s", 0, func(p *Platform) *int64 { return &p.ElementwiseMFLOPS }},
	{"rate.memory", "B/s", 0, func(p *Platform) *int64 { return &p.StreamBytesPerSecond }},
	{"rate.operator", "ns", 0, func(p *Platform) *int64 { return &p.OperatorNs }},
	{"runtime.library", "B", 0, func(p *Platform) *int64 { return &p.LibraryBytes }},
	{"runtime.bootstrap", "B", 0, func(p *Platform) *int64 { return &p.BootstrapBytes }},
	{"runtime.baseMB", "MB", 0, func(p *Platform) *int64 { return &p.RuntimeBaseMB }},
	{"runtime.weightCopies", "1/1000", 0, func(p *Platform) *int64 { return &p.WeightCopiesPermille }},
	{"runtime.widenedCopies", "1/1000", 0, func(p *Platform) *int64 { return &p.WidenedCopiesPermille }},
	{"runtime.productCopies", "1/1000", 0, func(p *Platform) *int64 { return &p.ProductCopiesPermille }},
}

var confidences = []string{"docs", "measured", "derived", "choice", "assumed"}

func parseBook(data []byte) (*book, error) {
	var f bookFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, err
	}
	if f.Format != "partita.pricebook/1" || f.Currency != "USD" || len(f.Date) != len("2006-01-02") {
		return nil, fmt.Errorf("format %q, currency %q, date %q", f.Format, f.Currency, f.Date)
	}
	sum := sha256.Sum256(data)
	b := &book{id: Book{Date: f.Date, Hash: "sha256:" + hex.EncodeToString(sum[:])}, platforms: map[string]*Platform{}, regions: map[string][]string{}}
	figures := map[string]map[string]figureJSON{}
	for _, entry := range f.Platforms {
		if _, twice := b.platforms[entry.Name]; twice || entry.Name == "" {
			return nil, fmt.Errorf("platform %q is there twice or has no name", entry.Name)
		}
		all := map[string]figureJSON{}
		if entry.Base != "" {
			base, ok := figures[entry.Base]
			if !ok {
				return nil, fmt.Errorf("platform %s: its base %q is not above it", entry.Name, entry.Base)
			}
			for name, figure := range base {
				all[name] = figure
			}
		}
		for name, figure := range entry.Figures {
			all[name] = figure
		}
		figures[entry.Name] = all
		p := &Platform{Name: entry.Name, Label: entry.Label, Architecture: entry.Architecture, PlanningOnly: entry.PlanningOnly}
		if err := p.fill(all, entry.Sizes, f.Sources); err != nil {
			return nil, fmt.Errorf("platform %s: %w", entry.Name, err)
		}
		b.names = append(b.names, entry.Name)
		b.platforms[entry.Name] = p
		if entry.Region != "" && !strings.HasSuffix(entry.Label, ", "+entry.Region) {
			return nil, fmt.Errorf("platform %s: its label does not end with its region", entry.Name)
		}
		for _, region := range entry.Regions {
			elsewhere := &Platform{Name: entry.Name + "@" + region.Name, Label: strings.TrimSuffix(entry.Label, entry.Region) + region.Name, Architecture: entry.Architecture, PlanningOnly: entry.PlanningOnly}
			there := maps.Clone(all)
			maps.Copy(there, region.Figures)
			if err := elsewhere.fill(there, entry.Sizes, f.Sources); err != nil {
				return nil, fmt.Errorf("platform %s: %w", elsewhere.Name, err)
			}
			if _, twice := b.platforms[elsewhere.Name]; twice || entry.Region == "" || region.Name == "" || region.Name == entry.Region {
				return nil, fmt.Errorf("platform %s: the region is there twice or has no name", elsewhere.Name)
			}
			b.platforms[elsewhere.Name] = elsewhere
			b.regions[entry.Name] = append(b.regions[entry.Name], region.Name)
		}
	}
	return b, nil
}

// fill sets the platform's fields from its figures; each figure has a place and each place a figure.
func (p *Platform) fill(all map[string]figureJSON, sizes *sizesJSON, sources map[string]string) error {
	var initBilled int64
	places := append(slices.Clip(fields), field{"billing.init", "0|1", 0, func(*Platform) *int64 { return &initBilled }})
	if sizes != nil {
		if err := p.list(sizes, sources); err != nil {
			return err
		}
		places = slices.DeleteFunc(places, func(place field) bool { return slices.Contains(sizesReplace, place.name) })
		for _, name := range sizesReplace {
			delete(all, name)
		}
	}
	for _, place := range places {
		figure, ok := all[place.name]
		if !ok {
			return fmt.Errorf("%s is absent", place.name)
		}
		if figure.Unit != place.unit {
			return fmt.Errorf("%s is in %q, not in %q", place.name, figure.Unit, place.unit)
		}
		source, ok := sources[figure.Source]
		if !ok || !slices.Contains(confidences, figure.Confidence) {
			return fmt.Errorf("%s: source %q, confidence %q", place.name, figure.Source, figure.Confidence)
		}
		v, err := ParseDecimal(figure.Value, place.digits)
		if err != nil {
			return fmt.Errorf("%s: %w", place.name, err)
		}
		*place.into(p) = v
		p.Figures = append(p.Figures, Figure{place.name, figure.Value, figure.Unit, source, figure.Confidence, figure.Note})
	}
	if len(all) != len(places) {
		return fmt.Errorf("%d figures for %d places", len(all), len(places))
	}
	sort.Slice(p.Figures, func(i, j int) bool { return p.Figures[i].Name < p.Figures[j].Name })
	p.InitBilled = initBilled == 1
	return p.check()
}

// list sets the platform's sizes from a list of them.
func (p *Platform) list(sizes *sizesJSON, sources map[string]string) error {
	source, ok := sources[sizes.Source]
	if !ok || !slices.Contains(confidences, sizes.Confidence) || len(sizes.List) < 2 {
		return fmt.Errorf("sizes: %d of them, source %q, confidence %q", len(sizes.List), sizes.Source, sizes.Confidence)
	}
	p.listed = sizes.List
	texts := make([]string, len(sizes.List))
	for i, s := range sizes.List {
		if s.MemoryMB < 1 || s.MilliVCPU < 1 || i > 0 && (s.MemoryMB <= sizes.List[i-1].MemoryMB || s.MilliVCPU < sizes.List[i-1].MilliVCPU) {
			return fmt.Errorf("sizes: %d MB with %d/1000 vCPU does not follow in order", s.MemoryMB, s.MilliVCPU)
		}
		texts[i] = fmt.Sprintf("%d:%s", s.MemoryMB, FormatDecimal(s.MilliVCPU, 3))
	}
	last := sizes.List[len(sizes.List)-1]
	p.MinMemoryMB, p.MaxMemoryMB, p.MaxMilliVCPU = sizes.List[0].MemoryMB, last.MemoryMB, last.MilliVCPU
	p.Figures = append(p.Figures, Figure{"memory.sizes", strings.Join(texts, " "), "MB:vCPU", source, sizes.Confidence, sizes.Note})
	return nil
}

// check refuses figures that the law of cost could not use.
func (p *Platform) check() error {
	positive := map[string]int64{
		"memory.minMB": p.MinMemoryMB, "cpu.maxMilliVCPU": p.MaxMilliVCPU, "billing.granularity": p.GranularityUs, "environment.idle": p.IdleUs,
		"limit.payload": p.PayloadLimitBytes, "limit.package": p.PackageLimitBytes, "limit.timeout": p.TimeoutUs,
		"network.rate": p.NetworkBytesPerSecond, "network.burstRate": p.NetworkBurstBytesPerSecond, "inline.rate": p.InlineBytesPerSecond, "s3.getRate": p.ObjectGetBytesPerSecond,
		"s3.putRate": p.ObjectPutBytesPerSecond, "rate.convolution": p.ConvolutionMFLOPS, "rate.depthwise": p.DepthwiseMFLOPS,
		"rate.matrix": p.MatrixMFLOPS, "rate.recurrent": p.RecurrentMFLOPS, "rate.elementwise": p.ElementwiseMFLOPS,
		"rate.memory": p.StreamBytesPerSecond,
	}
	if !p.Listed() {
		positive["memory.stepMB"], positive["memory.planningStepMB"], positive["cpu.mbPerVCPU"] = p.MemoryStepMB, p.PlanningStepMB, p.MBPerVCPU
	}
	for name, v := range positive {
		if v <= 0 {
			return fmt.Errorf("%s must be positive", name)
		}
	}
	switch {
	case p.MaxMemoryMB < p.MinMemoryMB || p.MaxMemoryMB > 1<<15:
		return errors.New("memory.maxMB is out of range")
	case !p.Listed() && p.PlanningStepMB%p.MemoryStepMB != 0:
		return errors.New("memory.planningStepMB is not a multiple of memory.stepMB")
	case p.MaxMilliVCPU < 1000 || p.ParallelPermille > 1000:
		return errors.New("cpu figures are out of range")
	case p.GranularityUs%1000 != 0 || p.MinBilledUs%p.GranularityUs != 0:
		return errors.New("billing.granularity is not in whole milliseconds, or billing.minimum no multiple of it")
	case p.TimeoutUs > maxTimeoutUs || p.InitTimeoutUs > maxTimeoutUs || p.MinBilledUs > maxTimeoutUs:
		return errors.New("a time is over an hour: the arithmetic of cost assumes less")
	case p.PicoUSDPerVCPUs%1000 != 0:
		return errors.New("price.cpu is not in whole thousandths of a micro-dollar per million vCPU-s")
	case p.PicoUSDPerGBs > 1<<26 || p.PicoUSDPerVCPUs > 1<<26 || p.PicoUSDPer1024s(p.MaxMemoryMB) > 1<<39:
		return errors.New("a price is too high: the arithmetic of cost assumes 67 USD per million GB-s and less")
	case p.MaxTemporaryMB < p.TemporaryMB || p.MaxTemporaryMB > 1<<15 || p.TemporaryPicoUSDPerGBs > p.PicoUSDPerGBs:
		return errors.New("limit.temporaryMaxMB is out of range, or price.temporary above that of memory")
	case p.Slowdown(p.MinMemoryMB) > 1<<20:
		return errors.New("the smallest size has less than a sixteenth of a vCPU: the arithmetic of cost assumes more")
	case !p.Sells(p.GatewayMemoryMB):
		return errors.New("gateway.memoryMB is not on sale")
	}
	return nil
}

// maxTimeoutUs bounds what a platform allows a function: three of them in milliseconds, times the highest price, stay in
// 63 bits.
const maxTimeoutUs = 3600 * 1_000_000

// ParseDecimal reads a plain non-negative decimal number exactly, as an integer number of units of 10^-digits: with 12
// digits, "0.0000002" is 200,000. A number with more decimals than that, or too large for an int64, is an error.
func ParseDecimal(s string, digits int) (int64, error) {
	whole, fraction, dotted := strings.Cut(s, ".")
	if whole == "" && fraction == "" || dotted && fraction == "" || len(s) > 40 {
		return 0, errors.New("not a decimal number")
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > digits {
		return 0, fmt.Errorf("more than %d decimals", digits)
	}
	fraction += strings.Repeat("0", digits-len(fraction))
	var v int64
	for _, c := range whole + fraction {
		if c < '0' || c > '9' {
			return 0, errors.New("not a decimal number")
		}
		if v > (1<<63-1-9)/10 {
			return 0, errors.New("too large")
		}
		v = v*10 + int64(c-'0')
	}
	return v, nil
}

// FormatDecimal prints what ParseDecimal reads, without trailing zeros.
func FormatDecimal(v int64, digits int) string {
	sign := ""
	u := uint64(v)
	if v < 0 {
		sign, u = "-", -u
	}
	s := fmt.Sprintf("%0*d", digits+1, u)
	whole, fraction := s[:len(s)-digits], strings.TrimRight(s[len(s)-digits:], "0")
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction
}
