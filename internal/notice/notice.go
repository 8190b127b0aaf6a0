// Package notice decodes the keys metrics and notify of action files and client files:
// whom a run tells how it ended. It sends nothing; package tell does.
package notice

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/mail"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/strictyaml"
)

// Keys are the keys of a file that this package reads.
var Keys = []string{"metrics", "notify"}

// Config says whom a run tells.
type Config struct {
	Metrics Metrics
	Notify  Notify
}

// Metrics says where the numbers of a run go.
type Metrics struct {
	ExpectedInterval time.Duration `yaml:"expected_interval" doc:"how often the file is expected to run"`
	Textfile         string        `yaml:"textfile" doc:"file of node_exporter's textfile collector, or an existing folder for it"`
	Pushgateway      *Pushgateway  `yaml:"pushgateway" doc:"a Prometheus Pushgateway"`
	Statsd           *Statsd       `yaml:"statsd" doc:"a StatsD or DogStatsD server"`
}

// Notify says who gets a message.
type Notify struct {
	Name     string   `yaml:"name" check:"scalar" doc:"name of this server in messages"`
	State    string   `yaml:"state" doc:"file that remembers what was sent, or an existing folder for it"`
	Ping     *Ping    `yaml:"ping" doc:"a check of healthchecks.io or of a server with its protocol"`
	Webhooks Webhooks `yaml:"webhooks" doc:"HTTP requests with a message"`
	Mail     Mails    `yaml:"mail" doc:"mails with the report"`
}

// Endpoint is an address that requests go to. It may contain a token, so only its scheme
// and host are ever shown.
type Endpoint struct {
	URL     string `yaml:"url" doc:"address; only its scheme and host are ever shown"`
	URLFile string `yaml:"url_file" doc:"file that contains the address"`
	CAFile  string `yaml:"ca_file" doc:"certificate authority to trust, PEM"`
	// Trusted means that the client file names it, not the action file.
	Trusted bool
}

// Pushgateway is a Prometheus Pushgateway.
type Pushgateway struct {
	Endpoint
	Username     string `yaml:"username" check:"scalar" doc:"user name for basic authentication"`
	PasswordFile string `yaml:"password_file" doc:"file that contains the password"`
}

// Statsd is a server of StatsD.
type Statsd struct {
	Address string `yaml:"address" check:"required" doc:"host:port, or unix:///path of a datagram socket"`
	Prefix  string `yaml:"prefix" doc:"first part of all names"`
	Tags    bool   `yaml:"tags" doc:"write labels as tags of DogStatsD"`
}

// Ping is a check in the protocol of healthchecks.io.
type Ping struct{ Endpoint }

// The levels: how bad a run must be for a message.
const (
	LevelError   = "error"
	LevelWarning = "warning"
	LevelAlways  = "always"
)

// Webhook is a request with a message.
type Webhook struct {
	Endpoint
	Preset      string         `yaml:"preset" check:"oneof=slack|teams|ntfy|dingtalk|wecom|feishu" doc:"form of the message for a service"`
	Level       string         `yaml:"level" check:"oneof=error|warning|always" doc:"which runs send a message"`
	Headers     map[string]any `yaml:"headers" doc:"headers of the request"`
	HeaderFiles map[string]any `yaml:"header_files" doc:"headers whose values are in files"`
	Body        string         `yaml:"body" doc:"JSON with fields such as ${title}"`
	SecretFile  string         `yaml:"secret_file" doc:"file that contains the secret for signing (dingtalk, feishu)"`
}

// Webhooks are several webhooks; nil: not given.
type Webhooks []Webhook

// Mail is a mail with the report.
type Mail struct {
	To           []string `yaml:"to" check:"required,list" doc:"recipients"`
	From         string   `yaml:"from" check:"required" doc:"sender"`
	Level        string   `yaml:"level" check:"oneof=error|warning|always" doc:"which runs send a message"`
	Host         string   `yaml:"host" check:"required" doc:"SMTP server"`
	Port         int64    `yaml:"port" check:"min=1,max=65535" doc:"its port"`
	TLS          string   `yaml:"tls" check:"oneof=starttls|tls|none" doc:"encryption"`
	CAFile       string   `yaml:"ca_file" doc:"certificate authority to trust, PEM"`
	Username     string   `yaml:"username" check:"scalar" doc:"user name at the SMTP server"`
	PasswordFile string   `yaml:"password_file" doc:"file that contains the password"`
	// Trusted means that the client file names it, not the action file.
	Trusted bool
}

// Mails are several mails; nil: not given.
type Mails []Mail

// NewStatsd has the defaults.
func NewStatsd() *Statsd { return &Statsd{Prefix: "esnap"} }

