package cmd

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"github.com/esnap/esnap/internal/bounded"
	"github.com/esnap/esnap/internal/check"
	"github.com/esnap/esnap/internal/drill"
)

// stateFile is the file of --state: what checks and drills remember between two runs.
type stateFile struct {
	Seen  []string      `json:"seen,omitempty"` // indices
	Drill *drill.Result `json:"drill,omitempty"`
	// Moved is how far running snapshots had come.
	Moved map[string]check.Moved `json:"moved,omitempty"`

	given bool
}

// seen are the indices that earlier checks saw; nil without a file.
func (s stateFile) seen() map[string]bool {
	if !s.given {
		return nil
	}
	seen := map[string]bool{}
	for _, n := range s.Seen {
		seen[n] = true
	}
	return seen
}

// see adds indices.
func (s *stateFile) see(names map[string]bool) {
	all := s.seen()
	maps.Copy(all, names)
	s.Seen = slices.Sorted(maps.Keys(all))
}

// readState reads the file; one that does not exist is empty.
func readState(file string) (state stateFile, err error) {
	if file == "" {
		return state, nil
	}
	state.given = true
	data, err := bounded.ReadFile(file, bounded.Record)
	if errors.Is(err, fs.ErrNotExist) {
		return state, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &state)
	}
	if err != nil {
		return state, usagef("--state: %s cannot be read: %s", file, err)
	}
	return state, nil
}

// updateState changes the file, by writing another one in its place.
func updateState(file string, change func(*stateFile)) error {
	if file == "" {
		return nil
	}
	return bounded.Update(file, 0o644, func() ([]byte, error) {
		state, err := readState(file)
		if err != nil {
			return nil, err
		}
		change(&state)
		data, err := json.Marshal(state)
		return append(data, '\n'), err
	})
}
