// Package settings reads the settings of the connection, the log and the run. Flags
// override the environment, the environment overrides the file, and the file overrides the
// defaults. It is the only user of viper. Viper never reads a file's text: the strict
// decoder does, so that a misspelt key in a client file is an error with its line.
package settings

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/esnap/esnap/internal/bounded"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/strictyaml"
)

// DefaultURL is the address if no setting gives one.
const DefaultURL = "http://127.0.0.1:9200"

// Settings are the effective settings of one invocation.
type Settings struct {
	URLs        []string
	Username    string
	Password    string
	APIKey      string // base64 of id:key
	BearerToken string
	Header      http.Header
	CAFile      string
	ClientCert  string
	ClientKey   string
	ServerName  string
	Insecure    bool

	Timeout        time.Duration // of one request
	ConnectTimeout time.Duration // how long to wait for a cluster that does not answer
	Deadline       time.Duration // of the whole run; 0: none
	DryRun         bool
	Guards         *bool           // nil: as the action file sets it
	Compat         flavour.Flavour // of Curator; Native: by the client file
	Lock           string          // off, auto or required; empty: as the action file sets it
	History        bool            // keep a record of each run in the cluster
	AllowHooks     bool            // run the commands that action files name

	Schedule, Timezone string // of esnap serve, instead of the file's
	Listen             Listen // of esnap serve

	Color     string      // auto, always or never
	LogLevel  *slog.Level // nil: as the command decides
	LogFormat string
	LogFile   string

	Holds []Hold // of the client file

	MasterOnly      bool
	SkipVersionTest bool
	Fingerprint     string // of the server's certificate; empty: any
	Blacklist       []string
	HasBlacklist    bool // the file has one, perhaps empty
	AWS             *AWS // sign requests for Amazon; nil: do not

	Notice notice.Config // whom runs of action files tell, as far as the client file says it

	File     string   // the client file that was read; empty if none
	Dialect  Dialect  // of that file
	Warnings []string // about the file
	env      Env      // the environment
	// fileHasSecret: the client file itself contains a secret.
	fileHasSecret   bool
	named           map[string]bool // variables that files name
	entries         []entry
	clientOverrides map[string]string // keys of Curator 5's client section from the command line
	overrides       map[string]any    // the settings that these keys set
	values          map[string]string // effective, as text
	source          map[string]source
	serves          bool              // the command has the flags of the HTTP interface
	via             map[string]string // the variable that the file's value comes from, by setting
	from            string            // where the name of the client file comes from
	others          []Shown           // values in the client file that are not settings
}

// Listen is the HTTP interface of esnap serve.
type Listen struct {
	Address           string // empty: none
	CertFile, KeyFile string
	Username          string // that clients must give
	Password          string
	Token             string // lets a client start a run
	Insecure          bool   // credentials may come over plain HTTP from other machines
}

// AWS is how requests are signed for Amazon's OpenSearch service. Without a key the
// credentials are read from the environment, as Amazon's tools do.
type AWS struct {
	Region      string
	Key, Secret string
	Token       string
}

// Dialect is the form of a client file.
type Dialect int

// The dialects, distinguished by the root key. NoFile is also the dialect of a file
// without one of them.
const (
	NoFile   Dialect = iota
	Own              // cluster:
	Curator5         // client:
	Curator8         // elasticsearch:
)

// entry is one setting: its name in the own dialect, flag and environment.
type entry struct {
	key     string
	def     string
	usage   string
	secret  bool
	boolean bool
	noFlag  bool // secrets must not be on a command line
	some    bool // only some commands have its flag
}

