package cmd

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestValuesOfFlags: a wrong duration, time or day is an error of its flag, with an example.
func TestValuesOfFlags(t *testing.T) {
	for line, want := range map[string]string{
		"index list --older-than soon":             `invalid value "soon" for --older-than: expected a duration such as 45d, 12h or 30m`,
		"index list --younger-than 7":              `invalid value "7" for --younger-than: expected a duration such as 45d, 12h or 30m`,
		"snapshot delete r --older-than=-1d":       `invalid value "-1d" for --older-than: expected a duration such as 45d`,
		"restore x --keep-for 14":                  `invalid value "14" for --keep-for: expected a duration such as 45d`,
		"mark x --keep-for 0":                      `invalid value "0" for --keep-for: expected a duration longer than 0, such as 30d or 12h`,
		"restore x --before yesterday":             `invalid value "yesterday" for --before: expected a time such as 2026-11-21 or 2026-`,
		"run -n --now 2026-13-01 f":                `invalid value "2026-13-01" for --now: expected a time such as 2026-11-21`,
		"restore --day 12":                         `invalid value "12" for --day: expected a day such as 2026-11-12, or a time such as`,
		"restore --from 2026-11-01 --to tuesday":   `invalid value "tuesday" for --to: expected a day such as 2026-11-12`,
		"--timeout soon status":                    `invalid value "soon" for --timeout: expected a duration such as 45d, 12h or 30m`,
		"status --connect-timeout 30":              `invalid value "30" for --connect-timeout: expected a duration`,
		"run f --deadline 3600":                    `invalid value "3600" for --deadline: expected a duration`,
		"restore --day 2026-11-12 --timezone CET7": `invalid value "CET7" for --timezone: expected a time zone such as Europe/Berlin`,
		"restore x --on-conflict ask":              `invalid value "ask" for --on-conflict: expected fail, skip, rename or overwrite`,
		"snapshot list --state BAD":                `invalid value "BAD" for --state: expected SUCCESS, PARTIAL, FAILED or IN_PROGRESS`,
		"snapshot create r x --once-per year":      `invalid value "year" for --once-per: expected hour, day, week or month`,
		"index list -o csv":                        `invalid value "csv" for --output: expected table, wide, name, json or yaml`,
		"snapshot create r x --retry-count 101":    `invalid value "101" for --retry-count: expected a number from 0 to 100`,
		"snapshot create r x --retry-count=-1":     `invalid value "-1" for --retry-count: expected a number from 0 to 100`,
		"snapshot create r x --retry-count many":   `invalid value "many" for --retry-count: expected a number from 0 to 100`,
		"index delete x --max-percent 101":         `invalid value "101" for --max-percent: expected a number above 0, and 100 at most`,
		"index delete x --max-percent 0":           `invalid value "0" for --max-percent: expected a number above 0`,
		"snapshot delete r s --max-percent NaN":    `invalid value "NaN" for --max-percent: expected a number above 0`,
		"index delete x --max-percent half":        `invalid value "half" for --max-percent: expected a number above 0`,
		"simulate f --at noon":                     `invalid value "noon" for --at: expected a time of day such as 01:00`,
		"restore x --on-conflict=":                 "the flag --on-conflict has no value",
		"status --output=":                         "the flag --output has no value",
		"restore --day 2026-11-12 --timezone=":     "the flag --timezone has no value",
		"simulate f --at=":                         "the flag --at has no value",
		"index delete x --max-percent=":            "the flag --max-percent has no value",
		"snapshot delete r s --deadline=":          "the flag --deadline has no value",
		"restore --from= --to 2026-11-02":          "the flag --from has no value",
		"index list --older-than=":                 "the flag --older-than has no value",
	} {
		k := newConsole(t)
		code, out, errs := k.run(strings.Fields(line)...)
		require.Equal(t, 2, code, line)
		require.Empty(t, out, line)
		require.True(t, strings.HasPrefix(errs, "esnap: "+want), "%s: %s", line, errs)
		require.Empty(t, k.c.Calls(), line)
	}
}

// TestDurationsOfSettings: what a flag has read is what the settings get.
func TestDurationsOfSettings(t *testing.T) {
	k := newConsole(t)
	k.env["ESNAP_TIMEOUT"] = "5s"
	code, out, errs := k.run("config", "show", "--timeout", "1m30s", "--connect-timeout=2m")
	require.Zero(t, code, errs)
	require.Regexp(t, `(?m)^timeout +1m30s +flag --timeout$`, out)
	require.Regexp(t, `(?m)^connect-timeout +2m +flag --connect-timeout$`, out)
}

func TestMomentsAndDays(t *testing.T) {
	at := func(text string) time.Time {
		m := &moment{}
		require.NoError(t, m.Set(text))
		require.Equal(t, text, m.String())
		return m.time(now).UTC()
	}
	require.Equal(t, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), at("2026-11-01"))
	require.Equal(t, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), at("2026.11.01"))
	require.Equal(t, time.Date(2026, 11, 1, 7, 30, 0, 0, time.UTC), at("2026-11-01T09:30:00+02:00"))
	require.Equal(t, now.AddDate(0, 0, -3), at("3d"))
	require.Equal(t, now, at("0"))
	zone := time.FixedZone("", 8*3600)
	for text, want := range map[string][2]string{
		"2026-11-01":           {"2026-10-31T16:00:00Z", "2026-11-01T16:00:00Z"},
		"2026.11.01":           {"2026-10-31T16:00:00Z", "2026-11-01T16:00:00Z"},
		"2026-11-01 09:00":     {"2026-11-01T01:00:00Z", "2026-11-01T01:00:00Z"},
		"2026-11-01T09:00:00Z": {"2026-11-01T09:00:00Z", "2026-11-01T09:00:00Z"},
	} {
		d := &day{}
		require.NoError(t, d.Set(text))
		start, end := d.span(zone)
		require.Equal(t, want, [2]string{start.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339)}, text)
	}
}