// NewWebhook has the defaults.
func NewWebhook() *Webhook { return &Webhook{Level: LevelError} }

// NewMail has the defaults.
func NewMail() *Mail { return &Mail{Level: LevelError, TLS: "starttls"} }

// Field is a value that the body of a webhook can name.
type Field struct {
	Name   string
	Number bool
	Doc    string
}

// Fields are the values that the body of a webhook can name as ${name}.
var Fields = []Field{
	{"title", false, "one line: what happened to which file, and where"},
	{"text", false, "the title, and the last lines of the report"},
	{"report", false, "the report as a table"},
	{"state", false, "`ok`, `warning` or `error`"},
	{"change", false, "`recovered`, `reminder`, or empty"},
	{"policy", false, "the name of the job, see [metrics](#metrics)"},
	{"file", false, "the action file"},
	{"name", false, "the name of this server"},
	{"cluster", false, "the name of the cluster"},
	{"server", false, "product and version of the cluster"},
	{"exit_code", true, "the exit code; a number"},
	{"meaning", false, "what the exit code means"},
	{"error", false, "the first cause of a failure"},
	{"hint", false, "what helps"},
	{"duration_seconds", true, "of the whole run; a number"},
	{"time", false, "when the run began, UTC"},
	{"run_id", false, "the id of the run"},
}

var field = regexp.MustCompile(`\$\{([^}]*)\}`)

// Fill puts values into the body of a webhook. Texts are escaped as in a JSON text.
func Fill(body string, value func(name string) string) string {
	return field.ReplaceAllStringFunc(body, func(ref string) string {
		quoted, _ := json.Marshal(value(field.FindStringSubmatch(ref)[1])) // a text never fails
		return string(quoted[1 : len(quoted)-1])
	})
}

// Literal exempts the body of a webhook from the substitution of environment variables.
func Literal(key string) bool { return key == "body" }

// Decode reads the two keys of a file's root.
func Decode(root *strictyaml.Node, p *strictyaml.Problems) Config {
	var c Config
	c.metrics(root.Get("metrics"), p)
	c.notify(root.Get("notify"), p)
	return c
}

func (c *Config) metrics(n *strictyaml.Node, p *strictyaml.Problems) {
	if n.Absent() {
		return
	}
	m := &c.Metrics
	strictyaml.Decode(n, m, strictyaml.DecodeOptions{Subject: "key of metrics", IgnoreNull: true, Own: true}, p)
	if m.Textfile != "" && strings.HasPrefix(path.Base(m.Textfile), ".") {
		p.Add(n.Get("textfile"), "textfile: a name that begins with a dot is not collected")
	}
	if g := m.Pushgateway; g != nil {
		at := n.Get("pushgateway")
		g.check("pushgateway", at, p)
		if (g.Username == "") != (g.PasswordFile == "") {
			p.Add(at, "pushgateway: username and password_file must be given together")
		}
	}
	if m.Statsd != nil && m.Statsd.Prefix == "" {
		m.Statsd.Prefix = NewStatsd().Prefix
	}
	if s := m.Statsd; s != nil && s.Address != "" && !strings.HasPrefix(s.Address, "unix:///") {
		if host, port, err := net.SplitHostPort(s.Address); err != nil || host == "" || port == "" {
			p.Add(n.Get("statsd").Get("address"), "address: expected host:port or unix:///path")
		}
	}
}

func (c *Config) notify(n *strictyaml.Node, p *strictyaml.Problems) {
	if n.Absent() {
		return
	}
	strictyaml.Decode(n, &c.Notify, strictyaml.DecodeOptions{Subject: "key of notify", IgnoreNull: true, Own: true}, p)
	if c.Notify.Ping != nil {
		c.Notify.Ping.check("ping", n.Get("ping"), p)
	}
}

// check finds what is wrong with an address, and never shows it.
func (e Endpoint) check(of string, n *strictyaml.Node, p *strictyaml.Problems) {
	switch {
	case n == nil || n.Kind != strictyaml.Map:
	case (e.URL == "") == (e.URLFile == ""):
		p.Add(n, "%s: either url or url_file is required", of)
	case e.URL != "":
		if err := CheckURL(e.URL); err != nil {
			p.Add(n.Get("url"), "url: %s", err)
		}
	}
}

// CheckURL says what is wrong with an address, without the address.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("expected an address such as https://host/path")
	case u.User != nil:
		return fmt.Errorf("an address must not contain a user name or password")
	case u.Fragment != "":
		return fmt.Errorf("an address must not contain #")
	}
	return nil
}

