package restore

import (
	"fmt"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/series"
)

// Window selects indices by the time in their names: those whose own period, the hour,
// day, week or month in UTC, has time in common with it. A local day can so lie in two
// indices.
type Window struct {
	From, To time.Time // To is not part of it
	Family   string    // the name without its dates, such as ks-logstash-log; empty: any
}

// Holds reports whether an index of this name belongs to the window.
func (w *Window) Holds(name string) bool {
	if w.Family != "" && !InFamily(name, w.Family) {
		return false
	}
	start, end, dated := dates.Period(name)
	return dated && start.Before(w.To) && end.After(w.From)
}

// InFamily reports whether a name is of the family: the name without its dates, with or
// without the character between.
func InFamily(name, family string) bool {
	of := series.Family(name)
	bare := strings.TrimRight(of, "-_.*")
	return of == family || bare == strings.TrimRight(family, "-_.*")
}

// String describes the window.
func (w *Window) String() string {
	text := fmt.Sprintf("between %s and %s UTC", w.From.UTC().Format("2006-01-02 15:04"), w.To.UTC().Format("2006-01-02 15:04"))
	if w.Family != "" {
		text = "of the family " + w.Family + " " + text
	}
	return text
}
