package job

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/terminal"
)

// progress shows on a terminal what a run waits for.
type progress struct {
	bar    *progressbar.ProgressBar
	screen io.Writer
}

func newProgress(j Job) run.Observer {
	if j.Screen == nil {
		return nil
	}
	return &progress{screen: j.Screen}
}

// Observe implements run.Observer.
func (p *progress) Observe(e run.Event) {
	w, ok := e.(run.Waiting)
	if !ok {
		p.clear()
		return
	}
	if w.Waiting.Elapsed < time.Second {
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(p.screen), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(10),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionSpinnerType(14))
	}
	text := []string{fmt.Sprintf("%s, %s", w.Waiting.For, w.Waiting.Elapsed.Round(time.Second))}
	if pr := w.Waiting.Progress; pr != nil {
		text = append(text, ProgressText(*pr))
	}
	p.bar.Describe(terminal.Line(strings.Join(text, ", ")))
	_ = p.bar.Add(1)
}

func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
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
