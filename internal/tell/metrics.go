package tell

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/esnap/esnap/internal/bounded"
	"github.com/esnap/esnap/internal/notice"
)

// Sample is one number. Labels never contain names of snapshots or indices.
type Sample struct {
	Metric
	Labels [][2]string
	Value  float64
}

// Metric is a name with its meaning.
type Metric struct{ Name, Help string }

// The metrics. All are gauges.
var (
	buildInfo    = Metric{"esnap_build_info", "Version of esnap; always 1."}
	lastRun      = Metric{"esnap_last_run_timestamp_seconds", "When the last run began."}
	success      = Metric{"esnap_last_success_timestamp_seconds", "When the last run without errors that is complete began."}
	runStatus    = Metric{"esnap_last_run_status", "Result of the last run: 0 ok, 1 incomplete, 2 failed."}
	runDuration  = Metric{"esnap_run_duration_seconds", "Duration of the last run."}
	interval     = Metric{"esnap_expected_interval_seconds", "How often the file is expected to run."}
	actionTime   = Metric{"esnap_action_duration_seconds", "Duration of the actions of a kind."}
	actionItems  = Metric{"esnap_action_items", "Items of the actions of a kind, by result."}
	snapshots    = Metric{"esnap_snapshots", "Snapshots in the repository, by state."}
	newestGood   = Metric{"esnap_snapshot_newest_good_timestamp_seconds", "When the newest good snapshot began."}
	oldestGood   = Metric{"esnap_snapshot_oldest_good_timestamp_seconds", "When the oldest good snapshot began."}
	shardsFailed = Metric{"esnap_snapshot_shards_failed", "Failed shards of the newest snapshot in the repository."}
	uncovered    = Metric{
		"esnap_indices_uncovered",
		"Indices that were not deleted because snapshots do not contain the copies that the file asks for.",
	}
	// Of esnap serve only.
	nextRun     = Metric{"esnap_next_run_timestamp_seconds", "When the job is due next."}
	runningNow  = Metric{"esnap_running", "Whether the job is running in this process: 1 or 0."}
	exitCode    = Metric{"esnap_last_run_exit_code", "Exit code of the last run."}
	checkStatus = Metric{"esnap_check_status", "Result of the check of the file: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."}
	checkFound  = Metric{"esnap_check_findings", "Findings of the check that are not OK, by what they are about."}
	drillPassed = Metric{"esnap_restore_drill_success_timestamp_seconds", "When the last drill that passed began."}
	fileValid   = Metric{"esnap_file_valid", "Whether the current content of the action file is used: 1 or 0."}
	Served      = []Metric{nextRun, runningNow, exitCode, checkStatus, checkFound, fileValid, drillPassed}
	Metrics     = append([]Metric{buildInfo, lastRun, success, runStatus, runDuration, interval, actionTime, actionItems,
		snapshots, newestGood, oldestGood, shardsFailed, uncovered}, Served...)
)

// Samples are the numbers of a run. The last success is among them only after one.
func (s *Summary) Samples() []Sample {
	var list []Sample
	add := func(m Metric, v float64, labels ...string) {
		x := Sample{Metric: m, Value: v, Labels: [][2]string{{"policy", s.Policy}}}
		for i := 0; i < len(labels); i += 2 {
			if labels[i+1] != "" {
				x.Labels = append(x.Labels, [2]string{labels[i], labels[i+1]})
			}
		}
		list = append(list, x)
	}
	began := seconds(s.Began)
	add(buildInfo, 1, "version", s.Version)
	add(lastRun, began)
	if s.State == OK {
		add(success, began)
		if s.Drill {
			add(drillPassed, began)
		}
	}
	add(runStatus, float64(s.State))
	add(runDuration, s.Duration.Seconds())
	if s.Every > 0 {
		add(interval, s.Every.Seconds())
	}
	for _, a := range s.Actions {
		add(actionTime, a.Duration.Seconds(), "action", a.Kind, "repository", a.Repository)
	}
	for _, a := range s.Actions {
		for _, result := range Results {
			add(actionItems, float64(a.Items[result]), "action", a.Kind, "repository", a.Repository, "result", result)
		}
	}
	for _, r := range s.Repositories {
		for _, state := range []string{"SUCCESS", "PARTIAL", "FAILED", "IN_PROGRESS"} {
			if r.States != nil {
				add(snapshots, float64(r.States[state]), "repository", r.Name, "state", state)
			}
		}
	}
	for _, r := range s.Repositories {
		if !r.NewestGood.IsZero() {
			add(newestGood, float64(r.NewestGood.Unix()), "repository", r.Name)
		}
	}
	for _, r := range s.Repositories {
		if !r.OldestGood.IsZero() {
			add(oldestGood, float64(r.OldestGood.Unix()), "repository", r.Name)
		}
	}
	for _, r := range s.Repositories {
		if r.States != nil {
			add(shardsFailed, float64(r.ShardsFailed), "repository", r.Name)
		}
	}
	if s.Uncovered != nil {
		add(uncovered, float64(*s.Uncovered))
	}
	return list
}

