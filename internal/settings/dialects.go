package settings

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/strictyaml"
)

// secretsIn are keys that every dialect accepts besides its own, so that secrets can be
// moved out of the file.
type secretsIn struct {
	PasswordFile    string `yaml:"password_file"`
	APIKeyFile      string `yaml:"api_key_file"`
	BearerTokenFile string `yaml:"bearer_token_file"`
}

// ownFile is the dialect of esnap: the settings' own names, below cluster.
type ownFile struct {
	URL            []string `yaml:"url" check:"list"`
	Username       string   `yaml:"username" check:"scalar"`
	Password       string   `yaml:"password" check:"scalar"`
	APIKey         string   `yaml:"api_key"`
	BearerToken    string   `yaml:"bearer_token"`
	CAFile         string   `yaml:"ca_file"`
	ClientCert     string   `yaml:"client_cert"`
	ClientKey      string   `yaml:"client_key"`
	ServerName     string   `yaml:"server_name"`
	Insecure       bool     `yaml:"insecure"`
	Timeout        string   `yaml:"timeout" check:"scalar"`
	ConnectTimeout string   `yaml:"connect_timeout" check:"scalar"`
	secretsIn
}

// curator5File is below client: in Curator 5's dialect.
type curator5File struct {
	Hosts         []string `yaml:"hosts" check:"list"`
	Port          int64    `yaml:"port" check:"min=1,max=65535"`
	URLPrefix     string   `yaml:"url_prefix"`
	UseSSL        lenient  `yaml:"use_ssl"`
	Certificate   string   `yaml:"certificate"`
	ClientCert    string   `yaml:"client_cert"`
	ClientKey     string   `yaml:"client_key"`
	SSLNoValidate lenient  `yaml:"ssl_no_validate"`
	HTTPAuth      string   `yaml:"http_auth"`
	Username      string   `yaml:"username" check:"scalar"`
	Password      string   `yaml:"password" check:"scalar"`
	APIKey        string   `yaml:"api_key" check:"scalar"`
	Timeout       int64    `yaml:"timeout" check:"min=1,max=86400"`
	MasterOnly    lenient  `yaml:"master_only"`
	AWSKey        string   `yaml:"aws_key"`
	AWSSecretKey  string   `yaml:"aws_secret_key"`
	AWSToken      string   `yaml:"aws_token"`
	AWSRegion     string   `yaml:"aws_region"`
	AWSSign       lenient  `yaml:"aws_sign_request"`
	secretsIn
}

// curator5Key is the header in which Curator 5 sends api_key.
const curator5Key = "X-Api-Key"

// UnreadKeyAdvice is the warning about that key.
const UnreadKeyAdvice = "the client file's api_key is sent as the header x-api-key, as in Curator 5, " +
	"but Elasticsearch does not read that header; set an API key of Elasticsearch in ESNAP_API_KEY (id:key, or base64 of that)"

// UnreadKey reports whether the only credentials are a key that Elasticsearch does not
// read.
func (s *Settings) UnreadKey() bool {
	return s.Header.Get(curator5Key) != "" && s.APIKey == "" && s.BearerToken == "" && s.Password == ""
}

// curator5Keys lists the settings that each key of Curator 5's client section sets.
var curator5Keys = map[string][]string{
	"hosts": {"url"}, "port": {"url"}, "use_ssl": {"url"}, "url_prefix": {"url"}, "certificate": {"ca-file"}, "client_cert": {"client-cert"},
	"client_key": {"client-key"}, "ssl_no_validate": {"insecure"}, "http_auth": {"username", "password"}, "username": {"username"},
	"password": {"password"}, "timeout": {"timeout"}, "master_only": nil,
}

