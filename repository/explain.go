package repository

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"

	"github.com/esnap/esnap/internal/cluster"
)

// diagnosis turns a server's reason into advice. $1 is the expression's first group.
type diagnosis struct {
	words  *regexp.Regexp
	advice string
}

// diagnoses are tried in order on all the reasons of an error. The texts are those of the
// servers, Elasticsearch 6.7 to 9 and OpenSearch 1 to 3. They are compiled at the first
// failure, because that takes as long as a tenth of "esnap version".
var diagnoses = sync.OnceValue(func() []diagnosis {
	return []diagnosis{
		{regexp.MustCompile(`location \[([^\]]*)\] doesn't match any of the locations specified by path\.repo because this setting is empty`),
			"path.repo is not set: add the folder to path.repo in the configuration of every node, and restart the nodes"},
		{regexp.MustCompile(`location \[([^\]]*)\] doesn't match any of the locations specified by path\.repo`),
			"$1 is not below an entry of path.repo: add it to path.repo on every node and restart the nodes, or choose a location below an entry"},
		{regexp.MustCompile(`doesn't match any of the locations specified by path\.repo or repositories\.url\.allowed_urls`),
			"add the URL to repositories.url.allowed_urls on every node, and restart the nodes"},
		{
			regexp.MustCompile(`repository type \[(hdfs)\] does not exist`),
			"the plugin repository-$1 is not installed: install it on every node and restart the nodes",
		},
		{regexp.MustCompile(`repository type \[(s3|azure|gcs)\] does not exist`),
			"the plugin repository-$1 is not installed: install it on every node and restart the nodes (Elasticsearch 8 and later has it built in)"},
		{regexp.MustCompile(`repository type \[([^\]]*)\] does not exist`), "this server does not support repositories of type $1"},
		{regexp.MustCompile(`a file written by (?:master|cluster-manager|cluster_manager) to the store \[([^\]]*)\] cannot ` +
			`be accessed on the node \[\{([^}]*)\}`),
			"node $2 does not see $1: the same storage must be mounted there on every master and data node"},
		{regexp.MustCompile(`\[\{([^}]*)\}[^\]]*\][^\n]*(?:RepositoryMissingException|location \[[^\]]*\] doesn't match)`),
			"node $1 cannot use the repository: give the node the same path.repo and mount as the others, and restart it"},
		{
			regexp.MustCompile(`AccessDeniedException\[([^\]]*)\]`),
			"the server is not permitted to write to $1: make the user that runs the server the owner of the folder (uid 1000 " +
				"in the official images)",
		},
		{regexp.MustCompile(`(?i)(?:in|from) a readonly repository|repository is readonly`),
			"the repository is registered here with readonly: true; " +
				"write to it only through the cluster that owns it: a second cluster that writes to it damages it"},
		{
			regexp.MustCompile(`(?i)read-only file system`),
			"the storage is mounted read-only: mount it writable, or register the repository with readonly: true",
		},
		{regexp.MustCompile(`(?i)stale (?:nfs )?file handle`), "the NFS mount is stale: mount the share again on that node"},
		{regexp.MustCompile(`(?i)no space left on device`), "the storage is full: delete old snapshots or enlarge the storage"},
		{regexp.MustCompile(`(?i)input/output error`), "the storage reports an input/output error: check its disk, and its mount on every node"},
		{
			regexp.MustCompile(`Error Code: NoSuchBucket|The specified bucket does not exist`),
			"the bucket does not exist: create it, or correct the setting bucket",
		},
		{
			regexp.MustCompile(`InvalidBucketName|The specified bucket is not valid|Bucket cannot be empty`),
			"the setting bucket is missing or not a valid bucket name",
		},
		{
			regexp.MustCompile(`InvalidAccessKeyId|Access Key Id you provided does not exist|XAdminUserNotFound`),
			"the S3 server does not know the access key: set s3.client.NAME.access_key in the keystore of every node, and reload the keystore",
		},
		{
			regexp.MustCompile(`SignatureDoesNotMatch|signature we calculated does not match`),
			"the secret key is wrong: set s3.client.NAME.secret_key in the keystore of every node, and reload the keystore",
		},
		{
			regexp.MustCompile(`Failed to load credentials|Unable to load (?:AWS )?credentials|Error Code: null; Request ID: null`),
			"the nodes do not have S3 keys for this client: set s3.client.NAME.access_key and secret_key in the keystore of every node",
		},
		{
			regexp.MustCompile(`Unknown s3 client name \[([^\]]*)\]`),
			"no s3.client.$1 is configured on the nodes: correct the setting client, or configure the client",
		},
		{
			regexp.MustCompile(`is insecure, but property`),
			"keys must not be in the repository's settings: put them into the keystore of every node",
		},
		{
			regexp.MustCompile(`region (?:'[^']*' )?is wrong; expecting '([^']*)'`),
			"the bucket is in the region $1: set region to it (Elasticsearch 6: an endpoint of that region)",
		},
		{
			regexp.MustCompile(`AuthorizationHeaderMalformed|PermanentRedirect|Status Code: 301`),
			"the bucket is in another region: set region to that of the bucket (Elasticsearch 6: an endpoint of that region)",
		},
		{regexp.MustCompile(`Unable to load region`), "set region: an S3 server of your own also needs one, such as us-east-1"},
		{regexp.MustCompile(`Unsupported or unrecognized SSL message`), "the S3 server does not speak TLS: set protocol: http"},
		{
			regexp.MustCompile(`UnknownHostException[^\n]*?([\w.-]+\.[\w.-]+)|unknown_host_exception`),
			"the nodes cannot resolve the name of the endpoint; if the bucket name is in front of it, " +
				"path-style access is off: use an IP address as endpoint, or, on Elasticsearch 7 and later and OpenSearch, " +
				"set s3.client.NAME.path_style_access: true",
		},
		{
			regexp.MustCompile(`Connect to ([^ \]]+)[^\n]*failed: Connection refused|Connection refused`),
			"the S3 endpoint does not answer: check the setting endpoint, and that every node can reach the endpoint",
		},
		{
			regexp.MustCompile(`RequestTimeTooSkewed`),
			"the clock of a node and that of the S3 server differ by minutes: set the clocks",
		},
		{
			regexp.MustCompile(`ExpiredToken|The provided token has expired`),
			"the temporary keys have expired: put new ones into the keystore of every node, and reload the keystore",
		},
		{
			regexp.MustCompile(`XMinioStorageFull|QuotaExceeded|Bucket quota exceeded`),
			"the storage of the bucket is full, or its quota is used up: delete old snapshots or enlarge the storage",
		},
		{
			regexp.MustCompile(`SlowDown|reduce your request rate|Status Code: 503`),
			"the S3 server limits the number of requests: run again later, or lower max_snapshot_bytes_per_sec of the repository",
		},
		{
			regexp.MustCompile(`XMinioInvalidObjectName`),
			"base_path is not a valid name of an object: write it without a slash at either end",
		},
		{
			regexp.MustCompile(`cannot delete test data`),
			"the keys are not permitted to delete objects, or the storage refuses it: allow s3:DeleteObject in the policy of the bucket",
		},
		{regexp.MustCompile(`Status Code: 403`), "the S3 server refused the request: check the keys and the policy of the bucket"},
		{
			regexp.MustCompile(`NotImplemented|Status Code: 501`),
			"the S3 server does not support a requested feature: check server_side_encryption and storage_class",
		},
		{
			regexp.MustCompile(`names need to be unique, but the following duplicates were found \[([^ \]]+) \(alias of`),
			"delete or rename the index $1; or leave out --include-aliases; or leave include_aliases out of the file",
		},
		{regexp.MustCompile(`Can't get text on a FIELD_NAME`),
			"a newer server wrote to this place, and this version cannot read its list of snapshots: use another location, " +
				"or the server that wrote there"},
		{regexp.MustCompile(`(?i)storage ?class`), "choose another storage_class; archives such as glacier cannot be read back"},
		// Elasticsearch 8 and 9 report no more than this; the others report it around the reason.
		{regexp.MustCompile(`RemoteTransportException(?:: )?\[{1,2}([^\[\]]+)\]\[[^\]]*\]\[internal:admin/repository/verify\]`),
			"node $1 cannot use the repository: give the node the same path.repo and mount as the others, and restart it"},
		// What the frames around any reason say, where the reason itself is of no known kind.
		{regexp.MustCompile(`could not read repository data from index blob`),
			"the index file of the repository is damaged or incomplete: bring it back from a backup of the storage, or register a new location"},
		{regexp.MustCompile(`failed to create blob container|failed to create snapshot\n(?s:.*)NoSuchFileException`),
			"check that the storage is mounted on every node, and that the folder exists"},
	}
})