var labelText = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// WriteMetrics writes numbers in the text form of Prometheus. Those of one name stand
// together.
func WriteMetrics(w io.Writer, list []Sample) error {
	var b strings.Builder
	last := ""
	for _, x := range list {
		if x.Name != last {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", x.Name, x.Help, x.Name)
			last = x.Name
		}
		labels := make([]string, len(x.Labels))
		for i, l := range x.Labels {
			labels[i] = l[0] + `="` + labelText.Replace(strings.ToValidUTF8(l[1], "�")) + `"`
		}
		fmt.Fprintf(&b, "%s{%s} %s\n", x.Name, strings.Join(labels, ","), number(x.Value))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// textfile is a file of node_exporter's textfile collector.
type textfile struct{ file string }

func (f textfile) send(_ context.Context, s *Summary, _ Change) error {
	file := inFolder(f.file, "esnap_"+fileName(s.Policy)+".prom")
	if filepath.Ext(file) != ".prom" {
		return finally("the name of %s must end in .prom", file)
	}
	return bounded.Update(file, 0o644, func() ([]byte, error) { return f.with(file, s) })
}

// with is the text of the file with the numbers of a run.
func (f textfile) with(file string, s *Summary) ([]byte, error) {
	list := s.Samples()
	old, err := readSmall(file)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case old != "" && !strings.HasPrefix(old, "# HELP esnap_"): // an action file may name any file
		return nil, finally("%s exists and was not written by esnap; esnap does not change it", file)
	}
	own := [2]string{"policy", s.Policy}
	for _, x := range samples(old) {
		// A client file may name one file for all jobs. A failure does not take away when the last success was.
		others := slices.ContainsFunc(x.Labels, func(l [2]string) bool { return l[0] == own[0] && l != own })
		lasting := s.State != OK && (x.Metric == success || x.Metric == drillPassed)
		if others || lasting && slices.Contains(x.Labels, own) {
			list = append(list, x)
		}
	}
	var b strings.Builder
	_ = WriteMetrics(&b, Grouped(list)) // a builder takes everything
	return []byte(b.String()), nil
}

// samples are the numbers of an earlier file.
func samples(text string) []Sample {
	line := regexp.MustCompile(`^(\w+)\{(.*)\} (\S+)$`)
	label := regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
	plain := strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")
	var list []Sample
	for l := range strings.Lines(text) {
		m := line.FindStringSubmatch(strings.TrimSpace(l))
		if m == nil {
			continue
		}
		at := slices.IndexFunc(Metrics, func(x Metric) bool { return x.Name == m[1] })
		value, err := strconv.ParseFloat(m[3], 64)
		if at < 0 || err != nil {
			continue
		}
		x := Sample{Metric: Metrics[at], Value: value}
		for _, found := range label.FindAllStringSubmatch(m[2], -1) {
			x.Labels = append(x.Labels, [2]string{found[1], plain.Replace(found[2])})
		}
		list = append(list, x)
	}
	return list
}

// pushgateway is a Prometheus Pushgateway.
type pushgateway struct {
	c notice.Pushgateway
	endpoint
}

// send adds to what the gateway has: the last success stays there after a failure.
func (g pushgateway) send(ctx context.Context, s *Summary, _ Change) error {
	var b strings.Builder
	_ = WriteMetrics(&b, s.Samples()) // a builder takes everything
	r := request{method: http.MethodPost, path: "/metrics/job/esnap/policy/" + url.PathEscape(s.Policy),
		kind: "text/plain; version=0.0.4; charset=utf-8", body: []byte(b.String())}
	if strings.Contains(s.Policy, "/") || s.Policy == "." || s.Policy == ".." || s.Policy == "" {
		r.path = "/metrics/job/esnap/policy@base64/" + base64.RawURLEncoding.EncodeToString([]byte(s.Policy))
		if s.Policy == "" {
			r.path += "=" // as the gateway writes an empty value
		}
	}
	if g.c.Username != "" {
		password, err := g.read(g.c.PasswordFile)
		if err != nil {
			return err
		}
		r.auth = [2]string{g.c.Username, password}
	}
	_, err := g.do(ctx, r)
	return err
}

// statsd is a server of StatsD or DogStatsD.
type statsd struct{ c notice.Statsd }

// maxDatagram fits into one packet of any network.
const maxDatagram = 1400

func (d statsd) send(ctx context.Context, s *Summary, _ Change) error {
	network, address := "udp", d.c.Address
	if path, is := strings.CutPrefix(address, "unix://"); is {
		network, address = "unixgram", path
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return fmt.Errorf("%s: %w", d.c.Address, reason(err))
	}
	defer func() { _ = conn.Close() }()
	if at, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(at)
	}
	var packet []byte
	flush := func() error {
		if len(packet) == 0 {
			return nil
		}
		_, err := conn.Write(packet)
		packet = packet[:0]
		if err != nil {
			return fmt.Errorf("%s: %w", d.c.Address, reason(err))
		}
		return nil
	}
	for _, line := range d.lines(s.Samples()) {
		if len(packet)+1+len(line) > maxDatagram {
			if err := flush(); err != nil {
				return err
			}
		}
		if len(packet) > 0 {
			packet = append(packet, '\n')
		}
		packet = append(packet, line...)
	}
	return flush()
}

// lines are the numbers as gauges. Without tags the labels are parts of the name.
func (d statsd) lines(list []Sample) []string {
	lines := make([]string, len(list))
	for i, x := range list {
		name := d.c.Prefix + "." + strings.TrimPrefix(x.Name, "esnap_")
		var tags []string
		for _, l := range x.Labels {
			value := statsdName(l[1])
			if d.c.Tags {
				tags = append(tags, l[0]+":"+value)
			} else {
				name += "." + strings.ReplaceAll(value, ".", "_")
			}
		}
		lines[i] = name + ":" + number(x.Value) + "|g"
		if len(tags) > 0 {
			lines[i] += "|#" + strings.Join(tags, ",")
		}
	}
	return lines
}

// statsdName is a text without what has a meaning in a datagram.
func statsdName(text string) string { return fileName(cut(text, 200)) }
