package job

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/run"
)

const mib = 1 << 20

func bytesDone(done, total int64) *cluster.Progress {
	return &cluster.Progress{ShardsDone: 1, ShardsTotal: 9, BytesDone: done * mib, BytesTotal: total * mib}
}

func shardsDone(done, total int) *cluster.Progress {
	return &cluster.Progress{ShardsDone: done, ShardsTotal: total}
}

// TestMeter: percent from the first look at the progress, rate and time left from the
// second.
func TestMeter(t *testing.T) {
	failed := shardsDone(5, 10)
	failed.ShardsFailed = 2
	m := &meter{}
	looks := func(list ...any) {
		t.Helper()
		for n := 0; n < len(list); n += 3 {
			p, _ := list[n+1].(*cluster.Progress)
			got := m.text(cluster.Waiting{For: "x", Elapsed: time.Duration(list[n].(int)) * time.Second, Progress: p})
			require.Equal(t, list[n+2], got, "after %d s", list[n])
		}
	}
	looks(
		0, nil, "",
		1, bytesDone(0, 0), "11 %", // no bytes are known: shards
		6, bytesDone(100, 4000), "2 %",
		8, bytesDone(100, 4000), "2 %", // not read again
		16, bytesDone(220, 4000), "5 % · 12 MiB/s · 5 min left",
		17, bytesDone(220, 4000), "5 % · 12 MiB/s · 5 min left",
		120, bytesDone(220, 4000), "5 %", // stands still
		180, bytesDone(221, 4000), "5 % · 17 KiB/s · 2 d 14 h left",
		240, bytesDone(4000, 4000), "100 % · 63 MiB/s",
	)
	looks(
		0, nil, "", // a second wait of that name
		2, shardsDone(1, 10), "10 %",
		62, shardsDone(3, 10), "30 % · 2 shards/min · 4 min left",
		92, failed, "50 % · 2.67 shards/min · 2 min left · 2 shards failed",
	)
	require.Equal(t, "40 %", m.text(cluster.Waiting{For: "y", Elapsed: 99 * time.Second, Progress: shardsDone(4, 10)}), "another operation")
	require.Empty(t, m.text(cluster.Waiting{For: "y", Elapsed: 100 * time.Second, Progress: &cluster.Progress{}}))
}

func TestTimeLeft(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 40 * time.Second: "40 s", 89 * time.Second: "1 min", 90 * time.Second: "2 min", 59*time.Minute + 40*time.Second: "1 h 0 min",
		125 * time.Minute: "2 h 5 min", 76 * time.Hour: "3 d 4 h", -1: "a long time",
	} {
		require.Equal(t, want, timeLeft(d), d)
	}
}

func waiting(what string, elapsed time.Duration, p *cluster.Progress) run.Event {
	return run.Waiting{Waiting: cluster.Waiting{For: what, Elapsed: elapsed, Progress: p}}
}

// TestProgressIsOneLine: it never wraps, and it is gone when the wait has ended.
func TestProgressIsOneLine(t *testing.T) {
	long := "snapshot logs/" + strings.Repeat("abcdefghi-", 20) + "end"
	for columns, want := range map[int]int{0: 79, 60: 59, 400: 247} {
		var b bytes.Buffer
		p := newProgress(Job{Screen: &b, Columns: columns})
		p.Observe(run.ActionStarting{})
		p.Observe(waiting(long, time.Millisecond, nil))
		require.Empty(t, b.String(), "what is short is not shown")
		p.Observe(waiting(long, 2*time.Second, nil))
		require.True(t, strings.HasSuffix(b.String(), "end: 2s"), b.String())
		p.Observe(waiting(long, 5*time.Second, bytesDone(1, 100)))
		b.Reset()
		p.Observe(waiting(long, 15*time.Second, bytesDone(41, 100)))
		line, cleared := strings.CutPrefix(b.String(), clearLine)
		require.True(t, cleared)
		require.Len(t, []rune(line), want, line)
		require.True(t, strings.HasPrefix(line, "snapshot logs/"), line)
		require.True(t, strings.HasSuffix(line, "end: 41 % · 4.0 MiB/s · 15 s left"), line)
		require.Equal(t, want < 247, strings.Contains(line, "…"))
		b.Reset()
		p.Observe(run.ActionDone{})
		require.Equal(t, clearLine, b.String())
		p.Observe(run.Finished{})
		require.Equal(t, clearLine, b.String())
	}
	var b bytes.Buffer
	newProgress(Job{Screen: &b}).Observe(waiting("a\x1b[2J\nb", 2*time.Second, nil))
	require.Equal(t, clearLine+`a\x1b[2J\nb: 2s`, b.String())
}

// TestHeartbeat: a log has a line a minute about what runs, with its name and progress.
func TestHeartbeat(t *testing.T) {
	var b bytes.Buffer
	o := newLines(Job{Log: slog.New(slog.NewTextHandler(&b, nil))})
	o.Observe(run.Started{})
	for s := range 131 {
		o.Observe(waiting("snapshot r/nightly", time.Duration(s)*time.Second, bytesDone(int64(s), 1000)))
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		_, line, _ = strings.Cut(line, "msg=")
		got = append(got, strings.TrimSpace(line))
	}
	require.Equal(t, []string{
		`waiting id="" for="snapshot r/nightly" elapsed=0s progress="0 %"`,
		`waiting id="" for="snapshot r/nightly" elapsed=1m0s progress="6 % · 1.0 MiB/s · 16 min left"`,
		`waiting id="" for="snapshot r/nightly" elapsed=2m0s progress="12 % · 1.0 MiB/s · 15 min left"`,
	}, got)
}