// entries is the list of all settings.
var entries = []entry{
	{key: "url", def: DefaultURL, usage: "address of the cluster; separate several with commas"},
	{key: "username", usage: "user name for basic authentication"},
	{key: "password", secret: true, noFlag: true, usage: "password"},
	{key: "password-file", usage: "file with the password"},
	{key: "api-key", secret: true, noFlag: true, usage: "API key, base64 of id:key"},
	{key: "api-key-file", usage: "file with the API key (base64 of id:key)"},
	{key: "bearer-token", secret: true, noFlag: true, usage: "bearer token"},
	{key: "bearer-token-file", usage: "file with the bearer token"},
	{key: "ca-file", usage: "PEM file of the certificate authority to trust"},
	{key: "client-cert", usage: "PEM file of a client certificate"},
	{key: "client-key", usage: "PEM file of the key of the client certificate"},
	{key: "server-name", usage: "name that the server's certificate must have"},
	{key: "insecure", def: "false", boolean: true, usage: "do not verify the server's certificate (logs a warning)"},
	{key: "timeout", def: "30s", usage: "time-out of one request"},
	{
		key:   "connect-timeout",
		usage: "how long to wait for a cluster that does not answer or is starting (default 10m in run, 30s in dry runs, 10s on a terminal)",
	},
	{key: "deadline", some: true, usage: "stop starting new work after this time (5h30m)"},
	{key: "dry-run", def: "false", boolean: true, some: true, usage: "show what would be done; change nothing"},
	{key: "guards", some: true, usage: "on or off; off disables all protections (newest good snapshot, restored indices, …)"},
	{key: "lock", some: true, usage: "off, auto or required, whatever the file says: do not run while another run of the job holds its lock"},
	{key: "history", boolean: true, noFlag: true, usage: "keep a record of each run in the cluster"},
	{key: "allow-hooks", boolean: true, some: true, usage: "run the programs that hooks in the file name"},
	{key: "schedule", some: true, usage: "when to run, instead of the file's schedule"},
	{key: "timezone", some: true, usage: "time zone of the schedule (default UTC)"},
	{key: "listen", some: true, usage: "answer over HTTP at this address (:18080)"},
	{key: "listen-cert-file", some: true, usage: "certificate for HTTPS, PEM"},
	{key: "listen-key-file", some: true, usage: "its key, PEM"},
	{key: "listen-username", some: true, usage: "user name that clients must give"},
	{key: "listen-password", secret: true, noFlag: true, usage: "password that clients must give"},
	{key: "listen-password-file", some: true, usage: "file with their password"},
	{key: "listen-token", secret: true, noFlag: true, usage: "bearer token that lets a client start a run"},
	{key: "listen-token-file", some: true, usage: "file with a token to start runs over HTTP"},
	{key: "insecure-listen", boolean: true, some: true, usage: "take credentials over plain HTTP"},
	{key: "compat", noFlag: true, usage: "Curator generation whose defaults are used, 5 or 8"},
	{key: "color", def: "auto", usage: "colours for states: auto, always or never"},
	{key: "log-level", usage: oneOf(LogLevels()) + " (default info, on a terminal warning)"},
	{key: "log-format", def: "text", usage: "text or json"},
	{key: "log-file", usage: "write log lines to this file instead of stderr; - is stdout"},
}

// Flags adds the flags of all settings except those of the run, which only some commands
// have.
func Flags(fs *pflag.FlagSet) {
	for _, e := range entries {
		if e.noFlag || e.some {
			continue
		}
		AddFlag(fs, e.key)
	}
	fs.String("config", "", "client file (default: the first of "+strings.Join(DefaultFiles(func(string) string { return "" })[:2],
		", ")+", …)")
}

// SomeFlags adds the flags that only some commands have.
func SomeFlags(fs *pflag.FlagSet) {
	for _, e := range entries {
		if e.some {
			AddFlag(fs, e.key)
		}
	}
}

// AddFlag adds the flag of one setting. Its default is shown but not set, because a flag
// that is not given must not override the file.
func AddFlag(fs *pflag.FlagSet, key string) {
	for _, e := range entries {
		if e.key != key {
			continue
		}
		usage := e.usage
		if e.def != "" && !e.boolean {
			usage += " (default " + e.def + ")"
		}
		if e.boolean {
			short := ""
			if key == "dry-run" {
				short = "n"
			}
			fs.BoolP(e.key, short, false, usage)
		} else {
			fs.String(e.key, "", usage)
		}
	}
}

