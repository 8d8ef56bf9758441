package planner

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/precision"
)

// Choices that several options have.
const (
	auto = "auto" // whatever is better
	off  = "off"
)

// parseAuto reads a choice; what is left to the planner is "".
func parseAuto(text string) string {
	if text == auto {
		return ""
	}
	return text
}

func printAuto(choice string) string {
	if choice == "" {
		return auto
	}
	return choice
}

// parseDuration reads a duration into microseconds; "none" is 0.
func parseDuration(text string) (int64, error) {
	if text == "none" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("it is no duration")
	case d < 0:
		return 0, fmt.Errorf("it is negative")
	case d < time.Microsecond:
		return 0, fmt.Errorf("it is less than a microsecond")
	case d.Microseconds() > maxSLOUs:
		return 0, fmt.Errorf("it is more than a day")
	}
	return d.Microseconds(), nil
}

// printDuration gives the shortest exact form: 2s, 1.5s, 500ms, 750us.
func printDuration(us int64) string {
	switch {
	case us == 0:
		return "none"
	case us >= 1_000_000:
		return platform.FormatDecimal(us, 6) + "s"
	case us >= 1000:
		return platform.FormatDecimal(us, 3) + "ms"
	}
	return strconv.FormatInt(us, 10) + "us"
}

// parseMoney reads an amount of USD into pico-dollars; "none" is 0.
func parseMoney(text string) (int64, error) {
	if text == "none" {
		return 0, nil
	}
	v, err := platform.ParseDecimal(strings.TrimPrefix(text, "$"), 12)
	if err != nil {
		return 0, err
	}
	if v == 0 {
		return 0, fmt.Errorf("nothing is free")
	}
	return v, nil
}

func printMoney(picoUSD int64) string {
	if picoUSD == 0 {
		return "none"
	}
	return platform.FormatDecimal(picoUSD, 12)
}

// usual leaves it to the platform's figures how large a picture is.
const usual = "usual"

// parsePicture reads megapixels into pixels; usual is 0.
func parsePicture(text string) (int64, error) {
	if text == usual {
		return 0, nil
	}
	v, err := platform.ParseDecimal(text, 6)
	switch {
	case err != nil:
		return 0, err
	case v == 0:
		return 0, fmt.Errorf("a picture has a pixel at least")
	case v > cost.MaxPicturePixels:
		return 0, fmt.Errorf("no picture of more than %s megapixels is decoded", printPicture(cost.MaxPicturePixels))
	}
	return v, nil
}

func printPicture(pixels int64) string {
	if pixels == 0 {
		return usual
	}
	return platform.FormatDecimal(pixels, 6)
}

// microRequest is one request, in the millionths that rates are counted in.
const microRequest = 1_000_000

// ParseRate reads a rate as in 100/h, 2.5/s, 30/m or 1000/d into millionths of requests per hour.
func ParseRate(text string) (int64, error) {
	bad := func(found string) error {
		return diag.New(diag.Usage, "planner.bad-rate", "reading the rate", fmt.Sprintf("%.60q: %s", text, found), "give requests per second, minute, hour or day, as in 2.5/s, 30/m, 100/h or 1000/d")
	}
	number, unit, found := strings.Cut(text, "/")
	times, per := int64(1), int64(1)
	switch {
	case !found:
		return 0, bad("it has no unit")
	case unit == "s":
		times = 3600
	case unit == "m":
		times = 60
	case unit == "d":
		per = 24
	case unit != "h":
		return 0, bad("its unit is unknown")
	}
	v, err := platform.ParseDecimal(number, 6)
	switch {
	case err != nil:
		return 0, bad(err.Error())
	case v > math.MaxInt64/times || v*times/per > MaxMicroRequestsPH:
		return 0, bad("it is more than a million a second")
	case v*times/per == 0:
		return 0, bad("it is nothing")
	}
	return v * times / per, nil
}

// printRate gives the shortest exact form in requests per hour or second.
func printRate(microRequestsPH int64) string {
	switch {
	case microRequestsPH == 0:
		return "none"
	case microRequestsPH%3600 == 0 && microRequestsPH >= 3600*microRequest:
		return platform.FormatDecimal(microRequestsPH/3600, 6) + "/s"
	}
	return platform.FormatDecimal(microRequestsPH, 6) + "/h"
}

func parseCount(text string, most int) (int, error) {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("it is no whole number")
	case n < 1 || n > most:
		return 0, fmt.Errorf("it is not between 1 and %d", most)
	}
	return n, nil
}

// included is the temporary storage that functions have in any case.
const included = "included"

