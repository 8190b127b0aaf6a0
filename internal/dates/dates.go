// Package dates finds dates in names, and the periods that they mean. It is pure.
package dates

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Finder finds a date in a name: the half-open byte range it covers.
type Finder func(name string) (start, end int, ok bool)

// Span is a period of time: from Start until just before End.
type Span struct{ Start, End time.Time }

// dateShape is a form of a date or time in a name: 9 is a digit, - a dot or dash, : a dot,
// colon or dash, T one of t T . _ -, _ one of t T _ -, W one of w W.
type dateShape struct {
	shape  string
	layout string // of the digits alone; empty means an epoch
	tail   bool   // a fraction of a second and a Z may follow
}

// dateShapes are the forms, the longest first. Each match must also be a real date.
var dateShapes = []dateShape{
	{"9999-99-99T99:99:99", "20060102150405", true},
	{"9999-99-99T999999", "20060102150405", true},
	{"9999-99-99T99:99", "200601021504", false},
	{"9999-99-99T9999", "200601021504", false},
	{"9999-99-99T99", "2006010215", false},
	{"9999-99-99", "20060102", false},
	{"99-99-9999", dayFirst, false},
	{"99-99-9999", monthFirst, false},
	{"9999-W99", isoWeek, false},
	{"9999W99", isoWeek, false},
	{"99999999_999999", "20060102150405", true},
	{"99999999999999", "20060102150405", false},
	{"999999999999", "200601021504", false},
	{"9999999999999", "", false},
	{"9999999999", "2006010215", false},
	{"9999999999", "", false},
	{"99999999", "20060102", false},
	{"9999-99", "200601", false},
}

// The layouts of 25.11.2026 and, with dashes only, 11-25-2026. 11-05-2026 may be either.
const (
	dayFirst   = "02012006"
	monthFirst = "01022006"
)

// isoWeek stands for the layout of a year and an ISO week, which package time lacks.
const isoWeek = "week"

// NameDate is a date found in a name.
type NameDate struct {
	Start, End int    // the half-open byte range it covers
	digits     string // of it
	layout     string
	counted    bool // what looks like a time may be the number of a rollover
	either     bool // its month may stand before its day, or after it
}

// FindAll finds all runs in a name that parse as a date or time, in the usual forms:
// %Y[.-]%m[.-]%d with or without a time, %Y%m%d[%H%M[%S]], %d.%m.%Y, %m-%d-%Y, %Y.%m, %G.w%V, an
// epoch in seconds or milliseconds.
func FindAll(name string) []NameDate {
	var list []NameDate
	for at := 0; at < len(name); at++ {
		if !DigitAt(name, at) || DigitAt(name, at-1) {
			continue
		}
		if d, ok := dateAt(name, at); ok {
			list = append(list, d)
			at = d.End - 1
		}
	}
	return list
}

func dateAt(name string, at int) (NameDate, bool) {
	for _, d := range dateShapes {
		n := fits(name[at:], d.shape)
		if n == 0 {
			continue
		}
		if d.tail {
			if m := fits(name[at+n:], ".999"); m > 0 && !DigitAt(name, at+n+m) {
				n += m
			}
			if at+n < len(name) && (name[at+n] == 'z' || name[at+n] == 'Z') {
				n++
			}
		}
		text, rest := name[at:at+n], name[at+n:]
		if DigitAt(rest, 0) {
			continue
		}
		digits := onlyDigits(text)
		switch {
		case !isDate(digits, d.layout), d.layout == monthFirst && strings.Contains(text, "."):
			continue
		case strings.Contains(d.shape, "T9999") && fits(rest, "-99") > 0: // not the minute 20:26 but another date
			continue
		case d.layout == "200601" && fits(rest, "-9") > 0 && rest[0] == '.': // a version, or an invalid date
			continue
		}
		either := d.layout == dayFirst && !strings.Contains(text, ".") && text[:2] != text[3:5] && isDate(digits, monthFirst)
		return NameDate{at, at + n, digits, d.layout, countedUp(text), either}, true
	}
	return NameDate{}, false
}

// Find finds the first one of FindAll.
func Find(name string) (start, end int, ok bool) {
	if list := FindAll(name); len(list) > 0 {
		return list[0].Start, list[0].End, true
	}
	return 0, 0, false
}