// override replaces the keys of the section by those of the command line.
func (s *Settings) override(n *strictyaml.Node) *strictyaml.Node {
	if len(s.clientOverrides) == 0 {
		return n
	}
	merged := *n
	merged.Entries = slices.DeleteFunc(slices.Clone(n.Entries), func(e strictyaml.Entry) bool {
		_, ours := s.clientOverrides[e.Key.Text]
		return ours
	})
	for k, v := range s.clientOverrides {
		text := func(t string) *strictyaml.Node {
			return &strictyaml.Node{Kind: strictyaml.String, Text: t, Value: t, Line: n.Line, Col: n.Col}
		}
		merged.Entries = append(merged.Entries, strictyaml.Entry{Key: text(k), Value: text(v)})
	}
	return &merged
}

// curator8File is below elasticsearch: in Curator 8's dialect.
type curator8File struct {
	Client struct {
		Hosts          []string       `yaml:"hosts" check:"list"`
		CloudID        string         `yaml:"cloud_id"`
		BearerAuth     string         `yaml:"bearer_auth"`
		OpaqueID       string         `yaml:"opaque_id"`
		Headers        map[string]any `yaml:"headers"`
		RequestTimeout float64        `yaml:"request_timeout" check:"min=0.1,max=86400"`
		VerifyCerts    *lenient       `yaml:"verify_certs"`
		CACerts        string         `yaml:"ca_certs"`
		ClientCert     string         `yaml:"client_cert"`
		ClientKey      string         `yaml:"client_key"`
		AssertHostname string         `yaml:"ssl_assert_hostname"`
		Fingerprint    string         `yaml:"ssl_assert_fingerprint"`
		secretsIn
	} `yaml:"-"`
	Other struct {
		MasterOnly      lenient `yaml:"master_only"`
		SkipVersionTest lenient `yaml:"skip_version_test"`
		Username        string  `yaml:"username" check:"scalar"`
		Password        string  `yaml:"password" check:"scalar"`
		APIKey          struct {
			ID     string `yaml:"id"`
			APIKey string `yaml:"api_key"`
			Token  string `yaml:"token"`
		} `yaml:"api_key" check:"prune"` // the sample of Curator's documentation has them without values
	} `yaml:"-"`
}

// notBuilt are keys of Curator 8's client section that configure its Python client. They
// are accepted with a warning.
var notBuilt = []string{
	"http_compress", "ssl_show_warn", "retry_on_timeout", "randomize_nodes_in_pool",
	"sniff_on_start", "sniff_before_requests", "sniff_on_node_failure", "meta_header",
	"ssl_version", "ssl_context", "connections_per_node", "max_retries", "sniff_timeout",
	"min_delay_between_sniffing", "dead_node_backoff_factor", "max_dead_node_backoff",
	"transport_class", "node_class", "node_pool_class", "node_selector_class", "serializer", "serializers",
	"default_mimetype", "sniffed_node_callback", "host_info_callback", "_transport", "basic_auth", "api_key", "retry_on_status",
}

// loggingIn is the logging section of every dialect.
type loggingIn struct {
	Level     string   `yaml:"loglevel" check:"scalar"`
	File      string   `yaml:"logfile"`
	Format    string   `yaml:"logformat" check:"oneof=default|text|json|logstash|ecs"`
	Blacklist []string `yaml:"blacklist" check:"list"`
}

// lenient is a boolean that also accepts numbers, as in Curator's client files.
type lenient bool

// DecodeYAML implements strictyaml.Unmarshaler.
func (l *lenient) DecodeYAML(n *strictyaml.Node, p *strictyaml.Problems) {
	if b, ok := strictyaml.AsBool(n); ok {
		*l = lenient(b)
		return
	}
	if i, ok := strictyaml.AsInt(n); ok && n.Kind != strictyaml.String {
		*l = i != 0
		return
	}
	p.Add(n, "expected a boolean (true or false), got %s", n.Kind)
}

