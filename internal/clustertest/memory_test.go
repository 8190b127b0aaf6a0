package clustertest

import (
	"path"
	"testing"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

func TestMemoryContract(t *testing.T) {
	for _, test := range []struct {
		name   string
		server Option
		polls  int
	}{
		{"es670", Elasticsearch("6.7.0"), 0},
		{"es670 slow", Elasticsearch("6.7.0"), 2},
		{"es8197", Elasticsearch("8.19.7"), 0},
		{"os2110 slow", OpenSearch("2.11.0"), 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			Contract(t, func(*testing.T) Fixture {
				m := New(test.server)
				m.SnapshotPolls, m.RestorePolls = test.polls, test.polls
				return Fixture{
					Cluster:  m,
					Prefix:   "contract-",
					Location: func(name string) string { return path.Join("/backup", name) },
					CreateIndex: func(_ *testing.T, name string, s Setup) {
						i := cluster.Index{
							Name: name, Replicas: s.Replicas, Closed: s.Closed, Aliases: s.Aliases, WriteAliases: s.WriteAliases,
							Stats: &cluster.IndexStats{Docs: int64(s.Documents), Bytes: 300, PrimaryBytes: 300},
						}
						if s.Documents > 0 {
							last := FirstDocument.Add(time.Duration(s.Documents-1) * time.Hour)
							i.Fields = map[string]cluster.FieldRange{"@timestamp": {Min: FirstDocument, Max: last, Found: true}}
						}
						m.AddIndex(i)
					},
				}
			})
		})
	}
}