// fits is the length of the shape if the text starts with it, or 0.
func fits(text, shape string) int {
	if len(text) < len(shape) {
		return 0
	}
	for i := range len(shape) {
		ok := false
		switch c := text[i]; shape[i] {
		case '9':
			ok = c >= '0' && c <= '9'
		case '-':
			ok = c == '.' || c == '-'
		case ':':
			ok = c == '.' || c == ':' || c == '-'
		case 'T':
			ok = c == 't' || c == 'T' || c == '.' || c == '_' || c == '-'
		case '_':
			ok = c == 't' || c == 'T' || c == '_' || c == '-'
		case 'W':
			ok = c == 'w' || c == 'W'
		default:
			ok = c == shape[i]
		}
		if !ok {
			return 0
		}
	}
	return len(shape)
}

// DigitAt says whether the byte of a text at this place is a digit; there need not be one.
func DigitAt(s string, i int) bool { return i >= 0 && i < len(s) && s[i] >= '0' && s[i] <= '9' }

func onlyDigits(text string) string {
	digits := make([]byte, 0, 20)
	for i := range len(text) {
		if DigitAt(text, i) {
			digits = append(digits, text[i])
		}
	}
	return string(digits)
}

func isDate(digits, layout string) bool {
	switch layout {
	case "": // an epoch between 2001 and 2100
		return digits[0] != '0' && digits[:10] >= "1000000000" && digits[:10] < "4102444800"
	case isoWeek:
		_, ok := weekSpan(digits, time.UTC)
		return ok
	}
	t, ok := parse(digits, layout, time.UTC)
	return ok && plausible(t)
}

// parse reads the digits of a date by one of the layouts that have only digits. It is faster than
// time.ParseInLocation; more digits than the layout has are fractions of a second.
func parse(digits, layout string, loc *time.Location) (time.Time, bool) {
	field := func(at int) int {
		if at+2 > len(layout) {
			return 0
		}
		return atoi(digits[at : at+2])
	}
	year, month, day := 4, 4, 6 // where they are; of the year, where it ends
	switch layout {
	case dayFirst:
		year, month, day = 8, 2, 0
	case monthFirst:
		year, month, day = 8, 0, 2
	}
	y, m, d := atoi(digits[year-4:year]), field(month), field(day)
	if day >= len(layout) { // a month
		d = 1
	}
	hour, minute, second := field(8), field(10), field(12)
	date := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	if date.Day() != d || int(date.Month()) != m || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	return time.Date(y, time.Month(m), d, hour, minute, second, 0, loc), true
}

func plausible(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 2200 }

// weekSpan is the ISO week that six digits name.
func weekSpan(digits string, loc *time.Location) (Span, bool) {
	year, week := atoi(digits[:4]), atoi(digits[4:])
	fourth := time.Date(year, time.January, 4, 0, 0, 0, 0, loc) // is always in week 1
	monday := time.Date(year, time.January, 4-(int(fourth.Weekday())+6)%7+(week-1)*7, 0, 0, 0, 0, loc)
	y, w := monday.ISOWeek()
	return Span{monday, monday.AddDate(0, 0, 7)}, y == year && w == week && plausible(monday)
}

func atoi(digits string) (n int) {
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n
}

// MayBeNumber reports whether the digits of the date, or its time, may also be a number:
// an epoch, a month, and digits after a day and a dash or dot, unless they have seconds.
// Monthly names beside daily ones are most likely a separate series.
func (d NameDate) MayBeNumber(name string) bool {
	switch text := name[d.Start:d.End]; {
	case d.layout == "", d.layout == "200601", d.layout == isoWeek:
		return true
	case d.layout != "2006010215" && d.layout != "200601021504":
		return false
	default:
		return fits(text, "9999-99-99-9") > 0 || fits(text, "99999999-9") > 0
	}
}

// countedUp reports whether a date is followed by four or six digits: a time, or the
// number of a rollover.
func countedUp(text string) bool {
	for _, shape := range []string{
		"9999-99-99_9999", "9999-99-99_999999", "9999-99-99.9999", "9999-99-99.999999", "99999999_9999", "99999999_999999",
		"99999999.9999", "99999999.999999",
	} {
		if len(text) == len(shape) && fits(text, shape) > 0 {
			return true
		}
	}
	return false
}

// mayBeTenant reports whether two digits after a day are more likely a number than the hour:
// they follow a dash, and the day is written otherwise. 2026.11.03-14 may be of tenant 14.
func mayBeTenant(text string) bool {
	n := len(text) - 3
	return (fits(text, "9999.99.99-99") > 0 && n == 10 || fits(text, "99999999-99") > 0 && n == 8) && text[n] == '-'
}

