package fromenv_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/fromenv"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/strictyaml"
)

// variables are an environment.
type variables map[string]string

func (v variables) lookup(name string) (string, bool) { value, ok := v[name]; return value, ok }

// file is the file of an environment. Variables that are not known are unread.
func (v variables) file() (string, error) {
	text, err := fromenv.File(fromenv.Environment{Lookup: v.lookup, Settings: settings.Variables(), Unread: func() (list []string) {
		for name := range v {
			if !slices.Contains(fromenv.Names(), name) {
				list = append(list, name)
			}
		}
		return list
	}})
	return string(text), err
}

func (v variables) plan(t *testing.T) *plan.Plan {
	t.Helper()
	text, err := v.file()
	require.NoError(t, err)
	p, err := plan.Parse("environment", []byte(text), plan.Options{Env: v.lookup})
	require.NoError(t, err, text)
	for _, f := range p.Findings { // a name with minutes or seconds
		require.Contains(t, f.Text, "once_per is not set", text)
	}
	return p
}

// with is an environment that is enough, and more.
func with(pairs ...string) variables {
	v := variables{"ESNAP_REPOSITORY": "backups"}
	for i := 0; i < len(pairs); i += 2 {
		v[pairs[i]] = pairs[i+1]
	}
	return v
}

// matches reports whether the name of an index or snapshot matches a filter.
func matches(f filters.Filter, name string) bool {
	return f.Judge(time.Time{}, cluster.Items([]*cluster.Index{{Name: name}}))[0].Match == cluster.Yes
}

