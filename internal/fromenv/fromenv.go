// Package fromenv turns environment variables into the text of an action file, for runs
// that have no file: a repository, a snapshot, retention, and whom the run tells. It
// checks what it can say in the words of the variables; plan.Parse checks the rest.
package fromenv

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/strftime"
	"github.com/esnap/esnap/internal/strictyaml"
)

// Variable is one that File reads.
type Variable struct {
	Name    string
	Default string // empty: none
	form    form
	// key is the place of its value: a setting of the repository, a rule of retain, or a
	// path below the root of the file.
	key []string
	// also are variables of which one must be given, too.
	also []string
}

// form is how a value is written.
type form int

const (
	text form = iota
	boolean
	number
	duration
	list   // separated by commas
	secret // the file names the variable, and does not contain the value
)

// The variables that are read one by one.
const (
	repositoryName = "ESNAP_REPOSITORY"
	repositoryType = "ESNAP_REPOSITORY_TYPE"
	ensure         = "ESNAP_REPOSITORY_ENSURE"
	jobName        = "ESNAP_JOB_NAME"
	indices        = "ESNAP_INDICES"
	exclude        = "ESNAP_EXCLUDE_INDICES"
	snapshotName   = "ESNAP_SNAPSHOT_NAME"
	dateFormat     = "ESNAP_DATE_FORMAT"
	oncePer        = "ESNAP_ONCE_PER"
	globalState    = "ESNAP_INCLUDE_GLOBAL_STATE"
	timezone       = "ESNAP_DATE_TIMEZONE"
	pingURL        = "ESNAP_NOTIFY_PING_URL"
	webhookURL     = "ESNAP_NOTIFY_WEBHOOK_URL"
	mailTo         = "ESNAP_NOTIFY_MAIL_TO"
	pushURL        = "ESNAP_METRICS_PUSHGATEWAY_URL"

	defaultSnapshot = "snapshot"
	defaultDate     = "%Y-%m-%d"
)

// Settings are the settings of repositories that have a variable, by type; both types have
// the last ones.
var (
	fsSettings   = []string{"location"}
	s3Settings   = []string{"bucket", "base_path", "client", "endpoint", "protocol", "region", "path_style_access"}
	bothSettings = []string{"compress", "max_snapshot_bytes_per_sec", "max_restore_bytes_per_sec"}
)

// rules are the rules of the filter retain that have a variable.
var rules = []Variable{
	{Name: "ESNAP_KEEP_DAYS", form: number, key: []string{"within"}},
	{Name: "ESNAP_KEEP_LAST", form: number, key: []string{"last"}},
	{Name: "ESNAP_KEEP_HOURLY", form: number, key: []string{"hourly"}},
	{Name: "ESNAP_KEEP_DAILY", form: number, key: []string{"daily"}},
	{Name: "ESNAP_KEEP_WEEKLY", form: number, key: []string{"weekly"}},
	{Name: "ESNAP_KEEP_MONTHLY", form: number, key: []string{"monthly"}},
	{Name: "ESNAP_KEEP_YEARLY", form: number, key: []string{"yearly"}},
	{Name: "ESNAP_KEEP_COVER", form: duration, key: []string{"cover"}},
}