// DefaultFiles lists the places of a client file if none is named. The current folder is
// not one of them: it may belong to another user, and the credentials of the environment
// would be sent to the address in that file.
func DefaultFiles(getenv func(string) string) []string {
	home := getenv("HOME")
	xdg := getenv("XDG_CONFIG_HOME")
	if xdg == "" {
		xdg = filepath.Join(home, ".config")
		if home == "" {
			xdg = "~/.config"
		}
	}
	return []string{
		filepath.Join(xdg, "esnap/config.yml"), "/etc/esnap/config.yml",
		"/etc/es-curator/config.yml", "/etc/opensearch-curator/config.yml", home + "/.curator/curator.yml",
	}
}

// Env looks up an environment variable.
type Env func(name string) (string, bool)

func (e Env) get(name string) string { v, _ := e(name); return v }

// Error is something wrong with the settings themselves.
type Error struct {
	Text string
	Hint string
}

func (e *Error) Error() string { return e.Text }

// Told is an error of the settings as it is told to others, by messages and metrics. The text
// of an error in the client file may contain a part of a secret, which is not known yet: it
// is for the terminal and the log only.
func Told(err error) error {
	if invalid := (*strictyaml.Error)(nil); errors.As(err, &invalid) {
		return &Error{Text: "the client file is not valid", Hint: "esnap config show says where"}
	}
	return err
}

// Load combines flags, environment, file and defaults. A named file must exist; without a
// name, the first existing default file is read.
func Load(flags *pflag.FlagSet, env Env) (*Settings, error) { return LoadOver(flags, env, nil) }

const cameFrom = "esnap_came_from"

// CameFrom notes that a flag was set by something that has another name for the user.
func CameFrom(flags *pflag.FlagSet, key, from string) {
	_ = flags.SetAnnotation(key, cameFrom, []string{from})
}

// LoadOver is Load with keys of Curator 5's client section from its command line: each
// replaces the key of the file, and then counts as a flag. With an error it returns the
// settings as far as they could be read.
func LoadOver(flags *pflag.FlagSet, env Env, client map[string]string) (*Settings, error) {
	v := viper.New()
	s := &Settings{
		env:             env,
		named:           map[string]bool{},
		entries:         entries,
		clientOverrides: client,
		overrides:       map[string]any{},
		values:          map[string]string{},
		source:          map[string]source{},
		via:             map[string]string{},
		Header:          http.Header{},
		serves:          flags != nil && flags.Lookup("listen") != nil,
	}
	for _, e := range entries {
		if e.def != "" {
			v.SetDefault(e.key, e.def)
		}
	}
	fromFile, wrong := s.readFile(flags, env)
	if wrong == nil {
		if err := v.MergeConfigMap(fromFile); err != nil {
			wrong = fmt.Errorf("client file %s: %w", s.File, err)
		}
	}
	if wrong == nil && s.Dialect != Curator5 && len(client) > 0 {
		p := &strictyaml.Problems{File: "command line"}
		s.curator5(&strictyaml.Node{Kind: strictyaml.Map}, map[string]any{}, p)
		wrong = p.Err()
	}
	for _, e := range entries {
		name := variable(e.key)
		switch value, set := env(name); {
		case flags != nil && flags.Lookup(e.key) != nil && flags.Changed(e.key):
			v.Set(e.key, flags.Lookup(e.key).Value.String())
			s.source[e.key] = source{fromFlag, "flag --" + e.key}
			if as := flags.Lookup(e.key).Annotations[cameFrom]; as != nil {
				s.source[e.key] = source{fromFlag, as[0]}
			}
		case s.overrides[e.key] != nil:
			v.Set(e.key, s.overrides[e.key])
			s.source[e.key] = source{fromFlag, "flag"}
		case set && value != "":
			v.Set(e.key, value)
			s.source[e.key] = source{fromEnvironment, "environment " + name}
		case fromFile[e.key] != nil:
			s.source[e.key] = s.inFile(e.key)
		case e.def != "":
			s.source[e.key] = source{fromDefault, "default"}
		}
		if text := v.GetString(e.key); text != "" {
			s.values[e.key] = text
		}
	}
	if err := cmp.Or(wrong, s.resolve()); err != nil {
		return s, err
	}
	s.Warnings = append(s.Warnings, s.writable()...)
	return s, nil
}

