package job

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/esnap/esnap/internal/cluster"
)

// meter turns what is known of a wait, look by look, into percent, rate and time left.
type meter struct {
	of    string // what is waited for
	looks []look
}

// look is how far an operation was at a time: in bytes where they are known, else in
// shards.
type look struct {
	at          time.Duration
	done, total int64
	bytes       bool
}

// rateOver is how far back the rate looks.
const rateOver = time.Minute

// text reads 42 % · 12 MiB/s · 3 min left; empty: no progress is known. The rate and the
// time left need two looks.
func (m *meter) text(w cluster.Waiting) string {
	if m.of != w.For || len(m.looks) > 0 && w.Elapsed < m.last().at {
		*m = meter{of: w.For}
	}
	p := w.Progress
	if p == nil {
		return ""
	}
	now := look{at: w.Elapsed, done: int64(p.ShardsDone), total: int64(p.ShardsTotal)}
	if p.BytesTotal > 0 {
		now = look{at: w.Elapsed, done: max(p.BytesDone, 0), total: p.BytesTotal, bytes: true}
	}
	if now.total <= 0 {
		return ""
	}
	m.add(now)
	parts := []string{fmt.Sprintf("%d %%", min(now.done, now.total)*100/now.total)}
	if rate := m.rate(); rate > 0 {
		if now.bytes {
			parts = append(parts, humanize.IBytes(uint64(rate))+"/s")
		} else {
			parts = append(parts, fmt.Sprintf("%.3g shards/min", rate*60))
		}
		if now.done < now.total {
			parts = append(parts, timeLeft(time.Duration(float64(now.total-now.done)/rate*float64(time.Second)))+" left")
		}
	}
	if p.ShardsFailed > 0 {
		parts = append(parts, cluster.Count(p.ShardsFailed, "shard")+" failed")
	}
	return strings.Join(parts, " · ")
}

func (m *meter) last() look { return m.looks[len(m.looks)-1] }

// add notes a look that shows something new. What is shown again was not read again.
func (m *meter) add(now look) {
	if len(m.looks) > 0 {
		switch last := m.last(); {
		case last.bytes != now.bytes, now.done < last.done: // the numbers mean something else now
			m.looks = nil
		case last.done == now.done && last.total == now.total:
			if now.at-last.at > rateOver { // it stands still
				m.looks = []look{now}
			}
			return
		}
	}
	m.looks = append(m.looks, now)
	for len(m.looks) > 2 && now.at-m.looks[1].at >= rateOver {
		m.looks = m.looks[1:]
	}
}

// rate is what is done in a second; 0: not known.
func (m *meter) rate() float64 {
	if len(m.looks) < 2 {
		return 0
	}
	first, last := m.looks[0], m.last()
	if last.at <= first.at {
		return 0
	}
	return float64(last.done-first.done) / (last.at - first.at).Seconds()
}

// timeLeft reads 40 s, 3 min, 2 h 5 min or 3 d 4 h.
func timeLeft(d time.Duration) string {
	minutes := int((d + 30*time.Second) / time.Minute)
	switch {
	case d < 0 || d > 1000*24*time.Hour:
		return "a long time"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()+0.5))
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 48*60:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	}
	return fmt.Sprintf("%d d %d h", minutes/60/24, minutes/60%24)
}
