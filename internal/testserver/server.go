// Package testserver starts real Elasticsearch and OpenSearch servers for tests and for the demo.
//
// A server comes from the first provider that can give it: a cluster whose URL is in ESNAP_TEST_URL, a container
// with the official image, or the distribution from Maven run as a process of this machine. ESNAP_TEST_PROVIDER
// (url, docker or local) names the only one to use.
//
//	ESNAP_TEST_URL         a running cluster, used for the flavours of its product and major version
//	ESNAP_TEST_REPO        a folder in its path.repo, by default /backup
//	ESNAP_TEST_USERNAME    its user, with ESNAP_TEST_PASSWORD, and ESNAP_TEST_CA_FILE for the authority of its certificate
//	ESNAP_JAVA17_HOME      the JDK 17 for servers that need it; others are found by themselves
//	ESNAP_JAVA21_HOME      the JDK 21 or later likewise
//	ESNAP_REQUIRE_SERVERS  1 makes Shared fail where it would skip
//
// Nothing outlives the process: servers are stopped by Stop, by StopShared, on SIGINT and SIGTERM, and on Linux the
// local ones also when the process is killed. What a killed process leaves on disk is removed by the next local start.
package testserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// ErrUnavailable is wrapped by the errors that say that a provider cannot give such a server here: there is no Docker,
// no JDK, no network to fetch from, or the provider does not do what the options ask for. A server that was started
// and did not work is another error.
var ErrUnavailable = errors.New("no such server here")

// startTimeout is how long a cluster may take to answer. It takes 5 to 20 seconds on two idle cores.
const startTimeout = 3 * time.Minute

// Options say which server to start. Only Flavour is required.
type Options struct {
	// Flavour is the server's product and version.
	Flavour Flavour

	// Nodes is the number of nodes; 0 means 1. Several need the local provider.
	Nodes int

	// RepoRoots gives each node its own path.repo: a list per node, of names of folders to be made under the server's
	// own folder. Nil gives all nodes the one shared folder. It needs the local provider.
	//
	// {{"a"}, {"a"}, {"b"}} makes a cluster whose third node does not see what the others see. What the registration of
	// a repository meets there depends on its location, and the answer is always 500:
	//   - Below Server.Repo: the third node refuses it, which the client sees as repository_verification_exception with
	//     "RepositoryMissingException[[name] missing]" from that node; or, when the third node is the master, as
	//     repository_exception, "location [...] doesn't match any of the locations specified by path.repo".
	//   - A relative path: every node takes it as below its own first root, so the third node has a folder, but an empty
	//     one, like a node whose network mount is missing: repository_verification_exception with "a file written by
	//     master to the store [...] cannot be accessed on the node". This names the third node, or the two others when
	//     the third is the master. NodeSettings can keep it from being that (6.x: node.master: false).
	//
	// The repository is registered all the same and stays in the cluster's state.
	RepoRoots [][]string

	// Settings are added to the settings file of every node and win over this package's own. Values are written as
	// they are, so they may be any YAML. A name that the server does not know keeps it from starting; for one,
	// repositories.url.allowed_urls is known to the local 6.x flavours only, for want of the module in the others.
	Settings map[string]string

	// NodeSettings, by node, win over Settings. It may be shorter than the number of nodes. It needs the local provider.
	NodeSettings []map[string]string

	// HeapMB is the heap of each node in MiB; 0 means 512, and 256 with Docker.
	HeapMB int

	// Security asks for authentication, with the one user Server.Username and Server.Password. It needs the local
	// provider and a flavour whose Flavour.Security is true.
	Security bool

	// Roles are roles of a server with security, by name: their definitions as JSON in one line. Each gets a user of the
	// same name with the password RolePassword. The distributions lack what the interface for roles needs, so they are
	// files.
	Roles map[string]string

	// Users are more users with the password RolePassword: the roles of each, which may be built in.
	Users map[string][]string

	// TLS asks for https with a certificate signed by Server.CAFile. It includes Security.
	TLS bool

	// Log, if set, is told what is being done: provider, artifact, address. It is not used after Start.
	Log io.Writer
}

// RolePassword is the password of the users of Options.Roles.
const RolePassword = "esnap-role-test"

// Server is a running cluster.
type Server struct {
	// URL is the address of the first node, without a slash at the end.
	URL string

	// Repo is a folder in path.repo that the server may write to, as the server sees it. Tests that share a server
	// each take a sub folder of their own.
	Repo string

	// RepoPaths is, with the local provider, each node's first path.repo folder as this process sees it: Repo for all,
	// unless Options.RepoRoots says otherwise. It is nil with the other providers.
	RepoPaths []string

	// Flavour is the flavour that was asked for. A cluster from ESNAP_TEST_URL may be another version of the same major.
	Flavour Flavour

	// Provider is "url", "docker" or "local".
	Provider string

	// Username and Password are empty where the server asks for none.
	Username, Password string

	// CAFile is the PEM file of the authority that signed the server's certificate, or empty.
	CAFile string

	urls     []string          // of all nodes
	stopNode func(i int) error // nil where nodes cannot be stopped

	startNode func(i int) error // likewise
	pauseNode func(i int, on bool) error
	dead      func() error // why no node can answer any more
	stop      func() error
	stopped   func() error // stop and leave the registry, once
}

