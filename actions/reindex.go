package actions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Reindex copies documents into another index, within the cluster or from a remote
// cluster.
type Reindex struct {
	RequestBody         reindexBody `yaml:"request_body" check:"required" doc:"the request: source, dest and their options"`
	Refresh             bool        `yaml:"refresh" doc:"refresh the target at the end"`
	RequestsPerSecond   int64       `yaml:"requests_per_second" check:"min=-1" doc:"documents per second; -1: unlimited"`
	Slices              int64       `yaml:"slices" check:"min=1,max=500" doc:"number of parallel parts"`
	Timeout             int64       `yaml:"timeout" check:"min=0" doc:"time-out of each bulk request in the server, in seconds"`
	WaitActive          string      `yaml:"wait_for_active_shards" check:"scalar" doc:"number of shard copies that must be started, or all"`
	MigrationPrefix     string      `yaml:"migration_prefix" doc:"with dest.index MIGRATION: added before each source's name"`
	MigrationSuffix     string      `yaml:"migration_suffix" doc:"with dest.index MIGRATION: added after each source's name"`
	RemoteCertificate   string      `yaml:"remote_certificate" doc:"PEM file of the remote cluster's certificate authority"`
	RemoteClientCert    string      `yaml:"remote_client_cert" doc:"PEM file of a client certificate for the remote cluster"`
	RemoteClientKey     string      `yaml:"remote_client_key" doc:"PEM file of the key of the client certificate"`
	RemoteURLPrefix     string      `yaml:"remote_url_prefix" doc:"path prefix of the remote cluster"`
	RemoteSSLNoValidate bool        `yaml:"remote_ssl_no_validate" doc:"do not verify the remote cluster's certificate when its indices are listed"`
	RemoteAWSKey        string      `yaml:"remote_aws_key" doc:"access key id, if requests to the remote cluster must be signed for Amazon"`
	RemoteAWSSecretKey  string      `yaml:"remote_aws_secret_key" doc:"secret access key for remote_aws_key"`
	RemoteAWSRegion     string      `yaml:"remote_aws_region" doc:"region of the remote cluster"`
	Wait
}

type reindexBody struct {
	Conflicts string         `yaml:"conflicts" check:"oneof=proceed|abort" doc:"what to do on a version conflict"`
	Size      *int64         `yaml:"size" check:"min=1" doc:"maximum number of documents (servers before 8)"`
	MaxDocs   *int64         `yaml:"max_docs" check:"min=1" doc:"maximum number of documents"`
	Source    reindexSource  `yaml:"source" check:"required" doc:"what to copy"`
	Dest      reindexDest    `yaml:"dest" check:"required" doc:"where to copy it"`
	Script    map[string]any `yaml:"script" doc:"script that changes each document"`
}

type reindexSource struct {
	Index  []string       `yaml:"index" check:"required,list" doc:"indices, or REINDEX_SELECTION for the indices that the filters select"`
	Remote *reindexRemote `yaml:"remote" doc:"the remote cluster that has the indices"`
	Size   *int64         `yaml:"size" check:"min=1" doc:"documents per batch"`
	Type   any            `yaml:"type" doc:"mapping types (Elasticsearch 6)"`
	Query  map[string]any `yaml:"query" doc:"query that selects the documents"`
	Sort   any            `yaml:"sort" doc:"order of the documents"`
	Fields any            `yaml:"_source" doc:"fields to copy"`
	Slice  map[string]any `yaml:"slice" doc:"one part of a copy that is split manually"`
}

type reindexRemote struct {
	Host           string         `yaml:"host" check:"required" doc:"scheme://host:port"`
	Headers        map[string]any `yaml:"headers" doc:"sent with every request"`
	Username       string         `yaml:"username" check:"scalar" doc:"user name"`
	Password       string         `yaml:"password" check:"scalar" doc:"password"`
	SocketTimeout  string         `yaml:"socket_timeout" doc:"such as 1m"`
	ConnectTimeout string         `yaml:"connect_timeout" doc:"such as 30s"`
}

