//go:build integration

package integration

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestProofOnServer runs what proves that nothing good is lost: the rules of retain, holds,
// the safety limits, attestations, and what is deleted everywhere.
func TestProofOnServer(t *testing.T) {
	forEachServer(t, func(e *env) {
		e.oneDate()
		for _, step := range []struct {
			name string
			run  func(*env)
		}{
			{"rules of retain", (*env).proveRetain},
			{"the snapshot of this night", (*env).proveTonight},
			{"failed snapshots", (*env).proveFailed},
			{"holds", (*env).proveHolds},
			{"safety limits", (*env).proveLimits},
			{"copies in two repositories", (*env).proveMinCopies},
			{"a foreign place", (*env).proveOwner},
			{"attestations", (*env).proveAttestation},
			{"names from a file", (*env).proveFromFile},
			{"purge", (*env).provePurge},
			{"cleanup", (*env).proveCleanup},
		} {
			t := e.TB.(*testing.T)
			t.Run(step.name, func(t *testing.T) {
				s := newBareEnv(t, e.flavour, e.server)
				s.template(s.prefix + "*")
				t.Cleanup(s.clean)
				s.register(s.prefix+"r", s.location("r"), nil)
				step.run(s)
			})
		}
	})
}

// proveTonight: the snapshot that a run takes is one of those that its rules count, and the
// dry run deletes as many as the run.
func (e *env) proveTonight() {
	e.Helper()
	e.fill(20, map[string]int{e.prefix + "a": 1})
	file := `
actions:
  1:
    action: snapshot
    options: {repository: PREFIXr, name: 'x-%Y%m%d%H%M%S'}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIX}]
  2:
    action: delete_snapshots
    options: {repository: PREFIXr, ignore_empty_list: true}
    filters: [{filtertype: retain, last: 2}]
`
	for night := range 4 {
		time.Sleep(time.Second) // of the name
		want := min(night+1, 2)
		dry := e.run(0, file, "--dry-run")
		require.Equal(e, max(0, min(night-1, 1)), dry.Actions[1].Selected, "night %d", night)
		require.Equal(e, dry.Actions[1].Selected, e.run(0, file).Actions[1].Selected, "night %d", night)
		require.Len(e, e.snapshots(e.prefix+"r"), want, "night %d", night)
	}
}

// clusterUUID is the uuid of the cluster. GET / says it, too, but reduced distributions of 8
// and later lack that.
func (e *env) clusterUUID() string {
	e.Helper()
	var state struct {
		UUID string `json:"cluster_uuid"`
	}
	e.call("GET", "/_cluster/state/master_node?filter_path=cluster_uuid", nil, &state)
	require.NotEmpty(e, state.UUID)
	return state.UUID
}

// selects is what a dry run of delete_snapshots with the rules of retain selects.
func (e *env) selects(rules string) []string {
	e.Helper()
	name := e.write("retain.yml", `
actions:
  1:
    action: delete_snapshots
    options: {repository: PREFIXr, ignore_empty_list: true}
    filters:
    - {filtertype: pattern, kind: prefix, value: PREFIX}
    - {filtertype: retain, `+rules+`}
`)
	stdout, _ := e.want(0, "run", "-n", "-o", "json", name)
	require.Empty(e, e.writes())
	var r struct {
		Actions []struct {
			Outcomes []struct{ Name string }
			Spared   []struct{ Name, Why string }
		}
	}
	require.NoError(e, json.Unmarshal([]byte(stdout), &r), stdout)
	var names []string
	for _, o := range r.Actions[0].Outcomes {
		names = append(names, strings.TrimPrefix(o.Name, e.prefix))
	}
	for _, sp := range r.Actions[0].Spared { // why, if it is not as expected
		e.Logf("%s: %s: %s", rules, sp.Name, sp.Why)
	}
	slices.Sort(names)
	return names
}