// readFile reads the client file, if there is one.
func (s *Settings) readFile(flags *pflag.FlagSet, env Env) (map[string]any, error) {
	file, err := s.findFile(flags, env)
	if file == "" || err != nil {
		return nil, err
	}
	data, err := bounded.ReadFile(file, bounded.Text)
	if err != nil {
		return nil, &Error{Text: fmt.Sprintf("cannot read the client file: %s", err)}
	}
	s.File = file
	return s.decode(file, data)
}

func (s *Settings) findFile(flags *pflag.FlagSet, env Env) (string, error) {
	named, from := "", ""
	if flags != nil && flags.Lookup("config") != nil && flags.Changed("config") {
		named, from = flags.Lookup("config").Value.String(), "--config"
	} else if value := env.get("ESNAP_CONFIG"); value != "" {
		named, from = value, "ESNAP_CONFIG"
	}
	s.from = cmp.Or(map[string]string{"--config": "flag --config", "ESNAP_CONFIG": "environment ESNAP_CONFIG"}[from], "default place")
	if named != "" {
		if st, err := os.Stat(named); err != nil || st.IsDir() {
			return "", &Error{
				Text: fmt.Sprintf("the client file %s (from %s) cannot be read", named, from),
				Hint: "name an existing file, or omit it to use only flags and environment",
			}
		}
		return named, nil
	}
	for _, f := range DefaultFiles(env.get) {
		if !filepath.IsAbs(f) { // HOME or XDG_CONFIG_HOME is unset or relative: that would be the current folder
			continue
		}
		if st, err := os.Stat(f); err == nil && !st.IsDir() {
			return f, nil
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			continue
		}
	}
	return "", nil
}

// resolve turns texts into typed settings. After an error it goes on: a run that cannot
// begin is told to whom the others name, with the secrets masked, unless it is a dry run.
func (s *Settings) resolve() error {
	var wrong error
	s.DryRun, wrong = s.boolean("dry-run")
	secrets := s.resolveSecrets()
	return cmp.Or(wrong, secrets, s.resolveOthers())
}

// resolveSecrets reads the files with secrets.
func (s *Settings) resolveSecrets() error {
	get := func(key string) string { return s.values[key] }
	for u := range strings.SplitSeq(get("url"), ",") {
		if u = strings.TrimSpace(u); u != "" {
			s.URLs = append(s.URLs, u)
		}
	}
	s.Username, s.CAFile, s.ClientCert, s.ClientKey, s.ServerName = get("username"), get("ca-file"), get("client-cert"),
		get("client-key"), get("server-name")
	var wrong error
	for _, secret := range []struct {
		key string
		to  *string
	}{{"password", &s.Password}, {"api-key", &s.APIKey}, {"bearer-token", &s.BearerToken}, {"listen-password", &s.Listen.Password},
		{"listen-token", &s.Listen.Token}} {
		*secret.to = get(secret.key)
		// A file from a source of higher rank overrides the value. The other one has no effect
		// and is not shown.
		inFile := secret.key + "-file"
		switch file := get(inFile); {
		case file == "":
		case *secret.to == "" || s.source[inFile].rank >= s.source[secret.key].rank:
			var err error
			if *secret.to, err = readSecret(fmt.Sprintf("%s (from %s)", inFile, s.source[inFile].text), file); err != nil {
				wrong = cmp.Or(wrong, err)
				continue
			}
			s.values[secret.key], s.source[secret.key] = *secret.to, source{s.source[inFile].rank, s.source[inFile].text + ", " + inFile}
		default:
			delete(s.values, inFile)
		}
		wrong = cmp.Or(wrong, sendable(fmt.Sprintf("%s (from %s)", secret.key, s.source[secret.key].text), *secret.to))
	}
	wrong = cmp.Or(wrong, s.othersSendable())
	if strings.Contains(s.APIKey, ":") {
		s.APIKey = base64.StdEncoding.EncodeToString([]byte(s.APIKey))
	}
	if wrong == nil && s.Password != "" && s.Username == "" && !hasUser(s.URLs) {
		return &Error{Text: "a password is set, but no user name", Hint: "set ESNAP_USERNAME or --username"}
	}
	if !slices.ContainsFunc(s.URLs, func(u string) bool { return !hasUser([]string{u}) }) { // each address contains its own
		delete(s.values, "username")
		delete(s.values, "password")
		delete(s.values, "password-file")
	}
	return wrong
}

