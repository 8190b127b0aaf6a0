package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// DeleteIndices names the indices to delete; never a pattern.
type DeleteIndices struct {
	Names         []string
	MasterTimeout time.Duration // 0 means the server's
}

// Intent implements Op.
func (r DeleteIndices) Intent() Intent {
	return Intent{Verb: VerbDelete, What: "index", Names: r.Names}
}

// Assume implements Op.
func (r DeleteIndices) Assume(o *Overlay) {
	for _, n := range r.Names {
		o.indices[n] = nil
	}
}

// refused implements refusable: read-only indices are not deleted.
func (r DeleteIndices) refused(ctx context.Context, c Reader) error {
	return refusedByBlock(ctx, c, VerbDelete, r.Names, "read_only", "metadata")
}

// PutIndexSettings changes settings of indices; null removes one.
type PutIndexSettings struct {
	Names             []string
	Settings          map[string]any
	IgnoreUnavailable bool
	PreserveExisting  bool
}

// Intent implements Op.
func (r PutIndexSettings) Intent() Intent {
	return Intent{Verb: VerbChangeSettings, What: "index", Names: r.Names, Detail: "to " + text(r.Settings)}
}

// Assume implements Op.
func (r PutIndexSettings) Assume(o *Overlay) {
	for _, n := range r.Names {
		if o.settings[n] == nil {
			o.settings[n] = map[string]string{}
		}
		for k, v := range r.Flat() {
			o.settings[n][k] = v
		}
	}
}

// refused implements refusable. Blocks may be lifted all the same.
func (r PutIndexSettings) refused(ctx context.Context, c Reader) error {
	if err := refusedSettings(ctx, c, "change settings of "+Count(len(r.Names), "index"), r.Flat(), r.Names...); err != nil {
		return err
	}
	for k := range r.Flat() {
		if !strings.HasPrefix(k, "index.blocks.") {
			return refusedByBlock(ctx, c, VerbChangeSettings, r.Names, "read_only", "read_only_allow_delete", "metadata")
		}
	}
	return nil
}

// Flat are the settings by their full names, as the server returns them; empty
// text stands for one that is removed.
func (r PutIndexSettings) Flat() map[string]string {
	out := map[string]string{}
	for k, v := range Flatten(r.Settings) {
		out[indexSetting(k)] = v
	}
	for k, v := range r.Settings {
		if v == nil {
			out[indexSetting(k)] = ""
		}
	}
	return out
}

// OpenIndices opens indices, or with Close closes them.
type OpenIndices struct {
	Names []string
	Close bool
}

func (r OpenIndices) verb() Verb {
	if r.Close {
		return VerbClose
	}
	return VerbOpen
}

// Intent implements Op.
func (r OpenIndices) Intent() Intent {
	return Intent{Verb: r.verb(), What: "index", Names: r.Names}
}

// refused implements refusable. Elasticsearch 8 opens an index that may only be deleted.
func (r OpenIndices) refused(ctx context.Context, c Reader) error {
	server, err := c.Server(ctx)
	if err != nil {
		return err
	}
	blocks := CloseBlocks
	if !r.Close && !server.OpenSearch && !server.Version.Less(Version{8, 0, 0}) {
		blocks = blocks[:2] // opening, from Elasticsearch 8 on
	}
	return refusedByBlock(ctx, c, r.verb(), r.Names, blocks...)
}

// Assume implements Op.
func (r OpenIndices) Assume(o *Overlay) {
	for _, n := range r.Names {
		o.closed[n] = r.Close
	}
}

// FlushIndices writes what is in memory to disk, before indices are closed.
type FlushIndices struct{ Names []string }

// Intent implements Op.
func (r FlushIndices) Intent() Intent { return Intent{Verb: VerbFlush, What: "index", Names: r.Names} }

// Assume implements Op.
func (r FlushIndices) Assume(*Overlay) {}

// FreezeIndices freezes indices, or with Unfreeze thaws them.
type FreezeIndices struct {
	Names    []string
	Unfreeze bool
}

// Intent implements Op.
func (r FreezeIndices) Intent() Intent {
	verb := VerbFreeze
	if r.Unfreeze {
		verb = VerbUnfreeze
	}
	return Intent{Verb: verb, What: "index", Names: r.Names}
}

