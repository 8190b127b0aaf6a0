//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/testserver"
)

// role is a role as docs/security.md defines it.
type role struct {
	Cluster []string `json:"cluster"`
	Indices []struct {
		Names      []string `json:"names"`
		Privileges []string `json:"privileges"`
	} `json:"indices,omitempty"` // null makes the whole role invalid
}

var documentedRole = regexp.MustCompile("(?s)```\nPUT /_security/role/(\\S+)\n(.*?)```")

// documentedRoles are the roles of docs/security.md, as text.
func documentedRoles(t testing.TB) map[string]string {
	text, err := os.ReadFile("../docs/security.md")
	require.NoError(t, err)
	roles := map[string]string{}
	for _, m := range documentedRole.FindAllStringSubmatch(string(text), -1) {
		roles[m[1]] = m[2]
	}
	return roles
}

// lackingOne are the variants of a role that lack one privilege, by its name.
func lackingOne(t testing.TB, text string) map[string]role {
	var full role
	require.NoError(t, json.Unmarshal([]byte(text), &full))
	variants := map[string]role{}
	variant := func() role {
		var r role
		require.NoError(t, json.Unmarshal([]byte(text), &r))
		return r
	}
	for i, p := range full.Cluster {
		r := variant()
		r.Cluster = slices.Delete(r.Cluster, i, i+1)
		variants[p] = r
	}
	for i, block := range full.Indices {
		for j, p := range block.Privileges {
			r := variant()
			if r.Indices[i].Privileges = slices.Delete(r.Indices[i].Privileges, j, j+1); len(block.Privileges) == 1 {
				r.Indices = slices.Delete(r.Indices, i, i+1)
			}
			variants[p+" on "+strings.Join(block.Names, ",")] = r
		}
	}
	return variants
}

const nightFile = `
lock: required
name: night
history: true
actions:
  1:
    action: snapshot
    options: {repository: backup, name: 'night-%Y%m%d%H%M%S', once_per: day}
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
  2:
    action: delete_snapshots
    options: {repository: backup, ignore_empty_list: true}
    filters: [{filtertype: pattern, kind: prefix, value: expired}]
  3:
    action: delete_indices
    options: {require_snapshot: {repositories: [backup]}}
    filters:
      - {filtertype: pattern, kind: prefix, value: logs-}
      - {filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: 4}
`

const sizesFile = `
actions:
  1:
    action: delete_indices
    options: {ignore_empty_list: true}
    filters:
      - {filtertype: pattern, kind: prefix, value: logs-}
      - {filtertype: space, disk_space: 100}
`

// duties are what each documented role is for.
var duties = map[string][]string{
	"esnap-read": {
		"status", "index list", "index list -o wide", "index show logs-OLD",
		"snapshot list", "snapshot list backup", "snapshot list --holding logs-OLD",
		"snapshot show backup first", "repository list", "repository show backup",
		"lock list", "history", "run -n FILE", "run -n SIZES", "check FILE --state STATE",
		"check --max-age 26h --repository backup", "simulate --like-cluster --nights 30 FILE", "restore logs-OLD -n --rename-prefix restored-",
		"index delete logs-OLD -n", "drill -n --repository backup", "purge logs-OLD -n",
	},
	"esnap-night": {"run FILE", "serve FILE --schedule TIMES", "history", "lock list",
		"snapshot create backup logs-* --name by-hand", "snapshot delete backup by-hand --guards off --yes",
		"check FILE --verify --state STATE", "lock release left --yes"},
	"esnap-repository": {
		"repository list",
		"repository register other fs location=OTHER",
		"repository verify other",
		"repository cleanup other --yes",
		"repository unregister other --yes",
	},
	"esnap-restore": {
		"restore logs-OLD --rename-prefix restored- --yes",
		"restore logs-OLD --rename-prefix restored- --on-conflict overwrite --force --yes",
		"mark restored-logs-OLD --keep-for 30d",
		"mark restored-logs-OLD --remove",
		"index delete restored-logs-OLD --yes",
		"restore logs-OLD --rename-prefix restored- --rollback --yes",
	},
	"esnap-red":           {"restore --red --yes"},
	"esnap-whole-cluster": {"restore --whole-cluster --repository whole --register REGISTER --yes"},
	"esnap-drill":         {"drill --repository backup"},
	"esnap-purge":         {"purge logs-OLD --confirm logs-OLD --record RECORD"},
}

