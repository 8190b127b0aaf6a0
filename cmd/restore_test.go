package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/memory"
)

const november3 = "ks-logstash-log-2026.11.03"

var dayAfter = time.Date(2026, 11, 4, 1, 0, 0, 0, time.UTC)

// written are the requests that changed something, with the names they are about.
func (k *console) written() []string {
	var list []string
	for _, c := range k.c.Writes() {
		switch r := c.Request.(type) {
		case cluster.VerifyRepository:
			continue
		case cluster.OpenIndices:
			if r.Close {
				list = append(list, "close "+strings.Join(r.Names, ","))
			} else {
				list = append(list, "open "+strings.Join(r.Names, ","))
			}
		case cluster.DeleteIndices:
			list = append(list, "delete "+strings.Join(r.Names, ","))
		case cluster.RegisterRepository:
			list = append(list, fmt.Sprintf("register %s readonly=%v", r.Name, r.Settings["readonly"]))
		case cluster.RestoreSnapshot:
			if r.GlobalState {
				list = append(list, "restore "+r.Repository+"/"+r.Name+" global state "+strings.Join(r.Indices, ","))
				continue
			}
			list = append(list, "restore "+r.Repository+"/"+r.Name+" "+strings.Join(r.Targets, ","))
		}
	}
	return list
}

func (k *console) documents(index string) int64 {
	stats, err := k.c.Stats(context.Background(), []string{index})
	require.NoError(k.t, err)
	return stats[index].Docs
}

// overwriting is a cluster whose index has 3 documents, and whose copy in r/old has 10.
func overwriting(t *testing.T) *console {
	k := newConsole(t)
	k.c.AddIndex(cluster.Index{Name: november3, Created: dayAfter.AddDate(0, 0, 2), WriteAliases: []string{},
		Aliases: []string{"logs"}, Stats: &cluster.IndexStats{Docs: 3, PrimaryBytes: 1}})
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "old", Start: dayAfter, Indices: []string{november3}},
		cluster.Index{Name: november3, Created: dayAfter.AddDate(0, 0, -1)})
	return k
}