type reindexDest struct {
	Index       string `yaml:"index" check:"required" doc:"the index, or MIGRATION for one target per source"`
	Type        string `yaml:"type" doc:"mapping type (Elasticsearch 6)"`
	OpType      string `yaml:"op_type" doc:"create: do not overwrite existing documents"`
	VersionType string `yaml:"version_type" check:"oneof=internal|external|external_gt|external_gte" doc:"how versions are compared"`
	Routing     string `yaml:"routing" doc:"keep, discard or =text"`
	Pipeline    string `yaml:"pipeline" doc:"ingest pipeline"`
}

const (
	selection = "REINDEX_SELECTION"
	migration = "MIGRATION"
	misspelt  = "REINDEX_SELECTED" // no index can be called that; Curator reads it as an empty list
)

func newReindex(Behaviour) Action {
	return &Reindex{Refresh: true, RequestsPerSecond: -1, Slices: 1, Timeout: 60, WaitActive: "1", Wait: newWait(true, 9)}
}

// Validate implements Action.
func (a *Reindex) Validate(given map[string]bool) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, optionError("request_body", format, args...)) }
	source := a.RequestBody.Source
	if slices.Contains(source.Index, misspelt) {
		errs = append(errs, tolerated("request_body",
			"source.index: %s is an empty list, as for Curator; write %s for the indices that the filters select", misspelt, selection))
	}
	if slices.Contains(source.Index, selection) && len(source.Index) > 1 {
		wrong("source.index: %s must be the only entry", selection)
	}
	if r := source.Remote; r != nil {
		u, err := url.Parse(r.Host)
		if err == nil && u.User != nil {
			wrong("source.remote.host: must not contain a user or password; write them into the keys username and password")
		} else if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Port() == "" {
			wrong("source.remote.host: expected scheme://host:port, such as https://other:9200")
		}
		if a.selects() && !given["remote_filters"] {
			errs = append(errs, optionError("remote_filters", "is required with %s and a remote cluster: it selects the indices to copy", selection))
		}
	}
	if given["remote_aws_key"] || given["remote_aws_secret_key"] || given["remote_aws_region"] {
		if a.RemoteAWSKey == "" || a.RemoteAWSSecretKey == "" || a.RemoteAWSRegion == "" {
			errs = append(errs, optionError("remote_aws_key", "remote_aws_key, remote_aws_secret_key and remote_aws_region must be given together"))
		}
	}
	if a.RequestBody.Dest.Index == migration && source.Remote == nil && a.MigrationPrefix+a.MigrationSuffix == "" {
		errs = append(errs, optionError("migration_prefix",
			"dest.index %s within one cluster needs migration_prefix or migration_suffix", migration))
	}
	// It may be an alias, and date math is the server's.
	if why := cluster.InvalidName("alias", a.dest("x")); why != "" && !strings.HasPrefix(a.dest("x"), "<") {
		errs = append(errs, tolerated("request_body", "dest.index: %q cannot be the name of an index or alias: %s", a.dest("SOURCE"), why))
	}
	return errors.Join(errs...)
}

// dest is the target for a source.
func (a *Reindex) dest(source string) string {
	if a.RequestBody.Dest.Index == migration {
		return a.MigrationPrefix + source + a.MigrationSuffix
	}
	return a.RequestBody.Dest.Index
}

func (a *Reindex) selects() bool {
	return slices.Equal(a.RequestBody.Source.Index, []string{selection})
}

// SkipsListing reports whether the action's filters select nothing: the sources are named,
// or are in a remote cluster.
func (a *Reindex) SkipsListing() bool { return !a.selects() || a.RequestBody.Source.Remote != nil }

