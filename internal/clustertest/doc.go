// Package clustertest has the contract that the cluster in memory shares with the one over
// HTTP, Contract: whatever a test shows in memory holds on a server because both pass it.
package clustertest