func (e *env) proveRetain() {
	index := e.prefix + "logs-" + e.day(2)
	e.fill(1000, map[string]int{index: 50}) // so large that what else a commit contains makes no difference in its size
	e.later()
	for n := 1; n <= 3; n++ {
		e.take(e.prefix+"r", fmt.Sprintf("%ss-%d", e.prefix, n), index)
	}
	time.Sleep(1200 * time.Millisecond)
	e.take(e.prefix+"r", e.prefix+"s-4", index)
	for rules, want := range map[string]string{
		"last: 2":                          "s-1 s-2",
		"last: 9":                          "",
		"daily: 3":                         "s-1 s-2 s-3", // of periods that have a snapshot
		"weekly: 1":                        "s-1 s-2 s-3",
		"monthly: 6":                       "s-1 s-2 s-3",
		"yearly: 2":                        "s-1 s-2 s-3",
		"within: 1h":                       "",
		"within: 1s":                       "s-1 s-2 s-3",
		"last: 1, hold: ['*s-2']":          "s-1 s-3",
		"hold: ['*s-2', '*s-3']":           "s-1", // and the guard keeps the newest good one
		"last: 1, daily: 1, within: 1h":    "",
		"last: 9, max_age: 1ms":            "s-1 s-2 s-3 s-4",
		"last: 9, max_age: 1h":             "",
		"last: 1, series: ['*-1', '*-2']":  "s-3", // each pattern is a series, and the rest
		"cover: 30d":                       "s-1 s-2 s-3",
		"cover: 1d, keep_last_copy: false": "s-1 s-2 s-3",
		"hold: ['*s-3'], max_age: 1ms":     "s-1 s-2 s-4",
	} {
		require.Equal(e, want, strings.Join(e.selects(rules), " "), rules)
	}
	// The same, carried out. The index is gone: one copy stays, however old.
	e.deleteIndices(index)
	e.want(0, "snapshot", "delete", e.prefix+"r", "--retain", "last=1", "--retain", "hold=['*s-2']", "--yes")
	require.Equal(e, []string{e.prefix + "s-2", e.prefix + "s-4"}, slices.Sorted(maps.Keys(e.snapshots(e.prefix+"r"))))
	e.want(0, "snapshot", "delete", e.prefix+"r", "--retain", "last=1", "--retain", "max_age=1ms", "--yes")
	require.Empty(e, e.snapshots(e.prefix+"r"), "data that must be deleted, even the last copy")
}

// proveFailed: a snapshot with missing shards counts for no rule, and is deleted when it has expired.
func (e *env) proveFailed() {
	good, red := e.prefix+"good", e.prefix+"red"
	e.fill(10, map[string]int{good: 1})
	e.later()
	e.call("PUT", "/"+red+"?wait_for_active_shards=0",
		map[string]any{"settings": map[string]any{"index.routing.allocation.require._name": "nowhere"}}, nil)
	var reply struct{ Snapshot snapshot }
	e.call("PUT", "/_snapshot/"+e.prefix+"r/"+e.prefix+"s-1?wait_for_completion=true", map[string]any{
		"indices": []string{good, red}, "partial": true, "include_global_state": false}, &reply)
	require.Equal(e, "PARTIAL", reply.Snapshot.State)
	require.Empty(e, e.selects("last: 1, failed_expire_after: 1s"), "no good snapshot is younger")
	e.later() // the good one is younger
	e.take(e.prefix+"r", e.prefix+"s-2", good)
	time.Sleep(1200 * time.Millisecond)
	require.Equal(e, []string{"s-1"}, e.selects("last: 1, failed_expire_after: 1s"))
	require.Empty(e, e.selects("last: 1, failed_expire_after: 1h"))
	require.Empty(e, e.selects("last: 1"), "seven days")
}

func (e *env) proveHolds() {
	held, free := e.prefix+"logs-held", e.prefix+"logs-free"
	e.fill(10, map[string]int{held: 1, free: 1})
	e.later()
	e.take(e.prefix+"r", e.prefix+"audit", free)
	e.take(e.prefix+"r", e.prefix+"contains", held, free)
	e.take(e.prefix+"r", e.prefix+"plain", free)
	e.take(e.prefix+"r", e.prefix+"ended", free)
	e.vars["ESNAP_CONFIG"] = e.write("client.yml", `
cluster: {url: '`+e.server.URL+`'}
holds:
- {snapshots: [PREFIXaud*], reason: tax law}
- {indices: [PREFIXlogs-held], until: `+e.now.AddDate(0, 0, 2).Format("2006-01-02")+`, reason: case 4711}
- {snapshots: [PREFIXended], until: `+e.now.AddDate(0, 0, -2).Format("2006-01-02")+`}
`)
	_, stderr := e.want(4, "snapshot", "delete", e.prefix+"r", e.prefix+"audit", "--guards", "off", "--yes")
	require.Contains(e, stderr, "tax law")
	require.Empty(e, e.writes())
	_, stderr = e.want(4, "index", "delete", held, "--guards", "off", "--yes")
	require.Contains(e, stderr, "case 4711")
	require.Empty(e, e.writes())

	// Where names are not given one by one, the others are deleted; on Curator's command line, too.
	e.vars["ESNAP_GUARDS"] = "off"
	both := e.write("curator.yml", `
actions:
  1:
    action: delete_snapshots
    options: {repository: PREFIXr}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIX}]
  2:
    action: delete_indices
    filters: [{filtertype: pattern, kind: prefix, value: PREFIXlogs-}]
`)
	e.want(0, "curator", "--compat", "5", "--config", e.vars["ESNAP_CONFIG"], both)
	require.Equal(e, []string{e.prefix + "audit", e.prefix + "contains"}, slices.Sorted(maps.Keys(e.snapshots(e.prefix+"r"))))
	require.Equal(e, []string{held}, e.indices())
}