// refused implements refusable: Elasticsearch 6.6 to 7 freezes, 8 only unfreezes. Whether
// x-pack is there is not known before.
func (r FreezeIndices) refused(ctx context.Context, c Reader) error {
	server, err := c.Server(ctx)
	if err != nil {
		return err
	}
	since, until := Version{6, 6, 0}, Version{8, 0, 0}
	if r.Unfreeze {
		until = Version{9, 0, 0}
	}
	if v := server.Version; v != (Version{}) && (server.OpenSearch || v.Less(since) || !v.Less(until)) {
		in := r.Intent()
		return &Error{
			Op:   in.Verb.String() + " " + Count(len(r.Names), "index"),
			Kind: ErrUnsupported,
			Text: server.String() + " cannot " + in.Verb.String() + " indices",
		}
	}
	return nil
}

// Assume implements Op.
func (r FreezeIndices) Assume(o *Overlay) {
	PutIndexSettings{Names: r.Names, Settings: map[string]any{"index.frozen": !r.Unfreeze}}.Assume(o)
}

// ForcemergeIndex merges an index's segments and returns when it is done.
type ForcemergeIndex struct {
	Name           string
	MaxNumSegments int64
}

// Intent implements Op.
func (r ForcemergeIndex) Intent() Intent {
	return Intent{Verb: VerbForcemerge, What: "index", Names: []string{r.Name}}
}

// Assume implements Op.
func (r ForcemergeIndex) Assume(*Overlay) {}

// CreateIndex makes an index. Body is aliases, mappings and settings.
type CreateIndex struct {
	Name string
	Body map[string]any
}

// Intent implements Op.
func (r CreateIndex) Intent() Intent {
	return Intent{Verb: VerbCreate, What: "index", Names: []string{r.Name}}
}

// refused implements refusable.
func (r CreateIndex) refused(ctx context.Context, c Reader) error {
	if err := invalid("create index "+r.Name, "index", r.Name); err != nil {
		return err
	}
	server, err := c.Server(ctx)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(r.Body)) {
		known := key == "settings" || key == "mappings" || key == "aliases"
		if !known && (server.OpenSearch || !server.Version.Less(Version{7, 0, 0})) { // older ones read more
			return &Error{
				Op: "create index " + r.Name, Kind: ErrInvalid,
				Text: fmt.Sprintf("%q is not a part of a new index: these are settings, mappings and aliases", key),
			}
		}
	}
	if settings, is := r.Body["settings"].(map[string]any); is {
		flat := map[string]string{}
		for k, v := range Flatten(settings) {
			flat[indexSetting(k)] = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(v)), "+")
		}
		if err := refusedSettings(ctx, c, "create index "+r.Name, flat); err != nil {
			return err
		}
	}
	list, err := c.Indices(ctx)
	if err != nil {
		return err
	}
	for _, i := range list {
		switch {
		case i.Name == r.Name:
			return &Error{Op: "create index " + r.Name, Kind: ErrExists, Text: "it already exists"}
		case i.HasAlias(r.Name), i.DataStream == r.Name:
			return &Error{Op: "create index " + r.Name, Kind: ErrExists, Text: "an alias or data stream has this name"}
		}
	}
	return nil
}

// Assume implements Op.
func (r CreateIndex) Assume(o *Overlay) {
	o.indices[r.Name] = &Index{Name: r.Name, Created: o.now, Primaries: 1, System: IsDotted(r.Name), Assumed: true}
}

// PutClusterSettings changes transient settings of the cluster.
type PutClusterSettings struct{ Transient map[string]any }

// Intent implements Op.
func (r PutClusterSettings) Intent() Intent {
	var names []string
	for n := range Flatten(r.Transient) {
		names = append(names, n)
	}
	slices.Sort(names)
	return Intent{Verb: VerbChange, What: "cluster setting", Names: names}
}

// Assume implements Op.
func (r PutClusterSettings) Assume(*Overlay) {}

// Rollover points an alias to a new index if the conditions are met.
type Rollover struct {
	Alias               string
	NewIndex            string // empty: the server counts on
	Conditions          map[string]any
	Settings            map[string]any // of the new index, as are these
	Aliases             map[string]any
	Mappings            map[string]any
	WaitForActiveShards string
}

// Intent implements Op.
func (r Rollover) Intent() Intent {
	return Intent{Verb: VerbRollOver, What: "alias", Names: []string{r.Alias}}
}

// Assume implements Op.
func (r Rollover) Assume(*Overlay) {}

// RolloverResult is what a rollover did, or would do.
type RolloverResult struct {
	OldIndex, NewIndex string
	Due                bool // the conditions are met
}

// Health is the state of the cluster as a whole.
type Health struct {
	Status     string
	Relocating int
}

func indexSetting(name string) string {
	if strings.HasPrefix(name, "index.") {
		return name
	}
	return "index." + name
}