// even is the layer cap EvenLayers.
const even = "even"

func printCap(layers int) string {
	switch layers {
	case 0:
		return "none"
	case EvenLayers:
		return even
	}
	return strconv.Itoa(layers)
}

// parseSizes reads a list of sizes and ranges FROM-TO/STEP into rising sizes; "grid" is nil.
func parseSizes(text string) ([]int64, error) {
	if text == "grid" {
		return nil, nil
	}
	if len(text) > maxListing {
		return nil, fmt.Errorf("it is too long")
	}
	var sizes []int64
	for _, item := range strings.Split(text, ",") {
		bounds, stepText, stepped := strings.Cut(strings.TrimSpace(item), "/")
		fromText, toText, ranged := strings.Cut(bounds, "-")
		from, err := parseCount(fromText, maxMemory)
		to, step := from, 1
		if err == nil && ranged {
			to, err = parseCount(toText, maxMemory)
		}
		if err == nil && stepped {
			step, err = parseCount(stepText, maxMemory)
		}
		switch {
		case err != nil:
			return nil, err
		case ranged != stepped || to < from:
			return nil, fmt.Errorf("a range is FROM-TO/STEP")
		case len(sizes)+(to-from)/step >= maxMemory:
			return nil, fmt.Errorf("it has more than %d sizes", maxMemory)
		}
		for m := from; m <= to; m += step {
			sizes = append(sizes, int64(m))
		}
	}
	return sorted(sizes), nil
}

// sorted puts sizes in order, each once.
func sorted(sizes []int64) []int64 {
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

// printSizes writes runs of four and more equal steps as ranges.
func printSizes(sizes []int64) string {
	if sizes == nil {
		return "grid"
	}
	var parts []string
	for i := 0; i < len(sizes); {
		j := i + 1
		for j+1 < len(sizes) && sizes[j+1]-sizes[j] == sizes[i+1]-sizes[i] {
			j++
		}
		if j-i >= 3 && j < len(sizes) {
			parts = append(parts, fmt.Sprintf("%d-%d/%d", sizes[i], sizes[j], sizes[i+1]-sizes[i]))
			i = j + 1
			continue
		}
		parts = append(parts, strconv.FormatInt(sizes[i], 10))
		i++
	}
	return strings.Join(parts, ",")
}

// parsePackaging reads a list of packagings into the one way to write it; "" is any.
func parsePackaging(text string) (string, error) {
	if text == auto {
		return "", nil
	}
	var list []string
	for _, item := range strings.Split(text, ",") {
		item = strings.TrimSpace(item)
		if !slices.Contains(plan.Packagings, item) {
			return "", fmt.Errorf("it has %.40q; the packagings are %s", item, strings.Join(plan.Packagings, ", "))
		}
		list = append(list, item)
	}
	return packagingOf(list), nil
}

// packagingOf writes a list of packagings: in order, each once; "" where none is left out.
func packagingOf(list []string) string {
	wanted := slices.DeleteFunc(slices.Clone(plan.Packagings), func(packaging string) bool { return !slices.Contains(list, packaging) })
	if len(wanted) == len(plan.Packagings) {
		return ""
	}
	return strings.Join(wanted, ",")
}

// parsePrecisions reads a list of precisions, or "auto" for any.
func parsePrecisions(text string) ([]precision.Precision, error) {
	if text == auto {
		return slices.Clone(precision.All), nil
	}
	var list []precision.Precision
	for _, item := range strings.Split(text, ",") {
		p, err := precision.Parse(strings.TrimSpace(item))
		if err != nil || item == "" {
			return nil, fmt.Errorf("it has %.40q; the precisions are float32, float16 and int8", item)
		}
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b precision.Precision) int {
		return slices.Index(precision.All, a) - slices.Index(precision.All, b)
	})
	if slices.Equal(list, []precision.Precision{precision.Float32}) {
		return nil, nil
	}
	return list, nil
}

func printPrecisions(list []precision.Precision) string {
	switch len(list) {
	case 0:
		return string(precision.Float32)
	case len(precision.All):
		return auto
	}
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = string(p)
	}
	return strings.Join(names, ",")
}

// parseMany reads a whole number above zero.
func parseMany(text string, most int) (int64, error) {
	n, err := parseCount(text, most)
	return int64(n), err
}

// parseAutoMany reads a whole number above zero, or auto as 0.
func parseAutoMany(text string, most int) (int64, error) {
	if text == auto {
		return 0, nil
	}
	return parseMany(text, most)
}

func printAutoMany(n int64) string {
	if n == 0 {
		return auto
	}
	return strconv.FormatInt(n, 10)
}
