package cmd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/fromenv"
)

// newEnvConsole has a cluster with data, and an environment for --from-env.
func newEnvConsole(t *testing.T) *console {
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.20", "logs-tmp", "orders", "other", ".kibana_1")
	for name, value := range map[string]string{
		"ESNAP_REPOSITORY": "backups", "ESNAP_REPOSITORY_LOCATION": "/mnt/es-backup", "ESNAP_INDICES": "logs-*,orders",
		"ESNAP_EXCLUDE_INDICES": "logs-tmp*", "ESNAP_SNAPSHOT_NAME": "nightly", "ESNAP_DATE_FORMAT": "+%Y-%m-%d", "ESNAP_KEEP_DAYS": "30",
	} {
		k.env[name] = value
	}
	return k
}

// TestFromEnv: the repository is registered, the snapshot is taken and verified, and
// snapshots of this job that no rule keeps are deleted, without a file.
func TestFromEnv(t *testing.T) {
	k := newEnvConsole(t)
	k.c.AddRepository(cluster.Repository{Name: "backups", Settings: map[string]string{"location": "/mnt/es-backup"}})
	for name, days := range map[string]int{
		"nightly-2026-10-10": 42, "nightly-2026-11-20": 1, "nightly-before-the-move": 400, "weekly-2026-01-01": 300,
	} {
		k.c.AddSnapshot("backups", cluster.Snapshot{Name: name, Indices: []string{"orders"}, Start: now.AddDate(0, 0, -days)})
	}
	snapshots := func() map[string][]string {
		list, err := k.c.Snapshots(k.ctx, "backups", true)
		require.NoError(t, err)
		all := map[string][]string{}
		for _, s := range list {
			all[s.Name] = s.Indices
		}
		return all
	}
	code, out, errs := k.run("run", "--from-env", "-n")
	require.Zero(t, code, out+errs)
	require.Empty(t, k.c.Writes(), "a dry run")

	code, out, errs = k.run("run", "--from-env", "-o", "json")
	require.Zero(t, code, out+errs)
	require.Contains(t, out, `"file": "environment"`)
	all := snapshots()
	require.ElementsMatch(t, []string{"logs-2026.11.20", "orders"}, all["nightly-2026-11-21"])
	require.NotContains(t, all, "nightly-2026-10-10")
	require.Len(t, all, 4, "%v", all)

	code, out, errs = k.run("run", "--from-env") // the container starts again
	require.Zero(t, code, out+errs)
	require.Len(t, snapshots(), 4)
	require.Contains(t, out, "adopted")

	code, out, _ = k.run("config", "from-env") // the same as a file
	require.Zero(t, code)
	for _, v := range fromenv.Names() {
		delete(k.env, v)
	}
	writes := len(k.c.Writes())
	code, again, errs := k.run("run", "-n", "-o", "name", k.file(out))
	require.Zero(t, code, again+errs)
	require.Len(t, k.c.Writes(), writes)
	require.Equal(t, "snapshot/logs-2026.11.20\nsnapshot/orders\n", again)
}

// TestFromEnvVariablesElsewhere: other commands in the same container do not mind them; a
// run of a file says that they have no effect.
func TestFromEnvVariablesElsewhere(t *testing.T) {
	for _, args := range [][]string{{"index", "list"}, {"config", "show"}, {"run", "FILE"}, {"curator", "FILE"}} {
		k := newEnvConsole(t)
		k.c.AddIndices("logs-2026.11.01")
		k.env["ESNAP_LOG_LEVEL"] = "warning"
		if args[len(args)-1] == "FILE" {
			args[len(args)-1] = k.file(deleteLogs)
		}
		code, out, errs := k.run(args...)
		require.Zero(t, code, "%s: %s", args, out+errs)
		said := strings.Contains(out+errs, "only esnap run --from-env reads ESNAP_DATE_FORMAT, ESNAP_EXCLUDE_INDICES, ESNAP_INDICES, ")
		require.Equal(t, args[0] != "index", said, "%s: %s", args, out+errs)
	}
}

// TestFromEnvRegisters: a new repository, and an S3 bucket.
func TestFromEnvRegisters(t *testing.T) {
	k := newEnvConsole(t)
	delete(k.env, "ESNAP_REPOSITORY_LOCATION")
	k.env["ESNAP_REPOSITORY_BUCKET"], k.env["ESNAP_REPOSITORY_PATH_STYLE_ACCESS"] = "es-snapshots", "true"
	code, out, errs := k.run("run", "--from-env")
	require.Zero(t, code, out+errs)
	r, err := k.c.Repository(k.ctx, "backups")
	require.NoError(t, err)
	require.Equal(t, "s3", r.Type)
	require.Equal(t, map[string]string{"bucket": "es-snapshots", "path_style_access": "true"}, r.Settings)
	require.Contains(t, out, "registered")
}

