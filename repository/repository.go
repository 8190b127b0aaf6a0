// Package repository contains the settings of each type of repository, registers
// repositories as the file declares them, and explains the usual failures.
//
// To add a type: write a file with its settings, put one row in Kinds.
package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/near"
)

// Mode is what a run may do with a declared repository.
type Mode string

// The values. The zero value is Create.
const (
	// Create registers a missing repository and reports drift.
	Create Mode = "create"
	// Update also changes settings that differ.
	Update Mode = "update"
	// Verify never registers; it verifies the existing repository on every node.
	Verify Mode = "verify"
)

// Spec is a repository as a file declares it.
type Spec struct {
	Name     string
	Type     string
	Settings map[string]any
	Ensure   Mode
	// Asked: the repository is verified also if it is as declared, and registered again if
	// that is forced.
	Asked bool
	// Owner is the uuid of the cluster that writes to a place where snapshots of another
	// cluster are; empty: not said.
	Owner string
}

// SettingType is the type of a setting's value.
type SettingType string

// The types. Bytes is a size such as 40mb, Time a duration such as 30s.
const (
	Text  SettingType = "text"
	Bool  SettingType = "boolean"
	Int   SettingType = "whole number"
	Bytes SettingType = "size such as 40mb"
	Time  SettingType = "time such as 30s"
)

// Setting is one setting of a type.
type Setting struct {
	Type   SettingType
	Place  bool     // the place of the snapshots: changing it points to other snapshots
	Secret bool     // never shown, and not returned by servers
	Path   bool     // a path: a trailing slash does not matter
	OneOf  []string // the texts allowed
	Doc    string

	Refused string // why it must not be given at all
}

// Kind is a type of repository.
type Kind struct {
	// Settings are all known settings; nil passes everything through.
	Settings map[string]Setting
	Required []string
	Doc      string
}

// Kinds is the list of all types.
var Kinds = map[string]Kind{
	"fs":     {Settings: fsSettings, Required: []string{"location"}, Doc: "a folder that every node has mounted"},
	"s3":     {Settings: s3Settings, Required: []string{"bucket"}, Doc: "a bucket on Amazon S3 or a server that speaks its protocol"},
	"url":    {Doc: "a read-only place with a URL; settings are passed on"},
	"azure":  {Doc: "Azure Blob Storage; settings are passed on"},
	"gcs":    {Doc: "Google Cloud Storage; settings are passed on"},
	"hdfs":   {Doc: "HDFS; settings are passed on"},
	"source": {Doc: "the documents without their indexes, in a repository of delegate_type; settings are passed on"},
}

// baseSettings are the settings of every typed repository.
var baseSettings = map[string]Setting{
	"compress":                        {Type: Bool, Doc: "compress metadata files"},
	"chunk_size":                      {Type: Bytes, Doc: "split files larger than this"},
	"max_snapshot_bytes_per_sec":      {Type: Bytes, Doc: "maximum speed of snapshots, per node"},
	"max_restore_bytes_per_sec":       {Type: Bytes, Doc: "maximum speed of restores, per node"},
	"max_number_of_snapshots":         {Type: Int, Doc: "maximum number of snapshots in the repository"},
	"readonly":                        {Type: Bool, Doc: "refuse writes; set it in all clusters that share the place except one"},
	"remote_store_index_shallow_copy": {Type: Bool, Doc: "OpenSearch: snapshots of remote-backed indices refer to the remote store"},
	"shallow_snapshot_v2":             {Type: Bool, Doc: "OpenSearch: shallow snapshots in their second form"},
}

func withBase(own map[string]Setting) map[string]Setting {
	all := maps.Clone(baseSettings)
	maps.Copy(all, own)
	return all
}

var (
	bytesText = regexp.MustCompile(`(?i)^\d+(?:\.\d+)?\s*(?:b|kb?|mb?|gb?|tb?|pb?|%)?$`)
	timeText  = regexp.MustCompile(`^-?\d+(?:\.\d+)?(?:nanos|micros|ms|s|m|h|d)?$`)
	intText   = regexp.MustCompile(`^-?\d+$`)
)

