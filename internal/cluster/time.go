package cluster

import "time"

// The forms of times, all in UTC, beside time.DateOnly and time.DateTime.
const (
	DottedDay  = "2006.01.02"               // in the names of indices and aliases
	SecondsUTC = "2006-01-02 15:04:05Z"     // in lines that state when something is due or ran
	LogTime    = "2006-01-02T15:04:05.000Z" // in logs, and in JSON
)

// Minutes is a time in a sentence: 2026-11-13 00:00 UTC.
func Minutes(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Day is a day in a sentence: 2026-11-13.
func Day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