func (e *env) proveLimits() {
	docs := map[string]int{}
	for n := range 14 {
		docs[fmt.Sprintf("%slogs-%02d", e.prefix, n)] = 1
	}
	e.fill(10, docs)
	e.later()
	for n := range 3 {
		e.take(e.prefix+"r", fmt.Sprintf("%ss-%d", e.prefix, n), e.prefix+"logs-00")
	}
	refused := func(action, options, filter, want string) {
		e.Helper()
		r := e.run(4, `actions: {1: {action: `+action+`, options: {`+options+
			`}, filters: [{filtertype: pattern, kind: prefix, value: `+filter+
			`}, {filtertype: pattern, kind: suffix, value: '1', exclude: true}]}}`)
		require.Contains(e, r.Actions[0].Error, want)
		require.Empty(e, e.writes(), "nothing was sent")
	}
	refused("delete_indices", "max_items: 11", "PREFIXlogs-", "12 indices are selected, but max_items allows 11; nothing was deleted")
	refused("delete_indices", "max_percent: 50", "PREFIXlogs-", "max_percent allows 50")
	refused("delete_snapshots", "repository: PREFIXr, keep_newest_good: false, max_items: 1", "PREFIXs-",
		"2 snapshots are selected, but max_items allows 1; nothing was deleted")
	require.Len(e, e.indices(), 14)

	// No deletion is started once max_duration is over; the next run continues. Newer servers
	// delete several snapshots in one request.
	file := `actions: {1: {action: delete_snapshots, options: {repository: PREFIXr, DURATION}, filters: [{filtertype: retain, last: 1}]}}`
	r := e.run(0, strings.Replace(file, "DURATION", "max_duration: 1ms", 1))
	if e.old() {
		require.Len(e, e.snapshots(e.prefix+"r"), 2)
		require.Contains(e, fmt.Sprint(r.Actions[0]), "max_duration")
	}
	e.run(0, strings.Replace(file, "DURATION", "max_duration: 1h, ignore_empty_list: true", 1))
	require.Len(e, e.snapshots(e.prefix+"r"), 1)
	e.run(0, `actions: {1: {action: delete_indices, options: {max_items: 14, max_percent: 100},`+
		` filters: [{filtertype: pattern, kind: prefix, value: PREFIXlogs-}]}}`)
	require.Empty(e, e.indices())
}

func (e *env) proveMinCopies() {
	once, twice := e.prefix+"logs-"+e.day(9), e.prefix+"logs-"+e.day(8)
	e.fill(10, map[string]int{once: 1, twice: 1})
	e.later()
	e.register(e.prefix+"second", e.location("second"), nil)
	e.later()
	e.take(e.prefix+"r", e.prefix+"s", once, twice)
	e.take(e.prefix+"second", e.prefix+"s", twice)
	file := `actions: {1: {action: delete_indices, options: {require_snapshot: {repositories: [PREFIXr, PREFIXsecond]MORE}},` +
		` filters: [{filtertype: pattern, kind: prefix, value: PREFIXlogs-}]}}`
	r := e.run(0, replaceMore(file, ""))
	require.Equal(e, 1, r.Spared)
	require.Equal(e, []string{once}, e.indices(), "not in both")
	e.register(e.prefix+"third", e.location("second"), map[string]any{"readonly": "true"})
	again := strings.Replace(file, "PREFIXr,", "PREFIXthird,", 1)
	e.run(4, replaceMore(again, ""))
	require.Equal(e, []string{once}, e.indices(), "one place is no second copy")
	e.run(0, replaceMore(file, ", min_copies: 1"))
	require.Empty(e, e.indices())
}

