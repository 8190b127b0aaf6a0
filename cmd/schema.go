package cmd

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/strictyaml"
	"github.com/esnap/esnap/repository"
)

func newSchema(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the action file, for editors", Args: noArgs,
		Example: "  esnap schema > esnap.schema.json",
		RunE:    func(*cobra.Command, []string) error { return report.WriteJSON(app.Out, Schema()) },
	}
}

// JSONSchema is the part of JSON Schema that the schema of the action file needs.
type JSONSchema struct {
	Version              string                 `json:"$schema,omitempty"`
	Title                string                 `json:"title,omitempty"`
	Description          string                 `json:"description,omitempty"`
	Type                 string                 `json:"type,omitempty"`
	Const                string                 `json:"const,omitempty"`
	Enum                 []any                  `json:"enum,omitempty"`
	Default              any                    `json:"default,omitempty"`
	AnyOf                []*JSONSchema          `json:"anyOf,omitempty"`
	OneOf                []*JSONSchema          `json:"oneOf,omitempty"`
	Items                *JSONSchema            `json:"items,omitempty"`
	Properties           map[string]*JSONSchema `json:"properties,omitempty"`
	AdditionalProperties any                    `json:"additionalProperties,omitempty"` // a schema, or false for none
	Required             []string               `json:"required,omitempty"`
}

// Schema describes the action file for editors. It is made from the same tags that the
// parser reads.
func Schema() *JSONSchema {
	root, defaults := object(), object()
	root.Version = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "esnap action file"
	var anyAction []*JSONSchema
	for _, name := range slices.Sorted(maps.Keys(actions.Kinds)) {
		kind := actions.Kinds[name]
		action := kind.New(actions.Own)
		options := object()
		addFields(options, reflect.TypeFor[actions.Common]())
		addFields(options, reflect.TypeOf(action).Elem())
		addFields(defaults, reflect.TypeOf(action).Elem())
		if _, ok := action.(actions.RemoteSource); ok {
			options.Properties[actions.RemoteSlot] = filterList(cluster.Indices)
		}
		a := object()
		a.Description = kind.Doc
		addFields(a, reflect.TypeFor[plan.ActionKeys]())
		a.Properties["action"] = &JSONSchema{Const: name}
		a.Properties["options"] = options
		if kind.List != "" {
			a.Properties["filters"] = filterList(kind.List)
		}
		for _, slot := range kind.Slots {
			block := object()
			block.Properties["filters"] = filterList(cluster.Indices)
			block.Required = []string{"filters"}
			a.Properties[slot] = block
		}
		if kind.Deletes {
			a.Required = append(a.Required, "filters")
		}
		anyAction = append(anyAction, a)
	}
	addFields(defaults, reflect.TypeFor[actions.Common]())
	defaults.Required = nil
	repo := object()
	addFields(repo, reflect.TypeFor[plan.RepositoryKeys]())
	repo.Properties["type"] = &JSONSchema{Enum: anys(slices.Sorted(maps.Keys(repository.Kinds)))}
	addFields(root, reflect.TypeFor[plan.FileKeys]())
	lock := root.Properties["lock"]
	lock.AnyOf, lock.Enum = nil, []any{false, nil} // off is a boolean in YAML
	for _, mode := range plan.LockModes {
		lock.Enum = append(lock.Enum, string(mode))
	}
	root.Properties["hooks"] = objectOf(reflect.TypeFor[plan.Hooks](), root.Properties["hooks"].Description)
	maps.Copy(root.Properties, map[string]*JSONSchema{
		"repositories": {Type: "object", Description: "repositories that a run registers and verifies", AdditionalProperties: repo},
		"defaults":     defaults,
		"actions": {
			Type:                 "object",
			Description:          "actions, run in the order of their ids",
			AdditionalProperties: &JSONSchema{OneOf: anyAction},
		},
	})
	addNotice(root)
	return root
}

// objectOf describes a map whose keys are the fields of a type.
func objectOf(t reflect.Type, description string) *JSONSchema {
	s := object()
	s.Description = description
	addFields(s, t)
	return s
}