// sendable refuses a credential that no header can carry: the request would fail as if the
// cluster could not be reached.
func sendable(what, value string) error {
	if !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return nil
	}
	return &Error{
		Text: what + " contains a line end or another control character",
		Hint: "remove it; echo and some editors add a line end, printf %s does not",
	}
}

// othersSendable is sendable for the credentials that are not settings.
func (s *Settings) othersSendable() error {
	wrong := sendable(fmt.Sprintf("username (from %s)", s.source["username"].text), s.Username)
	for _, name := range slices.Sorted(maps.Keys(s.Header)) {
		wrong = cmp.Or(wrong, sendable(fmt.Sprintf("the header %s (from %s)", name, s.inFile("").text), s.Header.Get(name)))
	}
	if s.AWS != nil {
		for _, of := range [][2]string{{"aws_key", s.AWS.Key}, {"aws_secret_key", s.AWS.Secret}, {"aws_token", s.AWS.Token}} {
			wrong = cmp.Or(wrong, sendable(fmt.Sprintf("%s (from %s)", of[0], s.inFile("").text), of[1]))
		}
	}
	return wrong
}

func (s *Settings) resolveOthers() (err error) {
	get := func(key string) string { return s.values[key] }
	if s.Insecure, err = s.boolean("insecure"); err != nil {
		return err
	}
	for _, d := range []struct {
		key string
		to  *time.Duration
	}{{"timeout", &s.Timeout}, {"connect-timeout", &s.ConnectTimeout}, {"deadline", &s.Deadline}} {
		if text := get(d.key); text != "" {
			dur, ok := strictyaml.ParseDuration(text)
			if !ok {
				return &Error{Text: fmt.Sprintf("%s (from %s): %s", d.key, s.source[d.key].text, strictyaml.InvalidDuration(s.shown(d.key)))}
			}
			*d.to = dur
		}
	}
	switch strings.ToLower(get("guards")) {
	case "":
	case "on", "true", "1", "yes":
		on := true
		s.Guards = &on
	case "off", "false", "0", "no":
		off := false
		s.Guards = &off
	default:
		return s.wrong("guards", "on or off")
	}
	if s.History, err = s.boolean("history"); err != nil {
		return err
	}
	if s.AllowHooks, err = s.boolean("allow-hooks"); err != nil {
		return err
	}
	s.Schedule, s.Timezone = get("schedule"), get("timezone")
	l := &s.Listen
	l.Address, l.CertFile, l.KeyFile, l.Username = get("listen"), get("listen-cert-file"), get("listen-key-file"), get("listen-username")
	if l.Insecure, err = s.boolean("insecure-listen"); err != nil {
		return err
	}
	switch {
	case (l.CertFile == "") != (l.KeyFile == ""):
		return &Error{Text: "listen-cert-file and listen-key-file need each other"}
	case (l.Username == "") != (l.Password == ""):
		return &Error{Text: "listen-username and listen-password-file need each other"}
	case strings.Contains(l.Username, ":"): // no client could give it
		return &Error{Text: "listen-username must not contain a colon"}
	case s.serves && l.Address == "" && l.Token != "": // other commands may have the variables of a container that serves
		return &Error{Text: "listen-token-file needs listen", Hint: "set --listen, such as 127.0.0.1:18080, or remove the token"}
	}
	s.Lock = strings.ToLower(get("lock"))
	if !slices.Contains([]string{"", "off", "auto", "required"}, s.Lock) {
		return s.wrong("lock", "off, auto or required")
	}
	switch get("compat") {
	case "":
	case "5":
		s.Compat = flavour.Curator5
	case "8", "9":
		s.Compat = flavour.Curator8
	default:
		return s.wrong("compat", "5 or 8")
	}
	s.Color = strings.ToLower(get("color"))
	if !slices.Contains([]string{"auto", "always", "never"}, s.Color) {
		return s.wrong("color", "auto, always or never")
	}
	if s.LogLevel, err = level(get("log-level")); err != nil {
		return s.wrong("log-level", oneOf(LogLevels()))
	}
	s.LogFormat, s.LogFile = strings.ToLower(get("log-format")), get("log-file")
	if !slices.Contains([]string{"text", "json", "default", "logstash", "ecs"}, s.LogFormat) {
		return s.wrong("log-format", "text or json")
	}
	return nil
}

