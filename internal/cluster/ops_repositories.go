package cluster

// RegisterRepository asks for a repository. Settings keep their YAML types.
type RegisterRepository struct {
	Name     string
	Type     string
	Settings map[string]any
	Verify   bool
}

// Intent implements Op.
func (r RegisterRepository) Intent() Intent {
	return Intent{Verb: VerbRegister, What: "repository", Repository: r.Name, Names: []string{r.Name}}
}

// Assume implements Op.
func (r RegisterRepository) Assume(o *Overlay) {
	repo := Repository{Name: r.Name, Type: r.Type, Settings: Flatten(r.Settings), Assumed: true}
	o.repositories[r.Name] = &repo
}

// VerifyRepository asks every node to write to a repository.
type VerifyRepository struct{ Name string }

// Intent implements Op.
func (r VerifyRepository) Intent() Intent {
	return Intent{Verb: VerbVerify, What: "repository", Repository: r.Name, Names: []string{r.Name}}
}

// Assume implements Op: verification changes nothing that can be read.
func (r VerifyRepository) Assume(*Overlay) {}

// UnregisterRepository takes a repository out of the cluster.
type UnregisterRepository struct{ Name string }

// Intent implements Op.
func (r UnregisterRepository) Intent() Intent {
	return Intent{Verb: VerbUnregister, What: "repository", Repository: r.Name, Names: []string{r.Name}}
}

// Assume implements Op.
func (r UnregisterRepository) Assume(o *Overlay) { o.repositories[r.Name] = nil }

// CleanupRepository asks the server to delete files that no snapshot uses.
type CleanupRepository struct{ Name string }

// CleanupResult is what a cleanup deleted.
type CleanupResult struct {
	Bytes int64 `json:"deleted_bytes"`
	Files int64 `json:"deleted_blobs"`
}

// NoCleanup is the error of a server that cannot clean up a repository.
func NoCleanup(server Server, name string) error {
	return &Error{Op: "clean up repository " + name, Kind: ErrUnsupported, Text: server.String() + " cannot do that; Elasticsearch 7.4 can"}
}

// VerbCleanUp is the verb of a cleanup.
var VerbCleanUp = NewVerb("clean up", "cleaned up")

// Intent implements Op.
func (r CleanupRepository) Intent() Intent {
	return Intent{Verb: VerbCleanUp, What: "repository", Repository: r.Name, Names: []string{r.Name}}
}

// Assume implements Op: a cleanup changes nothing that can be read.
func (r CleanupRepository) Assume(*Overlay) {}
