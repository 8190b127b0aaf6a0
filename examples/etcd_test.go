package examples

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// etcdTools are etcd's programs and those that upload, in front of a folder with the
// remote copies: $REMOTE.
var etcdTools = map[string]string{
	"etcdctl": `
case "$*" in
'endpoint health') ;;
'snapshot save '*) echo data >"$3" ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac`,
	"etcdutl": `
case "$*" in
'snapshot status '*) echo '787f5723, 4, 3, 20 kB' ;;
'snapshot restore '*' --data-dir '*) grep -q data "$3" && mkdir "$5" ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac`,
	"rclone": `
case "$*" in
'copy '*' s3:b/etcd --max-depth 1 --include etcd-????????T??????Z.db --immutable') cp "$2"/$7 "$REMOTE" ;;
'check '*' s3:b/etcd --max-depth 1 --include etcd-????????T??????Z.db --one-way')
    for f in "$2"/$7; do cmp "$f" "$REMOTE/${f##*/}" || exit 1; done ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac`,
	"mc": `
case "$*" in
'cp '*' m/b/etcd/'*) cp "$2" "$REMOTE/${3##*/}" ;;
'stat m/b/etcd/'*) [ -s "$REMOTE/${2##*/}" ] ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac`,
}

var isCopy = regexp.MustCompile(`^etcd-\d{8}T\d{6}Z\.db$`)