func hasUser(urls []string) bool {
	return slices.ContainsFunc(urls, func(raw string) bool { u, err := url.Parse(raw); return err == nil && u.User != nil })
}

// rank orders the sources: one overrides those before it.
type rank int

const (
	fromNothing rank = iota
	fromDefault
	fromFile
	fromEnvironment
	fromFlag
)

// source is where a setting comes from, and how that is shown.
type source struct {
	rank rank
	text string
}

// logLevels are the levels of a log, each with its names: first esnap's, then Curator's.
var logLevels = []struct {
	level slog.Level
	names []string
}{
	{slog.LevelDebug, []string{"debug", "notset", "10", "0"}},
	{slog.LevelInfo, []string{"info", "20"}},
	{slog.LevelWarn, []string{"warning", "warn", "30"}},
	{slog.LevelError, []string{"error", "critical", "40", "50"}},
}

// LogLevels are the names of the levels.
func LogLevels() []string {
	var names []string
	for _, l := range logLevels {
		names = append(names, l.names[0])
	}
	return names
}

// level is the level of a name; nil if the name is empty.
func level(text string) (*slog.Level, error) {
	if text == "" {
		return nil, nil
	}
	for _, l := range logLevels {
		if slices.Contains(l.names, strings.ToLower(text)) {
			return &l.level, nil
		}
	}
	return nil, errors.New("unknown level")
}

