package settings

import (
	"slices"
	"strings"
)

// prefix begins the names of esnap's variables.
const prefix = "ESNAP_"

// variable is the environment variable of a setting.
func variable(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// Variables lists the environment variables that settings are read from.
func Variables() []string {
	list := []string{variable("config")}
	for _, e := range entries {
		list = append(list, variable(e.key))
	}
	return list
}

// Lookup reads a variable that a file names, and records the name: such a variable is not
// a misspelt setting.
func (s *Settings) Lookup(name string) (string, bool) {
	s.named[name] = true
	return s.env(name)
}

// Secret reports whether a variable is a secret of the connection to the cluster. An
// action file must not read it.
func (s *Settings) Secret(name string) bool {
	if name == "AWS_SECRET_ACCESS_KEY" || name == "AWS_SESSION_TOKEN" { // they sign esnap's own requests
		return true
	}
	for _, e := range entries {
		if variable(e.key) == name {
			return e.secret || e.masked(s.env.get(name)) != s.env.get(name)
		}
		if e.secret && s.via[e.key] == name {
			return true
		}
	}
	return false
}

// Private reports whether a variable must not be given to another program: one of esnap's
// that is a secret, or is not a setting, so that it may contain one; a secret of Curator's
// command line; and a proxy with a password.
func (s *Settings) Private(name string) bool {
	known := slices.ContainsFunc(entries, func(e entry) bool { return variable(e.key) == name })
	option, ofCurator := strings.CutPrefix(name, "ESCLIENT_")
	switch {
	case s.Secret(name), strings.HasPrefix(name, prefix) && !known, ofCurator && slices.Contains(curatorSecrets, option):
		return true
	case ofCurator, slices.Contains(proxies, strings.ToUpper(name)):
		value := s.env.get(name)
		return Mask(value) != value
	}
	return false
}

// curatorSecrets are the options of Curator's command line that are secrets, as its variables
// name them.
var curatorSecrets = []string{"PASSWORD", "API_TOKEN", "API_KEY", "BEARER_AUTH", "HTTP_AUTH"}

// proxies are the variables of proxies, which programs read in capitals or in small letters.
var proxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY"}

// injected are the prefixes of variables that others set: Kubernetes for a Service called
// esnap, and esnap's own tests.
var injected = []string{prefix + "PORT", prefix + "SERVICE_", prefix + "TEST_"}

// Unread lists the variables of an environment that begin with esnap's prefix, in any
// letter case, and that neither a setting nor a file has read.
func (s *Settings) Unread(environ []string) []string {
	known := map[string]bool{}
	for _, v := range Variables() {
		known[v] = true
	}
	var list []string
next:
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(strings.ToUpper(name), strings.TrimSuffix(prefix, "_")) || known[name] || s.named[name] {
			continue
		}
		for _, p := range injected {
			if strings.HasPrefix(name, p) {
				continue next
			}
		}
		list = append(list, name)
	}
	return list
}