// told are the keys metrics and notify.
var told = func() []Variable {
	orFile := func(url string) []string { return []string{url, url + "_FILE"} }
	webhook, mail := orFile(webhookURL), []string{mailTo}
	return []Variable{
		{Name: "ESNAP_METRICS_EXPECTED_INTERVAL", form: duration, key: []string{"metrics", "expected_interval"}},
		{Name: "ESNAP_METRICS_TEXTFILE", key: []string{"metrics", "textfile"}},
		{Name: pushURL, form: secret, key: []string{"metrics", "pushgateway", "url"}},
		{Name: pushURL + "_FILE", key: []string{"metrics", "pushgateway", "url_file"}},
		{Name: "ESNAP_METRICS_STATSD_ADDRESS", key: []string{"metrics", "statsd", "address"}},
		{Name: "ESNAP_NOTIFY_NAME", key: []string{"notify", "name"}},
		{Name: "ESNAP_NOTIFY_STATE", key: []string{"notify", "state"}},
		{Name: pingURL, form: secret, key: []string{"notify", "ping", "url"}},
		{Name: pingURL + "_FILE", key: []string{"notify", "ping", "url_file"}},
		{Name: webhookURL, form: secret, key: []string{"notify", "webhooks", "url"}},
		{Name: webhookURL + "_FILE", key: []string{"notify", "webhooks", "url_file"}},
		{Name: "ESNAP_NOTIFY_WEBHOOK_PRESET", key: []string{"notify", "webhooks", "preset"}, also: webhook},
		{Name: "ESNAP_NOTIFY_WEBHOOK_LEVEL", Default: "error", key: []string{"notify", "webhooks", "level"}, also: webhook},
		{Name: "ESNAP_NOTIFY_WEBHOOK_SECRET_FILE", key: []string{"notify", "webhooks", "secret_file"}, also: webhook},
		{Name: mailTo, form: list, key: []string{"notify", "mail", "to"}},
		{Name: "ESNAP_NOTIFY_MAIL_FROM", key: []string{"notify", "mail", "from"}, also: mail},
		{Name: "ESNAP_NOTIFY_MAIL_HOST", key: []string{"notify", "mail", "host"}, also: mail},
		{Name: "ESNAP_NOTIFY_MAIL_PORT", form: number, key: []string{"notify", "mail", "port"}, also: mail},
		{Name: "ESNAP_NOTIFY_MAIL_TLS", Default: "starttls", key: []string{"notify", "mail", "tls"}, also: mail},
		{Name: "ESNAP_NOTIFY_MAIL_USERNAME", key: []string{"notify", "mail", "username"}, also: mail},
		{Name: "ESNAP_NOTIFY_MAIL_PASSWORD_FILE", key: []string{"notify", "mail", "password_file"}, also: mail},
		{Name: "ESNAP_NOTIFY_MAIL_LEVEL", Default: "error", key: []string{"notify", "mail", "level"}, also: mail},
	}
}()

// lists are the keys below notify that are lists; the variables make one entry of each.
var lists = []string{"webhooks", "mail"}

// Variables are all variables that File reads.
var Variables = func() []Variable {
	all := []Variable{
		{Name: repositoryName, Default: "required"},
		{Name: repositoryType}, {Name: ensure, Default: "create"},
		{Name: jobName}, {Name: indices}, {Name: exclude},
		{Name: snapshotName, Default: defaultSnapshot}, {Name: dateFormat, Default: defaultDate},
		{Name: timezone, Default: "UTC"}, {Name: oncePer},
		{Name: globalState, Default: "false", form: boolean},
	}
	for _, s := range slices.Concat(fsSettings, s3Settings, bothSettings) {
		all = append(all, setting(s))
	}
	return slices.Concat(all, rules, told)
}()

// setting is the variable of a repository's setting.
func setting(name string) Variable {
	v := Variable{Name: repositoryName + "_" + strings.ToUpper(name), key: []string{name}}
	if name == "compress" || name == "path_style_access" {
		v.form = boolean
	}
	return v
}

// Names are the names of all variables that File reads.
func Names() []string {
	names := make([]string, len(Variables))
	for i, v := range Variables {
		names[i] = v.Name
	}
	return names
}

// Problem is what is wrong with a variable.
type Problem struct {
	Text string
	Hint string // may be empty
}

// Error are all problems at once.
type Error struct{ List []Problem }

// Error writes one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.List))
	for i, p := range e.List {
		lines[i] = p.Text
		if p.Hint != "" {
			lines[i] += "; " + p.Hint
		}
	}
	return strings.Join(lines, "\n")
}

// keys are what users of other programs give as variables, and servers refuse.
var keys = []string{"ACCESS_KEY", "SECRET_KEY", "SESSION_TOKEN"}

// unknown refuses variables that nothing reads. Where there is no file, no file can name
// them: each of them is misspelt or has no effect.
func (b *builder) unknown(unread, settings []string) {
	for _, name := range slices.Sorted(slices.Values(unread)) {
		hint := near.Question(nearest(name, slices.Concat(Names(), settings))...)
		if slices.ContainsFunc(keys, func(k string) bool { return strings.HasSuffix(strings.ToUpper(name), k) }) {
			hint = "keys of S3 belong into the keystore of every node; ESNAP_REPOSITORY_CLIENT chooses them"
		}
		b.add(hint, "the environment variable %s is not a setting of esnap, and --from-env does not read it", name)
	}
}

// nearest are the most similar names. A name that only differs in letter case and
// underscores is the one that is meant.
func nearest(name string, known []string) []string {
	bare := func(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "_", "") }
	if n := slices.IndexFunc(known, func(k string) bool { return bare(k) == bare(name) }); n >= 0 {
		return known[n : n+1]
	}
	return near.Names(name, known)
}

