// Package connect makes connections out of settings, for both of the program's
// faces: neither can forget what the other has.
package connect

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/settings"
)

// Purpose is what a connection is for.
type Purpose struct {
	Unattended bool // a file is run with nobody waiting at a terminal
	DryRun     bool
}

// Options is what the settings say of the connection.
func Options(s *settings.Settings, version string, purpose Purpose) es.Options {
	o := es.Options{
		URLs: s.URLs, Username: s.Username, Password: s.Password, APIKey: s.APIKey, BearerToken: s.BearerToken, Header: s.Header,
		CAFile: s.CAFile, ClientCert: s.ClientCert, ClientKey: s.ClientKey, ServerName: s.ServerName, InsecureSkipVerify: s.Insecure,
		Fingerprint: s.Fingerprint, Timeout: s.Timeout, ConnectTimeout: Patience(s, purpose), UserAgent: userAgent(version),
	}
	o.URLSource = s.Source("url")
	if s.IsDefaultURL() {
		o.UnreachableHint = "nothing says where the cluster is, so " + settings.DefaultURL + " was tried; set --url or ESNAP_URL (in KubeSphere http://elasticsearch-logging-data.kubesphere-logging-system.svc:9200)"
	}
	if s.UnreadKey() {
		o.RefusedHint = settings.UnreadKeyAdvice
	}
	if s.AWS != nil {
		o.AWS = &es.AWS{Region: s.AWS.Region, Key: s.AWS.Key, Secret: s.AWS.Secret, Token: s.AWS.Token}
	}
	return o
}

// CheckVariables refuses an environment with a variable that looks like a misspelt
// setting: who sets ESNAP_DRYRUN does not want a real run. Any other that nothing
// reads is a warning. Action files must have been read: what they name is read.
func CheckVariables(s *settings.Settings, environ []string) (warnings []string, err error) {
	for _, name := range s.Unread(environ) {
		near := nearVariable(name)
		if near != "" {
			return nil, &settings.Error{Text: "the environment variable " + name + " is not a setting of esnap", Hint: "did you mean " + near + "?"}
		}
		if !strings.HasPrefix(name, "ESNAP_") { // another program's
			continue
		}
		warnings = append(warnings, "the environment variable "+name+" is not a setting of esnap, and no file names it")
	}
	return warnings, nil
}

// nearVariable is the variable that was most likely meant; empty if none is near. One
// that does not begin with ESNAP_ may be another program's: it must differ in nothing but
// underscores and the case of letters.
func nearVariable(name string) string {
	known := settings.Variables()
	if !strings.HasPrefix(name, "ESNAP_") {
		bare := func(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "_", "") }
		n := slices.IndexFunc(known, func(v string) bool { return bare(v) == bare(name) })
		if n < 0 {
			return ""
		}
		return known[n]
	}
	name = strings.ToUpper(name)
	if n := slices.IndexFunc(known, func(v string) bool { return strings.HasPrefix(v, name+"_") }); n >= 0 {
		return known[n]
	}
	near, _, _ := strings.Cut(cluster.Nearest(name, known), ",")
	return near
}

// Patience is how long a cluster that does not answer yet is waited for, unless the
// settings say: a night outlasts a cluster's restart, a dry run in CI need not, and
// who typed a command wants to know.
func Patience(s *settings.Settings, u Purpose) time.Duration {
	switch {
	case s.Has("connect-timeout"):
		return s.ConnectTimeout
	case !u.Unattended:
		return 10 * time.Second
	case u.DryRun:
		return 30 * time.Second
	}
	return 10 * time.Minute
}

func userAgent(version string) string { return "esnap/" + version }

// OnMaster says whether the one host named is the elected master; another node is
// no failure, and nothing is done (spec/curator D7).
func OnMaster(ctx context.Context, cl cluster.Cluster, s *settings.Settings) (bool, error) {
	if len(s.URLs) > 1 {
		return false, &settings.Error{Text: "master_only needs a single host, since another one might answer", Hint: "name this node only"}
	}
	if _, err := cl.Server(ctx); err != nil {
		return false, err
	}
	return cl.OnMaster(ctx)
}

// remoteTimeout is Curator's for remote clusters (spec/curator §5.14).
const remoteTimeout = 3 * time.Minute

// Remote reaches the clusters that a reindex copies from.
func Remote(version string) func(cluster.Remote) (cluster.IndexReader, error) {
	return func(r cluster.Remote) (cluster.IndexReader, error) {
		header := http.Header{}
		for k, v := range r.Header {
			header.Set(k, v)
		}
		o := es.Options{
			URLs: []string{r.URL}, Username: r.Username, Password: r.Password, Header: header, CAFile: r.CAFile, ClientCert: r.ClientCert, ClientKey: r.ClientKey,
			InsecureSkipVerify: r.Insecure, Timeout: remoteTimeout, UserAgent: userAgent(version),
		}
		if r.AWSKey != "" {
			o.AWS = &es.AWS{Region: r.AWSRegion, Key: r.AWSKey, Secret: r.AWSSecret}
		}
		return es.New(o)
	}
}