// TestRestoreOverwrites: only over an index of which a good copy is held, and the plan says
// what is replaced.
func TestRestoreOverwrites(t *testing.T) {
	k := overwriting(t)
	args := []string{"restore", november3, "--on-conflict", "overwrite", "--snapshot", "old", "--yes"}
	code, out, errs := k.run(args...)
	require.Equal(t, 4, code, out+errs)
	require.Contains(t, out, "refused: "+november3+": no snapshot contains a good copy of the existing index, which has 3 documents")
	require.Empty(t, k.written())

	code, out, errs = k.run(append(args, "--force", "-n")...)
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "over the existing index")
	require.Empty(t, k.written())

	code, out, errs = k.run(append(args, "--force")...)
	require.Equal(t, 0, code, errs)
	require.Equal(t, []string{"close " + november3, "restore r/old " + november3}, k.written())
	require.Equal(t, int64(10), k.documents(november3))
	require.NotContains(t, out, "To undo", "undoing would not bring the replaced documents back")

	k = overwriting(t) // with a copy of the existing index, in another repository
	k.c.AddSnapshot("other", cluster.Snapshot{Name: "today", Start: now, Indices: []string{november3}})
	code, out, _ = k.run(append(args, "-n", "-o", "json", "--repository", "r")...)
	require.Equal(t, 0, code)
	var shown struct {
		Plan struct {
			Items []struct {
				Replaces struct {
					Documents int
					Copy      struct{ Repository, Snapshot string }
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &shown))
	require.Equal(t, 3, shown.Plan.Items[0].Replaces.Documents)
	require.Equal(t, "other", shown.Plan.Items[0].Replaces.Copy.Repository)
	code, out, errs = k.run(args...)
	require.Equal(t, 0, code, errs)
	require.Contains(t, out,
		"warning: "+november3+" is overwritten: 3 documents in the existing index are replaced; the newest good copy of it is in other/today")
	list, err := k.c.IndicesNamed(context.Background(), []string{november3})
	require.NoError(t, err)
	require.Contains(t, list[0].Aliases, "logs", "the server keeps the aliases of the existing index")

	k = overwriting(t)
	k.tty, k.in = true, "n\n"
	k.c.AddSnapshot("other", cluster.Snapshot{Name: "today", Start: now, Indices: []string{november3}})
	_, _, errs = k.run(args[:len(args)-1]...)
	require.Contains(t, errs, "Restore 1 index, and overwrite 1 index (3 documents)?")
	require.Empty(t, k.written())

	k = overwriting(t)
	k.c.SetAlias(november3, "write", true)
	k.c.AddSnapshot("other", cluster.Snapshot{Name: "today", Start: now, Indices: []string{november3}})
	code, out, _ = k.run(args...)
	require.Equal(t, 4, code)
	require.Contains(t, out, november3+": it is the write index of the alias write")
}

// TestRestoreThatCannotOverwrite: what was closed for a restore that does not begin is
// opened again.
func TestRestoreThatCannotOverwrite(t *testing.T) {
	args := []string{"restore", november3, "--on-conflict", "overwrite", "--force", "--yes"}
	for name, fault := range map[string]error{"refused": cluster.ErrServer, "not allowed": cluster.ErrForbidden} {
		k := overwriting(t)
		k.c.Fault = func(method string, _ []string) error {
			if method == "RestoreSnapshot" {
				return fault
			}
			return nil
		}
		code, out, _ := k.run(args...)
		require.Equal(t, 1, code, name)
		require.Contains(t, out, "the existing index was opened again, unchanged", name)
		require.Equal(t, "open "+november3, k.written()[len(k.written())-1], name)
		require.Equal(t, int64(3), k.documents(november3), name)
	}
	k := overwriting(t) // recreated between the plan and the closing
	k.c.Fault = func(method string, _ []string) error {
		if method == "VerifyRepository" {
			k.c.AddIndex(cluster.Index{Name: november3, UUID: "another"})
		}
		return nil
	}
	code, out, _ := k.run(args...)
	require.Equal(t, 1, code)
	require.Contains(t, out, "the existing index was deleted and recreated after the plan was made")
	require.Empty(t, k.written())

	k = overwriting(t) // interrupted while the index is closed
	ctx, cancel := context.WithCancelCause(context.Background())
	k.ctx = ctx
	k.c.Fault = func(method string, _ []string) error {
		if method == "RestoreSnapshot" {
			cancel(&job.Signal{Number: syscall.SIGTERM})
			return cluster.ErrLost
		}
		return nil
	}
	code, out, _ = k.run(args...)
	require.Equal(t, 143, code, out)
	require.Equal(t, int64(3), k.documents(november3), "open again")

	k = overwriting(t) // the lost request was carried out
	ctx, cancel = context.WithCancelCause(context.Background())
	k.ctx, k.c.RestorePolls = ctx, -1
	k.c.FaultAfter = func(method string, _ []string) error {
		if method == "RestoreSnapshot" {
			cancel(&job.Signal{Number: syscall.SIGTERM})
			return cluster.ErrLost
		}
		return nil
	}
	code, out, _ = k.run(args...)
	require.Equal(t, 143, code, out)
	require.Contains(t, out, "the restore may continue in the cluster")
	require.NotContains(t, out, "unchanged")

	k = overwriting(t) // begun, and failed: the copy that brings the documents back is named
	k.c.AddSnapshot("other", cluster.Snapshot{Name: "today", Start: now, Indices: []string{november3}})
	k.c.RestoreEnds = func(string) string { return "no space left" }
	code, out, _ = k.run("restore", november3, "--snapshot", "old", "--on-conflict", "overwrite", "--yes", "--rollback")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "esnap restore "+november3+" --repository other --snapshot today --on-conflict overwrite")
	require.NotContains(t, strings.Join(k.written(), "\n"), "delete", "a rollback deletes only what did not exist")
}