// DecodeYAML implements strictyaml.Unmarshaler.
func (w *Webhooks) DecodeYAML(n *strictyaml.Node, p *strictyaml.Problems) {
	*w = Webhooks{}
	if n.Kind != strictyaml.List {
		p.Add(n, "webhooks: expected a list, got %s", n.Kind)
		return
	}
	for _, it := range n.Items {
		x := *NewWebhook()
		strictyaml.Decode(it, &x, strictyaml.DecodeOptions{Subject: "key of a webhook", IgnoreNull: true, Own: true}, p)
		x.check(it, p)
		*w = append(*w, x)
	}
}

// sentHeaders are set by the program; secretHeaders contain credentials.
var (
	sentHeaders   = []string{"content-type", "content-length", "host", "user-agent", "transfer-encoding", "connection"}
	secretHeaders = []string{"authorization", "proxy-authorization", "cookie", "x-api-key", "private-token", "x-auth-token"}
	headerName    = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
)

func (w *Webhook) check(n *strictyaml.Node, p *strictyaml.Problems) {
	if n.Kind != strictyaml.Map {
		return
	}
	w.Endpoint.check("webhook", n, p)
	for key, headers := range map[string]map[string]any{"headers": w.Headers, "header_files": w.HeaderFiles} {
		for _, name := range slices.Sorted(maps.Keys(headers)) {
			at, lower := n.Get(key).Get(name), strings.ToLower(name)
			switch v, text := headers[name].(string); {
			case !headerName.MatchString(name), slices.Contains(sentHeaders, lower):
				p.Add(at, "%s: the header %q cannot be set", key, name)
			case !text:
				p.Add(at, "%s: the value of %s must be text (put it in quotes)", key, name)
			case key == "headers" && slices.Contains(secretHeaders, lower):
				p.AddHint(at, "put the value into a file, and name the file in header_files", "headers: %s contains a secret", name)
			case key == "headers" && strings.ContainsAny(v, "\r\n\x00"):
				p.Add(at, "headers: the value of %s must be one line", name)
			}
		}
	}
	signed := w.Preset == "dingtalk" || w.Preset == "feishu"
	if w.SecretFile != "" && !signed {
		p.Add(n.Get("secret_file"), "secret_file: only the presets dingtalk and feishu sign")
	}
	if w.Body == "" {
		return
	}
	at := n.Get("body")
	if w.Preset != "" {
		p.Add(at, "body: a preset has its own body")
		return
	}
	names := make([]string, len(Fields))
	for i, f := range Fields {
		names[i] = f.Name
	}
	known := true
	sample := Fill(w.Body, func(name string) string {
		i := slices.Index(names, name)
		if i < 0 {
			p.AddHint(at, near.DidYouMean(name, names), "body: unknown field ${%s}", name)
			known = false
			return ""
		}
		return map[bool]string{true: "0", false: "x"}[Fields[i].Number]
	})
	if known && !json.Valid([]byte(sample)) {
		p.AddHint(at, "a field that is a text stands in double quotes", "body: this is not JSON")
	}
}

// DecodeYAML implements strictyaml.Unmarshaler.
func (m *Mails) DecodeYAML(n *strictyaml.Node, p *strictyaml.Problems) {
	*m = Mails{}
	if n.Kind != strictyaml.List {
		p.Add(n, "mail: expected a list, got %s", n.Kind)
		return
	}
	for _, it := range n.Items {
		x := *NewMail()
		strictyaml.Decode(it, &x, strictyaml.DecodeOptions{Subject: "key of a mail", IgnoreNull: true, Own: true}, p)
		if it.Kind == strictyaml.Map {
			x.check(it, p)
		}
		*m = append(*m, x)
	}
}

func (m *Mail) check(n *strictyaml.Node, p *strictyaml.Problems) {
	for _, to := range m.To {
		if _, err := mail.ParseAddress(to); err != nil {
			p.Add(n.Get("to"), "to: invalid address %q", to)
		}
	}
	if !n.Get("to").Absent() && len(m.To) == 0 {
		p.Add(n.Get("to"), "to: must contain an address")
	}
	if _, err := mail.ParseAddress(m.From); m.From != "" && err != nil {
		p.Add(n.Get("from"), "from: invalid address %q", m.From)
	}
	switch {
	case (m.Username == "") != (m.PasswordFile == ""):
		p.Add(n, "mail: username and password_file must be given together")
	case m.Username != "" && m.TLS == "none":
		p.Add(n.Get("tls"), "tls: with none, the password would be sent without encryption")
	}
	if m.Port == 0 {
		m.Port = map[string]int64{"starttls": 587, "tls": 465, "none": 25}[m.TLS]
	}
}