// TestEveryVariableHasAnEffect: the plan differs with and without each of them.
func TestEveryVariableHasAnEffect(t *testing.T) {
	fs, s3 := []string{"ESNAP_REPOSITORY_LOCATION", "/b"}, []string{"ESNAP_REPOSITORY_BUCKET", "b"}
	webhook := []string{"ESNAP_NOTIFY_WEBHOOK_URL", "https://chat.example.com/x", "ESNAP_NOTIFY_WEBHOOK_PRESET", "dingtalk"}
	mail := []string{"ESNAP_NOTIFY_MAIL_TO", "ops@example.com", "ESNAP_NOTIFY_MAIL_FROM", "a@example.com", "ESNAP_NOTIFY_MAIL_HOST", "smtp"}
	tried := []string{"ESNAP_REPOSITORY"}
	for name, c := range map[string]struct {
		value  string
		beside []string
		want   string // in the file
	}{
		"ESNAP_REPOSITORY_TYPE":                       {"s3", s3, "type: 's3'"},
		"ESNAP_REPOSITORY_ENSURE":                     {"verify", fs, "ensure: 'verify'"},
		"ESNAP_REPOSITORY_LOCATION":                   {"/b", nil, "type: fs\n    settings:\n      location: '/b'"},
		"ESNAP_REPOSITORY_BUCKET":                     {"b", nil, "type: s3\n    settings:\n      bucket: 'b'"},
		"ESNAP_REPOSITORY_BASE_PATH":                  {"one/logs", s3, "base_path: 'one/logs'"},
		"ESNAP_REPOSITORY_CLIENT":                     {"minio", s3, "client: 'minio'"},
		"ESNAP_REPOSITORY_ENDPOINT":                   {"minio:9000", s3, "endpoint: 'minio:9000'"},
		"ESNAP_REPOSITORY_PROTOCOL":                   {"http", s3, "protocol: 'http'"},
		"ESNAP_REPOSITORY_REGION":                     {"eu-west-1", s3, "region: 'eu-west-1'"},
		"ESNAP_REPOSITORY_PATH_STYLE_ACCESS":          {"1", s3, "path_style_access: true"},
		"ESNAP_REPOSITORY_COMPRESS":                   {"no", fs, "compress: false"},
		"ESNAP_REPOSITORY_MAX_SNAPSHOT_BYTES_PER_SEC": {"80mb", fs, "max_snapshot_bytes_per_sec: '80mb'"},
		"ESNAP_REPOSITORY_MAX_RESTORE_BYTES_PER_SEC":  {"200mb", s3, "max_restore_bytes_per_sec: '200mb'"},
		"ESNAP_JOB_NAME":                              {"nightly", nil, "name: 'nightly'"},
		"ESNAP_INDICES":                               {"logs-*, orders", nil, "search_pattern: 'logs-*,.ds-logs-*,orders'"},
		"ESNAP_EXCLUDE_INDICES":                       {"logs-tmp*,a.b", nil, `value: '^(?:logs-tmp.*|a\.b|\.ds-(?:logs-tmp.*|a\.b)-`},
		"ESNAP_SNAPSHOT_NAME":                         {"nightly", nil, "name: 'nightly-%Y-%m-%d'"},
		"ESNAP_DATE_FORMAT":                           {"+%F-%H", nil, "name: 'snapshot-%Y-%m-%d-%H'"},
		"ESNAP_DATE_TIMEZONE":                         {"Europe/Berlin", nil, "timezone: 'Europe/Berlin'"},
		"ESNAP_ONCE_PER":                              {"hour", nil, "once_per: 'hour'"},
		"ESNAP_INCLUDE_GLOBAL_STATE":                  {"true", nil, "include_global_state: true"},
		"ESNAP_KEEP_DAYS":                             {"30", nil, "within: 30d"},
		"ESNAP_KEEP_LAST":                             {"7", nil, "last: 7"},
		"ESNAP_KEEP_HOURLY":                           {"24", nil, "hourly: 24"},
		"ESNAP_KEEP_DAILY":                            {"14", nil, "daily: 14"},
		"ESNAP_KEEP_WEEKLY":                           {"4", nil, "weekly: 4"},
		"ESNAP_KEEP_MONTHLY":                          {"6", nil, "monthly: 6"},
		"ESNAP_KEEP_YEARLY":                           {"2", nil, "yearly: 2"},
		"ESNAP_KEEP_COVER":                            {"400d", nil, "cover: '400d'"},
		"ESNAP_METRICS_EXPECTED_INTERVAL":             {"24h", nil, "expected_interval: '24h'"},
		"ESNAP_METRICS_TEXTFILE":                      {"/m/", nil, "textfile: '/m/'"},
		"ESNAP_METRICS_PUSHGATEWAY_URL":               {"http://push:9091", nil, "url: ${ESNAP_METRICS_PUSHGATEWAY_URL}"},
		"ESNAP_METRICS_PUSHGATEWAY_URL_FILE":          {"/s/push", nil, "url_file: '/s/push'"},
		"ESNAP_METRICS_STATSD_ADDRESS":                {"statsd:8125", nil, "address: 'statsd:8125'"},
		"ESNAP_NOTIFY_NAME":                           {"prod", nil, "name: 'prod'"},
		"ESNAP_NOTIFY_STATE":                          {"/s/state.json", nil, "state: '/s/state.json'"},
		"ESNAP_NOTIFY_PING_URL":                       {"https://hc.example.com/x", nil, "url: ${ESNAP_NOTIFY_PING_URL}"},
		"ESNAP_NOTIFY_PING_URL_FILE":                  {"/s/ping", nil, "url_file: '/s/ping'"},
		"ESNAP_NOTIFY_WEBHOOK_URL":                    {"https://chat.example.com/x", nil, "url: ${ESNAP_NOTIFY_WEBHOOK_URL}"},
		"ESNAP_NOTIFY_WEBHOOK_URL_FILE":               {"/s/chat", nil, "url_file: '/s/chat'"},
		"ESNAP_NOTIFY_WEBHOOK_PRESET":                 {"slack", webhook[:2], "preset: 'slack'"},
		"ESNAP_NOTIFY_WEBHOOK_LEVEL":                  {"always", webhook, "level: 'always'"},
		"ESNAP_NOTIFY_WEBHOOK_SECRET_FILE":            {"/s/sign", webhook, "secret_file: '/s/sign'"},
		"ESNAP_NOTIFY_MAIL_TO":                        {"a@example.com, b@example.com", mail[2:], "to: ['a@example.com', 'b@example.com']"},
		"ESNAP_NOTIFY_MAIL_FROM":                      {"x@example.com", mail, "from: 'x@example.com'"},
		"ESNAP_NOTIFY_MAIL_HOST":                      {"smtp.example.com", mail, "host: 'smtp.example.com'"},
		"ESNAP_NOTIFY_MAIL_PORT":                      {"2525", mail, "port: 2525"},
		"ESNAP_NOTIFY_MAIL_TLS":                       {"tls", mail, "tls: 'tls'"},
		"ESNAP_NOTIFY_MAIL_USERNAME":                  {"esnap", append(mail, "ESNAP_NOTIFY_MAIL_PASSWORD_FILE", "/s/p"), "username: 'esnap'"},
		"ESNAP_NOTIFY_MAIL_PASSWORD_FILE":             {"/s/p", append(mail, "ESNAP_NOTIFY_MAIL_USERNAME", "esnap"), "password_file: '/s/p'"},
		"ESNAP_NOTIFY_MAIL_LEVEL":                     {"warning", mail, "level: 'warning'"},
	} {
		t.Run(name, func(t *testing.T) {
			v := with(append(slices.Clone(c.beside), name, c.value)...)
			text, err := v.file()
			require.NoError(t, err)
			require.Contains(t, text, c.want)
			require.Regexp(t, "# .*"+name+`\b`, text, "the comment")
			v.plan(t)
			delete(v, name)
			if other, err := v.file(); err == nil {
				require.NotContains(t, other, c.want)
			}
		})
		tried = append(tried, name)
	}
	require.ElementsMatch(t, tried, fromenv.Names())
}

