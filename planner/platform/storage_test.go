package platform

import (
	"strings"
	"testing"
)

func TestStorage(t *testing.T) {
	for name, want := range map[string][2]int64{
		"aws-lambda-x86_64": {23_000_000_000, 100_000_000_000}, "aws-lambda-arm64": {23_000_000_000, 100_000_000_000},
		"aws-lambda-x86_64@eu-central-1": {24_500_000_000, 100_000_000_000},
	} {
		s := StorageOf(name)
		if s == nil || s.ObjectPicoUSDPerGB != want[0] || s.ImagePicoUSDPerGB != want[1] || len(s.Figures) != 2 || s.Figures[0].Source == "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := StorageOf("local"); s != nil {
		t.Errorf("the local cloud asks for storage: %+v", s)
	}
	// Every region whose prices of functions are known has a price of storage.
	for _, name := range []string{"aws-lambda-x86_64", "aws-lambda-arm64"} {
		for _, region := range Regions(name) {
			if StorageOf(name+"@"+region) == nil {
				t.Errorf("%s in %s has no price", name, region)
			}
		}
	}
	s := StorageOf("aws-lambda-x86_64")
	for _, c := range []struct{ objects, images, want int64 }{
		{0, 0, 0}, {1 << 30, 0, 23_000_000_000}, {0, 1 << 30, 100_000_000_000}, {1 << 40, 1 << 40, 1024 * 123_000_000_000}, {1, 0, 22_460_938},
	} {
		if got := s.MonthPicoUSD(c.objects, c.images); got != c.want {
			t.Errorf("%d and %d bytes cost %d a month, want %d", c.objects, c.images, got, c.want)
		}
	}
}

func TestBrokenStorages(t *testing.T) {
	good := string(storageJSON)
	for _, c := range [][2]string{
		{`"unit": "USD/GB-month"`, `"unit": "USD/GB-s"`}, {`"0.023"`, `"0"`}, {`"0.023"`, `"x"`}, {`"price.object"`, `"price.objects"`}, {`"source": "S3P"`, `"source": "X"`},
		{`"confidence": "docs"`, `"confidence": "sure"`}, {`"USD",`, `"EUR",`}, {`["eu-central-1"]`, `["eu-central-1", "eu-west-1"]`}, {`{`, `[`},
	} {
		if _, err := parseStorages([]byte(strings.Replace(good, c[0], c[1], 1))); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
}
