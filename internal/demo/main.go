// Command demo shows esnap's main job on a real Elasticsearch OSS 6.7.0, the version of
// KubeSphere 2.1 to 3.2. It starts and stops the server itself. It shows the nightly run
// (repository, snapshot, expiry, deletion) and the day after (one day restored). It exits
// 0 only if the cluster then contains what it should.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/testserver"
)

const (
	days       = 60
	actionFile = "examples/kubesphere/action_file.yml"
	repository = "ks-log-snapshots"
)

var families = []string{"ks-logstash-log-", "ks-logstash-events-", "ks-logstash-auditing-", "logstash-"}

func main() {
	if err := demo(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

type stage struct {
	esnap  string // the binary
	server *testserver.Server
	env    []string
	now    time.Time
}

func demo() error {
	if len(os.Args) != 2 {
		return errors.New("usage: demo PATH-OF-ESNAP")
	}
	ctx := context.Background()
	say("Starting a real Elasticsearch OSS 6.7.0")
	server, err := testserver.Start(ctx, testserver.Options{Flavour: testserver.ES670, Log: os.Stdout})
	if err != nil {
		return err
	}
	defer func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "demo: stop the server:", err)
		}
	}()
	s := &stage{esnap: os.Args[1], server: server, now: time.Now().UTC()}
	s.env = append(os.Environ(), "ESNAP_URL="+server.URL, "ESNAP_BACKUP_LOCATION="+server.Repo+"/demo",
		"ESNAP_LOG_LEVEL=warning", "ESNAP_CONFIG=")
	if err := s.fill(); err != nil {
		return fmt.Errorf("fill the cluster: %w", err)
	}
	for _, step := range []func() error{s.night, s.day, s.nextNight} {
		if err := step(); err != nil {
			return err
		}
	}
	say("Done: the nightly run and the restore have the expected results")
	return nil
}

func say(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }

// date is the end of the name for the day this many days ago.
func (s *stage) date(ago int) string { return s.now.AddDate(0, 0, -ago).Format("2006.01.02") }

// run shows a command line, runs it, and requires exit code 0.
func (s *stage) run(args ...string) error {
	fmt.Printf("\n$ esnap %s\n", strings.Join(args, " "))
	c := exec.Command(s.esnap, args...)
	c.Env, c.Stdout, c.Stderr = s.env, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("esnap %s: %w", args[0], err)
	}
	return nil
}

// fill creates KubeSphere's daily indices and two old snapshots.
func (s *stage) fill() error {
	say("Filling it with %d days of KubeSphere's %d families of daily indices", days, len(families))
	err := s.call("PUT", "/_template/demo", map[string]any{
		"index_patterns": []string{"*"}, "settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 0},
	}, nil)
	if err != nil {
		return err
	}
	for _, f := range families { // one request for all of them overruns the server's queue of 200 writes
		var bulk bytes.Buffer
		for ago := range days {
			for n := range 5 {
				fmt.Fprintf(&bulk, "{\"index\":{\"_index\":%q,\"_type\":\"_doc\"}}\n{\"n\":%d,\"log\":\"line of day %s\"}\n",
					f+s.date(ago), n, s.date(ago))
			}
		}
		req, err := http.NewRequest(http.MethodPost, s.server.URL+"/_bulk?refresh=true", &bulk)
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-ndjson")
		var reply struct {
			Errors bool `json:"errors"`
		}
		if err := do(req, &reply); err != nil {
			return err
		}
		if reply.Errors {
			return fmt.Errorf("the server did not store all documents of %s*", f)
		}
	}
	say("An operator registers the repository manually and takes two snapshots with old dates in their names")
	if err := s.run("repository", "register", repository, "fs", "location="+s.server.Repo+"/demo", "compress=true"); err != nil {
		return err
	}
	for _, ago := range []int{50, 47} {
		name := "snapshot-" + s.now.AddDate(0, 0, -ago).Format("20060102") + "010000"
		if err := s.run("snapshot", "create", repository, families[0]+s.date(ago+1), "--name", name); err != nil {
			return err
		}
	}
	return nil
}

// night is the CronJob of 01:00.
func (s *stage) night() error {
	say("The night: first validated, then as a dry run, then for real")
	for _, args := range [][]string{{"validate", actionFile}, {"run", "--dry-run", actionFile}, {"run", actionFile}, {"snapshot", "list"}} {
		if err := s.run(args...); err != nil {
			return err
		}
	}
	return s.expect(7*len(families), 1)
}

// day restores a day that was deleted in the night.
func (s *stage) day() error {
	lost := families[0] + s.date(40)
	say("The day after: somebody needs the logs of %s", lost)
	if err := s.run("restore", lost, "--yes"); err != nil {
		return err
	}
	var count struct {
		Count int `json:"count"`
	}
	if err := s.call("GET", "/"+lost+"/_count", nil, &count); err != nil {
		return err
	}
	if count.Count != 5 {
		return fmt.Errorf("%s has %d documents after the restore, 5 were stored", lost, count.Count)
	}
	return nil
}

// nextNight runs the same file again: no second snapshot is taken, and the restored day is
// kept.
func (s *stage) nextNight() error {
	say("The job runs again, as Kubernetes may do: today's snapshot is adopted, the restored day is kept")
	if err := s.run("run", actionFile); err != nil {
		return err
	}
	return s.expect(7*len(families)+1, 1)
}

// expect counts the indices and snapshots in the cluster.
func (s *stage) expect(indices, snapshots int) error {
	var have []struct{ Index string }
	if err := s.call("GET", "/_cat/indices?format=json&h=index", nil, &have); err != nil {
		return err
	}
	var list struct {
		Snapshots []struct{ State string }
	}
	if err := s.call("GET", "/_snapshot/"+repository+"/_all", nil, &list); err != nil {
		return err
	}
	if len(have) != indices || len(list.Snapshots) != snapshots {
		return fmt.Errorf("the cluster has %d indices and %d snapshots; expected %d and %d", len(have), len(list.Snapshots), indices, snapshots)
	}
	fmt.Printf("\n== Seen in the cluster: %d indices, %d snapshot\n", indices, snapshots)
	return nil
}

func (s *stage) call(method, path string, body, into any) error {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, s.server.URL+path, r)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return do(req, into)
}

func do(req *http.Request, into any) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, resp.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