// TestPlan: what the engine gets.
func TestPlan(t *testing.T) {
	p := with("ESNAP_REPOSITORY_LOCATION", "/mnt/b").plan(t)
	require.Equal(t, "backups-snapshot", p.Name)
	require.Len(t, p.Steps, 1, "nothing is deleted without a rule")
	take := p.Steps[0].Action.(*actions.Snapshot)
	require.Equal(t, "snapshot-%Y-%m-%d", take.Name)
	require.Equal(t, "day", take.OncePer, "a container that is started again takes no second snapshot")
	require.Empty(t, p.Findings)
	require.True(t, p.Steps[0].Common.AllowILMIndices, "a lifecycle policy is not a reason to lose an index")

	p = with("ESNAP_SNAPSHOT_NAME", "orders-db", "ESNAP_DATE_FORMAT", "+%Y-%m-%d", "ESNAP_KEEP_DAYS", "30", "ESNAP_KEEP_LAST", "7").plan(t)
	require.Empty(t, p.Repositories, "an existing repository")
	require.Equal(t, "backups-orders-db", p.Name)
	take = p.Steps[0].Action.(*actions.Snapshot)
	require.Equal(t, "orders-db-%Y-%m-%d", take.Name)
	require.Equal(t, "day", take.OncePer)
	require.Equal(t, "delete_snapshots", p.Steps[1].Kind)
	retain := p.Steps[1].Chain[1].Filter.(*filters.Retain)
	require.Equal(t, 30*24*time.Hour, *retain.Within)
	require.EqualValues(t, 7, *retain.Last)
	for name, ours := range map[string]bool{
		"orders-db-2026-11-21": true, "orders-db-2026-11-21-2": true, "orders-db-2026-11-21-": false, "orders-db-before-migration": false,
		"orders-db-2026-11-21-manual": false, "my-orders-db-2026-11-21": false, "orders-2026-11-21": false,
	} {
		require.Equal(t, ours, matches(p.Steps[1].Chain[0].Filter, name), name)
		require.True(t, !ours || cluster.MatchName(retain.Series[0], name), "one series: %s", name)
	}
	for format, once := range map[string]string{
		"%Y%m%d%H%M": "", "%Y%m%d%H": "hour", "%Y.%m.%d": "day", "%Y%j": "day", "%G-w%V": "week", "%Y-%m": "month", "%d-of-%m-%y": "day",
	} {
		p := with("ESNAP_SNAPSHOT_NAME", "a-"+format+"-b", "ESNAP_KEEP_LAST", "2").plan(t)
		require.Equal(t, once, p.Steps[0].Action.(*actions.Snapshot).OncePer, format)
		name := strings.NewReplacer(
			"%Y", "2026", "%G", "2026", "%m", "11", "%d", "21", "%H", "01", "%M", "30", "%j", "325", "%V", "47", "%y", "26",
		).Replace("a-" + format + "-b")
		require.True(t, matches(p.Steps[1].Chain[0].Filter, name), name)
		for _, made := range []string{name, name + "-2"} {
			require.True(t, cluster.MatchName(p.Steps[1].Chain[1].Filter.(*filters.Retain).Series[0], made), made)
		}
	}
}