// Remote implements RemoteSource.
func (a *Reindex) Remote() *cluster.Remote {
	r := a.RequestBody.Source.Remote
	if r == nil || !a.selects() {
		return nil
	}
	headers := map[string]string{}
	for k, v := range r.Headers {
		headers[k] = fmt.Sprint(v)
	}
	return &cluster.Remote{
		URL:      strings.TrimRight(r.Host, "/") + "/" + strings.Trim(a.RemoteURLPrefix, "/"),
		Username: r.Username, Password: r.Password, Header: headers,
		CAFile: a.RemoteCertificate, ClientCert: a.RemoteClientCert, ClientKey: a.RemoteClientKey, Insecure: a.RemoteSSLNoValidate,
		AWSKey: a.RemoteAWSKey, AWSSecret: a.RemoteAWSSecretKey, AWSRegion: a.RemoteAWSRegion,
	}
}

// Run implements Action.
func (a *Reindex) Run(ctx context.Context, env *Env) error {
	sources := a.RequestBody.Source.Index
	if a.selects() {
		sources = cluster.Names(env.Selected)
		if a.Remote() != nil {
			sources = cluster.Names(env.Slots[RemoteSlot])
			if len(sources) == 0 {
				return errors.New("remote_filters selected none of the remote cluster's indices")
			}
		}
	}
	if len(sources) == 0 || len(sources) == 1 && sources[0] == misspelt {
		return fmt.Errorf("%w to reindex", cluster.ErrEmpty)
	}
	slices.Sort(sources)
	if a.RequestBody.Dest.Index != migration {
		return cmp.Or(context.Cause(ctx), a.copy(ctx, env, sources, a.RequestBody.Dest.Index))
	}
	var first error
	for _, s := range sources {
		first = cmp.Or(first, a.copy(ctx, env, []string{s}, a.dest(s)))
	}
	return cmp.Or(context.Cause(ctx), first)
}

// copy runs one request and reports its outcome. The error is that it cannot tell which.
func (a *Reindex) copy(ctx context.Context, env *Env, sources []string, dest string) (unknown error) {
	o := cluster.Outcome{Verb: cluster.VerbReindex, What: "index", Name: dest, Result: cluster.Done}
	if ctx.Err() != nil {
		o.NotStarted(context.Cause(ctx))
	} else if detail, err := a.one(ctx, env, sources, dest); err != nil {
		o.Result, o.Err = cluster.Failure, err
		if errors.As(err, new(unclearError)) {
			o.Result, o.Detail, o.Err, unknown = cluster.Unclear, err.Error(), nil, err
		}
	} else {
		o.Detail = detail + " from " + strings.Join(sources, ", ")
	}
	env.Outcome(o)
	return unknown
}

// unclearError means that nothing shows what became of a reindex.
type unclearError struct{ error }

func (u unclearError) Unwrap() error { return u.error }

func (a *Reindex) one(ctx context.Context, env *Env, sources []string, dest string) (string, error) {
	before := documents(ctx, env, dest)
	id, err := env.Cluster.Reindex(ctx, cluster.Reindex{
		Body: a.body(sources, dest), Sources: sources, Dest: dest, Refresh: a.Refresh, RequestsPerSecond: a.RequestsPerSecond,
		Slices: a.Slices, Timeout: time.Duration(a.Timeout) * time.Second, WaitForActiveShards: a.WaitActive,
	})
	if errors.Is(err, cluster.ErrLost) {
		if id, err = a.lookForLost(ctx, env, dest, before, err); err != nil {
			return "", unclearError{err}
		}
	}
	if errors.Is(err, cluster.ErrUnsupported) {
		return "", cluster.WithHint(err, "this server does not have _reindex: its distribution does not contain the module reindex")
	}
	if err != nil {
		return "", err
	}
	if !a.WaitForCompletion {
		env.Warn("reindex into %s: not waiting for its end; it continues in the cluster as task %s", dest, id)
		return "started as task " + id, nil
	}
	var task cluster.Task
	err = a.poll(ctx, env, "reindex into "+dest, func() (bool, error) {
		task, err = env.Cluster.Task(ctx, id)
		return task.Completed, err
	})
	switch {
	case err != nil:
		return "", err
	case len(task.Failures) > 0:
		return "", fmt.Errorf("%s; %d of %d documents copied; first failure: %s",
			cluster.Count(len(task.Failures), "failure"), task.Done, task.Total, task.Failures[0])
	case task.Conflicts > 0:
		env.Warn("reindex into %s: %d documents not copied: version conflicts", dest, task.Conflicts)
	}
	if task.Total == 0 {
		return "no documents", nil
	}
	return fmt.Sprintf("%d documents", task.Done), a.there(ctx, env, dest)
}