// Span is the period of the date, in a time zone: the day of 2026.11.03, the hour of
// 2026.11.03.14, the month of 2026.11. If digits may be a time or the number of a
// rollover, as in 2026.11.03-000001, they count as the number: the day is the longer
// period, and so the safe one. Of 11-05-2026 it is the later day. An epoch does not have a
// period.
func (d NameDate) Span(loc *time.Location) (Span, bool) {
	digits, layout := d.digits, d.layout
	switch {
	case d.either:
		first, other := d.readings(loc)
		if other.End.After(first.End) {
			return other, true
		}
		return first, true
	case layout == "":
		return Span{}, false
	case layout == isoWeek:
		return weekSpan(digits, loc)
	case d.counted:
		layout = "20060102"
	}
	t, ok := parse(digits, layout, loc)
	if !ok {
		return Span{}, false
	}
	switch layout {
	case "20060102150405":
		return Span{t, t.Add(time.Second)}, true
	case "200601021504":
		return Span{t, t.Add(time.Minute)}, true
	case "2006010215":
		return Span{t, t.Add(time.Hour)}, true
	case "200601":
		return Span{t, t.AddDate(0, 1, 0)}, true
	}
	return Span{t, t.AddDate(0, 0, 1)}, true
}

// readings are the two days that 11-05-2026 may be.
func (d NameDate) readings(loc *time.Location) (dayThenMonth, monthThenDay Span) {
	d.either = false
	dayThenMonth, _ = d.Span(loc)
	d.layout = monthFirst
	monthThenDay, _ = d.Span(loc)
	return dayThenMonth, monthThenDay
}

// Period is the period of an index by the dates in its name, in UTC: the one that ends
// last. Names without a date do not have a period.
func Period(name string) (start, end time.Time, ok bool) {
	p := PeriodOf(name)
	return p.Start, p.End, !p.End.IsZero()
}

// NamePeriod is the period of an index by its name.
type NamePeriod struct {
	Span
	// Disagree: the dates in the name have no time in common.
	Disagree bool
}

// PeriodOf is the period of the dates in a name, in each of the time zones and in UTC: the
// one that ends last.
func PeriodOf(name string, zones ...*time.Location) NamePeriod {
	return periodOf(name, time.Time{}, zones, nil, false)
}

// PeriodBy is PeriodOf for the name of an index that was created at that time; zero: it is not
// known.
func PeriodBy(name string, created time.Time, zones ...*time.Location) NamePeriod {
	return periodOf(name, created, zones, nil, false)
}

// PeriodWith is PeriodBy with the spans that timestrings read in the name. Unless one of them
// reads the hour, digits that may be a number instead of it count as one: the day is the longer
// period, and so the safe one.
func PeriodWith(name string, created time.Time, read []Span, zones ...*time.Location) NamePeriod {
	hour := slices.ContainsFunc(read, func(s Span) bool { return s.End.Sub(s.Start) <= time.Hour })
	return periodOf(name, created, zones, read, !hour)
}

// asked is a question for a period that no timestring has a part in.
type asked struct {
	name    string
	created time.Time
	zone    *time.Location
	numbers bool
}

// answers are those that were given. The same names are asked for again and again: by each filter
// and guard, in each night of a simulation.
var answers = struct {
	sync.Mutex
	known map[asked]NamePeriod
}{known: map[asked]NamePeriod{}}

// maxAnswers bounds the memory.
const maxAnswers = 4096

func periodOf(name string, created time.Time, zones []*time.Location, spans []Span, numbers bool) NamePeriod {
	if len(spans) > 0 || len(zones) > 1 {
		return readPeriod(name, created, zones, spans, numbers)
	}
	q := asked{name: name, created: created, numbers: numbers}
	if len(zones) > 0 {
		q.zone = zones[0]
	}
	answers.Lock()
	defer answers.Unlock()
	p, known := answers.known[q]
	if !known {
		p = readPeriod(name, created, zones, spans, numbers)
		if len(answers.known) >= maxAnswers {
			clear(answers.known)
		}
		answers.known[q] = p
	}
	return p
}

func readPeriod(name string, created time.Time, zones []*time.Location, spans []Span, numbers bool) NamePeriod {
	var p NamePeriod
	dates := FindAll(name)
	all := append([]*time.Location{time.UTC}, zones...)
	for n, d := range dates {
		dates[n].counted = d.counted || numbers && mayBeTenant(name[d.Start:d.End])
		if d.either {
			dates[n] = d.decided(created, spans, all)
		}
	}
	for _, loc := range all {
		for _, d := range dates {
			if s, ok := d.Span(loc); ok {
				spans = append(spans, s)
			}
		}
	}
	for i, s := range spans {
		for _, o := range spans[:i] { // a day apart is the same day in another zone
			p.Disagree = p.Disagree || s.Start.Sub(o.End) >= 24*time.Hour || o.Start.Sub(s.End) >= 24*time.Hour
		}
		if s.End.After(p.End) {
			p.Span = s
		}
	}
	return p
}