// TestRollback: what the run created is deleted, by its uuid, and nothing else.
func TestRollback(t *testing.T) {
	const second = "ks-logstash-log-2026.11.02"
	prepared := func() *console {
		k := newConsole(t)
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Start: dayAfter, Indices: []string{november3, second}})
		k.c.AddIndices("restored-before", "restored-"+second)
		return k
	}
	args := []string{"restore", november3, second, "--rename-prefix", "restored-", "--on-conflict", "skip", "--rollback", "--yes"}
	fails := func(index string) string {
		if index == "restored-"+november3 {
			return "corrupt"
		}
		return ""
	}

	k := prepared()
	k.c.RestoreEnds = fails
	code, out, _ := k.run(args...)
	require.Equal(t, 1, code)
	require.Contains(t, out, "deleted restored-"+november3+": rolled back: this run had created it")
	require.Equal(t, []string{"restore r/s restored-" + november3, "delete restored-" + november3}, k.written())

	k = prepared() // all that the run created, also what was restored well
	k.c.RestoreEnds = fails
	code, out, _ = k.run("restore", november3, second, "--rename-prefix", "restored-", "--on-conflict", "rename", "--rollback", "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, out, "deleted restored-restored-"+second)
	require.Contains(t, out, "deleted restored-"+november3)
	require.NotContains(t, out, "To undo")

	k = prepared() // recreated by somebody else meanwhile
	k.c.RestoreEnds = fails
	k.c.Fault = func(method string, _ []string) error {
		if method == "ShardProblems" {
			k.c.AddIndex(cluster.Index{Name: "restored-" + november3, UUID: "another"})
		}
		return nil
	}
	code, out, errs := k.run(args...)
	require.Equal(t, 1, code, out+errs)
	require.NotContains(t, strings.Join(k.written(), "\n"), "delete")

	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		k = prepared()
		k.c.RestorePolls = -1
		ctx, cancel := context.WithCancelCause(context.Background())
		k.ctx = ctx
		k.c.FaultAfter = func(method string, _ []string) error {
			if method == "RestoreSnapshot" {
				cancel(&job.Signal{Number: signal})
			}
			return nil
		}
		code, out, _ = k.run(args...)
		require.Equal(t, 128+int(signal), code, out)
		require.Contains(t, out, "deleted restored-"+november3)
		list, err := k.c.Indices(context.Background())
		require.NoError(t, err)
		require.Equal(t, []string{"restored-before", "restored-" + second}, slices.Sorted(slices.Values(cluster.Names(list))),
			"they existed before")
	}

	k = prepared() // a lost reply: another run may have created it
	k.c.FaultAfter = func(method string, _ []string) error {
		if method == "RestoreSnapshot" {
			return cluster.ErrLost
		}
		return nil
	}
	k.c.RestoreEnds = fails
	k.env["ESNAP_LOG_LEVEL"] = "warn"
	code, _, errs = k.run(args...)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "cannot tell whether this run created restored-"+november3)
	require.NotContains(t, strings.Join(k.written(), "\n"), "delete")

	code, _, errs = prepared().run(append(args, "--wait=false")...)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "rollback: needs wait_for_completion")

	k = prepared()
	code, out, _ = k.run(args...)
	require.Equal(t, 0, code)
	require.NotContains(t, out, "deleted")
}

