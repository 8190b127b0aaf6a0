// Package clustertest has a cluster in memory for tests, Memory, and the
// contract that it shares with the one over HTTP, Contract: whatever a test
// shows on Memory holds on a server because both pass it.
package clustertest
