package settings

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/strictyaml"
)

// OpenLog opens the log file, or standard output for -. It is nil if none is set. A new
// file is readable by its owner only, because it names indices and snapshots.
func (s *Settings) OpenLog(stdout io.Writer) (w io.Writer, done func(), err error) {
	switch s.LogFile {
	case "":
		return nil, func() {}, nil
	case "-":
		return stdout, func() {}, nil
	}
	f, err := os.OpenFile(s.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, &Error{
			Text: fmt.Sprintf("cannot open the log file: %s", err),
			Hint: "in a container without a writable volume, do not set log-file",
		}
	}
	return f, func() { _ = f.Close() }, nil
}

// secretKeys are the keys of client files whose values are secrets, in all dialects.
var secretKeys = []string{"password", "http_auth", "api_key", "bearer_token", "bearer_auth", "token", "aws_secret_key", "aws_token"}

// holdsSecret reports whether a client file itself contains a secret. A secret that comes
// from a variable does not count.
func holdsSecret(n *strictyaml.Node, key string) bool {
	if n == nil {
		return false
	}
	if n.Kind != strictyaml.Map && n.Kind != strictyaml.List {
		return !n.Absent() && n.From == "" && strings.Trim(n.Text, `'"`) != "" &&
			(slices.Contains(secretKeys, key) || (key == "url" || key == "hosts") && Mask(n.Text) != n.Text)
	}
	return slices.ContainsFunc(n.Entries, func(e strictyaml.Entry) bool { return holdsSecret(e.Value, e.Key.Text) }) ||
		slices.ContainsFunc(n.Items, func(it *strictyaml.Node) bool { return holdsSecret(it, key) })
}

// secretFiles are the files that contain secrets, with their kind.
func (s *Settings) secretFiles() (list [][2]string) {
	add := func(what, file string) {
		if file != "" {
			list = append(list, [2]string{what, file})
		}
	}
	if s.fileHasSecret {
		add("client file", s.File)
	}
	for _, key := range []string{"password-file", "api-key-file", "bearer-token-file", "client-key"} {
		add(key, s.values[key])
	}
	for _, f := range s.Notice.SecretFiles() {
		add(f[0], f[1])
	}
	if s.ClientKey == "" {
		add("client-cert", s.ClientCert) // one file with both
	}
	return list
}

// mode are the permissions of a file, or none if they are not meaningful: Kubernetes
// mounts Secrets through the link ..data, with its own modes.
func mode(file string) (fs.FileMode, bool) {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return 0, false
	}
	for part := range strings.SplitSeq(filepath.ToSlash(real), "/") {
		if strings.HasPrefix(part, "..") && len(part) > 2 {
			return 0, false
		}
	}
	st, err := os.Stat(real)
	if err != nil || !st.Mode().IsRegular() {
		return 0, false
	}
	return st.Mode().Perm(), true
}

// writable warns of files with secrets that other users may change: they could send the
// credentials elsewhere, or replace them.
func (s *Settings) writable() (warnings []string) {
	for _, f := range s.secretFiles() {
		if w := Writable(f[0], f[1]); w != "" {
			warnings = append(warnings, w)
		}
	}
	return warnings
}

// Writable warns of a file with a secret that other users may change; empty: they may not.
func Writable(what, file string) string {
	if m, ok := mode(file); ok && m&0o022 != 0 {
		return fmt.Sprintf("the %s %s contains a secret, but other users may change it (mode %04o); chmod 600 protects it", what, file, m)
	}
	return ""
}

// Readable warns of a file with a secret that other users may read, and not change; empty:
// they may not.
func Readable(what, file string) string {
	if m, ok := mode(file); ok && m&0o044 != 0 && m&0o022 == 0 {
		return fmt.Sprintf("the %s %s contains a secret, but other users may read it (mode %04o); chmod 600 protects it", what, file, m)
	}
	return ""
}

// Advice are the additional warnings of validate and config show: files with secrets that
// other users may read, and credentials that are sent without encryption.
func (s *Settings) Advice() (warnings []string) {
	for _, f := range s.secretFiles() {
		if w := Readable(f[0], f[1]); w != "" {
			warnings = append(warnings, w)
		}
	}
	for _, raw := range s.URLs {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "http" || local(u.Hostname()) {
			continue
		}
		what := ""
		switch {
		case u.User != nil, s.Password != "":
			what = "the password"
		case s.APIKey != "" || s.Header.Get(curator5Key) != "":
			what = "the API key"
		case s.BearerToken != "":
			what = "the bearer token"
		default:
			continue
		}
		warnings = append(warnings, fmt.Sprintf("%s is sent to %s over http without encryption; use https", what, u.Host))
	}
	return warnings
}

// local reports whether an address is on this machine.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
