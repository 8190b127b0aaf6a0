package examples

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
'check '*' s3:b/etcd --max-depth 1 --include etcd-????????T??????Z.db --one-way') for f in "$2"/$7; do cmp "$f" "$REMOTE/${f##*/}" || exit 1; done ;;
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
		env      map[string]string
		broken   map[string]string // programs
		code     int
		says     string
		kept     []string
		uploaded []string
		early    bool // before anything was done
	}{
		"saves and expires":       {says: "hash, revision, keys, size: 787f5723, 4, 3, 20 kB", kept: []string{newest, young}},
		"keeps more":              {env: map[string]string{"KEEP_DAYS": "30"}, kept: []string{newest, young, old}},
		"keeps one day":           {env: map[string]string{"KEEP_DAYS": "1"}, kept: []string{newest}},
		"rclone":                  {env: map[string]string{"RCLONE_REMOTE": "s3:b/etcd"}, kept: []string{newest, young}, uploaded: []string{newest, young, old}},
		"the clock is wrong":      {broken: map[string]string{"etcdctl": `[ "$1" = endpoint ] || { echo data >"$3"; touch -d 1999-01-01 "$3"; }`}, kept: []string{newest, young}},
		"mc":                      {env: map[string]string{"MC_TARGET": "m/b/etcd"}, kept: []string{newest, young}, uploaded: []string{newest, young, old}},
		"etcd is down":            {broken: map[string]string{"etcdctl": "[ \"$1\" != endpoint ]"}, code: 1, says: "etcd does not answer", kept: []string{young, old}},
		"etcd hangs":              {broken: map[string]string{"etcdctl": "[ \"$1\" = endpoint ] || exec sleep 60"}, env: map[string]string{"SAVE_SECONDS": "1"}, code: 1, says: "could not be saved", kept: []string{young, old}},
		"saving fails":            {broken: map[string]string{"etcdctl": "[ \"$1\" = endpoint ]"}, code: 1, says: "could not be saved", kept: []string{young, old}},
		"nothing is written":      {broken: map[string]string{"etcdctl": "exit 0"}, code: 1, says: "written nothing", kept: []string{young, old}},
		"the copy is not one":     {broken: map[string]string{"etcdutl": "[ \"$2\" != status ]"}, code: 1, says: "cannot be read", kept: []string{young, old}},
		"the copy is damaged":     {broken: map[string]string{"etcdutl": "[ \"$2\" != restore ] || { echo wrong checksum; exit 1; }"}, code: 1, says: "wrong checksum\netcd-backup: the snapshot cannot be restored", kept: []string{young, old}},
		"no room for the restore": {broken: map[string]string{"etcdutl": "[ \"$2\" != restore ]"}, env: map[string]string{"VERIFY": "status"}, kept: []string{newest, young}},
		"the upload fails": {
			broken: map[string]string{"rclone": "exit 1"}, env: map[string]string{"RCLONE_REMOTE": "s3:b/etcd"}, code: 1, says: "could not upload",
			kept: []string{newest, young, old},
		},
		"the upload differs": {
			broken: map[string]string{"rclone": `[ "$1" != check ]`}, env: map[string]string{"RCLONE_REMOTE": "s3:b/etcd"}, code: 1, says: "differ",
			kept: []string{newest, young, old},
		},
		"mc loses it":      {broken: map[string]string{"mc": `[ "$1" != stat ]`}, env: map[string]string{"MC_TARGET": "m/b/etcd"}, code: 1, says: "is missing", kept: []string{newest, young, old}},
		"a wrong number":   {env: map[string]string{"KEEP_DAYS": "7d"}, code: 1, says: `KEEP_DAYS is "7d"`, kept: []string{young, old}, early: true},
		"zero days":        {env: map[string]string{"KEEP_DAYS": "0"}, code: 1, says: "at least 1", kept: []string{young, old}, early: true},
		"a wrong word":     {env: map[string]string{"VERIFY": "none"}, code: 1, says: `VERIFY is "none"`, kept: []string{young, old}, early: true},
		"no such folder":   {env: map[string]string{"BACKUP_DIR": "/nonexistent"}, code: 1, says: "there is no folder", kept: []string{young, old}, early: true},
		"stopped in a run": {broken: map[string]string{"etcdutl": "kill -TERM $PPID"}, env: map[string]string{"VERIFY": "status"}, code: 143, kept: []string{young, old}},
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
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			programs := maps.Clone(etcdTools)
			maps.Copy(programs, c.broken)
			code, stdout, stderr := script(t, "etcd", programs, "etcd-backup.sh")
			require.Equal(t, c.code, code, stderr)
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
	if commandFault(t, []string{"serve"}) != "" {
		t.Log("esnap has no command serve yet: its flags are not checked")
		return
	}
	require.Empty(t, commandFault(t, words))
}
