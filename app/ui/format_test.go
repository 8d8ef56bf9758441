package ui

import "testing"

func TestFormats(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{duration(0), "0 µs"},
		{duration(999), "999 µs"},
		{duration(1234), "1.23 ms"},
		{duration(41_600), "41.6 ms"},
		{duration(412_345), "412 ms"},
		{duration(1_999_999), "2.00 s"},
		{duration(99_999_999), "100 s"},
		{bytes(999), "999 B"},
		{bytes(602_112), "602 KB"},
		{bytes(102_546_848), "103 MB"},
		{bytes(1_500_000_000), "1.50 GB"},
		{perHundredThousand(0), "$0"},
		{perHundredThousand(19_400_000), "$1.94"},
		{perHundredThousand(194_000), "$0.0194"},
		{perHundredThousand(123_456_789_000), "$12,345.68"},
		{count(25_636_712), "25,636,712"},
		{count(-1234), "-1,234"},
		{millions(25_636_712), "25.6 million"},
		{millions(389), "389"},
		{millions(3_857_973_248), "3.86 billion"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
