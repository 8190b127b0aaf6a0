// Package connect makes connections from settings, for esnap's own commands and for
// Curator's command lines, so that both use the same settings.
package connect

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/fromenv"
	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/settings"
)

// Purpose is the purpose of a connection.
type Purpose struct {
	Unattended bool // a file is run, and nobody waits at a terminal
	DryRun     bool
}

// Options are the options of the connection that the settings give.
func Options(s *settings.Settings, version string, purpose Purpose) es.Options {
	o := es.Options{
		URLs: s.URLs, Username: s.Username, Password: s.Password, APIKey: s.APIKey, BearerToken: s.BearerToken, Header: s.Header,
		CAFile: s.CAFile, ClientCert: s.ClientCert, ClientKey: s.ClientKey, ServerName: s.ServerName, InsecureSkipVerify: s.Insecure,
		Fingerprint: s.Fingerprint, Timeout: s.Timeout, ConnectTimeout: WaitBudget(s, purpose), UserAgent: userAgent(version),
	}
	o.URLSource = s.Source("url")
	if s.IsDefaultURL() {
		o.UnreachableHint = "nothing says where the cluster is, so " + settings.DefaultURL +
			" was tried; set --url or ESNAP_URL (in KubeSphere http://elasticsearch-logging-data.kubesphere-logging-system.svc:9200)"
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
// setting: a user who sets ESNAP_DRYRUN does not want a real run. Every other variable of
// esnap that nothing reads is a warning; one warning names all those that describe a run
// without a file. Call it after the action files were read, because they may name variables.
func CheckVariables(s *settings.Settings, environ []string) (warnings []string, err error) {
	var ofFromEnv []string
	for _, name := range s.Unread(environ) {
		if slices.Contains(fromenv.Names(), name) {
			ofFromEnv = append(ofFromEnv, name)
			continue
		}
		if meant := nearVariable(name); meant != "" {
			return nil, &settings.Error{Text: "the environment variable " + name + " is not a setting of esnap", Hint: near.Question(meant)}
		}
		if !strings.HasPrefix(name, "ESNAP_") { // of another program
			continue
		}
		warnings = append(warnings, "the environment variable "+name+" is not a setting of esnap, and no file uses it")
	}
	if ofFromEnv != nil {
		slices.Sort(ofFromEnv)
		warnings = append(warnings, "only esnap run --from-env reads "+strings.Join(ofFromEnv, ", "))
	}
	return warnings, nil
}

// nearVariable is the most similar variable; empty if none is similar. A variable that
// does not begin with ESNAP_ may belong to another program: it may differ in underscores
// and letter case only.
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
	for _, n := range near.Names(name, known) {
		return n
	}
	return ""
}

// WaitBudget is how long to wait for a cluster that does not answer yet, unless a setting
// gives it: a nightly run waits for the restart of a cluster, a dry run in CI need not,
// and a user at a terminal wants the answer soon.
func WaitBudget(s *settings.Settings, u Purpose) time.Duration {
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

// OnMaster reports whether the named host is the elected master. Another node is not a
// failure, but nothing is done (D7 in docs/curator-compatibility.md).
func OnMaster(ctx context.Context, cl cluster.Cluster, s *settings.Settings) (bool, error) {
	if len(s.URLs) > 1 {
		return false, &settings.Error{Text: "master_only requires a single host, because another host might answer", Hint: "name this node only"}
	}
	if _, err := cl.Server(ctx); err != nil {
		return false, err
	}
	return cl.OnMaster(ctx)
}

// remoteTimeout is Curator's for remote clusters.
const remoteTimeout = 3 * time.Minute

// Remote connects to the clusters from which a reindex copies.
func Remote(version string) func(cluster.Remote) (cluster.IndexReader, error) {
	return func(r cluster.Remote) (cluster.IndexReader, error) {
		header := http.Header{}
		for k, v := range r.Header {
			header.Set(k, v)
		}
		o := es.Options{
			URLs: []string{r.URL}, Username: r.Username, Password: r.Password,
			Header: header, CAFile: r.CAFile, ClientCert: r.ClientCert, ClientKey: r.ClientKey,
			InsecureSkipVerify: r.Insecure, Timeout: remoteTimeout, UserAgent: userAgent(version),
		}
		if r.AWSKey != "" {
			o.AWS = &es.AWS{Region: r.AWSRegion, Key: r.AWSKey, Secret: r.AWSSecret}
		}
		return es.New(o)
	}
}