// TestFromEnvDataStreams: data streams are named as they are called.
func TestFromEnvDataStreams(t *testing.T) {
	for names, c := range map[string]struct {
		exclude string
		streams []string
	}{
		"app":    {"none", []string{"app"}},
		"app*":   {"none", []string{"app", "app-debug"}},
		"a*,*g":  {"app-debug", []string{"app"}},
		"*":      {"app", []string{"app-debug"}},
		"orders": {"none", nil},
	} {
		k := newEnvConsole(t)
		for _, s := range []string{"app", "app-debug"} {
			k.c.AddIndex(cluster.Index{Name: ".ds-" + s + "-2026.11.20-000001", DataStream: s})
		}
		k.env["ESNAP_INDICES"], k.env["ESNAP_EXCLUDE_INDICES"] = names, c.exclude
		code, out, errs := k.run("run", "--from-env")
		require.Zero(t, code, out+errs)
		list, err := k.c.Snapshots(k.ctx, "backups", true)
		require.NoError(t, err)
		require.Len(t, list, 1)
		for _, s := range []string{"app", "app-debug"} {
			require.Equal(t, slices.Contains(c.streams, s), list[0].HasStream(s), "%s: %s in %v", names, s, list[0].Indices)
		}
	}
	k := newEnvConsole(t)
	k.c.AddIndex(cluster.Index{Name: ".ds-app-2026.11.20-000001", DataStream: "app"})
	k.env["ESNAP_INDICES"] = "app,ap"
	code, out, errs := k.run("run", "--from-env")
	require.Equal(t, 1, code, out+errs)
	require.Contains(t, out+errs, "search_pattern names ap, which does not exist")
}

// TestFromEnvFailures: an index that does not exist is a failure, not a smaller snapshot.
func TestFromEnvFailures(t *testing.T) {
	k := newEnvConsole(t)
	k.env["ESNAP_INDICES"] = "orders,invoices"
	code, out, errs := k.run("run", "--from-env")
	require.Equal(t, 1, code, out+errs)
	require.Contains(t, out+errs, "invoices")
	list, err := k.c.Snapshots(k.ctx, "backups", true)
	require.NoError(t, err)
	require.Empty(t, list)

	for name, c := range map[string]struct {
		variable, value string
		args            []string
		want            string
	}{
		"misspelt":  {"ESNAP_KEEP_DAY", "7", []string{"run", "--from-env"}, "did you mean ESNAP_KEEP_DAYS?"},
		"a setting": {"ESNAP_DRYRUN", "1", []string{"run", "--from-env"}, "did you mean ESNAP_DRY_RUN?"},
		"empty": {
			"ESNAP_KEEP_DAYS", "", []string{"run", "--from-env"},
			"ESNAP_KEEP_DAYS is empty\nhint: give it a value, or remove it",
		},
		"contradictory": {
			"ESNAP_REPOSITORY_BUCKET", "b", []string{"run", "--from-env"},
			"ESNAP_REPOSITORY_BUCKET is not a setting of the type fs",
		},
		"the engine's": {
			"ESNAP_SNAPSHOT_NAME", "Nightly", []string{"run", "--from-env", "-n"},
			"ESNAP_SNAPSHOT_NAME, ESNAP_DATE_FORMAT: name: \"Nightly-%Y-%m-%d\" cannot be the name of the snapshot",
		},
		"printing": {
			"ESNAP_KEEP_LAST", "x", []string{"config", "from-env"},
			"ESNAP_KEEP_LAST: expected a whole number, 1 or more, got \"x\"",
		},
		"with a file": {
			"ESNAP_KEEP_LAST", "1", []string{"run", "--from-env", "a.yml"},
			"--from-env takes no action file; a.yml was given\nhint: esnap config from-env prints",
		},
		"not asked for": {"ESNAP_KEEP_LAST", "1", []string{"run"}, "esnap run takes action files"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newEnvConsole(t)
			k.env[c.variable] = c.value
			code, out, errs := k.run(c.args...)
			require.Equal(t, 2, code, out+errs)
			require.Empty(t, out)
			require.Contains(t, errs, c.want)
			require.Empty(t, k.c.Calls())
		})
	}
}

// TestFromEnvWithSettings: name, lock, history and messages are reachable by variables.
func TestFromEnvWithSettings(t *testing.T) {
	k := newEnvConsole(t)
	metrics := t.TempDir()
	k.env["ESNAP_JOB_NAME"], k.env["ESNAP_LOCK"], k.env["ESNAP_HISTORY"] = "orders-nightly", "required", "true"
	k.env["ESNAP_METRICS_TEXTFILE"] = metrics
	code, out, errs := k.run("run", "--from-env")
	require.Zero(t, code, out+errs)
	code, out, errs = k.run("history", "-o", "json")
	require.Zero(t, code, errs)
	require.Contains(t, out, `"job": "orders-nightly"`)
	require.Contains(t, out, `"command": "run"`)
	data, err := os.ReadFile(filepath.Join(metrics, "esnap_orders-nightly.prom"))
	require.NoError(t, err)
	require.Contains(t, string(data), `esnap_last_run_status{policy="orders-nightly"} 0`)
}

// TestFromEnvSecrets: an address with a token is in no output, and neither is the password
// of the connection.
func TestFromEnvSecrets(t *testing.T) {
	k := newEnvConsole(t)
	k.env["ESNAP_NOTIFY_PING_URL"] = "http://127.0.0.1:1/canary-ping"
	k.env["ESNAP_USERNAME"], k.env["ESNAP_PASSWORD"] = "u", "canary-password"
	k.env["ESNAP_LOG_LEVEL"] = "debug"
	for _, args := range [][]string{{"run", "--from-env"}, {"run", "--from-env", "-o", "json"}, {"config", "from-env"}, {"config", "show"}} {
		code, out, errs := k.run(args...)
		require.Zero(t, code, out+errs)
		require.NotContains(t, out+errs, "canary", "%s", args)
	}
	k.env["ESNAP_JOB_NAME"] = "${ESNAP_PASSWORD}"
	_, out, _ := k.run("config", "from-env")
	require.Contains(t, out, "name: '$${ESNAP_PASSWORD}'")
	require.Equal(t, 1, strings.Count(out, "ESNAP_PASSWORD"))
}
