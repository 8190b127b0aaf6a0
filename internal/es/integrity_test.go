package es

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// The servers of the tests do not have _verify_integrity: the replies are made after its
// source and documentation.
func TestIntegrity(t *testing.T) {
	root := exchange{
		line:  "GET /",
		reply: `{"cluster_name":"logs","cluster_uuid":"I1fp","version":{"number":"8.19.7"},"tagline":"You Know, for Search"}`,
	}
	ask := func(status int, reply string) exchange {
		return exchange{line: "POST /_snapshot/r/_verify_integrity", status: status, reply: reply, asIs: true}
	}
	for name, c := range map[string]struct {
		sent []exchange
		want cluster.Integrity
		err  string
	}{
		"pass": {[]exchange{root, ask(0, `{"log":[{"timestamp_in_millis":1,"snapshot":{"id":"a"}}],"results":{"status":{},
			"final_repository_generation":0,"total_anomalies":0,"result":"pass"}}`)}, cluster.Integrity{Result: "pass"}, ""},
		"fail": {[]exchange{root, ask(0, `{"log":[{"index":{}},{"anomaly":"missing blob","blob":{}},{"anomaly":"unknown blob"}],
			"results":{"total_anomalies":2,"result":"fail"}}`)}, cluster.Integrity{Result: "fail", Anomalies: 2, First: "missing blob"}, ""},
		"given up": {
			[]exchange{root, ask(0, `{"log":[{"anomaly":"missing blob"},{"anomaly":"missing blob"}],"exception":{"type":"x"}}`)},
			cluster.Integrity{Anomalies: 2, First: "missing blob"}, `"results" is missing`,
		},
		"written to": {
			[]exchange{root, ask(0, `{"log":[{"anomaly":"unknown blob"}],"results":{"status":{"repository":{"generation":2}},
				"final_repository_generation":3,"total_anomalies":1,"result":"fail"}}`)},
			cluster.Integrity{Result: "fail", Anomalies: 1, First: "unknown blob", Changed: true}, "",
		},
		"no results":    {[]exchange{root, ask(0, `{"log":[]}`)}, cluster.Integrity{}, `"results" is missing`},
		"not there":     {[]exchange{root, ask(405, `{"error":"Incorrect HTTP method for uri","status":405}`)}, cluster.Integrity{}, "x-pack"},
		"not yet":       {[]exchange{{line: "GET /", reply: root670}}, cluster.Integrity{}, "from 8.16 on"},
		"no OpenSearch": {[]exchange{{line: "GET /", reply: root2110}}, cluster.Integrity{}, "OpenSearch 2.11.0 cannot do it"},
	} {
		t.Run(name, func(t *testing.T) {
			cl, _ := play(t, Options{}, c.sent...)
			got, err := cl.Integrity(context.Background(), "r")
			require.Equal(t, c.want, got)
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.err)
		})
	}
}