// Explain adds advice to a repository's failure if the server's reasons are of a known
// kind. Other errors are returned unchanged.
//
// A repository whose contents were replaced is a refusal: nothing may be deleted while
// the snapshots may be somewhere else.
func Explain(err error) error {
	if err == nil {
		return nil
	}
	var refused *cluster.Refused
	if errors.As(err, &refused) {
		return err
	}
	replaced := errors.Is(err, cluster.ErrReplaced)
	if cluster.Hint(err) == "" {
		if advice := advise(err); advice != "" {
			err = cluster.WithHint(err, "%s", advice)
		} else if replaced {
			err = cluster.WithHint(err, "check that the right storage is mounted on every node (s3: the bucket and base_path); "+
				"if its contents were replaced on purpose, "+
				"the same command with --force registers the repository again as declared in the file (if it is not declared in "+
				"a file: esnap repository register NAME TYPE SETTINGS --force)")
		}
	}
	if replaced {
		err = &cluster.Refused{Err: err}
	}
	return err
}

// Explained is the cluster with advice on the failures of its repositories.
func Explained(c cluster.Cluster) cluster.Cluster {
	return cluster.Intercept(explained{c}, c, func(_ context.Context, _ cluster.Op, do func() error) error { return Explain(do()) })
}

// explained explains the failures of what reads a repository.
type explained struct{ cluster.Reader }