// TestPatternsOfIndices: a pattern also means data streams.
func TestPatternsOfIndices(t *testing.T) {
	for given, want := range map[string]string{
		"orders": "orders", "*": "*", "logs-*, a": "logs-*,.ds-logs-*,a", "*-debug": "*-debug,.ds-*-debug-*", "a*b": "a*b,.ds-a*b-*",
		".kibana*": ".kibana*", ".ds-logs*": ".ds-logs*",
	} {
		require.Equal(t, want, with("ESNAP_INDICES", given).plan(t).Steps[0].Common.SearchPattern)
	}
}

// TestSystemIndices: system indices are left out, unless a pattern begins with a dot. The
// indices of a data stream are not system indices.
func TestSystemIndices(t *testing.T) {
	selected := func(v variables) (names []string) {
		chain := v.plan(t).Steps[0].Chain
	next:
		for _, name := range []string{"logs-1", ".kibana_1", ".ds-logs-app-2026.11.21-000001", ".ds-.fleet-2026.11.21-000001"} {
			for _, l := range chain {
				if l.Kind == "pattern" && matches(l.Filter, name) == l.Exclude {
					continue next
				}
			}
			names = append(names, name)
		}
		return names
	}
	require.Equal(t, []string{"logs-1", ".ds-logs-app-2026.11.21-000001"}, selected(with()))
	require.Equal(t, []string{"logs-1", ".ds-logs-app-2026.11.21-000001"}, selected(with("ESNAP_INDICES", "*")))
	require.Len(t, selected(with("ESNAP_INDICES", "*,.kibana*")), 4)
	require.Equal(t, []string{".ds-logs-app-2026.11.21-000001"}, selected(with("ESNAP_EXCLUDE_INDICES", "logs-1")))
	require.Equal(t, []string{"logs-1"}, selected(with("ESNAP_EXCLUDE_INDICES", "logs-app")), "a data stream")
	require.Empty(t, selected(with("ESNAP_EXCLUDE_INDICES", "logs*")))
}