// proveOwner registers a place that contains a snapshot which says that another cluster took it.
func (e *env) proveOwner() {
	if e.old() {
		e.notApplicable("a snapshot has no metadata")
	}
	index := e.prefix + "logs"
	e.fill(10, map[string]int{index: 1})
	e.later()
	e.call("PUT", "/_snapshot/"+e.prefix+"r/"+e.prefix+"s-1?wait_for_completion=true", map[string]any{
		"indices": index, "metadata": map[string]any{cluster.MetadataKey: map[string]any{"cluster_uuid": "another"}}}, nil)
	e.take(e.prefix+"r", e.prefix+"s-2", index)
	e.take(e.prefix+"r", e.prefix+"s-3", index)
	e.call("DELETE", "/_snapshot/"+e.prefix+"r", nil, nil)
	file := `
repositories: {PREFIXr: {type: fs, OWNER settings: {location: LOCATIONr}}}
actions: {1: {action: delete_snapshots, options: {repository: PREFIXr}, filters: [{filtertype: retain, last: 1}]}}
`
	r := e.run(4, strings.Replace(file, "OWNER", "", 1))
	require.Nil(e, e.repository(e.prefix+"r"), "nothing is registered")
	uuid := e.clusterUUID()
	require.Contains(e, r.Error+fmt.Sprint(r.Repositories), uuid)
	e.run(4, strings.Replace(file, "OWNER", "owner: wrong,", 1))
	require.Nil(e, e.repository(e.prefix+"r"))

	e.run(0, strings.Replace(file, "OWNER", "owner: "+uuid+",", 1))
	require.Equal(e, []string{e.prefix + "s-1", e.prefix + "s-3"}, slices.Sorted(maps.Keys(e.snapshots(e.prefix+"r"))))
	_, stderr := e.want(4, "repository", "cleanup", e.prefix+"r", "--yes")
	require.Contains(e, stderr, "snapshots of another cluster, such as "+e.prefix+"s-1")
	require.Empty(e, e.writes())
}