// TestRollbackOverOthers: what is said about an index that was to be overwritten depends on whether
// its restore was requested, not on what was planned.
func TestRollbackOverOthers(t *testing.T) {
	const second = "ks-logstash-log-2026.11.02"
	terminated := &job.Signal{Number: syscall.SIGTERM}
	kept := func(index string) string {
		return "rollback: " + index + " existed before, so it is kept; esnap restore " + index
	}
	unclear := func(index string) string { return "rollback: cannot tell whether " + index + " was replaced" }
	for name, c := range map[string]struct {
		fault, after func(stop func(error), method string, call int) error
		ends         func(string) string
		running      bool // the restore does not end
		code         int
		says, not    []string
		writes       []string
	}{
		"SIGTERM before the closing arrives": {
			fault: func(stop func(error), method string, call int) error {
				if method == "OpenIndices" && call == 1 {
					stop(terminated)
					return cluster.ErrLost
				}
				return nil
			},
			code:   143,
			says:   []string{"not started " + second + ": the existing index is open, unchanged", "not started " + november3},
			not:    []string{"may continue", "requested", "existed before", "cannot tell"},
			writes: []string{"close " + second, "open " + second},
		},
		"SIGTERM after the closing arrived": {
			after: func(stop func(error), method string, call int) error {
				if method == "OpenIndices" && call == 1 {
					stop(terminated)
					return cluster.ErrLost
				}
				return nil
			},
			code:   143,
			says:   []string{"not started " + second + ": the existing index was opened again, unchanged; terminated", "not started " + november3},
			not:    []string{"may continue", "requested", "existed before", "cannot tell"},
			writes: []string{"close " + second, "open " + second},
		},
		"SIGTERM between the closing and the restore": {
			after: func(stop func(error), method string, call int) error {
				if method == "OpenIndices" && call == 1 {
					stop(terminated)
				}
				return nil
			},
			code:   143,
			says:   []string{"not started " + second + ": the existing index was opened again, unchanged; terminated", "not started " + november3},
			not:    []string{"may continue", "requested", "existed before", "cannot tell"},
			writes: []string{"close " + second, "open " + second},
		},
		"the first restore is refused": {
			fault: func(_ func(error), method string, _ int) error {
				if method == "RestoreSnapshot" {
					return cluster.ErrForbidden
				}
				return nil
			},
			code:   1,
			says:   []string{"the existing index was opened again, unchanged", "not started " + november3},
			not:    []string{"existed before", "cannot tell"},
			writes: []string{"close " + second, "restore r/older " + second, "open " + second},
		},
		"SIGTERM during the first restore": {
			running: true,
			after: func(stop func(error), method string, _ int) error {
				if method == "RestoreSnapshot" {
					stop(terminated)
				}
				return nil
			},
			code:   143,
			says:   []string{"requested " + second, "not started " + november3, kept(second)},
			not:    []string{kept(november3), "cannot tell"},
			writes: []string{"close " + second, "restore r/older " + second},
		},
		"SIGTERM, and the reply to the first restore is lost": {
			running: true,
			after: func(stop func(error), method string, _ int) error {
				if method == "RestoreSnapshot" {
					stop(terminated)
					return cluster.ErrLost
				}
				return nil
			},
			code:   143,
			says:   []string{"requested " + second + ": the restore may continue", "not started " + november3, unclear(second)},
			not:    []string{kept(second), kept(november3), unclear(november3)},
			writes: []string{"close " + second, "restore r/older " + second},
		},
		"the second restore fails": {
			ends: func(index string) string {
				if index == november3 {
					return "no space left"
				}
				return ""
			},
			code:   1,
			says:   []string{"restored " + second, kept(second), kept(november3)},
			writes: []string{"close " + second, "restore r/older " + second, "close " + november3, "restore r/old " + november3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := overwriting(t)
			k.c.AddIndex(cluster.Index{Name: second, Created: dayAfter.AddDate(0, 0, 2), WriteAliases: []string{},
				Stats: &cluster.IndexStats{Docs: 3, PrimaryBytes: 1}})
			k.c.AddSnapshot("r", cluster.Snapshot{Name: "older", Start: dayAfter.Add(-time.Hour), Indices: []string{second}},
				cluster.Index{Name: second, Created: dayAfter.AddDate(0, 0, -1)})
			k.c.AddSnapshot("other", cluster.Snapshot{Name: "today", Start: now, Indices: []string{november3, second}})
			k.env["ESNAP_LOG_LEVEL"] = "warn"
			ctx, cancel := context.WithCancelCause(t.Context())
			k.ctx, k.c.RestoreEnds = ctx, c.ends
			if c.running {
				k.c.RestorePolls = -1
			}
			calls := map[string]int{}
			k.c.Fault = func(method string, _ []string) error {
				calls[method]++
				if c.fault == nil {
					return nil
				}
				return c.fault(cancel, method, calls[method])
			}
			k.c.FaultAfter = func(method string, _ []string) error {
				if c.after == nil {
					return nil
				}
				return c.after(cancel, method, calls[method])
			}
			code, out, errs := k.run("restore", november3, second, "--repository", "r", "--on-conflict", "overwrite", "--rollback", "--yes")
			require.Equal(t, c.code, code, out+errs)
			for _, text := range c.says {
				require.Contains(t, out+errs, text)
			}
			for _, text := range c.not {
				require.NotContains(t, out+errs, text)
			}
			require.Equal(t, c.writes, k.written())
			if !slices.ContainsFunc(c.writes, func(w string) bool { return strings.HasPrefix(w, "restore") }) {
				require.Equal(t, int64(3), k.documents(second), "open, and unchanged")
			}
		})
	}
}