// TestEtcdBackup: a copy is kept only after it was verified, old ones are deleted only if
// all before that worked, and never the newest.
func TestEtcdBackup(t *testing.T) {
	const old, young, newest = "etcd-20261101T010000Z.db", "etcd-20261128T010000Z.db", "new"
	for name, c := range map[string]struct {
		set        string // a variable
		tool, does string // a program that is broken
		code       int
		says       string
		kept       []string
		uploaded   []string
		early      bool // before anything was done
	}{
		"saves and expires": {says: "hash, revision, keys, size: 787f5723, 4, 3, 20 kB", kept: []string{newest, young}},
		"keeps more":        {set: "KEEP_DAYS=30", kept: []string{newest, young, old}},
		"keeps one day":     {set: "KEEP_DAYS=1", kept: []string{newest}},
		"rclone": {
			set:  "RCLONE_REMOTE=s3:b/etcd",
			kept: []string{newest, young}, uploaded: []string{newest, young, old},
		},
		"the clock is wrong": {
			tool: "etcdctl", does: `[ "$1" = endpoint ] || { echo data >"$3"; touch -d 1999-01-01 "$3"; }`,
			kept: []string{newest, young},
		},
		"mc": {
			set:  "MC_TARGET=m/b/etcd",
			kept: []string{newest, young}, uploaded: []string{newest, young, old},
		},
		"etcd is down": {
			tool: "etcdctl", does: `[ "$1" != endpoint ]`,
			code: 1, says: "etcd does not answer", kept: []string{young, old},
		},
		"etcd hangs": {
			tool: "etcdctl", does: `[ "$1" = endpoint ] || exec sleep 60`, set: "SAVE_SECONDS=1",
			code: 1, says: "could not be saved", kept: []string{young, old},
		},
		"saving fails": {
			tool: "etcdctl", does: `[ "$1" = endpoint ]`,
			code: 1, says: "could not be saved", kept: []string{young, old},
		},
		"nothing is written": {
			tool: "etcdctl", does: "exit 0",
			code: 1, says: "written nothing", kept: []string{young, old},
		},
		"the copy is not one": {
			tool: "etcdutl", does: `[ "$2" != status ]`,
			code: 1, says: "cannot be read", kept: []string{young, old},
		},
		"the copy is damaged": {
			tool: "etcdutl", does: `[ "$2" != restore ] || { echo wrong checksum; exit 1; }`,
			code: 1, says: "wrong checksum\netcd-backup: the snapshot cannot be restored", kept: []string{young, old},
		},
		"no room for the restore": {
			tool: "etcdutl", does: `[ "$2" != restore ]`, set: "VERIFY=status",
			kept: []string{newest, young},
		},
		"the upload fails": {
			tool: "rclone", does: "exit 1", set: "RCLONE_REMOTE=s3:b/etcd", code: 1, says: "could not upload",
			kept: []string{newest, young, old},
		},
		"the upload differs": {
			tool: "rclone", does: `[ "$1" != check ]`, set: "RCLONE_REMOTE=s3:b/etcd", code: 1, says: "differ",
			kept: []string{newest, young, old},
		},
		"mc loses it": {
			tool: "mc", does: `[ "$1" != stat ]`, set: "MC_TARGET=m/b/etcd",
			code: 1, says: "is missing", kept: []string{newest, young, old},
		},
		"a wrong number": {
			set:  "KEEP_DAYS=7d",
			code: 1, says: `KEEP_DAYS is "7d"`, kept: []string{young, old}, early: true,
		},
		"zero days":    {set: "KEEP_DAYS=0", code: 1, says: "at least 1", kept: []string{young, old}, early: true},
		"a wrong word": {set: "VERIFY=none", code: 1, says: `VERIFY is "none"`, kept: []string{young, old}, early: true},
		"no such folder": {
			set:  "BACKUP_DIR=/nonexistent",
			code: 1, says: "there is no folder", kept: []string{young, old}, early: true,
		},
		"stopped while it saves": {
			tool: "etcdctl", does: `[ "$1" = endpoint ] || { kill -TERM "$(ps -o ppid= -p $PPID)"; exec sleep 60; }`, code: 143,
			kept: []string{young, old},
		},
		"stopped in a run": {
			tool: "etcdutl", does: "kill -TERM $PPID", set: "VERIFY=status", code: 143,
			kept: []string{young, old},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, remote := t.TempDir(), t.TempDir()
			age := func(name string, days int) {
				file := filepath.Join(dir, name)
				if _, err := os.Stat(file); err != nil {
					require.NoError(t, os.WriteFile(file, []byte(name), 0o600))
				}
				at := time.Now().Add(-time.Duration(days)*24*time.Hour - time.Hour)
				require.NoError(t, os.Chtimes(file, at, at))
			}
			age(old, 20)
			age(young, 2)
			// Others' files, whatever their age.
			others := []string{"notes.txt", "etcd-by-hand.db", "etcd-20261101T010000Z.db.gz"}
			for _, other := range others {
				age(other, 400)
			}
			// Of killed runs: the first may be going on still.
			require.NoError(t, os.Mkdir(filepath.Join(dir, ".etcd-backup.running"), 0o700))
			require.NoError(t, os.Mkdir(filepath.Join(dir, ".etcd-backup.killed"), 0o700))
			age(".etcd-backup.killed", 3)

			t.Setenv("BACKUP_DIR", dir)
			t.Setenv("REMOTE", remote)
			if key, value, ok := strings.Cut(c.set, "="); ok {
				t.Setenv(key, value)
			}
			programs := maps.Clone(etcdTools)
			if c.tool != "" {
				programs[c.tool] = c.does
			}
			start := time.Now()
			code, stdout, stderr := script(t, "etcd", programs, "etcd-backup.sh")
			require.Equal(t, c.code, code, stderr)
			require.Less(t, time.Since(start), 30*time.Second)
			require.Contains(t, stdout+stderr, c.says)
			require.NotContains(t, stderr, "unexpected")

			list := func(dir string) (names []string) {
				entries, err := os.ReadDir(dir)
				require.NoError(t, err)
				for _, e := range entries {
					switch name := e.Name(); {
					case slices.Contains(others, name), name == ".etcd-backup.running":
					case name != old && name != young && isCopy.MatchString(name):
						names = append(names, newest)
						info, err := e.Info()
						require.NoError(t, err)
						require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "the copy contains every secret")
					default:
						names = append(names, name)
					}
				}
				return names
			}
			kept := c.kept
			if c.early {
				kept = append(slices.Clone(kept), ".etcd-backup.killed")
			}
			require.ElementsMatch(t, kept, list(dir))
			for _, other := range others {
				require.FileExists(t, filepath.Join(dir, other))
			}
			require.ElementsMatch(t, c.uploaded, list(remote))
		})
	}
}

// TestEtcdDocuments: esnap takes the command lines, and the script that they name is here.
func TestEtcdDocuments(t *testing.T) {
	for _, file := range []string{"etcd/README.md", "etcd/Dockerfile", "etcd/etcd-backup.sh"} {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(data), "/usr/local/bin/etcd-backup.sh", file)
		require.Contains(t, string(data), "0 0 * * * *", file)
	}
	words := []string{"serve", "--schedule", "0 0 * * * *", "--listen", ":18080"}
	require.Empty(t, commandFault(t, words))
}
