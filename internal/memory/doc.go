// Package memory is a cluster in memory. For esnap it behaves like a server of its version:
// both pass the contract in clustertest. esnap simulate runs files on it, and so do tests.
package memory
