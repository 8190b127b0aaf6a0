// Package cluster holds the nouns esnap works with (indices, snapshots,
// repositories), the narrow interfaces through which it reads and changes an
// Elasticsearch or OpenSearch cluster, and the errors those interfaces return.
//
// Nothing here speaks HTTP: internal/es implements the interfaces over the wire
// and internal/clustertest in memory; both pass the same contract test. The
// decorators Intercept and DryRun work on any implementation.
package cluster
