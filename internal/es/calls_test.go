package es

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

const (
	listing = "cluster_uuid,metadata.cluster_uuid,blocks.global,metadata.indices.*.state,metadata.indices.*.aliases," +
		`metadata.indices.*.system,metadata.indices.*.settings.index\.uuid,metadata.indices.*.settings.index\.creation_date,` +
		`metadata.indices.*.settings.index\.hidden,metadata.indices.*.settings.index\.lifecycle\.name,` +
		`metadata.indices.*.settings.index\.routing\.allocation\.exclude\.esnap_*,metadata.indices.*.settings.index\.blocks\.*,` +
		`metadata.indices.*.settings.index\.store\.*,` +
		`metadata.indices.*.settings.index\.searchable_snapshot\.*,metadata.indices.*.rollover_info.*.time,` +
		`metadata.data_stream.data_stream.*.indices.index_name&flat_settings=true`
	snapshots = "snapshots.snapshot,snapshots.uuid,snapshots.version,snapshots.state,snapshots.reason,snapshots.include_global_state," +
		"snapshots.start_time_in_millis,snapshots.end_time_in_millis,snapshots.shards,snapshots.failures," +
		"snapshots.metadata.policy,snapshots.metadata.sm_policy,snapshots.metadata.esnap.cluster_uuid,failures"
	running = "cluster_uuid,snapshots.snapshots.repository,snapshots.snapshots.snapshot,snapshots.snapshots.start_time_millis," +
		"snapshots.snapshots.indices," +
		"snapshot_deletions,restore.snapshots.repository,restore.snapshots.snapshot,restore.snapshots.indices"
	waited = "cluster_uuid,snapshots.snapshots.repository,snapshots.snapshots.snapshot,snapshots.snapshots.shards.state," +
		"snapshots.snapshots.shards.node,nodes.*.name"
	health = "status,indices.*.status,indices.*.number_of_shards,indices.*.active_primary_shards,indices.*.initializing_shards," +
		"indices.*.relocating_shards,indices.*.unassigned_shards"
)

const (
	stats = "_stats/docs,store?filter_path=_shards.total,indices.*.primaries.docs.count,indices.*.primaries.store.size_in_bytes," +
		"indices.*.total.store.size_in_bytes"
	explained = "current_state,can_allocate,allocate_explanation,unassigned_info.reason,unassigned_info.at," +
		"node_allocation_decisions.deciders.decider,node_allocation_decisions.deciders.decision"
	capacity = "*.cluster.routing.allocation.disk,*.cluster.max_shards_per_node,*.cluster.routing.allocation.enable," +
		"*.cluster.routing.allocation.include,*.cluster.routing.allocation.exclude,*.cluster.routing.allocation.require"
	noIndex = `{"error":{"type":"index_not_found_exception","reason":"no such index [gone]","index":"gone"},"status":404}`
)

