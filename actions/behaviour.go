package actions

import "time"

// Behaviour is what actions do where the options do not say, and the finer points in
// which command lines differ.
type Behaviour struct {
	// Stall and WaitForRunning are the defaults of these options.
	Stall, WaitForRunning time.Duration
	// SkipRepoFSCheck is the default of that option.
	SkipRepoFSCheck bool
	// MasterTimeout is the longest time that deletions give the master, if it is not
	// fixed: it is then the time-out of a request.
	MasterTimeout time.Duration
	// RetriesWait makes retry_count and retry_interval of delete_snapshots the time to
	// wait for another operation, also where the file does not give them.
	RetriesWait bool
	// PartialAllowed makes a PARTIAL snapshot that partial: true asks for a result, not a
	// failure.
	PartialAllowed bool
	// FeaturesByName leaves the states of features out of snapshots and restores unless
	// they are named.
	FeaturesByName bool
	// NameCluster writes into the metadata of snapshots who took them: the cluster's uuid
	// and Env.Origin.
	NameCluster bool
	// NumbersNames takes a snapshot under another name if its name, with a date, is in use by
	// a snapshot that cannot be adopted.
	NumbersNames bool
	// KeepRestored is how long indices that are restored under their own name are
	// protected by default; 0: not at all.
	KeepRestored time.Duration
	// ServerConflicts leaves it to the server to refuse a restore over an index.
	ServerConflicts bool
	// RestoreSystem lets a restore take system indices without being asked.
	RestoreSystem bool
	// PredictableRenames refuses rename patterns that the server may read differently.
	PredictableRenames bool
	// NotesRenames gives renamed copies the rule of their names as a setting.
	NotesRenames bool
	// GreenCluster makes shrink ask for a green cluster, not only for a green index.
	GreenCluster bool
	// EmptyRouting makes shrink empty the routing rule instead of giving the former back.
	EmptyRouting bool
	// Cautious adds checks that cost requests or print more than was asked for.
	Cautious bool
}

// Own is the behaviour of esnap's own commands.
var Own = Behaviour{
	Stall: time.Hour, WaitForRunning: 30 * time.Minute, PartialAllowed: true, FeaturesByName: true, NameCluster: true, NumbersNames: true,
	KeepRestored: DefaultKeep, PredictableRenames: true, NotesRenames: true, Cautious: true,
}