// TestRestoreFromFile: names come from a file, and errors say where they are.
func TestRestoreFromFile(t *testing.T) {
	const second = "ks-logstash-log-2026.11.02"
	prepared := func() *console {
		k := newConsole(t)
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Start: dayAfter, Indices: []string{november3, second, "other"}})
		return k
	}
	k := prepared()
	file := k.file("\ufeff# of the auditors\r\n" + november3 + "\r\n\n  " + second + "\n" + november3 + "\n")
	code, out, errs := k.run("restore", "--from-file", file, "--yes")
	require.Equal(t, 0, code, errs)
	require.Equal(t, []string{"restore r/s " + second + "," + november3}, k.written())
	require.Contains(t, out, "restored "+second)

	k = prepared()
	k.in = "ks-*\n-*02\n"
	code, _, errs = k.run("restore", "other", "--from-file", "-", "--yes")
	require.Equal(t, 0, code, errs)
	require.Equal(t, []string{"restore r/s " + november3 + ",other"}, k.written())
	k = prepared()
	k.in = november3
	code, _, errs = k.run("restore", "--from-file=-")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "hint: pass --yes")
	code, _, errs = k.run("restore", "--from-file=-", "-n")
	require.Equal(t, 0, code, errs)

	k = prepared()
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "bad", Start: dayAfter, State: cluster.Failed, Indices: []string{"lost"}})
	file = k.file("# c\n" + november3 + "\nks-logstash-log-2026.11.30\nnothing-*\nlost\nks-logstash-log-2025.*\n")
	code, out, _ = k.run("restore", "--from-file", file, "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, out, "refused: "+file+":3: no snapshot contains the index ks-logstash-log-2026.11.30; did you mean ")
	require.Contains(t, out, "refused: "+file+":4: no snapshot contains an index nothing-*")
	require.Contains(t, out, "refused: "+file+":5: no snapshot contains a complete copy of lost")
	require.Contains(t, out, "refused: "+file+":6: no snapshot contains an index ks-logstash-log-2025.*; did you mean ks-logstash-log-2026.")
	require.Empty(t, k.written())

	for text, want := range map[string]string{
		"a b\nok\nUpper\na,b\n": `:1: invalid name "a b": the name contains a character that is not allowed: " "`,
		"# nothing\n":           "contains no names",
	} {
		k = prepared()
		code, out, errs = k.run("restore", "--from-file", k.file(text), "--yes")
		require.Equal(t, 2, code)
		require.Contains(t, errs, want)
		require.Equal(t, strings.Contains(text, "Upper"), strings.Contains(errs, ":3: invalid name"), "all at once")
		require.Empty(t, out)
		require.Empty(t, k.c.Calls())
	}
	code, _, errs = prepared().run("restore", "--from-file", "/nowhere", "--yes")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "--from-file: cannot read /nowhere: no such file or directory")
}