// there verifies that the target, an index or an alias, exists. A name with date math is
// resolved by the server and not verified.
func (a *Reindex) there(ctx context.Context, env *Env, dest string) error {
	list, err := env.Cluster.Indices(ctx)
	if err != nil || strings.HasPrefix(dest, "<") {
		return err
	}
	if !slices.ContainsFunc(list, func(i *cluster.Index) bool { return i.Name == dest || i.HasAlias(dest) || i.DataStream == dest }) {
		return fmt.Errorf("the target %s does not exist", dest)
	}
	return nil
}

// body is the body of the request, with the sources and the target filled in.
func (a *Reindex) body(sources []string, dest string) map[string]any {
	b := a.RequestBody
	source := compact(map[string]any{
		"index": sources, "size": b.Source.Size, "type": b.Source.Type, "query": b.Source.Query, "sort": b.Source.Sort,
		"_source": b.Source.Fields, "slice": b.Source.Slice,
	})
	if r := b.Source.Remote; r != nil {
		source["remote"] = compact(map[string]any{
			"host":    strings.TrimRight(r.Host, "/") + prefixed(a.RemoteURLPrefix),
			"headers": r.Headers, "username": r.Username, "password": r.Password,
			"socket_timeout": r.SocketTimeout, "connect_timeout": r.ConnectTimeout,
		})
	}
	target := compact(map[string]any{
		"index": dest, "type": b.Dest.Type, "op_type": b.Dest.OpType,
		"version_type": b.Dest.VersionType, "routing": b.Dest.Routing, "pipeline": b.Dest.Pipeline,
	})
	return compact(map[string]any{
		"conflicts": b.Conflicts,
		"size":      b.Size,
		"max_docs":  b.MaxDocs,
		"source":    source,
		"dest":      target,
		"script":    b.Script,
	})
}

func prefixed(path string) string {
	if path = strings.Trim(path, "/"); path != "" {
		return "/" + path
	}
	return ""
}

// compact leaves out what is not given.
func compact(m map[string]any) map[string]any {
	maps.DeleteFunc(m, func(_ string, v any) bool {
		switch v := v.(type) {
		case nil:
			return true
		case string:
			return v == ""
		case *int64:
			return v == nil
		case map[string]any:
			return len(v) == 0
		}
		return false
	})
	return m
}

// lookForLost searches for the task of a reindex whose reply was lost. A short task may be
// over before it is seen: then only the documents of the target tell that it ran, and not
// whether all were copied.
func (a *Reindex) lookForLost(ctx context.Context, env *Env, dest string, before int64, lost error) (id string, err error) {
	ran := false
	found := env.arrived(ctx, "the reindex into "+dest, func() (bool, error) {
		tasks, err := env.Cluster.Tasks(ctx, "*reindex")
		for _, t := range tasks {
			if strings.Contains(t.Description, "to ["+dest+"]") {
				id = t.ID
				return true, nil
			}
		}
		if err == nil {
			ran = documents(ctx, env, dest) != before
		}
		return ran, err
	})
	if found && !ran {
		return id, nil
	}
	what := "the reindex into " + dest + " ran"
	if ran {
		what = "the reindex into " + dest + " copied all documents"
	}
	return "", cluster.WithHint(unclear(ctx, what, lost),
		"before running it again, check GET _tasks?actions=*reindex and the documents in %s", dest)
}

// documents is how many documents an index has; -1: it does not exist, or cannot be read.
func documents(ctx context.Context, env *Env, index string) int64 {
	stats, err := env.Cluster.Stats(ctx, []string{index})
	if s, there := stats[index]; err == nil && there {
		return s.Docs
	}
	return -1
}