// addNotice describes the keys metrics and notify.
func addNotice(root *JSONSchema) {
	of := objectOf
	list := func(t reflect.Type, description string) *JSONSchema {
		return &JSONSchema{Type: "array", Description: description, Items: of(t, "")}
	}
	metrics := of(reflect.TypeFor[notice.Metrics](), "where the numbers of a run go (esnap's own)")
	metrics.Properties["pushgateway"] = of(reflect.TypeFor[notice.Pushgateway](), metrics.Properties["pushgateway"].Description)
	metrics.Properties["statsd"] = of(reflect.TypeFor[notice.Statsd](), metrics.Properties["statsd"].Description)
	notify := of(reflect.TypeFor[notice.Notify](), "who gets a message about a run (esnap's own)")
	notify.Properties["ping"] = of(reflect.TypeFor[notice.Ping](), notify.Properties["ping"].Description)
	notify.Properties["webhooks"] = list(reflect.TypeFor[notice.Webhook](), notify.Properties["webhooks"].Description)
	notify.Properties["mail"] = list(reflect.TypeFor[notice.Mail](), notify.Properties["mail"].Description)
	root.Properties["metrics"], root.Properties["notify"] = metrics, notify
}

func object() *JSONSchema {
	return &JSONSchema{Type: "object", Properties: map[string]*JSONSchema{}, AdditionalProperties: false}
}

func filterList(list cluster.ListKind) *JSONSchema {
	var kinds []*JSONSchema
	for _, name := range slices.Sorted(maps.Keys(filters.Kinds)) {
		kind := filters.Kinds[name]
		if list == cluster.Indices && !kind.Indices || list == cluster.Snapshots && !kind.Snapshots {
			continue
		}
		s := object()
		s.Description = described(kind.Doc, kind.Own)
		s.Properties["filtertype"] = &JSONSchema{Const: name}
		if !kind.NoExclude {
			s.Properties["exclude"] = oneOf("boolean", "string")
			s.Properties["exclude"].Default = kind.Exclude
		}
		addFields(s, reflect.TypeOf(kind.New()).Elem())
		s.Required = append(s.Required, "filtertype")
		kinds = append(kinds, s)
	}
	return &JSONSchema{Type: "array", Items: &JSONSchema{OneOf: kinds}}
}

// addFields describes the keys of a struct as strictyaml decodes them.
func addFields(s *JSONSchema, t reflect.Type) {
	for _, f := range strictyaml.Fields(t) {
		s.Properties[f.Name] = value(f)
		if f.Required {
			s.Required = append(s.Required, f.Name)
		}
	}
}

// described is a description that tells what Curator does not know.
func described(doc string, own bool) string {
	if own {
		doc += " (esnap's own)"
	}
	return doc
}

// value describes the values that strictyaml accepts for a key. Numbers and booleans may
// also be text, and every key may be without a value.
func value(f strictyaml.Field) *JSONSchema {
	typ := f.Type
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	p := &JSONSchema{}
	doc := described(f.Doc, f.Own)
	switch {
	case typ == reflect.TypeFor[time.Duration]():
		doc += "; a duration such as 30m, 2h or 7d, with its unit"
	case typ.Kind() == reflect.Bool:
		p = oneOf("boolean", "string")
	case typ.Kind() == reflect.Int64, typ.Kind() == reflect.Float64:
		p = oneOf("number", "string")
	case typ.Kind() == reflect.Map, typ.Kind() == reflect.Struct:
		p = oneOf("object")
	case typ.Kind() == reflect.Slice && f.List:
		p = oneOf("array", "string")
	case typ.Kind() == reflect.Slice:
		p = oneOf("array")
	case len(f.OneOf) > 0:
		p.Enum = append(anys(f.OneOf), nil)
	case f.Scalar: // numbers and dates are read as text
		p = oneOf("string", "number")
	default:
		p = oneOf("string")
	}
	p.Description = doc
	return p
}

// oneOf allows values of these types, and null: a key without a value counts as not given.
func oneOf(types ...string) *JSONSchema {
	s := &JSONSchema{}
	for _, t := range append(types, "null") {
		s.AnyOf = append(s.AnyOf, &JSONSchema{Type: t})
	}
	return s
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