// prepared is what some roles find, instead of what is there for all of them.
var prepared = map[string]func(*env){"esnap-red": (*env).loseShard, "esnap-whole-cluster": (*env).loseAll}

// lost says whether an index has lost its only shard.
func (e *env) lost(index string) bool {
	e.Helper()
	_, text := e.try("POST", "/_cluster/allocation/explain", map[string]any{"index": index, "shard": 0, "primary": true})
	return strings.Contains(string(text), `"can_allocate":"no_valid_shard_copy"`)
}

// loseShard has a server lose the only copy of a shard, unless a user who may not bring it
// back has left it like that: its folder is deleted while the server is down.
func (e *env) loseShard() {
	e.Helper()
	index := "logs-" + e.day(5)
	if e.lost(index) {
		return
	}
	e.secured()
	data, uuid := filepath.Join(filepath.Dir(e.server.RepoPaths[0]), "n0", "data"), e.uuids(index)[index]
	require.NoError(e, e.server.StopNode(0))
	var folders []string
	for _, nodes := range []string{"", "nodes/0"} { // the latter before Elasticsearch 8
		list, err := filepath.Glob(filepath.Join(data, nodes, "indices", uuid, "0"))
		require.NoError(e, err)
		folders = append(folders, list...)
	}
	require.Len(e, folders, 1)
	require.NoError(e, os.RemoveAll(folders[0]))
	e.client.CloseIdleConnections()
	require.NoError(e, e.server.StartNode(e.Context(), 0))
	e.eventually("the shard is lost, and no other", func() bool {
		return e.lost(index) && e.health("logs-*,-"+index) == "green"
	})
}

// loseAll takes everything away but the repository, in a place that is not registered.
func (e *env) loseAll() {
	e.Helper()
	e.secured()
	e.register("whole", e.location("whole"), nil)
	if len(e.snapshots("whole")) == 0 {
		e.call("PUT", "/_snapshot/whole/all?wait_for_completion=true", map[string]any{"indices": "logs-*", "include_global_state": true}, nil)
	}
	e.call("DELETE", "/_snapshot/whole", nil, nil)
	e.deleteIndices(e.indices("")...)
}

// secured prepares a server with security for one round of commands.
func (e *env) secured() {
	names := map[string]int{}
	for ago := 1; ago <= 5; ago++ {
		names["logs-"+e.day(ago)] = 10
	}
	if index := "logs-" + e.day(5); e.lost(index) {
		e.deleteIndices(index)
	}
	for _, index := range e.indices("restored-", "esnap-") {
		e.deleteIndices(index)
	}
	e.fill(20, names)
	for name := range names {
		e.call("POST", "/_aliases", map[string]any{"actions": []any{map[string]any{
			"add": map[string]any{"index": name, "alias": "today", "is_write_index": name == "logs-"+e.day(1)},
		}}}, nil)
	}
	for name := range e.snapshots("backup") {
		e.call("DELETE", "/_snapshot/backup/"+name, nil, nil)
	}
	e.take("backup", "expired", "logs-"+e.day(5))
	e.take("backup", "first", "logs-*")
	e.try("DELETE", "/_snapshot/other", nil)
	then := time.Now().UTC().Add(-time.Hour)
	_, err := e.direct().PutDocument(e.Context(), cluster.PutDocument{Index: cluster.LockIndex, ID: "left", Time: then, Body: lock.Held{
		Owner: lock.Owner{Run: "dead", Host: "h", PID: 1}, Acquired: then, Renewed: then, Expires: then.Add(time.Minute)}})
	require.NoError(e, err)
	writeFile(e, filepath.Join(e.dir, "night.yml"), nightFile)
	writeFile(e, filepath.Join(e.dir, "sizes.yml"), sizesFile)
}