func (e *env) proveAttestation() {
	index := e.prefix + "logs-" + e.day(2)
	e.fill(10, map[string]int{index: 1})
	e.later()
	e.later()
	e.take(e.prefix+"r", e.prefix+"s", index)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(e, err)
	write := func(name, kind string, der []byte, err error) string {
		require.NoError(e, err)
		file := filepath.Join(e.dir, name)
		require.NoError(e, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	secret := write("key.pem", "PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(public)
	open := write("pub.pem", "PUBLIC KEY", der, err)
	proof := filepath.Join(e.dir, "proof.json")
	for n := 1; n <= 2; n++ {
		stdout, _ := e.want(0, "check", "--max-age", "1d", "--repository", e.prefix+"r", "--attest", proof, "--signing-key-file", secret)
		require.Contains(e, stdout, fmt.Sprintf("attestation number %d in %s", n, proof))
		require.Zero(e, e.sent("PUT")+e.sent("DELETE"), e.writes())
	}
	stdout, _ := e.want(0, "check", "--verify-attestation", proof, "--public-key-file", open)
	require.Contains(e, stdout, "2 attestations verified, 0 errors")
	require.Empty(e, e.requests, "no cluster is asked")
	data, err := os.ReadFile(proof)
	require.NoError(e, err)
	uuid := e.clusterUUID()
	require.Contains(e, string(data), uuid)
	require.NoError(e, os.WriteFile(proof, []byte(strings.Replace(string(data), uuid, "another", 1)), 0o600))
	e.want(2, "check", "--verify-attestation", proof, "--public-key-file", open)
}

func (e *env) proveFromFile() {
	early, late, never := e.prefix+"logs-"+e.day(3), e.prefix+"logs-"+e.day(2), e.prefix+"logs-"+e.day(1)
	e.fill(10, map[string]int{early: 3, late: 5})
	e.later()
	e.later()
	e.take(e.prefix+"r", e.prefix+"s-1", early)
	e.take(e.prefix+"r", e.prefix+"s-2", late)
	e.deleteIndices(early, late)
	names := filepath.Join(e.dir, "names")
	require.NoError(e, os.WriteFile(names, []byte(early+"\n"+never+"\n"), 0o600))
	e.want(1, "restore", "--repository", e.prefix+"r", "--from-file", names, "--yes")
	require.Empty(e, e.writes())
	require.NoError(e, os.WriteFile(names, []byte("# two days\n"+early+"\r\n\n"+late+"\n"), 0o600))
	e.want(0, "restore", "--repository", e.prefix+"r", "--from-file", names, "--yes")
	require.Equal(e, 3, e.count(early))
	require.Equal(e, 5, e.count(late))

	stdout, _ := e.want(0, "snapshot", "list", "--holding", early, "-o", "json")
	var list struct {
		Snapshots []struct{ Snapshot, Holding string }
	}
	require.NoError(e, json.Unmarshal([]byte(stdout), &list), stdout)
	require.Len(e, list.Snapshots, 1, stdout)
	require.Equal(e, e.prefix+"s-1", list.Snapshots[0].Snapshot)
	require.Equal(e, "complete", list.Snapshots[0].Holding)
	_, stderr := e.want(1, "snapshot", "list", "--holding", never)
	require.Contains(e, stderr, "no snapshot contains the index "+never)
}

func (e *env) provePurge() {
	gone, beside, last := e.prefix+"logs-"+e.day(3), e.prefix+"logs-"+e.day(2), e.prefix+"logs-"+e.day(4)
	e.fill(10, map[string]int{gone: 1, beside: 1, last: 1})
	e.later()
	e.register(e.prefix+"second", e.location("second"), nil)
	e.take(e.prefix+"r", e.prefix+"s-1", gone, last)
	e.take(e.prefix+"r", e.prefix+"s-2", beside)
	e.take(e.prefix+"second", e.prefix+"s-3", gone, beside)
	e.deleteIndices(last)

	// Copies go as well, however they are called, and with or without a mark.
	e.want(0, "restore", gone, "--repository", e.prefix+"r", "--rename-prefix", e.prefix+"back-", "--yes")
	e.want(0, "restore", gone, "--repository", e.prefix+"r", "--rename", "^(.+)$="+e.prefix+"x-$1-y", "--keep-for", "3d", "--yes")
	e.want(0, "restore", beside, "--repository", e.prefix+"r", "--rename-prefix", e.prefix+"back-", "--yes")
	kept := e.prefix + "back-" + beside

	record := filepath.Join(e.dir, "record.json")
	stdout, _ := e.want(0, "purge", gone, "-n", "--record", record)
	require.Contains(e, stdout, "also lost, because no other snapshot contains a complete copy:\n  "+last)
	require.Empty(e, e.writes())
	require.NoFileExists(e, record)
	e.want(2, "purge", gone, "--confirm", beside, "--record", record)
	require.Empty(e, e.writes())
	e.want(0, "purge", gone, "--confirm", gone, "--record", record, "--reason", "case 4711")
	require.ElementsMatch(e, []string{beside, kept}, e.indices())
	require.Equal(e, []string{e.prefix + "s-2"}, slices.Sorted(maps.Keys(e.snapshots(e.prefix+"r"))))
	require.Empty(e, e.snapshots(e.prefix+"second"))
	data, err := os.ReadFile(record)
	require.NoError(e, err)
	require.Contains(e, string(data), `"result": "done"`)
	require.Contains(e, string(data), `"reason": "case 4711"`)
}

func (e *env) proveCleanup() {
	e.fill(10, map[string]int{e.prefix + "logs": 1})
	e.later()
	e.take(e.prefix+"r", e.prefix+"s", e.prefix+"logs")
	if e.old() {
		_, stderr := e.want(1, "repository", "cleanup", e.prefix+"r", "--yes")
		require.Contains(e, stderr, "Elasticsearch 7.4 can")
		require.Empty(e, e.writes())
		return
	}
	stray := ""
	if e.server.Provider == "local" { // the folder of an index that no snapshot contains
		folder := filepath.Join(e.location("r"), "indices", "AAAAAAAAAAAAAAAAAAAAAA")
		require.NoError(e, os.MkdirAll(folder, 0o755))
		require.NoError(e, os.Chmod(folder, 0o777)) // the server may be another user
		stray = filepath.Join(folder, "stray")
		writeFile(e, stray, "x")
	}
	e.want(0, "repository", "cleanup", e.prefix+"r", "-n")
	require.Empty(e, e.writes())
	stdout, _ := e.want(0, "repository", "cleanup", e.prefix+"r", "--yes")
	require.Equal(e, []string{"POST /_snapshot/" + e.prefix + "r/_cleanup"}, e.writes())
	if stray == "" {
		return
	}
	require.Contains(e, stdout, e.prefix+"r: 1 file deleted")
	require.NoFileExists(e, stray)
	require.Len(e, e.snapshots(e.prefix+"r"), 1)
}