// Validate checks a declaration against its type. Errors are *cluster.OptionError,
// joined; their keys are settings.
func (s Spec) Validate() error {
	kind, ok := Kinds[s.Type]
	if !ok {
		return &cluster.OptionError{
			Key:  "type",
			Text: fmt.Sprintf("%q is not one of %s", s.Type, strings.Join(slices.Sorted(maps.Keys(Kinds)), ", ")),
		}
	}
	var errs []error
	for _, r := range kind.Required {
		if v := s.Settings[r]; v == nil || v == "" {
			errs = append(errs, &cluster.OptionError{Key: r, Text: fmt.Sprintf("the setting %s is required for type %s", r, s.Type)})
		}
	}
	if kind.Settings == nil {
		return errors.Join(errs...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Settings)) {
		known, ok := kind.Settings[name]
		if !ok {
			e := &cluster.OptionError{
				Key:  name,
				Text: fmt.Sprintf("unknown setting %[2]s for a repository of type %[1]s; the server would store it without an error", s.Type, name),
			}
			e.Hint = near.DidYouMean(name, slices.Collect(maps.Keys(kind.Settings)))
			errs = append(errs, e)
			continue
		}
		why := known.check(s.Settings[name])
		if known.Refused != "" && s.Settings[name] != nil {
			why = known.Refused
		}
		if why != "" {
			errs = append(errs, &cluster.OptionError{Key: name, Text: why})
		}
	}
	return errors.Join(errs...)
}

func (k Setting) check(v any) string {
	if v == nil {
		return ""
	}
	text := strings.TrimSpace(fmt.Sprint(v))
	_, isMap := v.(map[string]any)
	_, isList := v.([]any)
	ok := !isMap && !isList
	switch k.Type {
	case Bool:
		ok = ok && (text == "true" || text == "false")
	case Int:
		ok = ok && intText.MatchString(text)
	case Bytes:
		ok = ok && bytesText.MatchString(text)
	case Time:
		ok = ok && timeText.MatchString(text)
	}
	switch {
	case !ok:
		return fmt.Sprintf("expected a %s", k.Type)
	case len(k.OneOf) > 0 && !slices.Contains(k.OneOf, strings.ToLower(text)):
		return fmt.Sprintf("%q is not one of %s", text, strings.Join(k.OneOf, ", "))
	}
	return ""
}

// IsSecret reports whether a setting may be a password or key, also for types whose
// settings are passed on. Its value is never shown.
func IsSecret(kind, key string) bool {
	return Kinds[kind].Settings[key].Secret || strings.Contains(key, "secret") || strings.Contains(key, "password") ||
		strings.HasSuffix(key, "token") || strings.HasSuffix(key, "access_key")
}

// Shown is a setting's value without the user and password that an address in it may
// contain.
func Shown(value string) string {
	u, err := url.Parse(value)
	switch {
	case err != nil && strings.Contains(value, "@"):
		return "***"
	case err != nil || u.User == nil:
		return value
	}
	u.User = url.User("***")
	return strings.Replace(u.String(), url.User("***").String()+"@", "***@", 1)
}

// Difference is one setting in which the cluster differs from the file.
type Difference struct {
	Key   string `json:"key"`
	Have  string `json:"have"` // in the cluster; empty: not set
	Want  string `json:"want"` // in the file; empty: not set
	Place bool   `json:"place"`
}

// String is the difference as part of a sentence.
func (d Difference) String() string {
	quote := func(s string) string {
		if s == "" {
			return "not set"
		}
		return s
	}
	return fmt.Sprintf("%s is %s in the cluster but %s in the file", d.Key, quote(d.Have), quote(d.Want))
}