func (e explained) Snapshots(ctx context.Context, repository string, contents bool) ([]*cluster.Snapshot, error) {
	list, err := e.Reader.Snapshots(ctx, repository, contents)
	return list, Explain(err)
}

func (e explained) Snapshot(ctx context.Context, repository, name string) (*cluster.Snapshot, error) {
	s, err := e.Reader.Snapshot(ctx, repository, name)
	return s, Explain(err)
}

func (e explained) SnapshotsNamed(ctx context.Context, repository string, names []string) ([]*cluster.Snapshot, error) {
	list, err := e.Reader.SnapshotsNamed(ctx, repository, names)
	return list, Explain(err)
}

func (e explained) SnapshotUUIDs(ctx context.Context, repository string) (map[string]string, error) {
	uuids, err := e.Reader.SnapshotUUIDs(ctx, repository)
	return uuids, Explain(err)
}

func (e explained) SnapshotSizes(ctx context.Context, repository, name string) (map[string]int64, error) {
	sizes, err := e.Reader.SnapshotSizes(ctx, repository, name)
	return sizes, Explain(err)
}

// advise returns advice on an error whose reasons are of a known kind, or nothing.
func advise(err error) string {
	var e *cluster.Error
	if !errors.As(err, &e) {
		return ""
	}
	var words strings.Builder
	for _, c := range e.Causes {
		switch c.Type {
		case "access_denied_exception":
			words.WriteString("AccessDeniedException[" + c.Reason + "]\n")
		case "no_such_file_exception":
			words.WriteString("NoSuchFileException[" + c.Reason + "]\n")
		case "unknown_host_exception":
			words.WriteString("unknown_host_exception " + c.Reason + "\n")
		default:
			words.WriteString(c.Reason + "\n")
		}
	}
	text := words.String()
	for _, d := range diagnoses() {
		if m := d.words.FindStringSubmatch(text); m != nil {
			advice := d.advice
			for i, group := range m[1:] {
				advice = strings.ReplaceAll(advice, "$"+string(rune('1'+i)), group)
			}
			return advice
		}
	}
	return ""
}