// Environment are the variables there are.
type Environment struct {
	Lookup func(name string) (string, bool)
	// Unread lists the variables of esnap that nobody has looked up; nil: they are not
	// known.
	Unread func() []string
	// Settings are the names of variables that are not for this package.
	Settings []string
}

// File is the action file that the variables describe. Each value is followed by a comment
// with its variable. Errors are *Error.
func File(env Environment) ([]byte, error) {
	b := builder{given: map[string]string{}}
	for _, v := range Variables {
		if value, set := env.Lookup(v.Name); set {
			b.given[v.Name] = value
		}
	}
	if env.Unread != nil {
		b.unknown(env.Unread(), env.Settings)
	}
	for _, v := range Variables {
		if b.has(v.Name) {
			b.check(v)
		}
	}
	b.together()
	if b.e.List != nil {
		return nil, &b.e
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode((*yaml.Node)(b.root())); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

var comment = regexp.MustCompile(` # (ESNAP_[A-Z0-9_]+(?:, ESNAP_[A-Z0-9_]+)*)$`)

// at names the variables that a line of the file comes from.
func at(file []byte, line int) string {
	lines := strings.Split(string(file), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	m := comment.FindStringSubmatch(lines[line-1])
	if m == nil {
		return ""
	}
	return m[1]
}

// Explain puts the errors of plan.Parse about a file of File into the words of the
// variables.
func Explain(file []byte, err *strictyaml.Error) *Error {
	e := &Error{}
	for _, p := range err.List {
		text := p.Text
		if from := at(file, p.Line); from != "" {
			text = from + ": " + text
		}
		if problem := (Problem{text, p.Hint}); !slices.Contains(e.List, problem) {
			e.List = append(e.List, problem)
		}
	}
	return e
}

// builder makes the tree of the file.
type builder struct {
	given map[string]string
	e     Error
}

func (b *builder) add(hint, format string, args ...any) {
	b.e.List = append(b.e.List, Problem{fmt.Sprintf(format, args...), hint})
}

func (b *builder) has(name string) bool { _, ok := b.given[name]; return ok }

// check finds what is wrong with one value, whatever the others are.
func (b *builder) check(v Variable) {
	value := b.given[v.Name]
	switch {
	case strings.TrimSpace(value) == "":
		b.add("give it a value, or remove it", "%s is empty", v.Name)
		return
	case !utf8.ValidString(value), strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
		b.add("", "%s contains a line break or another character that cannot be printed", v.Name)
		return
	}
	switch v.form {
	case boolean:
		if _, ok := truth(value); !ok {
			b.add("", "%s: expected true or false, got %q", v.Name, value)
		}
	case number:
		if n, err := strconv.ParseInt(value, 10, 32); err != nil || n < 1 {
			b.add("", "%s: expected a whole number, 1 or more, got %q", v.Name, value)
		}
	case duration:
		if d, ok := strictyaml.ParseDuration(value); !ok || d <= 0 {
			b.add("", "%s: invalid duration %q; examples: 12h, 45d, 6w", v.Name, value)
		}
	case list:
		b.entries(v.Name)
	}
	if len(v.also) > 0 && !slices.ContainsFunc(v.also, b.has) {
		b.add("", "%s has no effect without %s", v.Name, strings.Join(v.also, " or "))
	}
}

// entries are the entries of a list.
func (b *builder) entries(name string) []string {
	parts := strings.Split(b.given[name], ",")
	for i := range parts {
		if parts[i] = strings.TrimSpace(parts[i]); parts[i] == "" {
			b.add("entries are separated by one comma", "%s: an entry is empty in %q", name, b.given[name])
			return nil
		}
	}
	return parts
}

func truth(value string) (is, ok bool) {
	return strictyaml.AsBool(&strictyaml.Node{Kind: strictyaml.String, Text: value})
}

// together finds what is wrong with variables beside each other.
func (b *builder) together() {
	if !b.has(repositoryName) {
		b.add("set it to the name of the repository; docs/from-env.md lists all variables", "%s is not set", repositoryName)
	}
	b.repositoryTogether()
	for _, name := range []string{indices, exclude} {
		if !b.has(name) {
			continue
		}
		for _, p := range b.entries(name) {
			if strings.HasPrefix(p, "-") {
				b.add("put it into "+exclude+", without the hyphen", "%s: %q begins with a hyphen", name, p)
			}
		}
	}
	switch name := b.given[snapshotName]; {
	case strings.HasPrefix(name, "<"):
		b.add("write the date with tokens such as %Y.%m.%d", "%s: date math is for action files", snapshotName)
	case strings.Contains(name, "%") && b.has(dateFormat):
		b.add("remove one of them", "%s contains a date already, so %s has no place", snapshotName, dateFormat)
	case b.has(dateFormat) && !strings.Contains(b.date(), "%"):
		b.add("example: +%Y-%m-%d", "%s: %q contains no date token", dateFormat, b.given[dateFormat])
	default:
		from := snapshotName
		if b.has(dateFormat) {
			from = dateFormat
		}
		for _, c := range strftime.Unknown(b.snapshot()) {
			b.add("tokens are %Y %y %m %d %H %M %S %j %W %U, and %G with %V", "%s: %%%c is not a date token", from, c)
		}
		if b.once() == "" && !strings.ContainsAny(b.tokens(), "MS") {
			b.add("the name needs a month, or something finer", "%s: %q is the same name for a whole year", from, b.snapshot())
		}
	}
	for _, url := range []string{pingURL, webhookURL, pushURL} {
		if b.has(url) && b.has(url+"_FILE") {
			b.add("remove one of them", "%s and %s_FILE exclude each other", url, url)
		}
	}
	for _, needed := range []string{"ESNAP_NOTIFY_MAIL_FROM", "ESNAP_NOTIFY_MAIL_HOST"} {
		if b.has(mailTo) && !b.has(needed) {
			b.add("", "%s needs %s, too", mailTo, needed)
		}
	}
}

// kind is the type of the repository; empty: it is not declared.
func (b *builder) kind() string {
	switch {
	case b.has(repositoryType):
		return b.given[repositoryType]
	case b.has(setting("location").Name):
		return "fs"
	case b.has(setting("bucket").Name):
		return "s3"
	}
	return ""
}

func (b *builder) repositoryTogether() {
	location, bucket := setting("location").Name, setting("bucket").Name
	given := func(settings ...[]string) (list []string) {
		for _, s := range slices.Concat(settings...) {
			if name := setting(s).Name; b.has(name) {
				list = append(list, name)
			}
		}
		return list
	}
	var foreign []string
	needed := ""
	switch b.kind() {
	case "fs":
		foreign, needed = given(s3Settings), location
	case "s3":
		foreign, needed = given(fsSettings), bucket
	case "":
		foreign = given(s3Settings, bothSettings)
		if b.has(ensure) {
			foreign = append(foreign, ensure)
		}
		for _, name := range foreign {
			b.add("set "+location+" or "+bucket, "%s has no effect: nothing says what the repository is", name)
		}
		return
	default:
		b.add("other types need an action file", "%s: expected fs or s3, got %q", repositoryType, b.given[repositoryType])
		return
	}
	for _, name := range foreign {
		b.add("", "%s is not a setting of the type %s", name, b.kind())
	}
	if !b.has(needed) {
		b.add("", "the type %s needs %s", b.kind(), needed)
	}
}

// date is the form of the date. That of the program date begins with a plus sign.
func (b *builder) date() string {
	if !b.has(dateFormat) {
		return defaultDate
	}
	return strings.ReplaceAll(strings.TrimPrefix(b.given[dateFormat], "+"), "%F", "%Y-%m-%d")
}

// snapshot is the name of the snapshot: a name with date tokens, or one to which the date
// is added.
func (b *builder) snapshot() string {
	name := cmp.Or(b.given[snapshotName], defaultSnapshot)
	if strings.Contains(name, "%") {
		return name
	}
	return name + "-" + b.date()
}

// tokens are the letters of the date tokens in the name of the snapshot.
func (b *builder) tokens() string {
	var list strings.Builder
	for _, m := range regexp.MustCompile(`%([A-Za-z])`).FindAllStringSubmatch(b.snapshot(), -1) {
		list.WriteString(m[1])
	}
	return list.String()
}

// once is the period in which one snapshot is enough; empty: none. A name without minutes
// can be used once in its period only.
func (b *builder) once() string {
	switch tokens := b.tokens(); {
	case b.has(oncePer):
		return b.given[oncePer]
	case strings.ContainsAny(tokens, "MS"):
		return ""
	case strings.Contains(tokens, "H"):
		return "hour"
	case strings.ContainsAny(tokens, "dj"):
		return "day"
	case strings.ContainsAny(tokens, "WUV"):
		return "week"
	case strings.Contains(tokens, "m"):
		return "month"
	}
	return ""
}