// Drift compares a registered repository with its declaration, after what
// servers do to values: text for booleans and numbers, letter case of sizes,
// trailing slashes. Secrets are not compared.
func Drift(have cluster.Repository, want Spec) []Difference {
	var out []Difference
	if have.Type != want.Type {
		out = append(out, Difference{Key: "type", Have: have.Type, Want: want.Type, Place: true})
	}
	settings := Kinds[want.Type].Settings
	wanted := cluster.Flatten(want.Settings)
	keys := slices.Sorted(maps.Keys(wanted))
	for k := range have.Settings {
		if _, known := wanted[k]; !known {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		s := settings[k]
		if IsSecret(want.Type, k) {
			continue
		}
		place := isPlace(want.Type, k)
		path := s.Path || place
		h, w := normal(have.Settings[k], path), normal(wanted[k], path)
		if h == w || s.Type == Bool && (h == "" && w == "false" || h == "false" && w == "") {
			continue
		}
		out = append(out, Difference{Key: k, Have: Shown(have.Settings[k]), Want: Shown(wanted[k]), Place: place})
	}
	return out
}

// isPlace says that a setting is part of the place of a repository's snapshots.
func isPlace(kind, key string) bool {
	known := Kinds[kind].Settings
	if known == nil {
		return slices.Contains([]string{"location", "url", "bucket", "container", "base_path", "path", "uri"}, key)
	}
	return known[key].Place
}

// OnePlace finds, of registered repositories, two with these names whose snapshots are in one
// place: each snapshot in one is that in the other. Empty if there are none.
func OnePlace(registered []cluster.Repository, names []string) (first, second string) {
	places := map[string]string{} // names
	for _, r := range registered {
		if !slices.Contains(names, r.Name) {
			continue
		}
		place := []string{r.Type}
		for _, key := range slices.Sorted(maps.Keys(r.Settings)) {
			v := normal(r.Settings[key], true)
			if key == "base_path" {
				v = strings.Trim(v, "/")
			}
			// A bucket of this name may be in several object stores, and a container in several accounts.
			store := slices.Contains([]string{"endpoint", "client", "account", "region"}, key) && v != "default"
			if v != "" && (isPlace(r.Type, key) || store) {
				place = append(place, key, v)
			}
		}
		if len(place) == 1 {
			continue // not known
		}
		id := strings.Join(place, "\x00")
		if other, found := places[id]; found {
			return other, r.Name
		}
		places[id] = r.Name
	}
	return "", ""
}

func normal(v string, path bool) string {
	v = strings.TrimSpace(v)
	if path {
		if v != "/" {
			v = strings.TrimRight(v, "/")
		}
		return v
	}
	return strings.ToLower(v)
}

// State is the result of Ensure.
type State struct {
	Spec    Spec
	Result  cluster.Result
	Changed bool // registered or updated
	Drift   []Difference
	Holds   int       // number of snapshots that a newly registered place already contained
	Newest  time.Time // of those
	Detail  string
}

// Text is what was done to the repository, or in a dry run would be.
func (s State) Text(dryRun bool) string {
	if dryRun && s.Changed {
		return "would be " + s.Detail
	}
	return s.Detail
}

// Ensure registers or updates the repository as the file declares it, as far as Ensure
// allows. A change of place is a refusal unless forced.
func Ensure(ctx context.Context, c cluster.Cluster, s Spec, force bool) (State, error) {
	st := State{Spec: s, Result: cluster.Done}
	have, err := c.Repository(ctx, s.Name)
	switch {
	case errors.Is(err, cluster.ErrNoRepository):
		if s.Ensure == Verify {
			return st, cluster.WithHint(err, "the repository is not registered, because the file has ensure: verify; ensure: create registers it")
		}
		return register(ctx, c, st)
	case err != nil:
		return st, err
	}
	st.Drift = Drift(have, s)
	if len(st.Drift) > 0 && (s.Ensure == Update || slices.ContainsFunc(st.Drift, func(d Difference) bool { return d.Place })) {
		if place := slices.IndexFunc(st.Drift, func(d Difference) bool { return d.Place }); place >= 0 && !force {
			return st, cluster.WithHint(cluster.Refuse("repository %s points elsewhere: %s", s.Name, st.Drift[place]),
				"the snapshots in the present place would no longer be visible; register the new place under another name; "+
					"or replace the repository with --force")
		}
		return register(ctx, c, st)
	}
	if force && s.Asked { // also what the server does not show, such as keys
		return register(ctx, c, st)
	}
	if force { // accepts contents that the server refuses
		if _, err := c.Snapshots(ctx, s.Name, false); errors.Is(err, cluster.ErrReplaced) {
			if err := Unregister(ctx, c, s.Name); err != nil {
				return st, err
			}
			return register(ctx, c, st)
		}
	}
	st.Result, st.Detail = cluster.Unchanged, "as declared"
	if len(st.Drift) > 0 {
		st.Detail = "differs from the file"
	}
	if s.Ensure == Verify || s.Asked {
		nodes, err := c.VerifyRepository(ctx, cluster.VerifyRepository{Name: s.Name})
		if err != nil {
			return st, Explain(err)
		}
		verified := "verified"
		if len(nodes) > 0 {
			verified = "verified by " + cluster.Count(len(nodes), "node")
		}
		if s.Ensure == Verify {
			st.Detail = verified
		} else {
			st.Detail += ", " + verified
		}
	}
	return st, nil
}

// Register registers a repository and verifies that. If the reply was lost, the
// registered repository may be the previous one, or one that no node could verify: both
// are checked.
func Register(ctx context.Context, c cluster.Cluster, r cluster.RegisterRepository) error {
	err := c.RegisterRepository(ctx, r)
	if err != nil && !errors.Is(err, cluster.ErrLost) {
		return err
	}
	have, look := c.Repository(ctx, r.Name)
	if look != nil {
		return errors.Join(fmt.Errorf("cannot tell whether the repository was registered: %w", look), err)
	}
	if err == nil {
		return nil
	}
	if drift := Drift(have, Spec{Type: r.Type, Settings: r.Settings}); len(drift) > 0 {
		return fmt.Errorf("%w; the repository differs from the request: %s", err, drift[0])
	}
	if r.Verify {
		_, err = c.VerifyRepository(ctx, cluster.VerifyRepository{Name: r.Name})
		return err
	}
	return nil
}

// Missing is advice for who named a repository that is not registered: one of similar
// name, or those that there are.
func Missing(ctx context.Context, c cluster.RepositoryReader, names ...string) string {
	const register = "register it with esnap repository register"
	list, err := c.Repositories(ctx)
	if err != nil {
		return register
	}
	if len(list) == 0 {
		return "no repository is registered; " + register
	}
	var known []string
	for _, r := range list {
		known = append(known, r.Name)
	}
	for _, n := range names {
		if question := near.DidYouMean(n, known); question != "" && !slices.Contains(known, n) {
			return question
		}
	}
	return "there are " + strings.Join(known, ", ") + "; " + register
}

// Unregister removes a repository from the cluster and verifies that. It refuses a
// repository from which an index is mounted: the index has its only data there.
func Unregister(ctx context.Context, c cluster.Cluster, name string) error {
	c = cluster.Only(c, "unregister", cluster.UnregisterRepository{})
	list, err := c.Indices(ctx)
	if err != nil {
		return err
	}
	for _, i := range list {
		if i.Mount != nil && i.Mount.Repository == name {
			return cluster.WithHint(cluster.Refuse("the index %s is mounted from repository %s: without the repository the "+
				"index would lose its data", i.Name, name),
				"delete the mounted index first")
		}
	}
	err = c.UnregisterRepository(ctx, cluster.UnregisterRepository{Name: name})
	if errors.Is(err, cluster.ErrBusy) {
		what := "an operation that uses it"
		if ops, rerr := c.Running(ctx); rerr == nil {
			for _, o := range ops {
				if o.Repository == name {
					what = o.String()
				}
			}
		}
		return cluster.WithHint(err, "wait until %s has ended; esnap status --watch shows it", what)
	}
	if err != nil && !errors.Is(err, cluster.ErrLost) {
		return err
	}
	if _, look := c.Repository(ctx, name); !errors.Is(look, cluster.ErrNoRepository) {
		return errors.Join(fmt.Errorf("the repository %s is still registered", name), err, look)
	}
	return nil
}

// ours refuses to write to a newly registered place with snapshots of another cluster:
// two clusters that write to one place destroy it. What was registered is taken out of the
// cluster again. Snapshots that do not say who took them count as ours.
func ours(ctx context.Context, c cluster.Cluster, st State, held []*cluster.Snapshot) error {
	s := st.Spec
	if fmt.Sprint(s.Settings["readonly"]) == "true" || s.Type == "url" {
		return nil
	}
	here, err := c.Server(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(held, func(x *cluster.Snapshot) bool { return x.Elsewhere })
	if at < 0 || s.Owner == here.UUID {
		return nil
	}
	if len(st.Drift) == 0 {
		if err := Unregister(ctx, c, s.Name); err != nil {
			return err
		}
	}
	return cluster.WithHint(cluster.Refuse("repository %s contains snapshots of another cluster, %s, such as %s", s.Name,
		held[at].Cluster, held[at].Name),
		"two clusters that write to one place destroy it: readonly: true only reads; if the other cluster no longer writes there, "+
			"owner: %[1]s in the file says that this one does (esnap repository register: --owner %[1]s)", here.UUID)
}

// register creates or updates a repository, verifies it, and counts the snapshots that
// the place already contains.
func register(ctx context.Context, c cluster.Cluster, st State) (State, error) {
	s := st.Spec
	settings := maps.Clone(s.Settings)
	maps.DeleteFunc(settings, func(_ string, v any) bool { return v == nil })
	err := Register(ctx, c, cluster.RegisterRepository{Name: s.Name, Type: s.Type, Settings: settings, Verify: true})
	if err != nil {
		err = Explain(err)
		if _, look := c.Repository(ctx, s.Name); look == nil && len(st.Drift) == 0 {
			err = &cluster.Hinted{Err: fmt.Errorf("%w; the repository is registered but not verified", err), Advice: cluster.Hint(err)}
		}
		return st, err
	}
	st.Changed = true
	st.Detail = "registered and verified"
	if len(st.Drift) > 0 {
		st.Detail = "updated and verified"
	}
	held, err := c.Snapshots(ctx, s.Name, false)
	if err != nil {
		return st, fmt.Errorf("cannot list the snapshots in the repository: %w", Explain(err))
	}
	if err := ours(ctx, c, st, held); err != nil {
		return State{Spec: s, Result: st.Result, Drift: st.Drift}, err
	}
	if st.Holds = len(held); st.Holds > 0 {
		st.Newest = held[len(held)-1].Start
		st.Detail += fmt.Sprintf("; the location already contains %s, the newest from %s",
			cluster.Count(st.Holds, "snapshot"), cluster.Minutes(st.Newest))
	}
	return st, nil
}
