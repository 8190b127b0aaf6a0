package tell

import (
	"cmp"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// one is a number with one label.
func one(m Metric, label, name string, v float64) Sample {
	return Sample{m, [][2]string{{label, name}}, v}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// ScheduleSamples are when a job is due next, and whether it is running.
func ScheduleSamples(job string, next time.Time, running bool) []Sample {
	list := []Sample{one(runningNow, "policy", job, number01(running))}
	if !next.IsZero() {
		list = append(list, one(nextRun, "policy", job, seconds(next)))
	}
	return list
}

func number01(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// IntervalSample is how often a job is expected to run.
func IntervalSample(job string, every time.Duration) Sample {
	return one(interval, "policy", job, every.Seconds())
}

// CodeSample is the exit code of a job's last run.
func CodeSample(job string, code int) Sample { return one(exitCode, "policy", job, float64(code)) }

// CheckSamples are what the check of a job said: its level, and how many findings it has by
// what they are about and how bad they are.
func CheckSamples(job string, level int, findings map[[2]string]int) []Sample {
	list := []Sample{one(checkStatus, "policy", job, float64(level))}
	for f, n := range findings {
		list = append(list, Sample{checkFound, [][2]string{{"policy", job}, {"about", f[0]}, {"level", f[1]}}, float64(n)})
	}
	return list
}

// FileSample is whether the current content of a file is used.
func FileSample(file string, valid bool) Sample { return one(fileValid, "file", file, number01(valid)) }

// SuccessSample is when the last run without errors that is complete began.
func SuccessSample(job string, began time.Time) Sample {
	return one(success, "policy", job, seconds(began))
}

// DrillSample is when the last drill that passed began.
func DrillSample(began time.Time) Sample { return Sample{drillPassed, nil, seconds(began)} }

// PastSamples are the numbers of a run of which only a record is known.
func PastSamples(job string, began time.Time, took, every time.Duration, code int) []Sample {
	state := Error
	switch code {
	case 0:
		state = OK
	case incomplete:
		state = Warning
	}
	list := []Sample{one(lastRun, "policy", job, seconds(began)), one(runStatus, "policy", job, float64(state)),
		one(runDuration, "policy", job, took.Seconds()), CodeSample(job, code)}
	if every > 0 {
		list = append(list, IntervalSample(job, every))
	}
	return list
}

// Grouped puts samples into the order of Metrics, those of one name together. Of several
// with the same labels the first one stays.
func Grouped(list []Sample) []Sample {
	order := func(s Sample) int { return slices.Index(Metrics, s.Metric) }
	list = slices.Clone(list)
	cluster.Sort(list, func(a, b Sample) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), slices.CompareFunc(a.Labels, b.Labels, func(x, y [2]string) int {
			return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]))
		}))
	})
	return slices.CompactFunc(list, func(a, b Sample) bool { return a.Metric == b.Metric && slices.Equal(a.Labels, b.Labels) })
}
