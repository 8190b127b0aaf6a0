package strftime

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// Vectors that Curator's own code made.
func TestRegexpOfTimestring(t *testing.T) {
	for in, want := range map[string]string{
		"%Y.%m.%d": `\d{4}\.\d{2}\.\d{2}`,
		"%Y-%m-%d": `\d{4}\-\d{2}\-\d{2}`,
		"%y%m%d":   `\d{2}\d{2}\d{2}`,
		"%Y.%j":    `\d{4}\.\d{3}`,
		"%G.%V":    `\d{4}\.\d{2}`,
		"%Y.%b":    `\d{4}\.b`,
		"%s":       `s`,
		"%%Y":      `\d{4}`,
		"%Y+%m":    `\d{4}+\d{2}`,
	} {
		require.Equal(t, want, Regexp(in), in)
	}
}

// A.2.
func TestFindReadsDates(t *testing.T) {
	for _, c := range []struct{ text, timestring, want string }{
		{"2024.01", "%Y.%m", "2024-01-01T00:00:00"},
		{"2024.060", "%Y.%j", "2024-02-29T00:00:00"},
		{"2024.10", "%Y.%W", "2024-03-04T00:00:00"},
		{"2024.00", "%Y.%W", "2024-01-01T00:00:00"},
		{"2024.10", "%Y.%U", "2024-03-11T00:00:00"},
		{"24.10", "%y.%W", "2024-03-04T00:00:00"},
		{"69.10", "%y.%m", "1969-10-01T00:00:00"},
		{"68.10", "%y.%m", "2068-10-01T00:00:00"},
		{"2014.10", "%G.%V", "2014-03-03T00:00:00"},
		{"2010.01", "%G.%V", "2010-01-04T00:00:00"},
		{"2009.53", "%G.%V", "2009-12-28T00:00:00"},
		{"2015.01", "%G.%V", "2014-12-29T00:00:00"},
		{"2020.53", "%G.%V", "2020-12-28T00:00:00"},
		{"2021.01", "%G.%V", "2021-01-04T00:00:00"},
		{"2021.52", "%G.%V", "2021-12-27T00:00:00"},
		{"10:20", "%H:%M", "1900-01-01T10:20:00"},
		{"20240102030405", "%Y%m%d%H%M%S", "2024-01-02T03:04:05"},
		{"logstash-2024.01.02-000001", "%Y.%m.%d", "2024-01-02T00:00:00"},
		{"a-2024.01.02-2025.01.02", "%Y.%m.%d", "2024-01-02T00:00:00"},
		{"a12024.01.02", "%Y.%m.%d", "2024-01-02T00:00:00"},
		{"x-1970.01.01", "%Y.%m.%d", "1970-01-01T00:00:00"},
		{"a-20240102", "%Y.%m.%d", "none"},
		{"2016.53", "%G.%V", "error"}, // D14
		{"2024.02.30", "%Y.%m.%d", "error"},
		{"2024.99.02", "%Y.%m.%d", "error"},
		{"2024.13", "%Y.%m", "error"},
		{"2023.366", "%Y.%j", "error"},
	} {
		l, err := NewLayout(c.timestring)
		require.NoError(t, err, c.timestring)
		f, ok, err := l.Find(c.text, time.UTC)
		switch c.want {
		case "none":
			require.NoError(t, err)
			require.False(t, ok, c.text)
		case "error":
			require.Error(t, err, "%s %s gave %s", c.text, c.timestring, f.Time)
		default:
			require.NoError(t, err, c.text)
			require.True(t, ok, c.text)
			require.Equal(t, c.want, f.Time.Format("2006-01-02T15:04:05"), "%s %s", c.text, c.timestring)
		}
	}
}

func TestUnknownTokens(t *testing.T) {
	for in, want := range map[string]string{"%Y.%m.%d": "", "%Y.%b": "b", "%%Y": "", "%s-%F%": "sF", "100%é": "é", "%%": "", "": ""} {
		require.Equal(t, want, string(Unknown(in)), in)
	}
}

func TestNewLayoutRefuses(t *testing.T) {
	for _, bad := range []string{"%Y.%V", "%G", "logs", "", "%Y.(%m", "%s"} {
		_, err := NewLayout(bad)
		require.Error(t, err, bad)
	}
}

