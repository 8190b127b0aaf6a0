package dates

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestParse: digits are read as package time reads them, those that are no date, too.
func TestParse(t *testing.T) {
	gaps, err := time.LoadLocation("America/Sao_Paulo") // clocks skipped midnight there
	require.NoError(t, err)
	for _, loc := range []*time.Location{time.UTC, gaps} {
		for _, layout := range []string{"20060102150405", "200601021504", "2006010215", "20060102", "200601", dayFirst, monthFirst} {
			for _, years := range []int{1999, 2000, 2018, 2100} {
				for month := range 14 {
					for day := range 33 {
						clock := fmt.Sprintf("%02d%02d%02d", day%26, 2*day, 61-day)
						text := fmt.Sprintf("%04d%02d%02d%s", years, month, day, clock)
						switch layout {
						case dayFirst:
							text = fmt.Sprintf("%02d%02d%04d", day, month, years)
						case monthFirst:
							text = fmt.Sprintf("%02d%02d%04d", month, day, years)
						}
						want, err := time.ParseInLocation(layout, text[:len(layout)], loc)
						got, ok := parse(text, layout, loc)
						require.Equal(t, err == nil, ok, "%s %s", layout, text)
						if ok {
							require.Equal(t, want, got, "%s %s", layout, text)
						}
					}
				}
			}
		}
	}
}