// Over is this configuration, with what only the other one has. It is for the action file
// over the client file, and marks what is of the client file as trusted.
func (c Config) Over(client Config) Config {
	m, n := &c.Metrics, &c.Notify
	of := client.trusted()
	if m.ExpectedInterval == 0 {
		m.ExpectedInterval = of.Metrics.ExpectedInterval
	}
	if m.Textfile == "" {
		m.Textfile = of.Metrics.Textfile
	}
	if m.Pushgateway == nil {
		m.Pushgateway = of.Metrics.Pushgateway
	}
	if m.Statsd == nil {
		m.Statsd = of.Metrics.Statsd
	}
	if n.Name == "" {
		n.Name = of.Notify.Name
	}
	if n.State == "" {
		n.State = of.Notify.State
	}
	if n.Ping == nil {
		n.Ping = of.Notify.Ping
	}
	if n.Webhooks == nil {
		n.Webhooks = of.Notify.Webhooks
	}
	if n.Mail == nil {
		n.Mail = of.Notify.Mail
	}
	return c
}

func (c Config) trusted() Config {
	if g := c.Metrics.Pushgateway; g != nil {
		x := *g
		x.Trusted = true
		c.Metrics.Pushgateway = &x
	}
	if g := c.Notify.Ping; g != nil {
		x := *g
		x.Trusted = true
		c.Notify.Ping = &x
	}
	c.Notify.Webhooks, c.Notify.Mail = slices.Clone(c.Notify.Webhooks), slices.Clone(c.Notify.Mail)
	for i := range c.Notify.Webhooks {
		c.Notify.Webhooks[i].Trusted = true
	}
	for i := range c.Notify.Mail {
		c.Notify.Mail[i].Trusted = true
	}
	return c
}

// Empty reports whether nobody is told anything.
func (c Config) Empty() bool {
	m, n := c.Metrics, c.Notify
	return m.Textfile == "" && m.Pushgateway == nil && m.Statsd == nil && n.Ping == nil && len(n.Webhooks) == 0 && len(n.Mail) == 0
}

// SecretFiles are the files that contain secrets, with the key that names each.
func (c Config) SecretFiles() (list [][2]string) {
	add := func(key, file string) {
		if file != "" {
			list = append(list, [2]string{key, file})
		}
	}
	if g := c.Metrics.Pushgateway; g != nil {
		add("url_file", g.URLFile)
		add("password_file", g.PasswordFile)
	}
	if g := c.Notify.Ping; g != nil {
		add("url_file", g.URLFile)
	}
	for _, w := range c.Notify.Webhooks {
		add("url_file", w.URLFile)
		add("secret_file", w.SecretFile)
		for _, name := range slices.Sorted(maps.Keys(w.HeaderFiles)) {
			add("header_files", fmt.Sprint(w.HeaderFiles[name]))
		}
	}
	for _, m := range c.Notify.Mail {
		add("password_file", m.PasswordFile)
	}
	return list
}

// HasAddress reports whether an address is in the file itself: it may contain a token.
func (c Config) HasAddress() bool {
	return c.Metrics.Pushgateway != nil && c.Metrics.Pushgateway.URL != "" || c.Notify.Ping != nil && c.Notify.Ping.URL != "" ||
		slices.ContainsFunc(c.Notify.Webhooks, func(w Webhook) bool { return w.URL != "" })
}

// Shown lists what is told to whom, without secrets.
func (c Config) Shown() (list [][2]string) {
	add := func(key, value string) {
		if value != "" {
			list = append(list, [2]string{key, value})
		}
	}
	m, n := c.Metrics, c.Notify
	add("metrics.textfile", m.Textfile)
	if m.Pushgateway != nil {
		add("metrics.pushgateway", m.Pushgateway.shown())
	}
	if m.Statsd != nil {
		add("metrics.statsd", m.Statsd.Address)
	}
	add("notify.name", n.Name)
	add("notify.state", n.State)
	if n.Ping != nil {
		add("notify.ping", n.Ping.shown())
	}
	for i, w := range n.Webhooks {
		add("notify.webhooks "+strconv.Itoa(i+1), strings.TrimSpace(w.Preset+" "+w.shown())+" (level "+w.Level+")")
	}
	for i, x := range n.Mail {
		add("notify.mail "+strconv.Itoa(i+1), fmt.Sprintf("%s through %s:%d (level %s)", strings.Join(x.To, ", "), x.Host, x.Port, x.Level))
	}
	return list
}

func (e Endpoint) shown() string {
	if e.URLFile != "" {
		return "address in " + e.URLFile
	}
	return Place(e.URL)
}

// Place is the part of an address that may be shown: scheme and host.
func Place(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "an invalid address"
	}
	return u.Scheme + "://" + u.Host
}