// TestRestoreFromSeveralSnapshots: one command restores days that no single snapshot
// contains, in one plan.
func TestRestoreFromSeveralSnapshots(t *testing.T) {
	k := newConsole(t)
	day := func(n int) string { return fmt.Sprintf("ks-logstash-log-2026.11.%02d", n) }
	at := func(n int) time.Time { return time.Date(2026, 11, n, 1, 0, 0, 0, time.UTC) }
	k.c.AddSnapshot("first", cluster.Snapshot{Name: "n3", Start: at(3), Indices: []string{day(1), day(2)}})
	k.c.AddSnapshot("first", cluster.Snapshot{Name: "n5", Start: at(5), Indices: []string{day(2), day(3), day(4)}})
	k.c.AddSnapshot("second", cluster.Snapshot{Name: "n7", Start: at(7), Indices: []string{day(4), day(5), day(6)}})
	args := []string{"restore", "--from", "2026-11-01", "--to", "2026-11-06", "--family", "ks-logstash-log"}
	code, out, _ := k.run(append(args, "-n", "-o", "json")...)
	require.Equal(t, 0, code)
	var shown struct {
		Plan struct {
			Items []struct{ Index, Repository, Snapshot string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &shown))
	var from []string
	for _, it := range shown.Plan.Items {
		from = append(from, strings.TrimPrefix(it.Index, "ks-logstash-log-2026.11.")+" "+it.Repository+"/"+it.Snapshot)
	}
	require.Equal(t, []string{"01 first/n3", "02 first/n5", "03 first/n5", "04 second/n7", "05 second/n7", "06 second/n7"}, from)
	code, out, errs := k.run(append(args, "--yes")...)
	require.Equal(t, 0, code, errs)
	for _, header := range []string{"from first/n3, started", "from first/n5, started", "from second/n7, started"} {
		require.Equal(t, 1, strings.Count(out, header), out)
	}
	require.Equal(t, []string{
		"restore first/n3 " + day(1), "restore first/n5 " + day(2) + "," + day(3), "restore second/n7 " + day(4) + "," + day(5) + "," + day(6),
	}, k.written())
}

// TestRestoreRed: every red index that has lost a shard is restored over what is left of
// it, and no other one.
func TestRestoreRed(t *testing.T) {
	const second = "ks-logstash-log-2026.11.02"
	prepared := func() *console {
		k := newConsole(t)
		created := dayAfter.AddDate(0, 0, -3)
		for _, n := range []string{november3, second, "delayed", "never-saved", "green"} {
			k.c.AddIndex(cluster.Index{Name: n, Created: created, Primaries: 2, Lifecycle: "p",
				Stats: &cluster.IndexStats{Docs: 4, PrimaryBytes: 1}})
		}
		k.c.AddIndex(cluster.Index{Name: ".ds-s-000001", DataStream: "s", Created: created})
		k.c.AddIndex(cluster.Index{Name: "closed", Closed: true, Created: created})
		held := func(names ...string) (list []cluster.Index) {
			for _, n := range names {
				list = append(list, cluster.Index{Name: n, Created: created, Primaries: 2, Lifecycle: "p"})
			}
			return list
		}
		k.c.AddSnapshot("one", cluster.Snapshot{Name: "s1", Start: dayAfter.AddDate(0, 0, -1),
			Indices: []string{second, "green", "delayed", "closed"}}, held(second, "green", "delayed", "closed")...)
		k.c.AddSnapshot("two", cluster.Snapshot{Name: "s2", Start: dayAfter, Indices: []string{november3, ".ds-s-000001"},
			DataStreams: []string{"s"}}, held(november3)...)
		for _, n := range []string{november3, second, "delayed", "never-saved"} {
			k.c.BreakIndex(n, "a previous copy of the primary shard existed but can no longer be found")
		}
		k.c.Decisions = map[string]string{"delayed": "allocation_delayed"}
		k.env["ESNAP_LOG_LEVEL"] = "warn"
		return k
	}

	k := prepared()
	code, out, errs := k.run("restore", "--red", "--yes")
	require.Equal(t, 1, code, out+errs)
	require.Equal(t, []string{"close " + second, "restore one/s1 " + second, "close " + november3, "restore two/s2 " + november3}, k.written())
	require.Contains(t, out,
		"warning: "+november3+" has lost its shards 0, 1; 4 documents in its started shards are replaced; "+
			"the newest good copy of it is in two/s2")
	require.Contains(t, out, "not restored: never-saved: no snapshot contains the index never-saved")
	require.Contains(t, out, "restored "+second)
	require.Contains(t, out, "failed never-saved")
	require.Contains(t, errs, "delayed is red but is not restored: the cluster may still allocate shard 1 (allocation_delayed)")
	require.NotContains(t, out, "To undo")
	list, err := k.c.IndicesNamed(context.Background(), []string{november3})
	require.NoError(t, err)
	require.Equal(t, "p", list[0].Lifecycle, "a restored live index stays with its policy")

	k = prepared()
	code, out, _ = k.run("restore", "--red", "ks-*02", "-n", "-o", "json")
	require.Equal(t, 0, code)
	require.Contains(t, out, `"lost_shards": [`)
	require.NotContains(t, out, november3)
	require.Empty(t, k.written())

	k = prepared()
	k.c.SetAlias(second, "w", true)
	code, out, _ = k.run("restore", "--red", "ks-*", "--yes")
	require.Equal(t, 4, code)
	require.Contains(t, out, second+": it is the write index of the alias w")
	require.Empty(t, k.written())
	code, _, errs = k.run("restore", "--red", "ks-*", "--yes", "--force")
	require.Equal(t, 0, code, errs)
	require.Len(t, k.written(), 4)

	k = prepared()
	k.c.BreakIndex(".ds-s-000001", "lost")
	code, out, _ = k.run("restore", "--red", "ks-*,.ds-*", "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, out, "not restored: .ds-s-000001: a backing index of the data stream s cannot be overwritten")
	require.Len(t, k.written(), 4, "the others are restored")

	k = newConsole(t)
	k.c.AddIndices("green")
	k.c.AddRepository(cluster.Repository{Name: "r"})
	code, _, errs = k.run("restore", "--red", "gren", "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no index is called gren")
	require.Contains(t, errs, "did you mean green?")
	code, out, errs = k.run("restore", "--red", "--yes")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "no index has lost a shard")
	require.Empty(t, k.written())

	for _, args := range [][]string{{"--rename-prefix", "x"}, {"--on-conflict", "skip"}, {"--day", "2026-11-03"},
		{"--include-global-state"}, {"--feature-state", "x"}} {
		k = prepared()
		code, _, errs = k.run(append([]string{"restore", "--red", "--yes"}, args...)...)
		require.Equal(t, 2, code, args)
		require.NotEmpty(t, errs)
	}

	k = prepared()
	file := k.file("actions: {1: {action: restore, options: {repository: one, red: true, indices: ['ks-*']}}}")
	code, out, errs = k.run("run", file)
	require.Equal(t, 1, code, errs)
	require.Equal(t, []string{"close " + second, "restore one/s1 " + second}, k.written(), "only the repository of the file")
	require.Contains(t, out, november3)
}

// TestRestoreWholeCluster: from a repository that the server does not know yet, the newest
// good snapshot of each series, in one plan.
func TestRestoreWholeCluster(t *testing.T) {
	night := func(n int) time.Time { return time.Date(2026, 11, n, 1, 0, 0, 0, time.UTC) }
	prepared := func() *console {
		k := newConsole(t)
		k.c.AddRepository(cluster.Repository{Name: "backups", Settings: map[string]string{"location": "/backup"}})
		logs := func(n int) string { return fmt.Sprintf("ks-logstash-log-2026.11.%02d", n) }
		k.c.AddSnapshot("backups", cluster.Snapshot{Name: "logs-20261118", Start: night(18), Indices: []string{logs(16), logs(17)}})
		k.c.AddSnapshot("backups", cluster.Snapshot{Name: "logs-20261119", Start: night(19), Indices: []string{logs(17), logs(18)}})
		k.c.AddSnapshot("backups", cluster.Snapshot{Name: "logs-20261120", State: cluster.Partial, Start: night(20),
			Indices:  []string{logs(18), logs(19)},
			Failures: []cluster.ShardFailure{{Index: logs(19)}}})
		k.c.AddSnapshot("backups", cluster.Snapshot{
			Name: "app-20261119", Start: night(19).Add(time.Hour), GlobalState: true, Indices: []string{".ds-s-000001", ".kibana_1",
				"app"}, DataStreams: []string{"s"},
		}, cluster.Index{Name: ".ds-s-000001", DataStream: "s"}, cluster.Index{Name: "app", WriteAliases: []string{"write"}})
		require.NoError(t, k.c.UnregisterRepository(context.Background(), cluster.UnregisterRepository{Name: "backups"}))
		k.c.ForgetCalls()
		k.env["ESNAP_LOG_LEVEL"] = "warn"
		return k
	}
	args := []string{"restore", "--whole-cluster", "--repository", "backups", "--register", "fs location=/backup", "--yes"}
	k := prepared()
	code, out, errs := k.run(args...)
	require.Equal(t, 0, code, out+errs)
	require.Equal(t, []string{
		"register backups readonly=true", "restore backups/app-20261119 global state -*",
		"restore backups/app-20261119 .ds-s-000001,app", "restore backups/app-20261119 .kibana_1",
		"restore backups/logs-20261119 ks-logstash-log-2026.11.17,ks-logstash-log-2026.11.18",
	}, k.written())
	require.Contains(t, out, "repository backups: registered and verified")
	require.Contains(t, out, "restored global state: from backups/app-20261119")
	require.Contains(t, out, "warning: backups/logs-20261119 is the newest good snapshot of its series; 1 snapshot after it cannot be used")
	require.NotContains(t, out, "protected from", "everything follows its usual rules")
	aliases, err := k.c.WriteAliases(context.Background(), []string{"app"})
	require.NoError(t, err)
	require.Equal(t, []string{"write"}, aliases["app"].Write)

	code, out, _ = k.run(args...)
	require.Equal(t, 4, code)
	require.Contains(t, out, "refused: the server is not empty: it has 4 indices")

	k = prepared() // a server has indices of its own
	k.c.AddIndices(".kibana_1", ".security")
	k.c.AddIndex(cluster.Index{Name: "ilm-history-1", Hidden: true})
	code, out, errs = k.run(args...)
	require.Equal(t, 0, code, out+errs)

	k = prepared()
	k.c.AddIndices("mine")
	code, out, _ = k.run(args...)
	require.Equal(t, 4, code)
	require.Contains(t, out, "the server is not empty: it has 1 index, such as mine")
	require.Equal(t, []string{"register backups readonly=true"}, k.written())
	code, _, errs = k.run(append(args, "--force")...)
	require.Equal(t, 0, code, errs)

	k = prepared()
	code, _, errs = k.run(append(args, "-n")...)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "a dry run cannot read the repository backups: it is not registered yet")
	require.Empty(t, k.written())

	k = prepared() // from a file, which declares the repository
	file := k.file(`
repositories:
  backups: {type: fs, settings: {location: /backup}}
actions:
  1: {action: restore, options: {repository: backups, whole_cluster: true, indices: ['*', '-ks-*']}}
`)
	code, out, errs = k.run("run", file)
	require.Equal(t, 0, code, out+errs)
	require.Contains(t, errs, "repository backups is not registered read-only")
	require.Contains(t, k.written(), "restore backups/app-20261119 .ds-s-000001,app")

	for _, wrong := range [][]string{{"--red"}, {"--rename-prefix", "x"}, {"--include-global-state"}, {"--register", "fs"},
		{"--register", "fs locaton=/x"}, {"--repository", "b"}} {
		k = prepared()
		code, _, _ = k.run(append(slices.Clone(args), wrong...)...)
		require.Equal(t, 2, code, wrong)
		require.Empty(t, k.written())
	}
}