const segmentNumbers = "_shards.total,indices.*.shards.*.num_search_segments,indices.*.shards.*.num_committed_segments"

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// Every read: exactly what is sent, and what is made of the replies of real
// servers (shortened; the flavour is named where it matters).
func TestReads(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name string
		call func(*Client) (any, error)
		sent []exchange
		want any
	}{
		{"clock", func(c *Client) (any, error) { now, err := c.Clock(ctx); return now.UTC(), err },
			[]exchange{{
				line:  "GET /_nodes/_master/stats/process?filter_path=nodes.*.timestamp",
				reply: `{"nodes":{"kuh1":{"timestamp":1795232933400}}}`,
			}},
			at(1795232933400)},
		{"nothing runs, right after a restart", func(c *Client) (any, error) { return c.Running(ctx) },
			[]exchange{{line: "GET /_cluster/state/customs?filter_path=" + running, reply: `{}`}}, []cluster.Operation(nil)},
		{"segments", func(c *Client) (any, error) { return c.Segments(ctx, []string{"a", "b"}) },
			[]exchange{{line: "GET /a,b/_segments?filter_path=" + segmentNumbers + "",
				reply: `{"_shards":{"total":3},"indices":{"a":{"shards":{"0":[{"num_search_segments":1,"num_committed_segments":1}],` +
					`"1":[{"num_search_segments":3,"num_committed_segments":3}]}},` +
					`"b":{"shards":{"0":[{"num_search_segments":2,"num_committed_segments":2}]}}}}`}},
			map[string]cluster.Segments{"a": {All: 4, Most: 3}, "b": {All: 2, Most: 2}}},
		{"segments that no search sees yet", func(c *Client) (any, error) { return c.Segments(ctx, []string{"a", "b", "c"}) },
			[]exchange{
				{line: "GET /a,b,c/_segments?filter_path=" + segmentNumbers + "",
					reply: `{"_shards":{"total":3},"indices":{"a":{"shards":{"0":[{"num_search_segments":3,"num_committed_segments":1}]}},` +
						`"b":{"shards":{"0":[{"num_search_segments":3,"num_committed_segments":1}]}},` +
						`"c":{"shards":{"0":[{"num_search_segments":1,"num_committed_segments":1}]}}}}`},
				{line: "GET /a,b/_segments?filter_path=" + segmentNumbers + ",indices.*.shards.*.segments.*.generation," +
					"indices.*.shards.*.segments.*.committed,indices.*.shards.*.segments.*.search",
					reply: `{"_shards":{"total":2},"indices":{"a":{"shards":{"0":[{"num_search_segments":3,"num_committed_segments":1,"segments":{` +
						`"_0":{"generation":0,"committed":false,"search":true},"_1":{"generation":1,"committed":false,"search":true},` +
						`"_2":{"generation":2,"committed":false,"search":true},"_3":{"generation":3,"committed":true,"search":false}}}]}},` +
						`"b":{"shards":{"0":[{"num_search_segments":3,"num_committed_segments":1,"segments":{` +
						`"_0":{"generation":0,"committed":true,"search":true},"_1":{"generation":1,"committed":false,"search":true},` +
						`"_2":{"generation":2,"committed":false,"search":true}}}]}}}}`},
			},
			map[string]cluster.Segments{"a": {All: 1, Most: 1}, "b": {All: 3, Most: 3}, "c": {All: 1, Most: 1}}},
		{"what runs, 6.7", func(c *Client) (any, error) { return c.Running(ctx) },
			[]exchange{{
				line: "GET /_cluster/state/customs?filter_path=" + running,
				reply: `{"snapshot_deletions":{"snapshot_deletions":[{"repository":"many","snapshot":"k0",
					"start_time_millis":1795233100000,"repository_state_id":3}]},
				"snapshots":{"snapshots":[{"repository":"slow1","snapshot":"run1","indices":[{"name":"big2","id":"JTMd"},
					{"name":"big1","id":"3qSt"}],"start_time_millis":1795232938837}]},
				"restore":{"snapshots":[{"snapshot":"full","repository":"slow1","indices":["back_big1"]}]}}`,
			}},
			[]cluster.Operation{
				{Kind: cluster.OpSnapshot, Repository: "slow1", Snapshot: "run1", Indices: []string{"big2", "big1"}, Started: at(1795232938837)},
				{Kind: cluster.OpDelete, Repository: "many", Snapshot: "k0", Started: at(1795233100000)},
				{Kind: cluster.OpRestore, Repository: "slow1", Snapshot: "full", Indices: []string{"back_big1"}},
			}},
		{"a deletion of several, 7.17 and later", func(c *Client) (any, error) { return c.Running(ctx) },
			[]exchange{{
				line: "GET /_cluster/state/customs?filter_path=" + running,
				reply: `{"snapshot_deletions":{"snapshot_deletions":[{"repository":"r","snapshots":["a","b"],` +
					`"start_time_millis":0,"state":"WAITING"}]},"snapshots":{"snapshots":[],"node_ids_for_removal":[]}}`,
			}},
			[]cluster.Operation{{Kind: cluster.OpDelete, Repository: "r", Snapshot: "a,b"}}},
		{"indices", func(c *Client) (any, error) { return c.Indices(ctx) },
			[]exchange{{
				line: "GET /_cluster/state/metadata,blocks?filter_path=" + listing,
				reply: `{"cluster_uuid":"x","metadata":{"other":{"a":[1]},"indices":{
				"roll-2":{"state":"open","settings":{"index.hidden":"true","index.creation_date":"1795233622369",
					"index.uuid":"WoQD","index.lifecycle.name":"pol"},"aliases":["z","roll"],"system":false},
				".ds-logs-000002":{"state":"open","settings":{"index.hidden":"true","index.creation_date":"1795233630851",
					"index.uuid":"rMeB"},"aliases":[],"system":false},
				".ds-logs-000001":{"state":"open","settings":{"index.creation_date":"1795233629719","index.uuid":"jse0"},"aliases":[]},
				"closed1":{"state":"close","settings":{"index.uuid":"_dkJ"},"aliases":[]},
				"sys":{"state":"open","settings":{"index.creation_date":"1","index.uuid":"s"},"aliases":[],"system":true}},
				"data_stream":{"data_stream":{"logs":{"indices":[{"index_name":".ds-logs-000001"},{"index_name":".ds-logs-000002"},
					{"index_name":"gone"}]}}}}}`,
			}},
			[]*cluster.Index{
				{Name: ".ds-logs-000001", UUID: "jse0", Created: at(1795233629719), System: true, DataStream: "logs", Aliases: []string{}},
				{
					Name:       ".ds-logs-000002",
					UUID:       "rMeB",
					Created:    at(1795233630851),
					System:     true,
					Hidden:     true,
					DataStream: "logs",
					Aliases:    []string{},
				},
				{Name: "closed1", UUID: "_dkJ", Closed: true, Aliases: []string{}},
				{Name: "roll-2", UUID: "WoQD", Created: at(1795233622369), Hidden: true, Lifecycle: "pol", Aliases: []string{"roll", "z"}},
				{Name: "sys", UUID: "s", Created: at(1), System: true, Aliases: []string{}},
			}},
		{"no index at all", func(c *Client) (any, error) { return c.Indices(ctx) },
			[]exchange{{line: "GET /_cluster/state/metadata,blocks?filter_path=" + listing, reply: `{}`}}, []*cluster.Index(nil)},
		{"stats", func(c *Client) (any, error) { return c.Stats(ctx, []string{"a", "grüße", "gone"}) },
			[]exchange{{
				line:  "GET /a,gr%C3%BC%C3%9Fe,gone/" + stats,
				reply: `{"indices":{"a":{"primaries":{"docs":{"count":3},"store":{"size_in_bytes":10}},"total":{"store":{"size_in_bytes":20}}}}}`,
			}},
			map[string]cluster.IndexStats{"a": {Docs: 3, Bytes: 20, PrimaryBytes: 10}}},
		{"stats of nothing", func(c *Client) (any, error) { return c.Stats(ctx, nil) }, nil, map[string]cluster.IndexStats{}},
		{"stats of what is gone", func(c *Client) (any, error) { return c.Stats(ctx, []string{"gone"}) },
			[]exchange{
				{line: "GET /gone/" + stats, status: 404, reply: noIndex},
				{line: "GET /gone/" + stats + "&ignore_unavailable=true", status: 404, reply: `{}`},
			},
			map[string]cluster.IndexStats{}},
		{"stats, one of what is closed", func(c *Client) (any, error) { return c.Stats(ctx, []string{"a", "shut"}) },
			[]exchange{
				{line: "GET /a,shut/" + stats, status: 400, reply: `{"error":{"type":"index_closed_exception","reason":"closed"},"status":400}`},
				{
					line:  "GET /a,shut/" + stats + "&ignore_unavailable=true",
					reply: `{"_shards":{"total":1},"indices":{"a":{"primaries":{"docs":{"count":3}}}}}`,
				},
			},
			map[string]cluster.IndexStats{"a": {Docs: 3}}},
		{"range of a field", func(c *Client) (any, error) { return c.FieldRange(ctx, "a#1", "@timestamp") },
			[]exchange{{
				line:  "POST /a%231/_search?filter_path=aggregations,timed_out&size=0",
				body:  `{"aggs":{"min":{"min":{"field":"@timestamp"}},"max":{"max":{"field":"@timestamp"}}}}`,
				reply: `{"aggregations":{"min":{"value":1.5e12,"value_as_string":"x"},"max":{"value":1500000000001.0}}}`,
			}},
			cluster.FieldRange{Min: at(1500000000000), Max: at(1500000000001), Found: true}},
		{"range of a field without values", func(c *Client) (any, error) { return c.FieldRange(ctx, "a", "f") },
			[]exchange{{
				line:  "POST /a/_search?filter_path=aggregations,timed_out&size=0",
				body:  `{"aggs":{"min":{"min":{"field":"f"}},"max":{"max":{"field":"f"}}}}`,
				reply: `{"aggregations":{"min":{"value":null},"max":{"value":null}}}`,
			}},
			cluster.FieldRange{}},
		{"write aliases", func(c *Client) (any, error) { return c.WriteAliases(ctx, []string{"roll-1", "roll-4"}) },
			[]exchange{{line: "GET /roll-1,roll-4/_alias?expand_wildcards=all",
				reply: `{"roll-1":{"aliases":{"roll":{"is_write_index":false}}},"roll-4":{"aliases":{"z":{"is_write_index":true},` +
					`"roll":{"is_write_index":true}}}}`}},
			map[string]cluster.SeenAliases{"roll-1": {All: []string{"roll"}}, "roll-4": {All: []string{"roll", "z"}, Write: []string{"roll", "z"}}}},
		{"write aliases, one index is gone", func(c *Client) (any, error) { return c.WriteAliases(ctx, []string{"a", "gone"}) },
			[]exchange{
				{line: "GET /a,gone/_alias?expand_wildcards=all", status: 404, reply: noIndex},
				{line: "GET /a,gone/_alias?expand_wildcards=all&ignore_unavailable=true", reply: `{"a":{"aliases":{"x":{}}}}`},
			},
			map[string]cluster.SeenAliases{"a": {All: []string{"x"}}}},
		{"health, where the server waited in vain", func(c *Client) (any, error) { return c.Health(ctx, []string{"back", "gone"}) },
			[]exchange{{line: "GET /_cluster/health?filter_path=" + health + "&level=indices", status: 408,
				reply: `{"indices":{"back":{"status":"yellow","number_of_shards":2,"active_primary_shards":1,"initializing_shards":3,` +
					`"relocating_shards":4,"unassigned_shards":5},"other":{"status":"green"}}}`}},
			map[string]cluster.IndexHealth{"back": {Status: "yellow", Shards: 2, ActivePrimary: 1, Initializing: 3, Relocating: 4, Unassigned: 5}}},
		{"the cluster's health, once the master is idle", func(c *Client) (any, error) { return c.ClusterHealth(ctx) },
			[]exchange{{
				line:  "GET /_cluster/health?filter_path=status,relocating_shards,timed_out&timeout=10000ms&wait_for_events=languid",
				reply: `{"status":"green","timed_out":false,"relocating_shards":3}`,
			}},
			cluster.Health{Status: "green", Relocating: 3}},
		{"a shard of which no copy is left", func(c *Client) (any, error) { return c.Explain(ctx, "a", 2) },
			[]exchange{{line: "POST /_cluster/allocation/explain?filter_path=" + explained,
				body:  `{"index":"a","shard":2,"primary":true}`,
				reply: `{"current_state":"unassigned","can_allocate":"no_valid_shard_copy","allocate_explanation":"cannot allocate"}`}},
			cluster.Explanation{Decision: "no_valid_shard_copy", Text: "cannot allocate"}},
		{"a shard whose node left", func(c *Client) (any, error) { return c.Explain(ctx, "a", 2) },
			[]exchange{{line: "POST /_cluster/allocation/explain?filter_path=" + explained,
				body: `{"index":"a","shard":2,"primary":true}`,
				reply: `{"current_state":"unassigned","unassigned_info":{"reason":"NODE_LEFT","at":"2026-11-30T12:00:01.250Z"},` +
					`"can_allocate":"no_valid_shard_copy"}`}},
			cluster.Explanation{Decision: "no_valid_shard_copy", NodeLeft: time.Date(2026, 11, 30, 12, 0, 1, 250e6, time.UTC)}},
		{"a shard whose restore failed", func(c *Client) (any, error) { return c.Explain(ctx, "a", 2) },
			[]exchange{{line: "POST /_cluster/allocation/explain?filter_path=" + explained,
				body: `{"index":"a","shard":2,"primary":true}`,
				reply: `{"current_state":"unassigned","unassigned_info":{"reason":"EXISTING_INDEX_RESTORED","at":"2026-11-30T12:00:01.250Z"},` +
					`"can_allocate":"no","node_allocation_decisions":[{"deciders":[{"decider":"filter","decision":"NO"},` +
					`{"decider":"restore_in_progress","decision":"NO"}]}]}`}},
			cluster.Explanation{Decision: "no", RestoreFailed: true}},
		{"a shard that is allocated", func(c *Client) (any, error) { return c.Explain(ctx, "a", 0) },
			[]exchange{{line: "POST /_cluster/allocation/explain?filter_path=" + explained,
				body:  `{"index":"a","shard":0,"primary":true}`,
				reply: `{"current_state":"started"}`}},
			cluster.Explanation{}},
		{"shard problems", func(c *Client) (any, error) { return c.ShardProblems(ctx, []string{"a", "b"}) },
			[]exchange{{line: "GET /_cat/shards/a,b?format=json&h=index,shard,prirep,state,unassigned.reason,unassigned.details",
				reply: `[{"index":"a","shard":"0","prirep":"p","state":"STARTED"},{"index":"a","shard":"1","prirep":"p",` +
					`"state":"RELOCATING"},{"index":"b","shard":"2","prirep":"p","state":"UNASSIGNED","unassigned.reason":"ALLOCATION_FAILED",` +
					`"unassigned.details":"lost"},{"index":"b","shard":"2","prirep":"r","state":"INITIALIZING"}]`}},
			[]cluster.ShardProblem{
				{Index: "b", Shard: 2, Primary: true, State: "UNASSIGNED", Reason: "ALLOCATION_FAILED", Details: "lost"},
				{Index: "b", Shard: 2, State: "INITIALIZING"},
			}},
		{"shard problems, one of three gone", func(c *Client) (any, error) { return c.ShardProblems(ctx, []string{"a", "gone", "b"}) },
			[]exchange{
				{
					line:   "GET /_cat/shards/a,gone,b?format=json&h=index,shard,prirep,state,unassigned.reason,unassigned.details",
					status: 404,
					reply:  read(t, "errors/no-index.es670.json"),
				},
				{
					line:  "GET /_cat/shards/a?format=json&h=index,shard,prirep,state,unassigned.reason,unassigned.details",
					reply: `[{"index":"a","shard":"0","prirep":"r","state":"UNASSIGNED"}]`,
				},
				{
					line:   "GET /_cat/shards/gone,b?format=json&h=index,shard,prirep,state,unassigned.reason,unassigned.details",
					status: 404,
					reply:  read(t, "errors/no-index.es670.json"),
				},
				{
					line:   "GET /_cat/shards/gone?format=json&h=index,shard,prirep,state,unassigned.reason,unassigned.details",
					status: 404,
					reply:  read(t, "errors/no-index.es670.json"),
				},
				{
					line:  "GET /_cat/shards/b?format=json&h=index,shard,prirep,state,unassigned.reason,unassigned.details",
					reply: `[{"index":"b","shard":"0","prirep":"p","state":"UNASSIGNED"}]`,
				},
			},
			[]cluster.ShardProblem{{Index: "a", State: "UNASSIGNED"}, {Index: "b", Primary: true, State: "UNASSIGNED"}}},
		{"snapshots, oldest first", func(c *Client) (any, error) { return c.Snapshots(ctx, "r 1", true) },
			[]exchange{{
				line: "GET /_snapshot/r%201/_all?filter_path=" + snapshots + ",snapshots.indices,snapshots.data_streams,snapshots.feature_states",
				reply: `{"snapshots":[
				{"snapshot":"s_part","uuid":"-380","version":"8.19.0-8.19.7","indices":["good1","bad1"],"data_streams":["ds"],
					"include_global_state":true,"state":"PARTIAL","start_time_in_millis":1795233010781,"end_time_in_millis":1795233010804,
				 "failures":[{"index":"bad1","index_uuid":"bad1","shard_id":3,"node_id":"n",
				 	"reason":"primary shard is not allocated"}],"shards":{"total":2,"failed":1,"successful":1},"metadata":{"policy":"slm"}},
				{"snapshot":"s_run","uuid":"u","state":"IN_PROGRESS","start_time_in_millis":1795233010900,"end_time_in_millis":0,
					"failures":[],"shards":{"total":0,"failed":0,"successful":0},"metadata":{"sm_policy":"sm"}},
				{"snapshot":"s_fail","state":"FAILED","reason":"Indices don't have primary shards [bad1]",
					"start_time_in_millis":1795233010741}],"total":3,"remaining":0}`,
			}},
			[]*cluster.Snapshot{
				{
					Repository:  "r 1",
					Name:        "s_fail",
					State:       cluster.Failed,
					Reason:      "Indices don't have primary shards [bad1]",
					Start:       at(1795233010741),
					HasContents: true,
				},
				{
					Repository:  "r 1",
					Name:        "s_part",
					UUID:        "-380",
					Version:     "8.19.0-8.19.7",
					State:       cluster.Partial,
					Start:       at(1795233010781),
					End:         at(1795233010804),
					GlobalState: true,
					Shards:      cluster.ShardCount{Total: 2, Failed: 1, Successful: 1},
					Failures:    []cluster.ShardFailure{{Index: "bad1", Shard: 3, Node: "n", Reason: "primary shard is not allocated"}},
					Policy:      "slm",
					Indices:     []string{"bad1", "good1"},
					DataStreams: []string{"ds"},
					HasContents: true,
				},
				{Repository: "r 1", Name: "s_run", UUID: "u", State: cluster.InProgress, Start: at(1795233010900), Policy: "sm", HasContents: true},
			}},
		{"snapshots without contents", func(c *Client) (any, error) { return c.Snapshots(ctx, "r", false) },
			[]exchange{{line: "GET /_snapshot/r/_all?filter_path=" + snapshots, reply: `{"snapshots":[{"snapshot":"s","state":"SUCCESS"}]}`}},
			[]*cluster.Snapshot{{Repository: "r", Name: "s", State: cluster.Success}}},
		{"an empty repository", func(c *Client) (any, error) { return c.Snapshots(ctx, "r", false) },
			[]exchange{
				{line: "GET /_snapshot/r/_all?filter_path=" + snapshots, reply: `{}`},
				{line: "GET /_snapshot/r/_all?verbose=false", reply: `{"snapshots":[]}`},
			}, []*cluster.Snapshot(nil)},
		{"names", func(c *Client) (any, error) { return c.SnapshotUUIDs(ctx, "r") },
			[]exchange{{
				line:  "GET /_snapshot/r/_all?filter_path=snapshots.snapshot,snapshots.uuid,failures&verbose=false",
				reply: `{"snapshots":[{"snapshot":"b","uuid":"u1"},{"snapshot":"a"}]}`,
			}}, map[string]string{"b": "u1", "a": ""}},
		{"one snapshot", func(c *Client) (any, error) { return c.Snapshot(ctx, "r", "100%#ü") },
			[]exchange{{
				line:  "GET /_snapshot/r/100%25%23%C3%BC",
				reply: `{"snapshots":[{"snapshot":"100%#ü","state":"SUCCESS","indices":["b","a"]}]}`,
			}},
			&cluster.Snapshot{Repository: "r", Name: "100%#ü", State: cluster.Success, Indices: []string{"a", "b"}, HasContents: true}},
		{"one snapshot that esnap took", func(c *Client) (any, error) { return c.Snapshot(ctx, "r", "s") },
			[]exchange{{line: "GET /_snapshot/r/s", reply: `{"snapshots":[{"snapshot":"s","state":"SUCCESS","indices":[],"metadata":{"esnap":
				{"cluster_uuid":"u","version":"1","run_id":"0a","host":"h","description":"d"}}}]}`},
				{line: "GET /", reply: root670}},
			&cluster.Snapshot{Repository: "r", Name: "s", State: cluster.Success, Indices: []string{}, HasContents: true,
				Cluster: "u", Elsewhere: true,
				Origin: &cluster.Origin{Cluster: "u", Version: "1", Run: "0a", Host: "h", Description: "d"}}},
		{"one snapshot with metadata of another program", func(c *Client) (any, error) { return c.Snapshot(ctx, "r", "s") },
			[]exchange{{line: "GET /_snapshot/r/s",
				reply: `{"snapshots":[{"snapshot":"s","state":"SUCCESS","indices":[],"metadata":{"esnap":"x"}}]}`}},
			&cluster.Snapshot{Repository: "r", Name: "s", State: cluster.Success, Indices: []string{}, HasContents: true}},
		{"progress of a snapshot, and the node it waits for", func(c *Client) (any, error) { return c.SnapshotProgress(ctx, "r", "s") },
			[]exchange{
				{line: "GET /_snapshot/r/s/_status?filter_path=snapshots.state,snapshots.shards_stats,snapshots.stats",
					reply: `{"snapshots":[{"state":"STARTED","shards_stats":{"initializing":0,"started":1,"done":2,"failed":1,"total":4},` +
						`"stats":{"incremental":{"size_in_bytes":100},"processed":{"size_in_bytes":40},"total":{"size_in_bytes":900}}}]}`},
				{line: "GET /_cluster/state/customs,nodes?filter_path=" + waited,
					reply: `{"nodes":{"id1":{"name":"n1"},"id2":{"name":"n2"}},"snapshots":{"snapshots":[{"repository":"r",` +
						`"snapshot":"other","shards":[{"state":"INIT","node":"id1"}]},{"repository":"r","snapshot":"s",` +
						`"shards":[{"state":"SUCCESS","node":"id1"},{"state":"INIT","node":"id2"}]}]}}`},
			},
			cluster.Progress{State: "STARTED", ShardsDone: 2, ShardsTotal: 4, ShardsFailed: 1, BytesDone: 40, BytesTotal: 100, Node: "n2"}},
		{"progress of what does not run", func(c *Client) (any, error) { return c.SnapshotProgress(ctx, "r", "s") },
			[]exchange{{
				line:  "GET /_snapshot/r/s/_status?filter_path=snapshots.state,snapshots.shards_stats,snapshots.stats",
				reply: `{"snapshots":[]}`,
			}}, cluster.Progress{}},
		{"sizes, from the listing's details", func(c *Client) (any, error) { return c.SnapshotSizes(ctx, "r", "s") },
			[]exchange{
				{line: "GET /", reply: root8197},
				{line: "GET /_snapshot/r/s?filter_path=snapshots.snapshot,snapshots.index_details.*.size_in_bytes,failures&index_details=true",
					reply: `{"snapshots":[{"snapshot":"s","index_details":{"good1":{"size_in_bytes":67653},"good2":{"size_in_bytes":35479}}}]}`},
			}, map[string]int64{"good1": 67653, "good2": 35479}},
		{"sizes, from the status before 7.13 and on OpenSearch", func(c *Client) (any, error) { return c.SnapshotSizes(ctx, "r", "s") },
			[]exchange{
				{line: "GET /", reply: root2110},
				{
					line:  "GET /_snapshot/r/s/_status?filter_path=snapshots.indices.*.stats.total",
					reply: `{"snapshots":[{"indices":{"good2":{"stats":{"total":{"file_count":4,"size_in_bytes":35280}}}}}]}`,
				},
			}, map[string]int64{"good2": 35280}},
		{"sizes, where the listing has none", func(c *Client) (any, error) { return c.SnapshotSizes(ctx, "r", "s") },
			[]exchange{
				{line: "GET /", reply: root8197},
				{
					line:  "GET /_snapshot/r/s?filter_path=snapshots.snapshot,snapshots.index_details.*.size_in_bytes,failures&index_details=true",
					reply: `{"snapshots":[{"snapshot":"s"}]}`,
				},
				{
					line:  "GET /_snapshot/r/s/_status?filter_path=snapshots.indices.*.stats.total",
					reply: `{"snapshots":[{"indices":{"a":{"stats":{"total":{"size_in_bytes":7}}}}}]}`,
				},
			}, map[string]int64{"a": 7}},
		{"progress of a restore", func(c *Client) (any, error) { return c.RestoreProgress(ctx, []string{"back", "later"}) },
			[]exchange{
				{line: "GET /_recovery?active_only=true&filter_path=*.shards.index.size.total_in_bytes,*.shards.index.size.recovered_in_bytes",
					reply: `{"back":{"shards":[{"index":{"size":{"total_in_bytes":3031374,"recovered_in_bytes":262870}}},` +
						`{"index":{"size":{"total_in_bytes":6,"recovered_in_bytes":6}}}]},"other":{"shards":[{"index":{"size":{"total_in_bytes":1}}}]}}`},
				{
					line:  "GET /_cluster/health?filter_path=" + health + "&level=indices",
					reply: `{"indices":{"back":{"number_of_shards":2,"active_primary_shards":1},"later":{"number_of_shards":1}}}`,
				},
			}, cluster.Progress{ShardsDone: 1, ShardsTotal: 3, BytesDone: 262876, BytesTotal: 3031380}},
		{"repositories", func(c *Client) (any, error) { return c.Repositories(ctx) },
			[]exchange{{
				line: "GET /_snapshot",
				reply: `{"norm2":{"type":"fs","uuid":"u","settings":{"chunk_size":"1gb","location":"/backup/X2","nonsense":"1"}},` +
					`"norm":{"type":"fs","settings":{"chunk_size":null,"location":"X/","readonly":"false"}}}`,
			}},
			[]cluster.Repository{
				{Name: "norm", Type: "fs", Settings: map[string]string{"location": "X/", "readonly": "false"}},
				{Name: "norm2", Type: "fs", UUID: "u", Settings: map[string]string{"chunk_size": "1gb", "location": "/backup/X2", "nonsense": "1"}},
			}},
		{"a repository", func(c *Client) (any, error) { return c.Repository(ctx, "r sp") },
			[]exchange{{line: "GET /_snapshot/r%20sp", reply: `{"r sp":{"type":"url","settings":{"proxy":{"host":"h","port":"1"}}}}`}},
			cluster.Repository{Name: "r sp", Type: "url", Settings: map[string]string{"proxy.host": "h", "proxy.port": "1"}}},
		{"capacity", func(c *Client) (any, error) { return c.Capacity(ctx) },
			[]exchange{
				{line: "GET /_nodes/stats/fs?filter_path=nodes.*.name,nodes.*.roles,nodes.*.fs.total", reply: `{"nodes":{
					"3":{"name":"n3","roles":["cluster_manager"],"fs":{"total":{"total_in_bytes":9,"available_in_bytes":9}}},
					"2":{"name":"n2","roles":["data_hot","ingest"],"fs":{"total":{"total_in_bytes":200,"free_in_bytes":150,"available_in_bytes":20}}},
					"1":{"name":"n1","roles":["master","data"],"fs":{"total":{"total_in_bytes":100,"available_in_bytes":10}}}}}`},
				{line: "GET /_cluster/settings?filter_path=" + capacity + "&include_defaults=true",
					reply: `{"transient":{"cluster":{"routing":{"allocation":{"disk":{"watermark":{"high":"95%"}}}}}},
						"persistent":{"cluster":{"routing":{"allocation":{"disk":{"watermark":{"high":"80%"},"threshold_enabled":"false"}}}}},
						"defaults":{"cluster":{"max_shards_per_node":"1000","routing":{"allocation":{"disk":{"threshold_enabled":"true",
							"watermark":{"high":{"max_headroom":"150GB"}}}}}}}}`},
				{line: "GET /", reply: root2110},
				{
					line:  "GET /_cluster/health?filter_path=active_shards,unassigned_shards,initializing_shards",
					reply: `{"active_shards":20,"unassigned_shards":1,"initializing_shards":2}`,
				},
			},
			cluster.Capacity{
				Nodes:         []cluster.Disk{{Node: "n1", Total: 100, Free: 10}, {Node: "n2", Total: 200, Free: 20}},
				HighWatermark: "95%",
				ShardLimit:    2000,
				Shards:        23,
			}},
		{"capacity before 7.0, where the shard limit only warns", func(c *Client) (any, error) { return c.Capacity(ctx) },
			[]exchange{
				{
					line:  "GET /_nodes/stats/fs?filter_path=nodes.*.name,nodes.*.roles,nodes.*.fs.total",
					reply: `{"nodes":{"1":{"name":"n1","roles":["data"],"fs":{"total":{"total_in_bytes":100,"available_in_bytes":10}}}}}`,
				},
				{line: "GET /_cluster/settings?filter_path=" + capacity + "&include_defaults=true",
					reply: `{"persistent":{"cluster":{"routing":{"allocation":{"enable":"none","exclude":{"_ip":"10.0.0.1"}}}}},` +
						`"defaults":{"cluster":{"max_shards_per_node":"1000","routing":{"allocation":{"enable":"all","include":{"_ip":""},` +
						`"disk":{"threshold_enabled":"true","watermark":{"high":"90%"}}}}}}}`},
				{line: "GET /", reply: root670},
				{line: "GET /_cluster/health?filter_path=active_shards,unassigned_shards,initializing_shards", reply: `{"active_shards":20}`},
			},
			cluster.Capacity{Nodes: []cluster.Disk{{Node: "n1", Total: 100, Free: 10}}, HighWatermark: "90%", WatermarkOn: true, Shards: 20,
				Holding: []string{"cluster.routing.allocation.enable: none", "cluster.routing.allocation.exclude._ip: 10.0.0.1"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := play(t, Options{}, c.sent...)
			got, err := c.call(client)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// Every write: exactly what is sent. None is asked to wait for its completion.
func TestWrites(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name string
		call func(*Client) error
		sent exchange
	}{
		{"create snapshot", func(c *Client) error {
			return c.CreateSnapshot(ctx, cluster.CreateSnapshot{
				Repository:        "r",
				Name:              "s-%ü",
				Indices:           []string{"a", "b"},
				IgnoreUnavailable: true,
				GlobalState:       true,
			})
		}, exchange{
			line:  "PUT /_snapshot/r/s-%25%C3%BC?wait_for_completion=false",
			body:  `{"indices":"a,b","ignore_unavailable":true,"include_global_state":true,"partial":false}`,
			reply: `{"accepted":true}`,
		}},
		{"delete snapshots", func(c *Client) error {
			return c.DeleteSnapshots(ctx, cluster.DeleteSnapshots{Repository: "r", Names: []string{"a", "b#"}})
		}, exchange{line: "DELETE /_snapshot/r/a,b%23", reply: `{"acknowledged":true}`}},
		{"restore", func(c *Client) error {
			return c.RestoreSnapshot(ctx, cluster.RestoreSnapshot{
				Repository: "r",
				Name:       "s",
				Indices:    []string{"a"},
				Partial:    true,
				Targets:    []string{"not sent"},
			})
		}, exchange{
			line: "POST /_snapshot/r/s/_restore?wait_for_completion=false",
			body: `{"indices":"a","include_aliases":false,"ignore_unavailable":false,"include_global_state":false,"partial":true}`,
		}},
		{"restore, with all it can say", func(c *Client) error {
			return c.RestoreSnapshot(ctx, cluster.RestoreSnapshot{
				Repository:          "r",
				Name:                "s",
				Indices:             []string{"a", "b"},
				RenamePattern:       "(.+)",
				RenameReplacement:   "x-$1",
				IncludeAliases:      true,
				IgnoreUnavailable:   true,
				GlobalState:         true,
				IndexSettings:       map[string]any{"index.number_of_replicas": 0},
				IgnoreIndexSettings: []string{"index.lifecycle.name"},
				Extra:               map[string]any{"feature_states": []string{"none"}},
			})
		}, exchange{
			line: "POST /_snapshot/r/s/_restore?wait_for_completion=false",
			body: `{"indices":"a,b","include_aliases":true,"ignore_unavailable":true,"include_global_state":true,"partial":false,
			"rename_pattern":"(.+)","rename_replacement":"x-$1","index_settings":{"index.number_of_replicas":0},
				"ignore_index_settings":["index.lifecycle.name"],"feature_states":["none"]}`,
		}},
		{"delete indices, never a pattern", func(c *Client) error {
			return c.DeleteIndices(ctx, cluster.DeleteIndices{Names: []string{"a", "ß"}, MasterTimeout: 30 * time.Second})
		}, exchange{line: "DELETE /a,%C3%9F?expand_wildcards=none&master_timeout=30000ms"}},
		{"roll over", func(c *Client) error {
			_, err := c.Rollover(ctx, cluster.Rollover{
				Alias:               "w",
				NewIndex:            "n",
				Conditions:          map[string]any{"max_docs": 1},
				WaitForActiveShards: "1",
				Settings:            map[string]any{"index.number_of_shards": 1},
				Aliases:             map[string]any{"r": map[string]any{}},
				Mappings:            map[string]any{"dynamic": false},
			})
			return err
		}, exchange{line: "POST /w/_rollover/n?wait_for_active_shards=1", reply: `{"old_index":"o","new_index":"n","rolled_over":true}`,
			body: `{"conditions":{"max_docs":1},"settings":{"index.number_of_shards":1},"aliases":{"r":{}},"mappings":{"dynamic":false}}`}},
		{"flush", func(c *Client) error {
			return c.FlushIndices(ctx, cluster.FlushIndices{Names: []string{"a", "b"}})
		}, exchange{line: "POST /a,b/_flush?force=true", reply: `{"_shards":{"total":4,"successful":2,"failed":0}}`}},
		{"update aliases", func(c *Client) error {
			return c.UpdateAliases(ctx, cluster.UpdateAliases{Actions: []cluster.AliasAction{
				{Remove: true, Index: "a", Alias: "x"},
				{Index: "b", Alias: "x", Extra: map[string]any{"is_write_index": true}},
			}})
		}, exchange{
			line: "POST /_aliases",
			body: `{"actions":[{"remove":{"index":"a","alias":"x"}},{"add":{"index":"b","alias":"x","is_write_index":true}}]}`,
		}},
		{"register", func(c *Client) error {
			return c.RegisterRepository(ctx, cluster.RegisterRepository{
				Name:     "r",
				Type:     "fs",
				Settings: map[string]any{"location": "/backup", "compress": true},
				Verify:   true,
			})
		}, exchange{line: "PUT /_snapshot/r?verify=true", body: `{"type":"fs","settings":{"location":"/backup","compress":true}}`}},
		{"register without settings", func(c *Client) error {
			return c.RegisterRepository(ctx, cluster.RegisterRepository{Name: "r", Type: "url"})
		}, exchange{line: "PUT /_snapshot/r?verify=false", body: `{"type":"url","settings":{}}`}},
		{"unregister", func(c *Client) error {
			return c.UnregisterRepository(ctx, cluster.UnregisterRepository{Name: "r"})
		}, exchange{line: "DELETE /_snapshot/r"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := play(t, Options{}, c.sent)
			require.NoError(t, c.call(client))
		})
	}
}

func TestVerify(t *testing.T) {
	client, _ := play(t, Options{}, exchange{line: "POST /_snapshot/r/_verify", reply: `{"nodes":{"x":{"name":"n2"},"y":{"name":"n1"}}}`})
	nodes, err := client.VerifyRepository(context.Background(), cluster.VerifyRepository{Name: "r"})
	require.NoError(t, err)
	require.Equal(t, []string{"n1", "n2"}, nodes)
}

// A merge of which shards failed is answered with 200.
func TestForcemergeOfWhichShardsFailed(t *testing.T) {
	line := "POST /a/_forcemerge?max_num_segments=1"
	client, _ := play(t, Options{}, exchange{line: line, reply: `{"_shards":{"total":2,"successful":2,"failed":0}}`})
	require.NoError(t, client.ForcemergeIndex(context.Background(), cluster.ForcemergeIndex{Name: "a", MaxNumSegments: 1}))
	client, _ = play(t, Options{}, exchange{
		line: line,
		reply: `{"_shards":{"total":2,"successful":1,"failed":1,"failures":[{"shard":1,"index":"a","status":"INTERNAL_SERVER_ERROR",` +
			`"reason":{"type":"i_o_exception","reason":"No space left on device"}}]}}`,
	})
	err := client.ForcemergeIndex(context.Background(), cluster.ForcemergeIndex{Name: "a", MaxNumSegments: 1})
	require.ErrorIs(t, err, cluster.ErrServer)
	require.ErrorContains(t, err, "1 shard copies")
	require.ErrorContains(t, err, "shard 1: No space left on device")
}

// What does not name single things is refused before anything is sent.
func TestDeletesOnlyWhatIsNamed(t *testing.T) {
	ctx := context.Background()
	client, _ := play(t, Options{})
	for _, names := range [][]string{nil, {}, {""}, {"a", ""}, {"*"}, {"a*"}, {"_all"}, {"a,b"}, {"a", "b*"}} {
		require.ErrorIs(t, client.DeleteIndices(ctx, cluster.DeleteIndices{Names: names}), cluster.ErrInvalid, "%q", names)
		require.ErrorIs(t, client.DeleteSnapshots(ctx, cluster.DeleteSnapshots{Repository: "r", Names: names}), cluster.ErrInvalid, "%q", names)
		for _, n := range names[:min(len(names), 1)] {
			if n != "a" {
				require.ErrorIs(t, client.UnregisterRepository(ctx, cluster.UnregisterRepository{Name: n}), cluster.ErrInvalid, "%q", n)
				require.ErrorIs(t, client.DeleteSnapshots(ctx, cluster.DeleteSnapshots{Repository: n, Names: []string{"s"}}),
					cluster.ErrInvalid, "%q", n)
			}
		}
	}
}

// TestDotsNeverGetIntoAPath: a proxy would make another request of it.
func TestDotsNeverGetIntoAPath(t *testing.T) {
	for _, name := range []string{".", ".."} {
		c, s := play(t, Options{})
		for what, err := range map[string]error{
			"delete a snapshot":     c.DeleteSnapshots(t.Context(), cluster.DeleteSnapshots{Repository: "r", Names: []string{name}}),
			"delete in it":          c.DeleteSnapshots(t.Context(), cluster.DeleteSnapshots{Repository: name, Names: []string{"s"}}),
			"take a snapshot":       c.CreateSnapshot(t.Context(), cluster.CreateSnapshot{Repository: "r", Name: name, Indices: []string{"a"}}),
			"restore":               c.RestoreSnapshot(t.Context(), cluster.RestoreSnapshot{Repository: "r", Name: name, Indices: []string{"a"}}),
			"register a repository": c.RegisterRepository(t.Context(), cluster.RegisterRepository{Name: name, Type: "fs"}),
			"unregister":            c.UnregisterRepository(t.Context(), cluster.UnregisterRepository{Name: name}),
			"delete an index":       c.DeleteIndices(t.Context(), cluster.DeleteIndices{Names: []string{name}}),
			"create an index":       c.CreateIndex(t.Context(), cluster.CreateIndex{Name: name}),
		} {
			require.ErrorIs(t, err, cluster.ErrInvalid, what)
			require.ErrorContains(t, err, "cannot be used in a request", what)
		}
		_, err := c.Snapshot(t.Context(), "r", name)
		require.ErrorIs(t, err, cluster.ErrInvalid)
		_, err = c.Repository(t.Context(), name)
		require.ErrorIs(t, err, cluster.ErrInvalid)
		_, err = c.VerifyRepository(t.Context(), cluster.VerifyRepository{Name: name})
		require.ErrorIs(t, err, cluster.ErrInvalid)
		require.Empty(t, s.requests)
	}
}

// So is a flush.
func TestFlushOfWhichShardsFailed(t *testing.T) {
	client, _ := play(t, Options{}, exchange{line: "POST /a/_flush?force=true",
		reply: `{"_shards":{"total":2,"successful":1,"failed":1,"failures":[{"shard":0,"index":"a","status":"SERVICE_UNAVAILABLE",` +
			`"reason":{"type":"unavailable_shards_exception","reason":"primary shard is not active"}}]}}`})
	err := client.FlushIndices(context.Background(), cluster.FlushIndices{Names: []string{"a"}})
	require.ErrorIs(t, err, cluster.ErrShards)
	require.ErrorContains(t, err, "shard 0: primary shard is not active")
}

// TestLeftOut: servers leave out of a reply what the user may not see, if they are told to leave out
// what does not exist. So they are first not told, and their refusal is the result.
func TestLeftOut(t *testing.T) {
	ctx := context.Background()
	const refused = `{"error":{"type":"security_exception","reason":"action [%s] is unauthorized for user [u] on indices [b], ` +
		`this action is granted by the index privileges [monitor]"},"status":403}`
	for line, call := range map[string]func(c *Client) error{
		"GET /a,b/" + stats: func(c *Client) error { _, err := c.Stats(ctx, []string{"a", "b"}); return err },
		"GET /a,b/_segments?filter_path=" + segmentNumbers: func(c *Client) error {
			_, err := c.Segments(ctx, []string{"a", "b"})
			return err
		},
		"GET /a,b/_alias?expand_wildcards=all": func(c *Client) error { _, err := c.WriteAliases(ctx, []string{"a", "b"}); return err },
		"DELETE /a,b?expand_wildcards=none": func(c *Client) error {
			return c.DeleteIndices(ctx, cluster.DeleteIndices{Names: []string{"a", "b"}})
		},
		"POST /a,b/_flush?force=true": func(c *Client) error {
			return c.FlushIndices(ctx, cluster.FlushIndices{Names: []string{"a", "b"}})
		},
	} {
		client, _ := play(t, Options{}, exchange{line: line, status: 403, reply: fmt.Sprintf(refused, "some:action")})
		err := call(client)
		require.ErrorIs(t, err, cluster.ErrForbidden, line)
		require.ErrorContains(t, err, "on indices [b]", line)
	}
}

// TestSentOnce: a page of a gateway does not say that nothing was done, so a deletion is not sent again.
func TestSentOnce(t *testing.T) {
	client, _ := play(t, Options{}, exchange{line: "DELETE /a?expand_wildcards=none", status: 400, reply: "<html>bad request</html>"})
	require.Error(t, client.DeleteIndices(context.Background(), cluster.DeleteIndices{Names: []string{"a"}}))
}