// decode reads a client file in any dialect, as settings by key.
func (s *Settings) decode(name string, data []byte) (map[string]any, error) {
	// Curator substitutes only whole scalars; esnap's own dialect also inside them.
	own := strictyaml.Parse(data, strictyaml.Options{LastWins: true}, &strictyaml.Problems{}).Get("cluster") != nil
	p := &strictyaml.Problems{File: name}
	literal := func(key string, _ *strictyaml.Node) bool { return notice.Literal(key) }
	root := strictyaml.Parse(data, strictyaml.Options{Env: s.Lookup, LastWins: true, Embedded: own, Literal: literal}, p)
	s.fileHasSecret = holdsSecret(root, "")
	out := map[string]any{}
	if root != nil && root.Kind == strictyaml.Map {
		own, c5, c8 := root.Get("cluster"), root.Get("client"), root.Get("elasticsearch")
		switch {
		case btoi(own != nil)+btoi(c5 != nil)+btoi(c8 != nil) > 1:
			p.Add(root, "the file has more than one of the keys cluster, client and elasticsearch: only one is allowed")
		case own != nil:
			s.Dialect = Own
			s.own(own, out, p)
		case c5 != nil:
			s.Dialect = Curator5
			s.curator5(c5, out, p)
		case c8 != nil:
			s.Dialect = Curator8
			s.curator8(c8, out, p)
		}
		var f struct {
			History *bool `yaml:"history"`
		}
		others := append([]string{"cluster", "client", "elasticsearch", "logging", "holds"}, notice.Keys...)
		strictyaml.Decode(root, &f, strictyaml.DecodeOptions{Subject: "key", IgnoreNull: true, ExtraKeys: others}, p)
		if s.through(root.Get("history"), "history"); f.History != nil {
			out["history"] = strconv.FormatBool(*f.History)
		}
		s.holds(root.Get("holds"), p)
		s.notice(root, p)
		s.logging(root.Get("logging"), out, p)
	} else if root != nil && root.Kind != strictyaml.Null {
		p.Add(root, "expected a map, got %s", root.Kind)
	}
	for _, w := range p.Warnings {
		s.Warnings = append(s.Warnings, w.Error())
	}
	return out, p.Err()
}

