package platform

import (
	"bytes"
	"testing"
)

func TestHosts(t *testing.T) {
	byName := map[string]Host{}
	for _, h := range Hosts() {
		byName[h.Name] = h
		if h.Source == "" || h.Confidence == "" || h.Hourly == (h.PicoUSDPerHour == 0) || h.Hourly == (h.PicoUSDPerGBs != 0) {
			t.Errorf("%+v", h)
		}
	}
	if len(byName) != 5 || byName["notebook"].PicoUSDPerHour != 46_400_000_000 || byName["serverless"].PicoUSDPerGBs != 20_000_000 {
		t.Errorf("%+v", byName)
	}
	// The two set-ups of the slides by the hour, as their instances' prices add up.
	if got := byName["notebook-hosting"].PicoUSDPerHour; got != 46_400_000_000+280_000_000_000 {
		t.Errorf("notebook and hosting: %d", got)
	}
	for old, broken := range map[string]string{`"USD/h"`: `"EUR/h"`, `"0.0464"`: `"zero"`, `"0.23"`: `"0"`, `"hourly"`: `"daily"`, `"stepMB": 1024`: `"stepMB": 0`, `"SM3P"`: `"RUMOUR"`, `"kind"`: `"sort"`} {
		if _, err := parseHosts(bytes.Replace(instancesJSON, []byte(old), []byte(broken), 1)); err == nil {
			t.Errorf("%s for %s is not refused", broken, old)
		}
	}
}