// TestDryRunOfFeatures: the dry run of a restore with features knows their indices, and what the
// server refuses is refused as in the run.
func TestDryRunOfFeatures(t *testing.T) {
	prepared := func() *console {
		k := newConsole(t)
		k.c = memory.New(memory.Elasticsearch("8.19.7"), memory.At(now))
		k.c.AddRepository(cluster.Repository{Name: "r", Type: "fs", Settings: map[string]string{"location": "r"}})
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "full", Indices: []string{".tasks", "a"}, Start: now.Add(-time.Hour),
			Features: map[string][]string{"tasks": {".tasks"}}, Version: "8.19.7"})
		return k
	}
	k := prepared()
	file := k.file("actions: {1: {action: restore, options: {repository: r, name: full, extra_settings: {feature_states: [tasks]}}, " +
		"filters: [{filtertype: none}]}}")
	code, out, errs := k.run("run", "-n", file)
	require.Equal(t, 0, code, out+errs)
	require.Contains(t, out, "tasks")
	k = prepared()
	code, out, errs = k.run("restore", "*", "--repository", "r", "--feature-state", "tasks", "-n")
	require.Equal(t, 0, code, out+errs)
	for _, dry := range []string{"-n", "--yes"} {
		k = prepared()
		code, out, errs = k.run("restore", "a", ".tasks", "--repository", "r", dry)
		require.Equal(t, 4, code, out+errs)
		require.Contains(t, out+errs, "(--feature-state tasks)")
		require.Empty(t, k.written())
	}
	k = prepared()
	k.env["ESNAP_LOG_LEVEL"] = "warning"
	file = k.file("actions: {1: {action: restore, options: {repository: r, name: full, include_global_state: true}, " +
		"filters: [{filtertype: none}]}}")
	_, out, errs = k.run("curator", "--dry-run", file)
	require.Contains(t, out+errs, "the server also restores the features in the snapshot: 1 system index is replaced, such as .tasks")
}