// provider is one way to get a server.
type provider struct {
	name  string
	start func(context.Context, Options, logFunc) (*Server, error)
}

// logFunc writes one line to Options.Log.
type logFunc func(format string, args ...any)

// Start starts a server and returns when it answers with all its nodes. The caller stops it.
//
// The error wraps ErrUnavailable where no provider can give such a server. Other errors are of a server that was
// started and did not answer within three minutes or before ctx ended; they quote the end of its log.
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.checked()
	if err != nil {
		return nil, err
	}
	logf := func(format string, args ...any) {
		if o.Log != nil {
			fmt.Fprintf(o.Log, string(o.Flavour)+": "+format+"\n", args...)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	entry := running.add(cancel)
	s, err := startFirst(ctx, o, logf)
	if err == nil {
		stop := s.stop
		s.stopped = sync.OnceValue(func() error {
			defer running.remove(entry)
			return stop()
		})
	} else {
		running.remove(entry)
	}
	entry.started(s)
	return s, err
}

// checked returns the options with defaults filled in, or says what is wrong with them.
func (o Options) checked() (Options, error) {
	if _, ok := distributions[o.Flavour]; !ok {
		return o, fmt.Errorf("unknown flavour %q", o.Flavour)
	}
	o.Nodes = max(o.Nodes, 1)
	o.Security = o.Security || o.TLS
	if o.RepoRoots != nil && len(o.RepoRoots) != o.Nodes {
		return o, fmt.Errorf("RepoRoots has %d lists for %d nodes", len(o.RepoRoots), o.Nodes)
	}
	for i, roots := range o.RepoRoots {
		if len(roots) == 0 {
			return o, fmt.Errorf("RepoRoots of node %d is empty", i)
		}
	}
	if len(o.NodeSettings) > o.Nodes {
		return o, fmt.Errorf("NodeSettings has %d maps for %d nodes", len(o.NodeSettings), o.Nodes)
	}
	return o, nil
}

// plain tells whether the options ask for no more than any single server of the flavour gives.
func (o Options) plain() bool {
	return o.Nodes == 1 && o.RepoRoots == nil && len(o.NodeSettings) == 0 && !o.Security
}

// startFirst starts the server with the provider that was named, or else with the first that can.
func startFirst(ctx context.Context, o Options, logf logFunc) (*Server, error) {
	providers := []provider{{"url", useURL}, {"docker", startDocker}, {"local", startLocal}}
	named := os.Getenv("ESNAP_TEST_PROVIDER")
	var unavailable []error
	for _, p := range providers {
		if named != "" && named != p.name {
			continue
		}
		begin := time.Now()
		s, err := p.start(ctx, o, logf)
		if err == nil {
			s.Flavour, s.Provider = o.Flavour, p.name
			logf("%s answers at %s after %.1f s (provider %s)",
				o.Flavour.Title(), s.URL, time.Since(begin).Seconds(), p.name)
			return s, nil
		}
		logf("provider %s: %v", p.name, err)
		err = fmt.Errorf("%s: provider %s: %w", o.Flavour, p.name, err)
		if named != "" || !errors.Is(err, ErrUnavailable) {
			return nil, err
		}
		unavailable = append(unavailable, err)
	}
	if unavailable == nil {
		return nil, fmt.Errorf("ESNAP_TEST_PROVIDER=%s: want url, docker or local", named)
	}
	return nil, errors.Join(unavailable...)
}

// Stop ends the server and removes what was made for it. Stopping again does nothing and returns the same error.
// A cluster from ESNAP_TEST_URL is left alone.
func (s *Server) Stop() error { return s.stopped() }

// NodeURLs returns the addresses of all nodes, the first one's first.
func (s *Server) NodeURLs() []string { return s.urls }

// StopNode kills one node as a crash would, and returns when it is gone. Nodes are counted from 0 and keep their
// numbers; URL is the address of node 0. It works with the local provider only.
func (s *Server) StopNode(i int) error {
	if s.stopNode == nil {
		return fmt.Errorf("%w: the %s provider cannot stop a node", ErrUnavailable, s.Provider)
	}
	if i < 0 || i >= len(s.urls) {
		return fmt.Errorf("no node %d: there are %d", i, len(s.urls))
	}
	return s.stopNode(i)
}

// StartNode starts a node again that StopNode killed, on the same data and port, and returns when the cluster answers
// with all its nodes. Shards may still be missing: what a crash cut off may never come back.
func (s *Server) StartNode(ctx context.Context, i int) error {
	if s.startNode == nil {
		return fmt.Errorf("%w: the %s provider cannot start a node", ErrUnavailable, s.Provider)
	}
	if err := s.startNode(i); err != nil {
		return err
	}
	return s.awaitReady(ctx, s.dead, "")
}

// PauseNode stops one node with SIGSTOP: it keeps its connections and answers nothing, until ResumeNode lets it
// continue. It works with the local provider only.
func (s *Server) PauseNode(i int) error { return s.paused(i, true) }

// ResumeNode lets a node continue that PauseNode stopped. For one that was not stopped it does nothing.
func (s *Server) ResumeNode(i int) error { return s.paused(i, false) }

func (s *Server) paused(i int, on bool) error {
	if s.pauseNode == nil {
		return fmt.Errorf("%w: the %s provider cannot pause a node", ErrUnavailable, s.Provider)
	}
	if i < 0 || i >= len(s.urls) {
		return fmt.Errorf("no node %d: there are %d", i, len(s.urls))
	}
	return s.pauseNode(i, on)
}

// client returns an HTTP client that trusts the server's authority.
func (s *Server) client() (*http.Client, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	if s.CAFile != "" {
		authority, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("%s: no certificate", s.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}, nil
}

// get decodes the reply to a GET of an address below one of the nodes into reply.
func (s *Server) get(ctx context.Context, c *http.Client, address string, reply any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if s.Username != "" {
		req.SetBasicAuth(s.Username, s.Password)
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %.300s", address, res.Status, body)
	}
	return json.Unmarshal(body, reply)
}

// yellow asks the health of a cluster whose primary shards are all there.
const yellow = "wait_for_status=yellow&"

// awaitReady returns when every node answers for a cluster of them all, with the health that want asks for. It gives
// up when ctx ends or dead returns an error.
func (s *Server) awaitReady(ctx context.Context, dead func() error, want string) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("no answer in time"))
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for _, url := range s.urls {
		for err = s.healthy(ctx, c, url, want); err != nil; err = s.healthy(ctx, c, url, want) {
			if err := dead(); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%w, last: %w", context.Cause(ctx), err)
			case <-tick.C:
			}
		}
	}
	return nil
}

