package repository_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/repository"
)

type settings = map[string]any

func TestValidate(t *testing.T) {
	fs := func(s settings) repository.Spec {
		s["location"] = "/backup"
		return repository.Spec{Name: "r", Type: "fs", Settings: s}
	}
	s3 := func(s settings) repository.Spec {
		s["bucket"] = "b"
		return repository.Spec{Name: "r", Type: "s3", Settings: s}
	}
	for _, c := range []struct {
		name string
		spec repository.Spec
		want []string // key: text; hint
	}{
		{"fs", fs(settings{}), nil},
		{
			"everything in its form",
			fs(settings{
				"compress":                   true,
				"chunk_size":                 "1gb",
				"max_snapshot_bytes_per_sec": "40MB",
				"max_restore_bytes_per_sec":  "0",
				"max_number_of_snapshots":    500,
				"readonly":                   "false",
				"io_buffer_size":             "5%",
			}),
			nil,
		},
		{"null is not given", fs(settings{"chunk_size": nil}), nil},
		{"a size as a bare number", fs(settings{"chunk_size": 1024}), nil},
		{"unknown type", repository.Spec{Type: "nfs"}, []string{`type: "nfs" is not one of azure, fs, gcs, hdfs, s3, source, url`}},
		{"no type", repository.Spec{}, []string{`type: "" is not one of azure, fs, gcs, hdfs, s3, source, url`}},
		{"fs without location", repository.Spec{Type: "fs"}, []string{"location: the setting location is required for type fs"}},
		{
			"an empty location",
			repository.Spec{Type: "fs", Settings: settings{"location": ""}},
			[]string{"location: the setting location is required for type fs"},
		},
		{
			"a null location",
			repository.Spec{Type: "fs", Settings: settings{"location": nil}},
			[]string{"location: the setting location is required for type fs"},
		},
		{
			"s3 without bucket",
			repository.Spec{Type: "s3", Settings: settings{"endpoint": "minio:9000"}},
			[]string{"bucket: the setting bucket is required for type s3"},
		},
		{
			"unknown setting",
			fs(settings{"compres": true}),
			[]string{
				"compres: unknown setting compres for a repository of type fs; the server would store it without an error; did you mean compress?",
			},
		},
		{
			"a setting of another type",
			fs(settings{"bucket": "b"}),
			[]string{"bucket: unknown setting bucket for a repository of type fs; the server would store it without an error"},
		},
		{"all at once", s3(settings{"regoin": "x", "compress": 1, "protocol": "ftp"}), []string{
			"compress: expected a boolean",
			`protocol: "ftp" is not one of http, https`,
			"regoin: unknown setting regoin for a repository of type s3; the server would store it without an error; did you mean region?",
		}},
		{"yes is no boolean to servers", fs(settings{"compress": "yes"}), []string{"compress: expected a boolean"}},
		{"True is none either", fs(settings{"compress": "True"}), []string{"compress: expected a boolean"}},
		{"a size with a wrong unit", fs(settings{"chunk_size": "1gib"}), []string{"chunk_size: expected a size such as 40mb"}},
		{"a size that is none", fs(settings{"chunk_size": "much"}), []string{"chunk_size: expected a size such as 40mb"}},
		{"a list", fs(settings{"chunk_size": []any{"1gb"}}), []string{"chunk_size: expected a size such as 40mb"}},
		{"a map", s3(settings{"client": settings{"a": 1}}), []string{"client: expected a text"}},
		{"a number with a fraction", fs(settings{"max_number_of_snapshots": 1.5}), []string{"max_number_of_snapshots: expected a whole number"}},
		{"a time", s3(settings{"read_timeout": "50s"}), nil},
		{
			"a time without a unit that is no number",
			s3(settings{"read_timeout": "50 seconds"}),
			[]string{"read_timeout: expected a time such as 30s"},
		},
		{"storage_class in capitals", s3(settings{"storage_class": "STANDARD_IA"}), nil},
		{
			"glacier",
			s3(settings{"storage_class": "glacier"}),
			[]string{`storage_class: "glacier" is not one of standard, reduced_redundancy, standard_ia, onezone_ia, intelligent_tiering`},
		},
		{
			"gold",
			s3(settings{"storage_class": "gold"}),
			[]string{`storage_class: "gold" is not one of standard, reduced_redundancy, standard_ia, onezone_ia, intelligent_tiering`},
		},
		{"canned_acl", s3(settings{"canned_acl": "bucket-owner-full-control"}), nil},
		{
			"canned_acl nope",
			s3(settings{"canned_acl": "nope"}),
			[]string{
				`canned_acl: "nope" is not one of private, public-read, public-read-write, authenticated-read, log-delivery-write,` +
					` bucket-owner-read, bucket-owner-full-control`,
			},
		},
		{"types whose settings are passed on", repository.Spec{Type: "azure", Settings: settings{"anything": []any{1}}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, e := range flat(c.spec.Validate()) {
				var oe *cluster.OptionError
				require.ErrorAs(t, e, &oe)
				text := oe.Error()
				if oe.Hint != "" {
					text += "; " + oe.Hint
				}
				got = append(got, text)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func flat(err error) (list []error) {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range j.Unwrap() {
			list = append(list, flat(e)...)
		}
		return list
	}
	if err != nil {
		list = append(list, err)
	}
	return list
}

// What counts as a difference after what servers do to values, and which of them
// would make the name mean other snapshots.
func TestDrift(t *testing.T) {
	type have = map[string]string
	for _, c := range []struct {
		name string
		typ  string // fs
		have have
		want settings
		diff []string // place: before the key where it is one
	}{
		{
			"as declared",
			"fs",
			have{"location": "/b", "compress": "true", "max_number_of_snapshots": "500"},
			settings{"location": "/b", "compress": true, "max_number_of_snapshots": 500},
			nil,
		},
		{"a boolean in quotes", "fs", have{"compress": "true"}, settings{"compress": "true"}, nil},
		{"a trailing slash", "fs", have{"location": "X/"}, settings{"location": "X"}, nil},
		{"a trailing slash as declared", "s3", have{"base_path": "a/b"}, settings{"base_path": "a/b/"}, nil},
		{
			"the root is no trailing slash",
			"fs",
			have{"location": "/"},
			settings{"location": "/b"},
			[]string{"place: location is / in the cluster but /b in the file"},
		},
		{"letter case of a size", "fs", have{"chunk_size": "40mb"}, settings{"chunk_size": "40MB"}, nil},
		{
			"letter case of a place",
			"fs",
			have{"location": "/B"},
			settings{"location": "/b"},
			[]string{"place: location is /B in the cluster but /b in the file"},
		},
		{"false is the same as missing", "fs", have{}, settings{"readonly": false}, nil},
		{"missing is the same as false", "fs", have{"readonly": "false"}, settings{}, nil},
		{"true is not", "fs", have{}, settings{"readonly": true}, []string{"readonly is not set in the cluster but true in the file"}},
		{
			"nor is compress: false on a server whose default is true",
			"fs",
			have{"compress": "true"},
			settings{"compress": false},
			[]string{"compress is true in the cluster but false in the file"},
		},
		{"null as declared", "fs", have{}, settings{"chunk_size": nil}, nil},
		{
			"set in the cluster only",
			"fs",
			have{"chunk_size": "1gb"},
			settings{},
			[]string{"chunk_size is 1gb in the cluster but not set in the file"},
		},
		{
			"a rate",
			"fs",
			have{"max_snapshot_bytes_per_sec": "40mb"},
			settings{"max_snapshot_bytes_per_sec": "80mb"},
			[]string{"max_snapshot_bytes_per_sec is 40mb in the cluster but 80mb in the file"},
		},
		{
			"secrets are not returned",
			"s3",
			have{"bucket": "b"},
			settings{"bucket": "b", "access_key": "AKIA", "secret_key": "s", "session_token": "t"},
			nil,
		},
		{
			"another bucket",
			"s3",
			have{"bucket": "b", "client": "x"},
			settings{"bucket": "c", "client": "y"},
			[]string{"place: bucket is b in the cluster but c in the file", "client is x in the cluster but y in the file"},
		},
		{
			"secrets of a type that is passed on",
			"source",
			have{"delegate_type": "fs"},
			settings{"delegate_type": "fs", "secret_key": "s", "sas_token": "t", "db_password": "p"},
			nil,
		},
		{
			"an address with a password",
			"url",
			have{"url": "ftp://u:old@host/a"},
			settings{"url": "ftp://u:new@host/a"},
			[]string{"place: url is ftp://***@host/a in the cluster but ftp://***@host/a in the file"},
		},
		{"nested settings", "s3", have{"proxy.host": "h"}, settings{"proxy": settings{"host": "h"}}, nil},
		{
			"a place of a type that is passed on",
			"azure",
			have{"container": "a", "base_path": "p/"},
			settings{"container": "b", "base_path": "p"},
			[]string{"place: container is a in the cluster but b in the file"},
		},
		{
			"a URL",
			"url",
			have{"url": "file:/a"},
			settings{"url": "file:/b"},
			[]string{"place: url is file:/a in the cluster but file:/b in the file"},
		},
		{
			"in order",
			"fs",
			have{"readonly": "true", "chunk_size": "1gb"},
			settings{"location": "/b"},
			[]string{
				"chunk_size is 1gb in the cluster but not set in the file",
				"place: location is not set in the cluster but /b in the file",
				"readonly is true in the cluster but not set in the file",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, d := range repository.Drift(cluster.Repository{Type: c.typ, Settings: c.have}, repository.Spec{Type: c.typ, Settings: c.want}) {
				text := d.String()
				if d.Place {
					text = "place: " + text
				}
				got = append(got, text)
			}
			require.Equal(t, c.diff, got)
		})
	}
	require.Equal(t, []repository.Difference{{Key: "type", Have: "fs", Want: "s3", Place: true}},
		repository.Drift(cluster.Repository{Type: "fs"}, repository.Spec{Type: "s3"}))
}

func TestOnePlace(t *testing.T) {
	fs := func(name, location string, more ...string) cluster.Repository {
		r := cluster.Repository{Name: name, Type: "fs", Settings: map[string]string{"location": location}}
		for i := 0; i < len(more); i += 2 {
			r.Settings[more[i]] = more[i+1]
		}
		return r
	}
	bucket := func(name, bucket, client string) cluster.Repository {
		return cluster.Repository{Name: name, Type: "s3", Settings: map[string]string{"bucket": bucket, "client": client}}
	}
	for _, c := range []struct {
		name string
		a, b cluster.Repository
		one  bool
	}{
		{"one folder", fs("a", "/b"), fs("b", "/b/", "readonly", "true", "compress", "false"), true},
		{"two folders", fs("a", "/b"), fs("b", "/c"), false},
		{"letter case counts", fs("a", "/b"), fs("b", "/B"), false},
		{"a folder below", fs("a", "/b"), fs("b", "/b", "base_path", "x"), false},
		{"one bucket", bucket("a", "x", ""), bucket("b", "x", ""), true},
		{"two object stores", bucket("a", "x", "default"), bucket("b", "x", "minio"), false},
		{"the default client", bucket("a", "x", "default"), bucket("b", "x", ""), true},
		{"no path within", fs("a", "/b"), fs("b", "/b", "base_path", "/"), true},
		{"relative, and absolute", fs("a", "/b"), fs("b", "b"), false},
		{"two accounts", cluster.Repository{Name: "a", Type: "azure", Settings: map[string]string{"container": "x", "account": "one"}},
			cluster.Repository{Name: "b", Type: "azure", Settings: map[string]string{"container": "x", "account": "two"}}, false},
		{"other types", fs("a", "/b"), cluster.Repository{Name: "b", Type: "url", Settings: map[string]string{"location": "/b"}}, false},
		{"a type of a plug-in", cluster.Repository{Name: "a", Type: "azure", Settings: map[string]string{"container": "x"}},
			cluster.Repository{Name: "b", Type: "azure", Settings: map[string]string{"container": "x"}}, true},
		{"nothing is known", cluster.Repository{Name: "a", Type: "source"}, cluster.Repository{Name: "b", Type: "source"}, false},
		{"not asked for", fs("a", "/b"), fs("c", "/b"), false},
	} {
		first, second := repository.OnePlace([]cluster.Repository{c.a, c.b}, []string{"a", "b"})
		if c.one {
			require.Equal(t, "a b", first+" "+second, c.name)
		} else {
			require.Empty(t, first+second, c.name)
		}
	}
}

// answer is a server that answers everything with one body.
type answer struct {
	status int
	body   string
}

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Body: io.NopCloser(strings.NewReader(a.body)), Header: http.Header{}}, nil
}

// said is the advice on a registration that a server answers with the body.
func said(t *testing.T, status int, body string) string {
	t.Helper()
	client, err := es.New(es.Options{URLs: []string{"http://es"}, Transport: answer{status, body}})
	require.NoError(t, err)
	err = client.RegisterRepository(context.Background(), cluster.RegisterRepository{Name: "r", Type: "s3", Verify: true})
	require.Error(t, err)
	explained := repository.Explain(err)
	require.Equal(t, err.Error(), explained.Error(), "the server's own words stay")
	require.ErrorIs(t, explained, err)
	return cluster.Hint(explained)
}

func TestExplainsFileSystems(t *testing.T) {
	const empty = "path.repo is not set: add the folder to path.repo in the configuration of every node, and restart the nodes"
	for file, want := range map[string]string{
		"path-repo-empty.es670":  empty,
		"path-repo-empty.es920":  empty,
		"path-repo-empty.os2110": empty,
		"path-repo-outside.es670": "/outside/x is not below an entry of path.repo: add it to path.repo on every node " +
			"and restart the nodes, or choose a location below an entry",
		"access-denied.es670":   "the server is not permitted to write to /backup/locked/tests-",
		"access-denied.es71728": "the server is not permitted to write to /backup/locked/tests-",
		"access-denied.os2110":  "the server is not permitted to write to /backup/locked/tests-",
		"access-denied-list.es670": "the server is not permitted to write to /backup/locked: make the user that runs " +
			"the server the owner of the folder (uid 1000 in the official images)",
		"node-without-mount.es670":  "node n3 does not see /backup/rel: the same storage must be mounted there on every master and data node",
		"node-without-mount.os2110": "node n3 does not see /backup/rel: the same storage must be mounted there on every master and data node",
		"node-without-repository.es670": "node n3 cannot use the repository: give the node the same path.repo and mount as the others, " +
			"and restart it",
		"no-plugin.es670": "the plugin repository-s3 is not installed: install it on every node and restart the nodes " +
			"(Elasticsearch 8 and later has it built in)",
		"no-plugin.es920": "the plugin repository-s3 is not installed: install it on every node and restart the nodes " +
			"(Elasticsearch 8 and later has it built in)",
		"no-type.es71728":       "this server does not support repositories of type url",
		"url-not-allowed.es670": "add the URL to repositories.url.allowed_urls on every node, and restart the nodes",
	} {
		data, err := os.ReadFile("../internal/es/testdata/errors/" + file + ".json")
		require.NoError(t, err)
		require.Contains(t, said(t, 500, string(data)), want, file)
	}
	require.Contains(t,
		said(t, 500, `{"error":{"type":"illegal_state_exception","reason":"Can't get text on a FIELD_NAME at 1:177"},"status":500}`),
		"a newer server wrote to this place", "6.7.0 in a folder of OpenSearch 2.11.0")
	for kind, builtIn := range map[string]bool{"s3": true, "azure": true, "gcs": true, "hdfs": false} {
		hint := said(t, 500, `{"error":{"type":"repository_exception","reason":"[r] repository type [`+kind+`] does not exist"},"status":500}`)
		require.Contains(t, hint, "the plugin repository-"+kind+" is not installed")
		require.Equal(t, builtIn, strings.Contains(hint, "built in"), "%s: %s", kind, hint)
	}
	for _, reason := range []string{
		"index and alias names need to be unique, but the following duplicates were found [orders (alias of [ord-1/hNfd__ujSXum7mGTDHjwpg])]",
		"index, alias, and data stream names need to be unique, " +
			"but the following duplicates were found [orders (alias of [ord-1]) conflicts with index]",
	} {
		hint := said(t, 500, `{"error":{"type":"illegal_state_exception","reason":"`+reason+`"},"status":500}`)
		require.Contains(t, hint, "delete or rename the index orders;")
		require.Contains(t, hint, "leave out --include-aliases")
	}
	frame := func(cause string) string {
		return `{"error":{"type":"repository_verification_exception","reason":"[r] path  is not accessible on master node","caused_by":` +
			cause + `},"status":500}`
	}
	require.Equal(t, "the storage is mounted read-only: mount it writable, or register the repository with readonly: true",
		said(t, 500, frame(`{"type":"file_system_exception","reason":"/backup/tests-x: Read-only file system"}`)))
	require.Equal(t, "the NFS mount is stale: mount the share again on that node",
		said(t, 500, frame(`{"type":"file_system_exception","reason":"/backup: Stale file handle"}`)))
	require.Equal(t, "the storage is full: delete old snapshots or enlarge the storage",
		said(t, 500, frame(`{"type":"i_o_exception","reason":"No space left on device"}`)))
	for reason, advice := range map[string]string{
		"/backup/x: Input/output error":                      "input/output error: check its disk",
		"[r] could not read repository data from index blob": "index file of the repository is damaged",
		`failed to create blob container","caused_by":{"type":"no_such_file_exception","reason":"/backup/x"},"x":"`: "mounted on every node",
		`failed to create snapshot","caused_by":{"type":"no_such_file_exception","reason":"/backup/x"},"x":"`:       "mounted on every node",
	} {
		require.Contains(t, said(t, 500, frame(`{"type":"repository_exception","reason":"`+reason+`"}`)), advice)
	}
}

// Bodies of real servers: the frame of each server around the innermost cause.
func TestExplainsS3(t *testing.T) {
	frames := map[string]string{
		"6.7 verify": `{"error":{"root_cause":[{"type":"repository_verification_exception",` +
			`"reason":"[wb] path  is not accessible on master node"}],"type":"repository_verification_exception",` +
			`"reason":"[wb] path  is not accessible on master node","caused_by":{"type":"i_o_exception",` +
			`"reason":"Unable to upload object [tests-20s6u4wBT_eKD44AK3Z_oA/master.dat] using a single upload","caused_by":CAUSE}},"status":500}`,
		"2.11 verify": `{"error":{"root_cause":[{"type":"repository_verification_exception",` +
			`"reason":"[wb] path  is not accessible on cluster-manager node"}],"type":"repository_verification_exception",` +
			`"reason":"[wb] path  is not accessible on cluster-manager node","caused_by":{"type":"i_o_exception",` +
			`"reason":"Unable to upload object [tests-uMzuBe3ORi-ZYzJQewxjUw/master.dat] using a single upload","caused_by":CAUSE}},"status":500}`,
		"6.7 list": `{"error":{"root_cause":[{"type":"repository_exception",` +
			`"reason":"[wb] could not read repository data from index blob"}],` +
			`"type":"repository_exception","reason":"[wb] could not read repository data from index blob",` +
			`"caused_by":{"type":"i_o_exception","reason":"Exception when listing blobs by prefix [index-]","caused_by":CAUSE}},"status":500}`,
		"2.11 list": `{"error":{"root_cause":[{"type":"repository_exception",` +
			`"reason":"[wb] Could not determine repository generation from root blobs"}],` +
			`"type":"repository_exception","reason":"[wb] Could not determine repository generation from root blobs",` +
			`"caused_by":{"type":"i_o_exception","reason":"Exception when listing blobs by prefix [index-]","caused_by":CAUSE}},"status":500}`,
		"create": `{"error":{"root_cause":[],"type":"repository_exception","reason":"[s1] failed to create repository",` +
			`"caused_by":CAUSE},"status":500}`,
		"bare": `{"error":CAUSE,"status":400}`,
	}
	const (
		noBucket = "the bucket does not exist: create it, or correct the setting bucket"
		badName  = "the setting bucket is missing or not a valid bucket name"
		noKey    = "the S3 server does not know the access key: set s3.client.NAME.access_key in the keystore of every node, " +
			"and reload the keystore"
		badKey  = "the secret key is wrong: set s3.client.NAME.secret_key in the keystore of every node, and reload the keystore"
		keyless = "the nodes do not have S3 keys for this client: set s3.client.NAME.access_key and secret_key in the keystore of every node"
		down    = "the S3 endpoint does not answer: check the setting endpoint, and that every node can reach the endpoint"
		unknown = "the nodes cannot resolve the name of the endpoint; if the bucket name is in front of it, " +
			"path-style access is off: use an IP address as endpoint, or, on Elasticsearch 7 and later and OpenSearch, " +
			"set s3.client.NAME.path_style_access: true"
		region   = "the bucket is in another region: set region to that of the bucket (Elasticsearch 6: an endpoint of that region)"
		east     = "the bucket is in the region us-east-1: set region to it (Elasticsearch 6: an endpoint of that region)"
		noTLS    = "the S3 server does not speak TLS: set protocol: http"
		noClient = "no s3.client.nope is configured on the nodes: correct the setting client, or configure the client"
		insecure = "keys must not be in the repository's settings: put them into the keystore of every node"
		class    = "choose another storage_class; archives such as glacier cannot be read back"
		feature  = "the S3 server does not support a requested feature: check server_side_encryption and storage_class"
		refuses  = "the S3 server refused the request: check the keys and the policy of the bucket"
	)
	const v1, v2 = "(Service: Amazon S3; Status Code: %; Request ID: ...; S3 Extended Request ID: ...)",
		"(Service: S3, Status Code: %, Request ID: ...)"
	old := func(status, code string) string { return strings.Replace(v1, "%", status+"; Error Code: "+code, 1) }
	new := func(status string) string { return strings.Replace(v2, "%", status, 1) }
	for _, c := range []struct {
		frame, typ, reason, want string
	}{
		{"6.7 verify", "amazon_s3_exception", "The specified bucket does not exist " + old("404", "NoSuchBucket"), noBucket},
		{"2.11 verify", "no_such_bucket_exception", "The specified bucket does not exist " + new("404"), noBucket},
		{"6.7 list", "amazon_s3_exception", "The specified bucket does not exist " + old("404", "NoSuchBucket"), noBucket},
		{"2.11 list", "no_such_bucket_exception", "The specified bucket does not exist " + new("404"), noBucket},
		{
			"6.7 verify",
			"amazon_s3_exception",
			"The Access Key Id you provided does not exist in our records. " + old("403", "InvalidAccessKeyId"),
			noKey,
		},
		{"2.11 verify", "s3_exception", "The Access Key Id you provided does not exist in our records. " + new("403"), noKey},
		{
			"6.7 verify",
			"amazon_s3_exception",
			"The request signature we calculated does not match the signature you provided. Check your key and signing method. " +
				old("403", "SignatureDoesNotMatch"),
			badKey,
		},
		{
			"2.11 verify",
			"s3_exception",
			"The request signature we calculated does not match the signature you provided. Check your key and signing method. " + new("403"),
			badKey,
		},
		{"6.7 verify", "amazon_service_exception", "Forbidden (Service: null; Status Code: 403; Error Code: null; Request ID: null)", keyless},
		{"2.11 verify", "sdk_client_exception", "Failed to load credentials from IMDS.", keyless},
		{
			"6.7 verify",
			"sdk_client_exception",
			"Unable to execute HTTP request: Connect to 127.0.0.1:9399 [/127.0.0.1] failed: Connection refused",
			down,
		},
		{
			"2.11 list",
			"sdk_client_exception",
			"Unable to execute HTTP request: Connect to 127.0.0.1:9399 [/127.0.0.1] failed: Connection refused",
			down,
		},
		{"6.7 verify", "unknown_host_exception", "es-snap.s3.no-such-host.invalid", unknown},
		{"6.7 verify", "unknown_host_exception", "es-snap.localhost", unknown},
		{"2.11 verify", "unknown_host_exception", "s3.no-such-host.invalid", unknown},
		{"6.7 verify", "s_s_l_exception", "Unsupported or unrecognized SSL message", noTLS},
		{"bare", "illegal_argument_exception", "Unknown s3 client name [nope]. Existing client configs: default,badkey,badsecret", noClient},
		{
			"2.11 verify",
			"illegal_argument_exception",
			"Unknown s3 client name [nope]. Existing client configs: default,badkey,badsecret",
			noClient,
		},
		{"bare", "illegal_argument_exception", "Setting [access_key] is insecure, but property [allow_insecure_settings] is not set", insecure},
		{
			"2.11 verify",
			"illegal_argument_exception",
			"Setting [access_key] is insecure, but property [allow_insecure_settings] is not set",
			insecure,
		},
		{"6.7 verify", "amazon_s3_exception", "The specified bucket is not valid. " + old("400", "InvalidBucketName"), badName},
		{"2.11 verify", "s3_exception", "The specified bucket is not valid. " + new("400"), badName},
		{"2.11 verify", "sdk_client_exception", "Unable to marshall request to JSON: Bucket cannot be empty.", badName},
		{"create", "blob_store_exception", "`gold` is not a valid S3 Storage Class.", class},
		{"create", "blob_store_exception", "Glacier storage class is not supported", class},
		{
			"2.11 verify",
			"s3_exception",
			"The authorization header is malformed; the region is wrong; expecting 'us-east-1'. " + new("400"),
			east,
		},
		{
			"2.11 verify",
			"sdk_client_exception",
			"Unable to load region from any of the providers in the chain software.amazon.awssdk",
			"set region: an S3 server of your own also needs one, such as us-east-1",
		},
		{
			"6.7 verify",
			"amazon_s3_exception",
			"Server side encryption specified but KMS is not configured " + old("501", "NotImplemented"),
			feature,
		},
		{"6.7 verify", "amazon_s3_exception", "Access Denied " + old("403", "AccessDenied"), refuses},
		{"2.11 verify", "s3_exception", "Access Denied " + new("403"), refuses},
		{"6.7 verify", "amazon_s3_exception", ". " + old("400", "AuthorizationHeaderMalformed"), region},
		{"6.7 verify", "amazon_s3_exception", "The authorization header is malformed; the region 'us-west-2' is wrong; " +
			"expecting 'us-east-1' " + old("400", "AuthorizationHeaderMalformed"), east},
		{"6.7 verify", "amazon_s3_exception", "The bucket you are attempting to access " + old("301", "PermanentRedirect"), region},
		{"6.7 verify", "amazon_s3_exception", "The provided token has expired. " + old("400", "ExpiredToken"),
			"the temporary keys have expired: put new ones into the keystore of every node, and reload the keystore"},
		{"6.7 verify", "amazon_s3_exception", "The difference between the request time and the server's time is too large. " +
			old("403", "RequestTimeTooSkewed"), "the clock of a node and that of the S3 server differ by minutes: set the clocks"},
		{"6.7 verify", "amazon_s3_exception", "Please reduce your request rate. " + old("503", "SlowDown"),
			"the S3 server limits the number of requests: run again later, or lower max_snapshot_bytes_per_sec of the repository"},
		{"6.7 verify", "amazon_s3_exception", "Storage backend has reached its minimum free drive threshold. " +
			old("507", "XMinioStorageFull"),
			"the storage of the bucket is full, or its quota is used up: delete old snapshots or enlarge the storage"},
		{"6.7 verify", "amazon_s3_exception", "user not found " + old("404", "XAdminUserNotFound"), noKey},
		{"6.7 verify", "repository_verification_exception", "[r] cannot delete test data at a/b",
			"the keys are not permitted to delete objects, or the storage refuses it: allow s3:DeleteObject in the policy of the bucket"},
		// Says itself what is wrong.
		{"create", "illegal_argument_exception", "failed to parse value [1mb] for setting [buffer_size], must be >= [5mb]", ""},
		{"create", "illegal_argument_exception", "[s2] chunk_size (10mb) can't be lower than buffer_size (50mb).", ""},
	} {
		body := strings.Replace(frames[c.frame], "CAUSE", `{"type":"`+c.typ+`","reason":"`+c.reason+`"}`, 1)
		require.Equal(t, c.want, said(t, 500, body), "%s: %s", c.frame, c.reason)
	}
	nested := strings.Replace(frames["2.11 verify"], "CAUSE",
		`{"type":"sdk_client_exception",`+
			`"reason":"Received an UnknownHostException when attempting to interact with a service. See cause for the exact `+
			`endpoint that is failing to resolve.","caused_by":{"type":"unknown_host_exception","reason":"s3.no-such-host.invalid"}}`,
		1)
	require.Equal(t, unknown, said(t, 500, nested))
	vanished := `{"error":{"type":"snapshot_missing_exception","reason":"[va:s0/Fe1fOZQ7RquzjDpSuj4lTw] is missing",` +
		`"caused_by":{"type":"no_such_file_exception",` +
		`"reason":"Blob object [v/snap-Fe1f.dat] not found: The specified bucket does not exist (Service: S3, Status Code: 404,` +
		` Request ID: ...)"}},"status":404}`
	require.Equal(t, noBucket, said(t, 404, vanished))
}

func TestExplainLeavesOthersAlone(t *testing.T) {
	plain := errors.New("Connection refused")
	require.Equal(t, plain, repository.Explain(plain))
	require.NoError(t, repository.Explain(nil))
	hinted := &cluster.Error{
		Op:     "x",
		Kind:   cluster.ErrForbidden,
		Hint:   "own advice",
		Causes: []cluster.Cause{{Reason: "The specified bucket does not exist"}},
	}
	require.Equal(t, "own advice", cluster.Hint(repository.Explain(hinted)))
}

// A lost reply says nothing: what is there is compared, and verified where that was
// asked for.
func TestRegisterWhoseReplyIsLost(t *testing.T) {
	ctx := context.Background()
	ask := cluster.RegisterRepository{Name: "r", Type: "fs", Settings: settings{"location": "/new"}, Verify: true}
	for name, c := range map[string]struct {
		before, after string // what the name stands for
		broken        bool   // no node can verify it
		want          string
	}{
		"it was carried out":         {"", "/new", false, ""},
		"it was not":                 {"", "", false, "missing"},
		"the old one is still there": {"/old", "/old", false, "location is /old"},
		"it cannot be verified":      {"", "/new", true, "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			m := memory.New()
			register := func(location string) {
				if location != "" {
					require.NoError(t, m.RegisterRepository(ctx, cluster.RegisterRepository{
						Name:     "r",
						Type:     "fs",
						Settings: settings{"location": location},
					}))
				}
			}
			register(c.before)
			m.Fault = func(method string, _ []string) error {
				switch {
				case method == "RegisterRepository":
					return cluster.ErrLost
				case method == "VerifyRepository" && c.broken:
					return errors.New("broken")
				}
				return nil
			}
			lose := m.Fault
			m.Fault = nil
			register(c.after)
			m.Fault = lose
			err := repository.Register(ctx, m, ask)
			if c.want == "" {
				require.NoError(t, err)
				require.Len(t, m.CallsOf("VerifyRepository"), 1)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestAskedFor: who registers a repository by a command learns whether it works, also the
// second time; and what the server does not show, such as keys, can be replaced by force.
func TestAskedFor(t *testing.T) {
	c := memory.New()
	spec := repository.Spec{Name: "r", Type: "fs", Settings: map[string]any{"location": "r"}, Asked: true}
	_, err := repository.Ensure(t.Context(), c, spec, false)
	require.NoError(t, err)
	st, err := repository.Ensure(t.Context(), c, spec, false)
	require.NoError(t, err)
	require.Equal(t, "as declared, verified by 1 node", st.Detail)
	broken := &cluster.Error{Op: "verify repository r", Kind: cluster.ErrRepository}
	c.Fault = func(method string, _ []string) error {
		if method == "VerifyRepository" {
			return broken
		}
		return nil
	}
	_, err = repository.Ensure(t.Context(), c, spec, false)
	require.ErrorIs(t, err, broken)
	spec.Asked = false
	_, err = repository.Ensure(t.Context(), c, spec, false)
	require.NoError(t, err, "a run verifies before it takes a snapshot")
	spec.Asked, c.Fault = true, nil
	before := len(c.Calls())
	st, err = repository.Ensure(t.Context(), c, spec, true)
	require.NoError(t, err)
	require.True(t, st.Changed)
	require.True(t, slices.ContainsFunc(c.Calls()[before:], func(x memory.Call) bool { return x.Method == "RegisterRepository" }))
}

// TestNoTokenInTheRepository: servers show it to everybody.
func TestNoTokenInTheRepository(t *testing.T) {
	err := repository.Spec{Name: "r", Type: "s3", Settings: map[string]any{"bucket": "b", "session_token": "canary"}}.Validate()
	require.ErrorContains(t, err, "s3.client.NAME.session_token into the keystore")
	require.NotContains(t, err.Error(), "canary")
}

// TestExplained: whatever reads or writes a repository says what its failure means.
func TestExplained(t *testing.T) {
	c := memory.New()
	c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"i"}})
	gone := &cluster.Error{Op: "x", Kind: cluster.ErrRepository, Causes: []cluster.Cause{{Reason: "The specified bucket does not exist"}}}
	c.Fault = func(string, []string) error { return gone }
	ctx, e := t.Context(), repository.Explained(c)
	for name, call := range map[string]func() error{
		"list":     func() error { _, err := e.Snapshots(ctx, "r", true); return err },
		"show":     func() error { _, err := e.Snapshot(ctx, "r", "s"); return err },
		"named":    func() error { _, err := e.SnapshotsNamed(ctx, "r", []string{"s"}); return err },
		"names":    func() error { _, err := e.SnapshotUUIDs(ctx, "r"); return err },
		"sizes":    func() error { _, err := e.SnapshotSizes(ctx, "r", "s"); return err },
		"verify":   func() error { _, err := e.VerifyRepository(ctx, cluster.VerifyRepository{Name: "r"}); return err },
		"register": func() error { return e.RegisterRepository(ctx, cluster.RegisterRepository{Name: "r"}) },
		"delete": func() error {
			return e.DeleteSnapshots(ctx, cluster.DeleteSnapshots{Repository: "r", Names: []string{"s"}})
		},
	} {
		err := call()
		require.ErrorIs(t, err, gone, name)
		require.Contains(t, cluster.Hint(err), "the bucket does not exist", name)
	}
	c.Fault = func(string, []string) error { return &cluster.Error{Op: "x", Kind: cluster.ErrReplaced} }
	_, err := e.Snapshots(ctx, "r", false)
	require.ErrorAs(t, err, new(*cluster.Refused))
	c.Fault = nil
	list, err := e.Snapshots(ctx, "r", true)
	require.NoError(t, err)
	require.Len(t, list, 1)
}

// TestPlaceOfAnotherCluster: a place with another cluster's snapshots is not taken over.
func TestPlaceOfAnotherCluster(t *testing.T) {
	setup := func(taker string) *memory.Memory {
		c := memory.New()
		c.AddSnapshot("theirs", cluster.Snapshot{Name: "s", Indices: []string{"i"}, Cluster: taker})
		require.NoError(t, c.UnregisterRepository(t.Context(), cluster.UnregisterRepository{Name: "theirs"}))
		return c
	}
	spec := func(change func(*repository.Spec)) repository.Spec {
		s := repository.Spec{Name: "mine", Type: "fs", Settings: map[string]any{"location": "theirs"}}
		change(&s)
		return s
	}
	c := setup("another-uuid")
	_, err := repository.Ensure(t.Context(), c, spec(func(*repository.Spec) {}), false)
	var refused *cluster.Refused
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "repository mine contains snapshots of another cluster, another-uuid, such as s")
	require.Contains(t, cluster.Hint(err), "owner: memory-cluster-uuid")
	_, err = c.Repository(t.Context(), "mine")
	require.ErrorIs(t, err, cluster.ErrNoRepository)
	for _, change := range []func(*repository.Spec){
		func(s *repository.Spec) { s.Owner = "memory-cluster-uuid" },
		func(s *repository.Spec) { s.Settings["readonly"] = true },
	} {
		_, err := repository.Ensure(t.Context(), setup("another-uuid"), spec(change), false)
		require.NoError(t, err)
	}
	for _, taker := range []string{"", "memory-cluster-uuid"} {
		_, err := repository.Ensure(t.Context(), setup(taker), spec(func(*repository.Spec) {}), false)
		require.NoError(t, err)
	}
}
