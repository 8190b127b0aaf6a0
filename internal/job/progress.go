package job

import (
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/terminal"
)

// defaultColumns is the width of a terminal that does not say how wide it is.
const defaultColumns = 80

// progress shows on a terminal what a run waits for, in one line that is written again and
// again.
type progress struct {
	screen  io.Writer
	columns int
	meter   meter
	shown   bool
}

func newProgress(j Job) run.Observer {
	if j.Screen == nil {
		return nil
	}
	columns := j.Columns
	if columns <= 0 {
		columns = defaultColumns
	}
	return &progress{screen: j.Screen, columns: columns}
}

// clearLine puts the cursor at the beginning of the line, and empties the line.
const clearLine = "\r\x1b[K"

// Observe implements run.Observer.
func (p *progress) Observe(e run.Event) {
	w, ok := e.(run.Waiting)
	if !ok {
		p.clear()
		return
	}
	numbers := p.meter.text(w.Waiting)
	if w.Waiting.Elapsed < time.Second {
		return
	}
	if numbers == "" {
		numbers = w.Waiting.Elapsed.Round(time.Second).String()
	}
	p.shown = true
	// The last column stays empty: some terminals wrap when it is written.
	_, _ = io.WriteString(p.screen, clearLine+terminal.Fit(terminal.Line(w.Waiting.For), ": "+terminal.Line(numbers), p.columns-1))
}

func (p *progress) clear() {
	if p.shown {
		_, _ = io.WriteString(p.screen, clearLine)
	}
	p.shown, p.meter = false, meter{}
}

// ProgressText reads 12/240 shards, 34 MB of 1.2 GB.
func ProgressText(p cluster.Progress) string {
	s := fmt.Sprintf("%d of %d shards", p.ShardsDone, p.ShardsTotal)
	if p.BytesTotal > 0 {
		s += fmt.Sprintf(", %s of %s", humanize.IBytes(uint64(max(p.BytesDone, 0))), humanize.IBytes(uint64(p.BytesTotal)))
	}
	if p.ShardsFailed > 0 {
		s += fmt.Sprintf(", %d failed", p.ShardsFailed)
	}
	return s
}