// A.7.
func TestRender(t *testing.T) {
	now := time.Date(2026, 11, 21, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]string{
		"a-%Y.%m.%d":           "a-2026.11.21",
		"a-%Y.%W":              "a-2026.46",
		"A-%y%j%U%V%G":         "A-2632546472026",
		"a-%q-%%-%s":           "a-q--s",
		"50%Off":               "50Off",
		"foo<%Y":               "foo<%Y",
		"curator-%Y%m%d%H%M%S": "curator-20261121030405",
		"x%":                   "x",
	} {
		require.Equal(t, want, Render(in, now), in)
	}
}

func TestResolveDateMath(t *testing.T) {
	now := time.Date(2026, 11, 21, 23, 30, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"<logs-{now/d}>":                           "logs-2026.11.21",
		"<logs-{now/d-1d}-x>":                      "logs-2026.11.20-x",
		"<logs-{now/M{yyyy.MM}}>":                  "logs-2026.11",
		"<logs-{now/w{xxxx-ww}}>":                  "logs-2026-47",
		"<logs-{now{yyyy.MM.dd|+02:00}}>":          "logs-2026.11.22",
		"<logs-{now/d{yyyy.MM.dd|Asia/Tokyo}}>":    "logs-2026.11.22",
		"<logs-{2026-01-31||+1M{yyyy-MM-dd}}>":     "logs-2026-02-28",
		"<logs-{now/h{yyyyMMdd'T'HHmmss}}>":        "logs-20261121T230000",
		"x":                                        "x",
		"<":                                        "error",
		"<logs-%Y":                                 "error",
		"<logs>":                                   "error",
		"<logs-{now/q}>":                           "error",
		"<logs-{now{yyyy|Nowhere}}>":               "error",
		"<a{now}{now}>":                            "a2026.11.212026.11.21",
		"<weekly-{now/w-1w}-{now/w{yyyy.MM.dd}}>":  "weekly-2026.11.09-2026.11.16",
		"<{now/d}-{now/d{yyyyMMdd|Asia/Tokyo}}_x>": "2026.11.21-20261122_x",
		`<a\{b\}-{now/d}>`:                         "a{b}-2026.11.21",
		`<{now{'\{'yyyy'\}'}}>`:                    "{2026}",
		"<a}{now}>":                                "error",
		"<a{now>":                                  "error",
		"<a{now}}>":                                "error",
		"<a{now{yyyy}x}>":                          "error",
		"<a{now{yyyy}{MM}}>":                       "error",
		"<a{now{{yyyy}}}>":                         "error",
		"<a{now{}}>":                               "error",
		"<a{now-250y{yyyy}}>":                      "a1776",
		"<a{now-2200000h{yyyy}}>":                  "a1775",
		"<a{now-3000000h{yyyy}}>":                  "error", // would wrap around
		"<a{now+99999999999999999999d}>":           "error",
	} {
		got, err := Resolve(in, now)
		if want == "error" {
			require.Error(t, err, in)
			continue
		}
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
}

func FuzzLayout(f *testing.F) {
	f.Add("%Y.%m.%d", "a-2024.01.02")
	f.Add("%G.%V", "2016.53")
	f.Add("%y%W+%U", "1111")
	f.Add("x%Y-%m", "xx2024-012024-13-01")
	f.Add("%Y%Y.%d", "12342024.02\u0661")
	f.Fuzz(func(t *testing.T, timestring, name string) {
		l, err := NewLayout(timestring)
		if err != nil {
			return
		}
		found, ok, err := l.Find(name, time.UTC)
		if ok && err == nil && name[found.Start:found.End] != found.Text {
			t.Fatalf("%q in %q: %d-%d is not %q", timestring, name, found.Start, found.End, found.Text)
		}
		// What reads plain timestrings is no other than their regular expression.
		got, is, err := l.search(name)
		want, matches, fails := l.re.Search(name)
		require.Equal(t, want, got)
		require.Equal(t, matches, is)
		require.Equal(t, fails, err)
	})
}

// TestNames: a name's pattern matches all names that it makes, whatever their form, and not those of
// other names.
func TestNames(t *testing.T) {
	for in, c := range map[string]struct{ pattern, not string }{
		"s-%Y.%m.%d":                                 {`s-\d{4}\.\d{2}\.\d{2}`, "s-2026.1.1"},
		"plain":                                      {`plain`, "plain2"},
		"<snap-{now/d}>":                             {`snap-\d{4}\.\d{2}\.\d{2}`, "snap-2026-11-21"},
		"<snap-{now/w{xxxx-ww}}>":                    {`snap-\d{4}-\d{2}`, "snap-2026.49"},
		"<snap-{now/d{dd.MM.yy}}>":                   {`snap-\d{2}\.\d{2}\.\d{2}`, "snap-21.11.2026"},
		"<snap-{now/d{yyMMdd}}>":                     {`snap-\d{2}\d{2}\d{2}`, "snap-20261121"},
		"<snap-{now/d{MM-dd-yyyy}}>":                 {`snap-\d{2}-\d{2}-\d{4}`, "snap-2026-11-21"},
		"<snap-{now/y{yyyy}}>":                       {`snap-\d{4}`, "snap-26"},
		"<snap-{now/d{y-M-d}}>":                      {`snap-\d{4}-\d{1,2}-\d{1,2}`, "snap-2026-111-1"},
		"<snap-{now{D'T'H.m.s-e}}>":                  {`snap-\d{1,3}T\d{1,2}\.\d{1,2}\.\d{1,2}-\d{1}`, "snap-1T1.1.1-12"},
		"<snap-{now{DD-DDDD-ee-yyyyyy}}>":            {`snap-\d{2,3}-\d{4}-\d{2}-\d{6}`, "snap-1-0001-01-002026"},
		"<a.b-{now/d}-{now/M{MM}}_x>":                {`a\.b-\d{4}\.\d{2}\.\d{2}-\d{2}_x`, "aab-2026.11.21-11_x"},
		"<s-{now/d{yyyy.MM.dd|Asia/Tokyo}}>":         {`s-\d{4}\.\d{2}\.\d{2}`, "s-2026.11"},
		`<a\{b\}-{now/d}>`:                           {`a\{b\}-\d{4}\.\d{2}\.\d{2}`, "ab-2026.11.21"},
		"<broken-{now/q}>":                           {`[^\s\S]`, "<broken-{now/q}>"},
		"<broken>":                                   {`[^\s\S]`, "<broken>"},
		"<a{now{" + strings.Repeat("y", 300) + "}}>": {`[^\s\S]`, "a2026"},
		"foo<%Y": {`foo<%Y`, "foo<2026"},
	} {
		names := Names(in)
		require.Equal(t, "^(?:"+c.pattern+")$", names.String(), in)
		require.NotRegexp(t, names, c.not, in)
		for at := time.Date(2019, 12, 25, 0, 0, 0, 0, time.UTC); at.Year() < 2028; at = at.Add(37*time.Hour + 7*time.Minute + 3*time.Second) {
			name, err := Resolve(in, at)
			if err == nil && len(name) <= 255 && !names.MatchString(name) {
				t.Fatalf("%s: the pattern %s does not match %s", in, names, name)
			}
		}
	}
}

// FuzzResolve: a name becomes the same name each time, which its pattern matches, or an error; a
// year has four digits.
func FuzzResolve(f *testing.F) {
	for _, name := range []string{
		"<logs-{now/d}>", "<logs-{now/M{yyyy.MM}}>", "<logs-{now{yyyy.MM.dd|+02:00}}>",
		"<a{2026-01-31||+1M{yyyy-MM-dd}}>", "<a{now-99999999999999999999y}>",
		"<a{now+9223372036854775807s}>", "<a{now{''|Asia/Tokyo}}>", `<a\{b\}-{now/d-1w}>`, "s-%Y.%m.%d%", "<", "<>",
	} {
		f.Add(name, int64(1795303800))
	}
	f.Fuzz(func(t *testing.T, name string, seconds int64) {
		now := time.Unix(seconds%(1<<36), 0).UTC()
		got, err := Resolve(name, now)
		again, err2 := Resolve(name, now)
		if got != again || (err == nil) != (err2 == nil) {
			t.Fatalf("%q: %q, then %q", name, got, again)
		}
		if err != nil && got != "" {
			t.Fatalf("%q: %q beside the error %v", name, got, err)
		}
		// An anchor may name a year of fewer than four digits.
		usual := now.Year() > 1300 && len(got) <= 255 && utf8.ValidString(name) && !strings.Contains(name, "||")
		if usual && err == nil && !Names(name).MatchString(got) {
			t.Fatalf("%q: the pattern %s does not match %q", name, Names(name), got)
		}
	})
}
