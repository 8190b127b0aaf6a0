package cluster

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Server is the distribution and version of a cluster. A version that could not be read
// is zero and is treated as the oldest supported one.
type Server struct {
	OpenSearch bool
	Version    Version
	Text       string // the version as the server writes it; empty if unknown
	Name       string // cluster name
	UUID       string // cluster uuid
}

// Sight is why listings may be incomplete: the user may not read the state of the cluster,
// and what is read instead does not contain everything. The zero value: they are complete.
type Sight struct {
	Indices    error // indices that the user may not see are missing
	Operations error // running deletions of snapshots and running restores are missing
}

// Version is major.minor.patch.
type Version [3]int

// ParseVersion reads "6.7.0", "8.0.0-rc1"; missing and unreadable parts are 0.
func ParseVersion(s string) Version {
	var v Version
	s, _, _ = strings.Cut(s, "-")
	for i, p := range strings.SplitN(s, ".", 3) {
		v[i], _ = strconv.Atoi(p)
	}
	return v
}

// Less orders versions.
func (v Version) Less(o Version) bool {
	for i := range v {
		if v[i] != o[i] {
			return v[i] < o[i]
		}
	}
	return false
}

// String writes major.minor.patch.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// String names the server in texts.
func (s Server) String() string {
	if s.Text == "" {
		return "a server of unknown version"
	}
	if s.OpenSearch {
		return "OpenSearch " + s.Text
	}
	return "Elasticsearch " + s.Text
}

func (s Server) since(v Version) bool { return s.OpenSearch || !s.Version.Less(v) }

// DeletesMany reports whether one request can delete several snapshots (Elasticsearch 7.8
// and OpenSearch).
func (s Server) DeletesMany() bool { return s.since(Version{7, 8, 0}) }

// CleansUp reports whether the server can delete files of a repository that no snapshot
// uses.
func (s Server) CleansUp() bool { return s.since(Version{7, 4, 0}) }

// Concurrent reports whether snapshot operations may overlap (Elasticsearch 7.9 and
// OpenSearch); older servers refuse a second one.
func (s Server) Concurrent() bool { return s.since(Version{7, 9, 0}) }

// SnapshotsClosed reports whether a snapshot may contain closed indices (Elasticsearch 7.2
// and OpenSearch).
func (s Server) SnapshotsClosed() bool { return s.since(Version{7, 2, 0}) }

// ChecksIntegrity reports whether it can look for missing files in a repository
// (Elasticsearch 8.16 with x-pack, _verify_integrity).
func (s Server) ChecksIntegrity() bool { return !s.OpenSearch && !s.Version.Less(Version{8, 16, 0}) }

// Integrity is what a server found out about the files of a repository.
type Integrity struct {
	Result    string // pass, fail, or why it cannot tell, in the words of the server
	Anomalies int64
	First     string // of the anomalies
	Changed   bool   // something was written meanwhile: the anomalies may be none
}

// IntegrityPass is the result of a repository without anomalies.
const IntegrityPass = "pass"

// LosesMounts reports whether it deletes a snapshot from which an index is mounted
// (Elasticsearch 7.10, elastic/elasticsearch#73947), or may do so. OpenSearch refuses that.
func (s Server) LosesMounts() bool {
	return s.Version == (Version{}) || !s.OpenSearch && !s.Version.Less(Version{7, 10, 0})
}

// TracksRepositories reports whether the cluster remembers what it last wrote to a
// repository, and refuses a repository with other contents (Elasticsearch 7.6 and
// OpenSearch).
func (s Server) TracksRepositories() bool { return s.since(Version{7, 6, 0}) }

// FeaturesOnly reports whether the server refuses to restore an index of a feature by its
// name (Elasticsearch 8).
func (s Server) FeaturesOnly() bool { return !s.OpenSearch && !s.Version.Less(Version{8, 0, 0}) }

// HasFeatureStates reports whether snapshots and restores can name features (Elasticsearch
// 7.12).
func (s Server) HasFeatureStates() bool { return !s.OpenSearch && !s.Version.Less(Version{7, 12, 0}) }

// HasSnapshotMetadata reports whether a snapshot can have metadata of the caller
// (Elasticsearch 7.3 and OpenSearch).
func (s Server) HasSnapshotMetadata() bool { return s.since(Version{7, 3, 0}) }

// CanRead reports whether this server can restore snapshots of the given version of the
// same distribution, and why not. OpenSearch 1 reads Elasticsearch 6.8 to 7.10, OpenSearch
// 2 only 7. An unknown version is allowed; then the server decides.
func (s Server) CanRead(snapshotVersion string) (ok bool, why string) {
	v := ParseVersion(snapshotVersion)
	if snapshotVersion == "" || v == (Version{}) || s.Version == (Version{}) {
		return true, ""
	}
	if s.OpenSearch && v[0] >= 6 && v[0] <= 7 { // written by Elasticsearch
		if v[0]-5 < s.Version[0] { // OpenSearch 1 reads 6 and 7, 2 reads 7, 3 none of them
			return false, fmt.Sprintf("it was taken by Elasticsearch %s, which %s cannot read", snapshotVersion, s)
		}
		return true, ""
	}
	if s.Version.Less(v) {
		return false, fmt.Sprintf("it was taken by version %s, which is newer than this %s", snapshotVersion, s)
	}
	if s.Version[0]-v[0] > 1 {
		return false, fmt.Sprintf("it was taken by version %s; %s reads only indices of the previous major version", snapshotVersion, s)
	}
	return true, ""
}

// Capacity is the space and the shard limit of the data nodes.
type Capacity struct {
	Nodes         []Disk
	HighWatermark string // as set: "90%" or an absolute free size such as "10gb"
	WatermarkOn   bool
	ShardLimit    int // cluster.max_shards_per_node times data nodes; 0 if the server does not have the setting
	Shards        int // open shards now, replicas included
	// Holding are the settings of the cluster that keep shards of new indices from being allocated,
	// to all nodes or to some, as NAME: VALUE.
	Holding []string
}

// Disk is the file system of one data node.
type Disk struct {
	Node        string
	Total, Free int64 // bytes
}

// Age is now minus t in whole units: 3h, 45d.
func Age(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := now.Sub(t)
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}