// decided is the date as the one day that it means, if that is known: a timestring reads it, or
// the index was created on it, or a day before or after it.
func (d NameDate) decided(created time.Time, read []Span, zones []*time.Location) NameDate {
	day, month := d, d
	day.either = false
	month.either, month.layout = false, monthFirst
	for _, loc := range zones {
		first, other := d.readings(loc)
		for _, s := range read {
			switch {
			case s.Start.Equal(first.Start):
				return day
			case s.Start.Equal(other.Start):
				return month
			}
		}
	}
	near := func(s Span) bool {
		return !created.Before(s.Start.AddDate(0, 0, -1)) && created.Before(s.End.AddDate(0, 0, 1))
	}
	switch first, other := d.readings(time.UTC); {
	case near(first):
		return day
	case near(other):
		return month
	}
	return d
}

// Generation is the number of a rollover at the end of an index's name: for logs-000007 it
// is 7, and the next index is logs-000008.
func Generation(name string) (next string, ok bool) {
	at := len(name) - 6
	if at < 2 || name[at-1] != '-' {
		return "", false
	}
	for i := at; i < len(name); i++ {
		if !DigitAt(name, i) {
			return "", false
		}
	}
	digits := []byte(name)
	for i := len(digits) - 1; i >= at; i-- {
		if digits[i]++; digits[i] <= '9' {
			break
		}
		digits[i] = '0'
	}
	return string(digits), true
}

// SixDigits is the period that six digits at the end of a name are, if they may be a month or a
// day without its century, and the name of the next period: logs-202611, logs-261103. If they
// may be both, it is the one that ends last. They may also be a number, such as a customer's.
func SixDigits(name string) (last Span, next string, ok bool) {
	if _, six := Generation(name); !six {
		return Span{}, "", false
	}
	at := len(name) - 6
	for _, x := range []struct {
		layout       string
		months, days int
	}{{"200601", 1, 0}, {"060102", 0, 1}} {
		t, err := time.Parse(x.layout, name[at:])
		if err != nil || name[at] == '0' || t.Year() < 1990 || !plausible(t) {
			continue
		}
		if end := t.AddDate(0, x.months, x.days); end.After(last.End) {
			last, next, ok = Span{t, end}, name[:at]+end.Format(x.layout), true
		}
	}
	return last, next, ok
}

// token is a strftime token, and its number of digits.
type token struct {
	text   string
	digits int
}

// dayTokens are those of a day; periodTokens those of other periods, by layout.
var (
	dayTokens    = []token{{"%Y", 4}, {"%m", 2}, {"%d", 2}}
	periodTokens = map[string][]token{
		"20060102":   dayTokens,
		dayFirst:     {{"%d", 2}, {"%m", 2}, {"%Y", 4}},
		monthFirst:   {{"%m", 2}, {"%d", 2}, {"%Y", 4}},
		"2006010215": {{"%Y", 4}, {"%m", 2}, {"%d", 2}, {"%H", 2}},
		"200601":     {{"%Y", 4}, {"%m", 2}},
		isoWeek:      {{"%G", 4}, {"%V", 2}},
	}
)

// DayPattern is the name with strftime tokens instead of its date, if that is one day:
// logs-%Y.%m.%d for logs-2026.11.03.
func DayPattern(name string) (string, bool) {
	return patternOf(name, map[string][]token{"20060102": dayTokens})
}

// PeriodPattern is DayPattern also for hours, weeks and months: logs-%Y.%m for logs-2026.11.
func PeriodPattern(name string) (string, bool) { return patternOf(name, periodTokens) }

func patternOf(name string, known map[string][]token) (string, bool) {
	dates := FindAll(name)
	if len(dates) != 1 || strings.Contains(name, "%") {
		return "", false
	}
	d := dates[0]
	tokens, is := known[d.layout]
	if !is || d.counted || d.either || d.layout == "200601" && d.End-d.Start == 6 { // a rollover, or a number: the next name is not known
		return "", false
	}
	pattern := name[:d.Start]
	for at, n := d.Start, 0; at < d.End; {
		if !DigitAt(name, at) {
			pattern += name[at : at+1]
			at++
			continue
		}
		if n >= len(tokens) {
			return "", false
		}
		pattern += tokens[n].text
		at += tokens[n].digits
		n++
	}
	return pattern + name[d.End:], true
}
