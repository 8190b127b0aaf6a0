package series

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/dates"
)

func TestSeries(t *testing.T) {
	for name, want := range map[string]Series{
		"prod1-2026.11.03":          {Key: "prod1-*"},
		"prod2-2026.11.03":          {Key: "prod2-*"},
		"prod1-20261103040506":      {Key: "prod1-*"},
		"curator-20261103":          {Key: "curator-*"},
		"2026.11.03":                {Key: "*"},
		"a-2026.11.03-b-2026.11.04": {Key: "a-*-b-*"},
		"es-7.17.28-2026.11.03":     {Key: "es-7.17.28-*"},
		"a-1700000000":              {Key: "a-*", Guess: true},
		"prod-03.11.2026":           {Key: "prod-*"}, // %d.%m.%Y
		"dev-03-11-2026":            {Key: "dev-*"},
		"prod-2026.11":              {Key: "prod-*", Guess: true}, // %Y.%m
		"prod-2026.w45":             {Key: "prod-*", Guess: true}, // %G.w%V
		"prod-2026-W45":             {Key: "prod-*", Guess: true},
		"prod-2026.w54":             {Key: "prod-2026.w*", Guess: true},
		// a -N that esnap added
		"nightly-2026.11.03-2":      {Key: "nightly-*", Guess: true},
		"nightly-20261103040506-12": {Key: "nightly-*", Guess: true},
		"nightly-2026.11.03-1":      {Key: "nightly-*-1"},
		"nightly-2026.11.03-02":     {Key: "nightly-*", Guess: true}, // the hour
		"nightly-2026.11.03-2-x":    {Key: "nightly-*-2-x"},
		// other digits and words stay
		"2026.11.03-prod1":                          {Key: "*-prod1"},
		"daily-2026-11-03t04:05:06-customer":        {Key: "daily-*-customer"},
		"nightly-2026.11.03-kunde0815_berlin_mitte": {Key: "nightly-*-kunde0815_berlin_mitte"},
		"before-upgrade-of-the-cluster":             {Key: "before-upgrade-of-the-cluster"},
		"x-prod-cluster-2026-11-03":                 {Key: "x-prod-cluster-*"},
		// names without a date: the last number is a guess
		"cust-1234567890":        {Key: "cust-*", Guess: true}, // an epoch, or a customer
		"b-2026-11-27-10-x":      {Key: "b-*-x", Guess: true},  // the hour, or a number
		"site-2026-11-27-10.20":  {Key: "site-*", Guess: true},
		"a-2026-11-27T10":        {Key: "a-*"},
		"tenant-20261127-123456": {Key: "tenant-*"},
		"before-upgrade":         {Key: "before-upgrade"},
		"cust-230415":            {Key: "cust-*", Guess: true}, // %y%m%d, or a customer
		"a-20261399":             {Key: "a-*", Guess: true},
		"a-7.17.28":              {Key: "a-7.17.*", Guess: true},
		"prod1-backup-7":         {Key: "prod1-backup-*", Guess: true},
		"snap42x":                {Key: "snap*x", Guess: true},
		"":                       {},
	} {
		require.Equal(t, want, OfName(name), name)
	}
	// a finder of the action's own timestring counts beside the usual forms, and takes
	// along the time that directly follows
	part := func(text string) dates.Finder {
		return func(name string) (int, int, bool) {
			i := strings.Index(name, text)
			return max(i, 0), max(i, 0) + len(text), i >= 0
		}
	}
	require.Equal(t, "a-*", OfName("a-2026.12.01", part("2026.12")).Key, "the whole date")
	require.Equal(t, "curator-*", OfName("curator-20261001020003", part("20261001")).Key, "the time belongs to it")
	require.Equal(t, "a-*", OfName("a-01122026020003", part("01122026")).Key, "a form that only the timestring knows")
	require.Equal(t, "a-*99", OfName("a-0112202699", part("01122026")).Key, "99 is not an hour")
	require.Equal(t, "a1-*", OfName("a1-26.12", part("26.12")).Key)
	require.Equal(t, "a-*", OfName("a-2026.12.01", func(string) (int, int, bool) { return 0, 0, true }).Key, "an empty match is none")
}

func TestSeriesOf(t *testing.T) {
	of := Of([]string{"prod*", "*-x"})
	for want, s := range map[Series]*cluster.Snapshot{
		{Key: "prod*"}:               {Name: "prod1-2026.11.03", Policy: "p"}, // patterns come before policies
		{Key: "*-x"}:                 {Name: "a-x"},
		{Key: "policy nightly"}:      {Name: "n-2026.11.03-abcdefghijklmnopqrstuv", Policy: "nightly"},
		{Key: "test-*"}:              {Name: "test-2026.11.03"},
		{Key: "test-*", Guess: true}: {Name: "test-1"},
	} {
		require.Equal(t, want, of(s))
	}
}

// TestSeriesOfClusters: what another cluster took under the same names is another series.
func TestSeriesOfClusters(t *testing.T) {
	ours := &cluster.Snapshot{Name: "s-2026.10.01", Cluster: "a"}
	theirs := &cluster.Snapshot{Name: "s-2026.10.02", Cluster: "b", Elsewhere: true}
	for name, of := range map[string]func(*cluster.Snapshot) Series{"by name": Of(nil), "by pattern": Of([]string{"s-*"})} {
		require.NotEqual(t, of(ours).Key, of(theirs).Key, name)
	}
	require.Equal(t, OfAnyCluster(nil)(ours), OfAnyCluster(nil)(theirs))
}

func TestFamily(t *testing.T) {
	require.Equal(t, "logs-*", Family("logs-2026.11.03"))
	require.Equal(t, "orders", Family("orders"))
}

func FuzzOfName(f *testing.F) {
	for _, s := range []string{"prod1-2026.11.03", "a-20261103t040506z", "a-1hzvdk7orgcxvuqwxgktmw", "\xff2026.11.03"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		require.NotEmpty(t, OfName(name+"x").Key)
	})
}