// as runs the command lines of a role as a user, and returns exit codes and outputs.
func (e *env) as(user, name string) (codes []int, outputs []string) {
	prepare := prepared[name]
	if prepare == nil {
		prepare = (*env).secured
	}
	prepare(e)
	admin := e.vars
	e.vars = maps.Clone(admin)
	defer func() { e.vars = admin }()
	e.vars["ESNAP_USERNAME"], e.vars["ESNAP_PASSWORD"] = user, testserver.RolePassword
	filled := strings.NewReplacer("OLD", e.day(5), "FILE", filepath.Join(e.dir, "night.yml"), "SIZES", filepath.Join(e.dir, "sizes.yml"),
		"OTHER", e.location("other"),
		"STATE", filepath.Join(e.TempDir(), "state.json"), "RECORD", filepath.Join(e.TempDir(), "record.json"),
		"REGISTER", "fs location="+e.location("whole"), "TIMES", "*/3 * * * * *")
	for _, line := range duties[name] {
		args := strings.Fields(line)
		for i := range args {
			args[i] = filled.Replace(args[i])
		}
		esnap := e.esnap
		if args[0] == "serve" {
			esnap = e.serveOnce
		}
		code, out, errs := esnap(args...)
		codes = append(codes, code)
		outputs = append(outputs, fmt.Sprintf("$ %s: %d\n%s%s", line, code, out, errs))
	}
	return codes, outputs
}

// serveOnce has esnap serve run a file, and ends it after the first run. The exit code is 0
// if nothing failed in that run.
func (e *env) serveOnce(args ...string) (code int, stdout, stderr string) {
	e.Helper()
	c, out, _ := e.process(e.binary, args...)
	name := filepath.Join(e.TempDir(), "serve.log")
	log, err := os.Create(name)
	require.NoError(e, err)
	defer log.Close()
	c.Stderr = log
	require.NoError(e, c.Start())
	e.Cleanup(func() { _ = c.Process.Kill() })
	ended := regexp.MustCompile(`level=(\w+) msg="run (?:finished|aborted)"|(?m:^esnap: )`)
	var run []string
	e.eventually("the first run has ended", func() bool {
		text, err := os.ReadFile(name)
		require.NoError(e, err)
		stderr = string(text)
		run = ended.FindStringSubmatch(stderr)
		return run != nil
	})
	require.NoError(e, c.Process.Signal(syscall.SIGTERM))
	_ = c.Wait()                   // 143 if the next run had begun
	text, err := os.ReadFile(name) // the record of the run is written after that line
	require.NoError(e, err)
	stderr = string(text)
	if run[1] != "INFO" {
		code = 1
	}
	return code, out.String(), stderr
}

// TestLeastPrivilege: each role of docs/security.md is enough for its commands, and
// without any one of its privileges a message names what is missing.
func TestLeastPrivilege(t *testing.T) {
	for _, f := range flavours() {
		t.Run(string(f), func(t *testing.T) {
			if !f.Security() {
				t.Skipf("not applicable: the distribution of %s has no security", f.Title())
			}
			starting.Lock()
			defer starting.Unlock()
			roles, defined := documentedRoles(t), map[string]string{}
			require.ElementsMatch(t, slices.Collect(maps.Keys(duties)), slices.Collect(maps.Keys(roles)))
			lacking := map[string]map[string]string{} // role, missing privilege: user
			for name, text := range roles {
				defined[name], lacking[name] = inOneLine(t, json.RawMessage(text)), map[string]string{}
				for missing, r := range lackingOne(t, text) {
					user := fmt.Sprintf("%s-%d", name, len(lacking[name]))
					defined[user], lacking[name][missing] = inOneLine(t, r), user
				}
			}
			maps.Copy(defined, withoutState)
			defined["only-monitor"] = `{"cluster":["monitor"]}`
			server, err := testserver.Start(t.Context(), testserver.Options{Flavour: f, Security: true, Roles: defined,
				Users: map[string][]string{"built-in": {"snapshot_user"}, "with-monitor": {"snapshot_user", "only-monitor"}}})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, server.Stop()) })
			e := newBareEnv(t, f, server)
			e.binary = build(t)
			e.template("logs-*", "restored-*")
			e.register("backup", e.location("backup"), nil)
			e.snapshotUser()
			e.visible()
			for _, name := range slices.Sorted(maps.Keys(roles)) {
				codes, outputs := e.as(name, name)
				output := strings.Join(outputs, "")
				require.NotContains(t, output, "unauthorized", name)
				if prepared[name] != nil {
					require.Contains(t, output, "restored logs-"+e.day(5), name)
				}
				for i, line := range duties[name] {
					if strings.HasPrefix(line, "check ") {
						require.LessOrEqual(t, codes[i], 2, "%s: the result is not UNKNOWN\n%s", name, output)
					} else {
						require.Zero(t, codes[i], "%s: esnap %s\n%s", name, line, output)
					}
				}
				for missing, user := range lacking[name] {
					_, outputs := e.as(user, name)
					output := strings.Join(outputs, "")
					p, _, _ := strings.Cut(missing, " ")
					names := regexp.MustCompile(`action \[` + regexp.QuoteMeta(p) +
						`\] is unauthorized|is unauthorized .* privileges \[([^\]]*,)?` + regexp.QuoteMeta(p) + `[\],]|` +
						`which the user may not see \(` + regexp.QuoteMeta(p) + ` on that name\)`)
					require.Regexp(t, names, output, "%s without %s", name, missing)
					if name == "esnap-night" { // serve says what run says
						require.Equal(t, names.MatchString(outputs[0]), names.MatchString(outputs[1]), "without %s: %s", missing, outputs[:2])
					}
				}
			}
		})
	}
}