// TestValuesAreData: no value becomes YAML, a variable or an expression.
func TestValuesAreData(t *testing.T) {
	for _, hostile := range []string{
		`a: b`, `it's`, `"x`, `- x`, `#x`, `x # y`, `${HOME}`, `$${HOME}`, `${ESNAP_PASSWORD:x}`, `{a: b}`, `[x`, `*a`, `&a`,
		`!!int 1`, `yes`, `null`, `~`, `012`,
		`1_000`, `1:30`, `2026-11-21`, `0x1f`, `.inf`, `|`, `>`, `%TAG`, `@x`, "`x", `\`, ` x `, `é`, `'''`, `x'}]`, `? x`,
	} {
		v := with("ESNAP_REPOSITORY_LOCATION", hostile, "ESNAP_JOB_NAME", hostile, "ESNAP_NOTIFY_NAME", hostile)
		v["HOME"], v["ESNAP_PASSWORD"] = "/root", "geheim"
		text, err := fromenv.File(fromenv.Environment{Lookup: v.lookup})
		require.NoError(t, err, hostile)
		p, err := plan.Parse("environment", text, plan.Options{Env: v.lookup, Secret: func(n string) bool { return n == "ESNAP_PASSWORD" }})
		require.NoError(t, err, "%s\n%s", hostile, text)
		require.Equal(t, hostile, p.Repositories[0].Settings["location"], hostile)
		require.Equal(t, hostile, p.Name)
		require.Equal(t, hostile, p.Notice.Notify.Name)
		var again map[string]any // another reader of YAML
		require.NoError(t, yaml.Unmarshal(text, &again))
		require.NotContains(t, string(text), "geheim")
	}
	v := with("ESNAP_EXCLUDE_INDICES", `a.+(b|*,c`)
	f := v.plan(t).Steps[0].Chain[1]
	for name, matched := range map[string]bool{"a.+(b|": true, "a.+(b|xyz": true, "c": true, "cc": false, "aab": false} {
		require.Equal(t, matched, matches(f.Filter, name), name)
	}
}

// TestSecretsAreNotInTheFile: an address with a token is in the plan, and not in the text.
func TestSecretsAreNotInTheFile(t *testing.T) {
	v := with("ESNAP_NOTIFY_PING_URL", "https://hc.example.com/canary", "ESNAP_NOTIFY_WEBHOOK_URL", "https://chat.example.com/canary",
		"ESNAP_METRICS_PUSHGATEWAY_URL", "https://push.example.com/canary")
	text, err := v.file()
	require.NoError(t, err)
	require.NotContains(t, text, "canary")
	n := v.plan(t).Notice
	require.Equal(t, "https://hc.example.com/canary", n.Notify.Ping.URL)
	require.Equal(t, "https://chat.example.com/canary", n.Notify.Webhooks[0].URL)
	require.Equal(t, "https://push.example.com/canary", n.Metrics.Pushgateway.URL)
	delete(v, "ESNAP_REPOSITORY")
	v["ESNAP_NOTIFY_PING_URL"] = "canary\n"
	_, err = v.file()
	require.ErrorContains(t, err, "ESNAP_NOTIFY_PING_URL contains a line break")
	require.NotContains(t, err.Error(), "canary")
}

// TestRefused: one problem each, in the words of the variables.
func TestRefused(t *testing.T) {
	fs, s3 := []string{"ESNAP_REPOSITORY_LOCATION", "/b"}, []string{"ESNAP_REPOSITORY_BUCKET", "b"}
	and := func(a []string, b ...string) []string { return append(slices.Clone(a), b...) }
	unknown := func(name, hint string) string {
		text := "the environment variable " + name + " is not a setting of esnap, and --from-env does not read it"
		if hint != "" {
			text += "; " + hint
		}
		return text
	}
	const undeclared = " has no effect: nothing says what the repository is; set ESNAP_REPOSITORY_LOCATION or ESNAP_REPOSITORY_BUCKET"
	for _, c := range []struct {
		pairs []string
		want  string
	}{
		{[]string{"ESNAP_REPOSITORY", ""}, "ESNAP_REPOSITORY is empty; give it a value, or remove it"},
		{[]string{"ESNAP_KEEP_DAYS", " "}, "ESNAP_KEEP_DAYS is empty; give it a value, or remove it"},
		{[]string{"ESNAP_JOB_NAME", "a\nb"}, "ESNAP_JOB_NAME contains a line break or another character that cannot be printed"},
		{[]string{"ESNAP_JOB_NAME", "a\xff"}, "ESNAP_JOB_NAME contains a line break or another character that cannot be printed"},
		{[]string{"ESNAP_KEEP_DAYS", "0"}, `ESNAP_KEEP_DAYS: expected a whole number, 1 or more, got "0"`},
		{[]string{"ESNAP_KEEP_DAYS", "30d"}, `ESNAP_KEEP_DAYS: expected a whole number, 1 or more, got "30d"`},
		{[]string{"ESNAP_KEEP_LAST", "-1"}, `ESNAP_KEEP_LAST: expected a whole number, 1 or more, got "-1"`},
		{[]string{"ESNAP_KEEP_LAST", "99999999999"}, `ESNAP_KEEP_LAST: expected a whole number, 1 or more, got "99999999999"`},
		{[]string{"ESNAP_KEEP_COVER", "400"}, `ESNAP_KEEP_COVER: invalid duration "400"; examples: 12h, 45d, 6w`},
		{[]string{"ESNAP_KEEP_COVER", "0"}, `ESNAP_KEEP_COVER: invalid duration "0"; examples: 12h, 45d, 6w`},
		{[]string{"ESNAP_INCLUDE_GLOBAL_STATE", "maybe"}, `ESNAP_INCLUDE_GLOBAL_STATE: expected true or false, got "maybe"`},
		{[]string{"ESNAP_INDICES", "a,,b"}, `ESNAP_INDICES: an entry is empty in "a,,b"; entries are separated by one comma`},
		{[]string{"ESNAP_INDICES", "a,-b"}, `ESNAP_INDICES: "-b" begins with a hyphen; put it into ESNAP_EXCLUDE_INDICES, without the hyphen`},
		{[]string{"ESNAP_REPOSITORY_TYPE", "gcs"}, `ESNAP_REPOSITORY_TYPE: expected fs or s3, got "gcs"; other types need an action file`},
		{[]string{"ESNAP_REPOSITORY_TYPE", "fs"}, "the type fs needs ESNAP_REPOSITORY_LOCATION"},
		{[]string{"ESNAP_REPOSITORY_TYPE", "s3"}, "the type s3 needs ESNAP_REPOSITORY_BUCKET"},
		{and(fs, s3...), "ESNAP_REPOSITORY_BUCKET is not a setting of the type fs"},
		{and(fs, and(s3, "ESNAP_REPOSITORY_TYPE", "s3")...), "ESNAP_REPOSITORY_LOCATION is not a setting of the type s3"},
		{and(fs, "ESNAP_REPOSITORY_REGION", "x"), "ESNAP_REPOSITORY_REGION is not a setting of the type fs"},
		{[]string{"ESNAP_REPOSITORY_COMPRESS", "true"}, "ESNAP_REPOSITORY_COMPRESS" + undeclared},
		{[]string{"ESNAP_REPOSITORY_ENSURE", "verify"}, "ESNAP_REPOSITORY_ENSURE" + undeclared},
		{[]string{"ESNAP_SNAPSHOT_NAME", "a-%Y", "ESNAP_DATE_FORMAT", "%Y"},
			"ESNAP_SNAPSHOT_NAME contains a date already, so ESNAP_DATE_FORMAT has no place; remove one of them",
		},
		{[]string{"ESNAP_SNAPSHOT_NAME", "<a-{now/d}>"},
			"ESNAP_SNAPSHOT_NAME: date math is for action files; write the date with tokens such as %Y.%m.%d",
		},
		{[]string{"ESNAP_DATE_FORMAT", "daily"}, `ESNAP_DATE_FORMAT: "daily" contains no date token; example: +%Y-%m-%d`},
		{[]string{"ESNAP_DATE_FORMAT", "+%Y%m%d%s"},
			"ESNAP_DATE_FORMAT: %s is not a date token; tokens are %Y %y %m %d %H %M %S %j %W %U, and %G with %V",
		},
		{[]string{"ESNAP_SNAPSHOT_NAME", "a-%Y"},
			`ESNAP_SNAPSHOT_NAME: "a-%Y" is the same name for a whole year; the name needs a month, or something finer`,
		},
		{[]string{"ESNAP_NOTIFY_PING_URL", "https://a/b", "ESNAP_NOTIFY_PING_URL_FILE", "/b"},
			"ESNAP_NOTIFY_PING_URL and ESNAP_NOTIFY_PING_URL_FILE exclude each other; remove one of them",
		},
		{[]string{"ESNAP_NOTIFY_WEBHOOK_LEVEL", "always"},
			"ESNAP_NOTIFY_WEBHOOK_LEVEL has no effect without ESNAP_NOTIFY_WEBHOOK_URL or ESNAP_NOTIFY_WEBHOOK_URL_FILE",
		},
		{[]string{"ESNAP_NOTIFY_MAIL_HOST", "smtp"}, "ESNAP_NOTIFY_MAIL_HOST has no effect without ESNAP_NOTIFY_MAIL_TO"},
		{[]string{"ESNAP_NOTIFY_MAIL_TO", "a@b.c", "ESNAP_NOTIFY_MAIL_HOST", "smtp"}, "ESNAP_NOTIFY_MAIL_TO needs ESNAP_NOTIFY_MAIL_FROM, too"},
		{[]string{"ESNAP_KEEP_DAY", "7"}, unknown("ESNAP_KEEP_DAY", "did you mean ESNAP_KEEP_DAYS?")},
		{[]string{"esnap_keep_days", "7"}, unknown("esnap_keep_days", "did you mean ESNAP_KEEP_DAYS?")},
		{[]string{"ESNAP_KEEPDAYS", "7"}, unknown("ESNAP_KEEPDAYS", "did you mean ESNAP_KEEP_DAYS?")},
		{[]string{"ESNAP_DRYRUN", "1"}, unknown("ESNAP_DRYRUN", "did you mean ESNAP_DRY_RUN?")},
		{[]string{"ESNAP_UNHEARD_OF_THING", "1"}, unknown("ESNAP_UNHEARD_OF_THING", "")},
		{and(s3, "ESNAP_REPOSITORY_SECRET_KEY", "geheim"), unknown("ESNAP_REPOSITORY_SECRET_KEY",
			"keys of S3 belong into the keystore of every node; ESNAP_REPOSITORY_CLIENT chooses them")},
	} {
		text, err := with(c.pairs...).file()
		require.EqualError(t, err, c.want, "%q", c.pairs)
		require.Empty(t, text)
	}
	_, err := variables{}.file()
	require.EqualError(t, err, "ESNAP_REPOSITORY is not set; set it to the name of the repository; docs/from-env.md lists all variables")
	_, err = variables{"ESNAP_KEEP_LAST": "x", "ESNAP_ONCEPER": "day"}.file() // all at once
	require.Equal(t, 3, strings.Count(err.Error(), "\n")+1, err)
}

// TestExplain: what only the engine knows is said with the variable.
func TestExplain(t *testing.T) {
	for variable, value := range map[string]string{
		"ESNAP_SNAPSHOT_NAME": "Nightly-%Y%m%d", "ESNAP_DATE_TIMEZONE": "Mars/North", "ESNAP_ONCE_PER": "year",
		"ESNAP_REPOSITORY_ENSURE": "maybe",
		"ESNAP_NOTIFY_PING_URL":   "ftp://x", "ESNAP_METRICS_STATSD_ADDRESS": "nowhere", "ESNAP_REPOSITORY_MAX_SNAPSHOT_BYTES_PER_SEC": "fast",
	} {
		v := with("ESNAP_REPOSITORY_LOCATION", "/b", "ESNAP_KEEP_LAST", "3", variable, value)
		text, err := v.file()
		require.NoError(t, err)
		_, err = plan.Parse("environment", []byte(text), plan.Options{Env: v.lookup})
		var invalid *strictyaml.Error
		require.ErrorAs(t, err, &invalid, variable)
		e := fromenv.Explain([]byte(text), invalid)
		require.Len(t, e.List, 1, e)
		require.True(t, strings.HasPrefix(e.List[0].Text, variable+": "), e.List[0].Text)
		require.NotContains(t, e.Error(), "environment:", "a place in a file that nobody sees")
	}
}

// FuzzFile: whatever the values are, the file is either refused or one that plan.Parse
// reads, or refuses in the words of a variable.
func FuzzFile(f *testing.F) {
	f.Add("backups", "/b", "logs-*", "a-%Y%m%d", "7")
	f.Add("r: [", "${X}", "a,b", "%d.%m", "1")
	f.Fuzz(func(t *testing.T, repository, location, indices, name, keep string) {
		v := variables{
			"ESNAP_REPOSITORY": repository, "ESNAP_REPOSITORY_LOCATION": location,
			"ESNAP_INDICES": indices, "ESNAP_EXCLUDE_INDICES": indices,
			"ESNAP_SNAPSHOT_NAME": name, "ESNAP_KEEP_LAST": keep, "ESNAP_JOB_NAME": location,
		}
		text, err := v.file()
		if err != nil {
			return
		}
		p, err := plan.Parse("environment", []byte(text), plan.Options{Env: v.lookup})
		if err != nil {
			require.NotContains(t, err.Error(), "yaml:", text)
			return
		}
		require.Equal(t, fmt.Sprint(location), fmt.Sprint(p.Repositories[0].Settings["location"]), text)
		require.Equal(t, repository, p.Repositories[0].Name, text)
		require.Len(t, p.Steps, 2, text)
	})
}