// notice reads whom runs tell, in esnap's own dialect.
func (s *Settings) notice(root *strictyaml.Node, p *strictyaml.Problems) {
	for _, e := range root.Entries {
		if s.Dialect != Own && slices.Contains(notice.Keys, e.Key.Text) {
			p.AddHint(e.Key, "move it into the action file", "unknown key %q: only a client file with the key cluster has it", e.Key.Text)
		}
	}
	s.Notice = notice.Decode(root, p)
	s.fileHasSecret = s.fileHasSecret || s.Notice.HasAddress()
	for _, shown := range s.Notice.Shown() {
		s.other(shown[0], shown[1])
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func put(out map[string]any, key, value string) {
	if value != "" {
		out[key] = value
	}
}

func (f secretsIn) put(out map[string]any) {
	put(out, "password-file", f.PasswordFile)
	put(out, "api-key-file", f.APIKeyFile)
	put(out, "bearer-token-file", f.BearerTokenFile)
}

func (s *Settings) own(n *strictyaml.Node, out map[string]any, p *strictyaml.Problems) {
	var f ownFile
	if n.Kind == strictyaml.Null {
		return
	}
	given := strictyaml.Decode(n, &f, strictyaml.DecodeOptions{Subject: "setting", IgnoreNull: true}, p)
	for _, e := range entries {
		s.through(n.Get(strings.ReplaceAll(e.key, "-", "_")), e.key)
	}
	put(out, "url", strings.Join(f.URL, ","))
	put(out, "username", f.Username)
	put(out, "password", f.Password)
	put(out, "api-key", f.APIKey)
	put(out, "bearer-token", f.BearerToken)
	put(out, "ca-file", f.CAFile)
	put(out, "client-cert", f.ClientCert)
	put(out, "client-key", f.ClientKey)
	put(out, "server-name", f.ServerName)
	put(out, "timeout", f.Timeout)
	put(out, "connect-timeout", f.ConnectTimeout)
	if given["insecure"] {
		out["insecure"] = strconv.FormatBool(f.Insecure)
	}
	f.secretsIn.put(out)
}

func (s *Settings) curator5(n *strictyaml.Node, out map[string]any, p *strictyaml.Problems) {
	f := curator5File{Hosts: []string{"127.0.0.1"}, Port: 9200, Timeout: 30}
	if n.Kind == strictyaml.Null && len(s.clientOverrides) == 0 {
		return
	}
	if n.Kind == strictyaml.Null {
		n = &strictyaml.Node{Kind: strictyaml.Map, Line: n.Line, Col: n.Col}
	}
	n = s.override(n)
	given := strictyaml.Decode(n, &f, strictyaml.DecodeOptions{Subject: "client setting", IgnoreNull: true, TolerateEmptyUnknown: true}, p)
	for k, keys := range curator5Keys {
		s.through(n.Get(k), keys...)
	}
	s.throughFiles(n)
	var urls []string
	for _, h := range f.Hosts {
		u, err := f.url(h)
		if err != nil {
			p.Add(n.Get("hosts"), "hosts: %s", err)
			continue
		}
		urls = append(urls, u)
	}
	if given["hosts"] || given["port"] || given["use_ssl"] || given["url_prefix"] { // otherwise the default is used
		put(out, "url", strings.Join(urls, ","))
	}
	if user, pass, ok := strings.Cut(f.HTTPAuth, ":"); ok {
		f.Username, f.Password = user, pass
	} else if strings.Trim(f.HTTPAuth, `'"`) != "" { // ${NAME:''} gives only quotes if the variable is not set
		p.Add(n.Get("http_auth"), "http_auth: expected user:password")
	}
	put(out, "username", f.Username)
	put(out, "password", f.Password)
	put(out, "ca-file", f.Certificate)
	put(out, "client-cert", f.ClientCert)
	put(out, "client-key", f.ClientKey)
	if given["ssl_no_validate"] {
		out["insecure"] = strconv.FormatBool(bool(f.SSLNoValidate))
	}
	if f.APIKey != "" {
		s.Header.Set(curator5Key, f.APIKey)
		s.other("api_key", "*** (sent as the header x-api-key)")
		p.Warn(n.Get("api_key"), "%s", UnreadKeyAdvice)
	}
	s.MasterOnly = bool(f.MasterOnly)
	if given["master_only"] {
		s.other("master_only", strconv.FormatBool(s.MasterOnly))
	}
	if given["timeout"] {
		out["timeout"] = strconv.FormatInt(f.Timeout, 10) + "s"
	}
	f.secretsIn.put(out)
	s.aws(f, n, p)
	for k := range s.clientOverrides {
		for _, key := range curator5Keys[k] {
			if v, ok := out[key]; ok {
				s.overrides[key] = v
			}
		}
	}
}

// aws reads how requests are signed: a region, and either a complete key or none.
func (s *Settings) aws(f curator5File, n *strictyaml.Node, p *strictyaml.Problems) {
	given := f.AWSKey + f.AWSSecretKey + f.AWSToken
	switch {
	case given == "" && !bool(f.AWSSign):
		return
	case f.AWSRegion == "":
		p.Add(n, "aws_region is required to sign requests for Amazon")
	case (f.AWSKey == "") != (f.AWSSecretKey == ""):
		p.Add(n, "aws_key and aws_secret_key must be given together")
	}
	s.AWS = &AWS{Region: f.AWSRegion, Key: f.AWSKey, Secret: f.AWSSecretKey, Token: f.AWSToken}
	s.other("aws_region", f.AWSRegion)
	if f.AWSKey == "" {
		s.others = append(s.others, Shown{"aws credentials", "***", "environment, as Amazon's tools find them"})
		return
	}
	s.other("aws_key", "***")
	s.other("aws_secret_key", "***")
	if f.AWSToken != "" {
		s.other("aws_token", "***")
	}
}

// url is a host of Curator 5's list as an address: host, host:port or a URL.
func (f curator5File) url(host string) (string, error) {
	scheme := "http"
	if f.UseSSL {
		scheme = "https"
	}
	if strings.Contains(host, "://") {
		u, err := url.Parse(host)
		if err != nil || u.Host == "" {
			return "", fmt.Errorf("an entry is not a valid URL")
		}
		if u.Scheme == "http" && bool(f.UseSSL) {
			u.Scheme = "https"
		}
		if u.Port() == "" {
			port := strconv.FormatInt(f.Port, 10)
			if u.Scheme == "https" && f.Port == 9200 {
				port = "443"
			}
			u.Host = net.JoinHostPort(u.Hostname(), port)
		}
		if u.Path == "" && f.URLPrefix != "" {
			u.Path = "/" + strings.Trim(f.URLPrefix, "/")
		}
		return u.String(), nil
	}
	hostPort := host
	if _, _, err := net.SplitHostPort(host); err != nil {
		hostPort = net.JoinHostPort(strings.Trim(host, "[]"), strconv.FormatInt(f.Port, 10))
	}
	u := url.URL{Scheme: scheme, Host: hostPort}
	if f.URLPrefix != "" {
		u.Path = "/" + strings.Trim(f.URLPrefix, "/")
	}
	return u.String(), nil
}

func (s *Settings) curator8(n *strictyaml.Node, out map[string]any, p *strictyaml.Problems) {
	var f curator8File
	if n.Kind == strictyaml.Null {
		return
	}
	strictyaml.Decode(n, &struct{}{}, strictyaml.DecodeOptions{
		Subject:   "key of elasticsearch",
		ExtraKeys: []string{"client", "other_settings"},
	}, p)
	if c := n.Get("client"); c != nil && c.Kind != strictyaml.Null {
		strictyaml.Decode(c, &f.Client, strictyaml.DecodeOptions{
			Subject:              "client setting",
			IgnoreNull:           true,
			TolerateEmptyUnknown: true,
			ExtraKeys:            notBuilt,
		}, p)
		for _, key := range notBuilt {
			if v := c.Get(key); !v.Absent() {
				p.Warn(v, "%s configures Curator's Python client and has no effect in esnap", key)
			}
		}
	}
	if o := n.Get("other_settings"); o != nil && o.Kind != strictyaml.Null {
		strictyaml.Decode(o, &f.Other, strictyaml.DecodeOptions{Subject: "other setting", IgnoreNull: true, TolerateEmptyUnknown: true}, p)
	}
	hosts := f.Client.Hosts
	if f.Client.CloudID != "" {
		if len(hosts) > 0 {
			p.Add(n.Get("client").Get("cloud_id"), "cloud_id and hosts exclude each other")
		}
		host, err := CloudHost(f.Client.CloudID)
		if err != nil {
			p.Add(n.Get("client").Get("cloud_id"), "cloud_id: %s", err)
			hosts = nil
		} else {
			hosts = []string{host}
		}
	}
	var urls []string
	for _, h := range hosts {
		u, err := url.Parse(h)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			p.Add(n.Get("client").Get("hosts"), "hosts: an entry is not of the form http://host:port or https://host:port")
			continue
		}
		urls = append(urls, u.String())
	}
	for key, from := range curator8Keys {
		s.through(n.Get(from[0]).Get(from[1]), key)
	}
	s.throughFiles(n.Get("client"))
	put(out, "url", strings.Join(urls, ","))
	put(out, "bearer-token", f.Client.BearerAuth)
	put(out, "ca-file", f.Client.CACerts)
	put(out, "client-cert", f.Client.ClientCert)
	put(out, "client-key", f.Client.ClientKey)
	put(out, "server-name", f.Client.AssertHostname)
	put(out, "username", f.Other.Username)
	put(out, "password", f.Other.Password)
	if f.Client.VerifyCerts != nil {
		out["insecure"] = strconv.FormatBool(!bool(*f.Client.VerifyCerts))
	}
	if f.Client.RequestTimeout > 0 {
		out["timeout"] = strconv.FormatFloat(f.Client.RequestTimeout, 'f', -1, 64) + "s"
	}
	if f.Client.OpaqueID != "" {
		s.Header.Set("X-Opaque-Id", f.Client.OpaqueID)
		s.other("opaque_id", f.Client.OpaqueID)
	}
	for _, k := range slices.Sorted(maps.Keys(f.Client.Headers)) { // they may contain credentials
		s.Header.Set(k, fmt.Sprint(f.Client.Headers[k]))
		s.other("header "+k, "***")
	}
	switch k := f.Other.APIKey; {
	case k.Token != "":
		out["api-key"] = k.Token
	case k.ID != "" && k.APIKey != "":
		out["api-key"] = base64.StdEncoding.EncodeToString([]byte(k.ID + ":" + k.APIKey))
	case k.ID != "" || k.APIKey != "":
		p.Add(n.Get("other_settings").Get("api_key"), "api_key: id and api_key must be given together")
	}
	s.MasterOnly, s.SkipVersionTest, s.Fingerprint = bool(f.Other.MasterOnly), bool(f.Other.SkipVersionTest), f.Client.Fingerprint
	s.other("ssl_assert_fingerprint", s.Fingerprint)
	for _, key := range []string{"master_only", "skip_version_test"} {
		if o := n.Get("other_settings").Get(key); !o.Absent() {
			s.other(key, strconv.FormatBool(map[string]bool{"master_only": s.MasterOnly, "skip_version_test": s.SkipVersionTest}[key]))
		}
	}
	f.Client.secretsIn.put(out)
}

// curator8Keys are the places of the settings in Curator 8's dialect.
var curator8Keys = map[string][2]string{
	"url": {"client", "hosts"}, "bearer-token": {"client", "bearer_auth"},
	"ca-file": {"client", "ca_certs"}, "client-cert": {"client", "client_cert"},
	"client-key": {"client", "client_key"}, "server-name": {"client", "ssl_assert_hostname"},
	"timeout": {"client", "request_timeout"}, "insecure": {"client", "verify_certs"},
	"username": {"other_settings", "username"}, "password": {"other_settings", "password"},
}

// through records the variable that a value of the file comes from.
func (s *Settings) through(n *strictyaml.Node, keys ...string) {
	if n == nil || n.From == "" {
		return
	}
	for _, key := range keys {
		s.via[key] = n.From
	}
}

func (s *Settings) throughFiles(n *strictyaml.Node) {
	for _, key := range []string{"password-file", "api-key-file", "bearer-token-file"} {
		s.through(n.Get(strings.ReplaceAll(key, "-", "_")), key)
	}
}

// CloudHost reads the address from an Elastic Cloud id: name:base64 of
// host$elasticsearch-uuid$….
func CloudHost(id string) (string, error) {
	_, encoded, found := strings.Cut(id, ":")
	if !found {
		encoded = id
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", fmt.Errorf("the id is not of the form name:base64")
	}
	parts := strings.Split(string(data), "$")
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return "", fmt.Errorf("the id does not contain an Elasticsearch")
	}
	host, port := parts[0], "443"
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	}
	return "https://" + parts[1] + "." + net.JoinHostPort(host, port), nil
}

func (s *Settings) logging(n *strictyaml.Node, out map[string]any, p *strictyaml.Problems) {
	if n == nil || n.Kind == strictyaml.Null {
		return
	}
	var f loggingIn
	strictyaml.Decode(n, &f, strictyaml.DecodeOptions{Subject: "logging setting", IgnoreNull: true, TolerateEmptyUnknown: true}, p)
	if _, err := level(f.Level); err != nil {
		p.Add(n.Get("loglevel"), "loglevel: %s is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL", n.Get("loglevel").Shown())
	}
	s.Blacklist, s.HasBlacklist = f.Blacklist, !n.Get("blacklist").Absent()
	put(out, "log-level", f.Level)
	put(out, "log-file", f.File)
	if f.Format != "" && f.Format != "default" {
		out["log-format"] = f.Format
	}
}