// healthy asks one node for the cluster's health. It does not ask GET /, which not every flavour answers.
func (s *Server) healthy(ctx context.Context, c *http.Client, url, want string) error {
	var health struct {
		Nodes int `json:"number_of_nodes"`
	}
	address := fmt.Sprintf("%s/_cluster/health?%swait_for_nodes=%d&timeout=1s", url, want, len(s.urls))
	if err := s.get(ctx, c, address, &health); err != nil {
		return err
	}
	if health.Nodes != len(s.urls) {
		return fmt.Errorf("%d nodes of %d", health.Nodes, len(s.urls))
	}
	return nil
}

// version asks the first node what it is.
func (s *Server) version(ctx context.Context) (string, error) {
	c, err := s.client()
	if err != nil {
		return "", err
	}
	var reply struct {
		Nodes map[string]struct {
			Version string `json:"version"`
		} `json:"nodes"`
	}
	if err := s.get(ctx, c, s.URL+"/_nodes/_local?filter_path=nodes.*.version", &reply); err != nil {
		return "", err
	}
	for _, node := range reply.Nodes {
		return node.Version, nil
	}
	return "", errors.New("the server does not tell its version")
}

// checkVersion makes sure that the server is what was asked for and not another with its name.
func (s *Server) checkVersion(ctx context.Context, f Flavour) error {
	version, err := s.version(ctx)
	if err == nil && version != f.Version() {
		err = fmt.Errorf("the server is version %s instead of %s", version, f.Version())
	}
	return err
}

// useURL takes the cluster that ESNAP_TEST_URL names. It serves the flavours of its major version, which also tells
// Elasticsearch (6 to 9) from OpenSearch (1 to 3). A cluster that does not answer is an error, not unavailable: it
// was asked for.
func useURL(ctx context.Context, o Options, _ logFunc) (*Server, error) {
	url := strings.TrimRight(os.Getenv("ESNAP_TEST_URL"), "/")
	switch {
	case url == "":
		return nil, fmt.Errorf("%w: ESNAP_TEST_URL is not set", ErrUnavailable)
	case !o.plain() || len(o.Settings) > 0:
		return nil, fmt.Errorf("%w: a given cluster is taken as it is", ErrUnavailable)
	}
	repo := os.Getenv("ESNAP_TEST_REPO")
	if repo == "" {
		repo = "/backup"
	}
	s := &Server{
		URL:      url,
		Repo:     repo,
		Username: os.Getenv("ESNAP_TEST_USERNAME"),
		Password: os.Getenv("ESNAP_TEST_PASSWORD"),
		CAFile:   os.Getenv("ESNAP_TEST_CA_FILE"),
		urls:     []string{url},
		stop:     func() error { return nil },
	}
	version, err := s.version(ctx)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(version, o.Flavour.major()+".") {
		return nil, fmt.Errorf("%w: the cluster at %s is version %s", ErrUnavailable, url, version)
	}
	return s, nil
}