// oneOf reads as a choice: a, b or c.
func oneOf(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

func (s *Settings) boolean(key string) (bool, error) {
	text := s.values[key]
	b, ok := strictyaml.AsBool(&strictyaml.Node{Kind: strictyaml.String, Text: text})
	if !ok && text != "" {
		return false, s.wrong(key, "true or false")
	}
	return b, nil
}

func (s *Settings) wrong(key, want string) error {
	return &Error{Text: fmt.Sprintf("%s (from %s) is %q; expected %s", key, s.source[key].text, s.shown(key), want)}
}

// shown is the value of a setting in an error: a variable that the client file names is not
// shown.
func (s *Settings) shown(key string) string {
	if name := s.via[key]; name != "" && s.source[key].rank == fromFile {
		return "${" + name + "}"
	}
	return s.values[key]
}

// readSecret reads the secret from the file that a setting names.
func readSecret(setting, file string) (string, error) {
	data, err := bounded.ReadSecret(file)
	if err != nil {
		return "", &Error{
			Text: fmt.Sprintf("cannot read the file that %s names: %s", setting, err),
			Hint: "mount the secret, or remove the setting; its value is the path of a file, not the secret",
		}
	}
	text := strings.TrimRight(string(data), "\r\n")
	switch {
	case text == "":
		return "", &Error{Text: fmt.Sprintf("the secret file %s is empty", file)}
	case strings.ContainsAny(text, "\r\n\x00"): // no header can carry it
		return "", &Error{Text: fmt.Sprintf("the secret file %s must contain one line", file)}
	}
	return text, nil
}

// Shown is one effective setting as it is shown, secrets masked.
type Shown struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// masked is a value as it may be shown.
func (e entry) masked(value string) string {
	switch {
	case e.secret && value != "":
		return "***"
	case e.key == "url":
		return Mask(value)
	}
	return value
}

// Show lists the effective settings that have a value, secrets masked.
func (s *Settings) Show() []Shown {
	var out []Shown
	for _, e := range s.entries {
		value, ok := s.values[e.key]
		if !ok {
			continue
		}
		out = append(out, Shown{e.key, e.masked(value), s.source[e.key].text})
	}
	return append(out, s.others...)
}

// ClientFile is the client file that was read and where its name comes from, as Show
// lists it.
func (s *Settings) ClientFile() []Shown {
	if s.File == "" {
		return nil
	}
	return []Shown{{"config", s.File, s.from}}
}

// inFile names the client file as the source of a setting.
func (s *Settings) inFile(key string) source {
	text := "file " + s.File
	if v := s.via[key]; v != "" {
		text += ", variable " + v
	}
	return source{fromFile, text}
}

// other adds a value of the client file that is not a setting.
func (s *Settings) other(key, value string) {
	if value != "" {
		s.others = append(s.others, Shown{key, value, s.inFile("").text})
	}
}

// Mask hides user information and the query in addresses. A comma may be part of a password: the next
// address begins only if a scheme follows the comma.
func Mask(urls string) string {
	starts := append([]int{0}, commaScheme(urls)...)
	var parts []string
	for i, start := range starts {
		part := urls[start:]
		if i+1 < len(starts) {
			part = urls[start : starts[i+1]-1]
		}
		if at := strings.LastIndex(part, "@"); at >= 0 {
			scheme, _, found := strings.Cut(part[:at], "://")
			if found {
				scheme += "://"
			} else {
				scheme = ""
			}
			part = scheme + "***@" + part[at+1:]
		}
		if query := strings.IndexAny(part, "?#"); query >= 0 {
			part = part[:query+1] + "***"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}

var nextAddress = regexp.MustCompile(`,\s*[A-Za-z][A-Za-z0-9+.-]*://`)

// commaScheme lists where addresses after the first begin.
func commaScheme(urls string) []int {
	var starts []int
	for _, m := range nextAddress.FindAllStringIndex(urls, -1) {
		starts = append(starts, m[0]+1)
	}
	return starts
}

// Has reports whether a setting is given or has a default.
func (s *Settings) Has(key string) bool { return s.values[key] != "" }

// Flavour is the flavour that --compat or the client file selects; decided is false if
// neither does.
func (s *Settings) Flavour() (f flavour.Flavour, decided bool) {
	switch {
	case s.Compat != flavour.Native:
		return s.Compat, true
	case s.Dialect == Curator5:
		return flavour.Curator5, true
	case s.Dialect == Curator8:
		return flavour.Curator8, true
	}
	return flavour.Native, false
}

// Source is where a setting comes from: a flag, a variable or a file.
func (s *Settings) Source(key string) string { return s.source[key].text }

// NoHistory reports whether the environment turns the history off, whatever the files say.
func (s *Settings) NoHistory() bool {
	return !s.History && s.source["history"].rank == fromEnvironment
}

// User is the user of the cluster, as far as the settings say who it is.
func (s *Settings) User() string {
	for _, raw := range s.URLs {
		if u, err := url.Parse(raw); err == nil && u.User != nil {
			return u.User.Username()
		}
	}
	if key, err := base64.StdEncoding.DecodeString(s.APIKey); err == nil && s.APIKey != "" {
		if id, _, ok := strings.Cut(string(key), ":"); ok {
			return "API key " + id
		}
	}
	return s.Username
}

// IsDefaultURL reports whether no setting gives the address of the cluster.
func (s *Settings) IsDefaultURL() bool { return s.source["url"].rank == fromDefault }