// builtIn are what the built-in role snapshot_user is enough for, with monitor.
var builtIn = []string{
	"status", "index list", "index show logs-OLD", "snapshot list", "snapshot list --holding logs-OLD", "snapshot show backup first",
	"repository list", "repository show backup", "restore logs-OLD -n --rename-prefix restored-", "index delete logs-OLD -n",
	"run FILE",
}

// needMonitor are those of builtIn that the role alone is not enough for.
var needMonitor = []string{"restore logs-OLD -n --rename-prefix restored-", "index delete logs-OLD -n"}

// notBuiltIn are what it is not enough for, and the privilege that the message names.
var notBuiltIn = map[string]string{
	"snapshot delete backup first --guards off --yes":   "cluster:admin/snapshot/delete",
	"snapshot create backup logs-* --name by-hand":      "cluster:admin/repository/verify",
	"repository verify backup":                          "cluster:admin/repository/verify",
	"repository register other fs location=OTHER":       "cluster:admin/repository/put",
	"repository unregister backup --yes":                "cluster:admin/repository/delete",
	"index delete logs-OLD --yes":                       "delete_index",
	"restore logs-OLD --rename-prefix restored- --yes":  "cluster:admin/",
	"mark logs-OLD --keep-for 30d":                      "manage",
	"drill --repository backup":                         "cluster:admin/snapshot/restore",
	"purge logs-OLD --confirm logs-OLD --record RECORD": "cluster:admin/snapshot/delete",
}

// snapshotUser runs commands as a user with the built-in role snapshot_user, alone and with
// a role that has monitor.
func (e *env) snapshotUser() {
	e.Helper()
	e.secured()
	file := e.write("built-in.yml", `
actions:
  1:
    action: snapshot
    options: {repository: backup, name: 'built-in-%Y%m%d%H%M%S', skip_repo_fs_check: true}
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
`)
	admin := e.vars
	e.vars = maps.Clone(admin)
	defer func() { e.vars = admin }()
	e.vars["ESNAP_PASSWORD"] = testserver.RolePassword
	filled := strings.NewReplacer("OLD", e.day(5), "FILE", file, "OTHER", e.location("other"),
		"RECORD", filepath.Join(e.TempDir(), "record.json"))
	for _, line := range builtIn {
		args := strings.Fields(filled.Replace(line))
		e.vars["ESNAP_USERNAME"] = "built-in"
		code, out, errs := e.esnap(args...)
		if slices.Contains(needMonitor, line) {
			require.NotZero(e, code, "without monitor: esnap %s\n%s", line, out+errs)
			require.Contains(e, out+errs, "monitor", line)
		} else {
			require.Zero(e, code, "without monitor: esnap %s\n%s", line, out+errs)
		}
		e.vars["ESNAP_USERNAME"] = "with-monitor"
		code, out, errs = e.esnap(args...)
		require.Zero(e, code, "esnap %s\n%s", line, out+errs)
	}
	for line, missing := range notBuiltIn {
		code, out, errs := e.esnap(strings.Fields(filled.Replace(line))...)
		require.NotZero(e, code, "esnap %s\n%s", line, out+errs)
		require.Contains(e, out+errs, "unauthorized", line)
		require.Contains(e, out+errs, missing, line)
	}
	require.Contains(e, e.indices("logs-"), "logs-"+e.day(5))
	require.Contains(e, e.snapshots("backup"), "first")
}

// inOneLine is a value as compact JSON.
func inOneLine(t testing.TB, v any) string {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
