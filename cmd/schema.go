package cmd

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/invopop/jsonschema"
	"github.com/spf13/cobra"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
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

// Schema describes the action file to editors, from the same tags that the
// parser reads.
func Schema() *jsonschema.Schema {
	root := object()
	root.Version = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "esnap action file"
	root.Properties.Set("repositories", &jsonschema.Schema{Type: "object", Description: "repositories that a run registers and checks", AdditionalProperties: repositorySchema()})
	defaults := object()
	var anyAction []*jsonschema.Schema
	for _, name := range slices.Sorted(maps.Keys(actions.Kinds)) {
		kind := actions.Kinds[name]
		options := object()
		addFields(options, reflect.TypeFor[actions.Common]())
		addFields(options, reflect.TypeOf(kind.New(actions.Native)).Elem())
		addFields(defaults, reflect.TypeOf(kind.New(actions.Native)).Elem())
		if _, ok := kind.New(actions.Native).(actions.Remoted); ok {
			options.Properties.Set(actions.RemoteSlot, &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{OneOf: filterSchemas(cluster.Indices)}})
		}
		a := object()
		a.Description = kind.Doc
		a.Properties.Set("action", &jsonschema.Schema{Const: name})
		a.Properties.Set("description", &jsonschema.Schema{Type: "string"})
		a.Properties.Set("options", options)
		a.Required = []string{"action"}
		if kind.List != "" {
			a.Properties.Set("filters", &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{OneOf: filterSchemas(kind.List)}})
		}
		for _, slot := range kind.Slots {
			block := object()
			block.Properties.Set("filters", &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{OneOf: filterSchemas(cluster.Indices)}})
			block.Required = []string{"filters"}
			a.Properties.Set(slot, block)
		}
		if kind.Deletes {
			a.Required = append(a.Required, "filters")
		}
		anyAction = append(anyAction, a)
	}
	addFields(defaults, reflect.TypeFor[actions.Common]())
	defaults.Required = nil
	root.Properties.Set("defaults", defaults)
	root.Properties.Set("actions", &jsonschema.Schema{Type: "object", Description: "actions, run in the order of their ids", AdditionalProperties: &jsonschema.Schema{OneOf: anyAction}})
	return root
}

func object() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
}

func repositorySchema() *jsonschema.Schema {
	s := object()
	kinds := slices.Sorted(maps.Keys(repository.Kinds))
	s.Properties.Set("type", &jsonschema.Schema{Type: "string", Enum: anys(kinds)})
	s.Properties.Set("settings", &jsonschema.Schema{Type: "object"})
	s.Properties.Set("ensure", &jsonschema.Schema{Type: "string", Enum: []any{"create", "update", "verify"}})
	s.Properties.Set("readonly", &jsonschema.Schema{Type: "boolean"})
	s.Required = []string{"type"}
	return s
}

func filterSchemas(list cluster.ListKind) []*jsonschema.Schema {
	var out []*jsonschema.Schema
	for _, name := range slices.Sorted(maps.Keys(filters.Kinds)) {
		kind := filters.Kinds[name]
		if list == cluster.Indices && !kind.Indices || list == cluster.Snapshots && !kind.Snapshots {
			continue
		}
		s := object()
		s.Description = kind.Doc
		s.Properties.Set("filtertype", &jsonschema.Schema{Const: name})
		if !kind.NoExclude {
			s.Properties.Set("exclude", &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "boolean"}, {Type: "string"}, {Type: "null"}}, Default: kind.Exclude})
		}
		addFields(s, reflect.TypeOf(kind.New()).Elem())
		s.Required = append(s.Required, "filtertype")
		out = append(out, s)
	}
	return out
}

func addFields(s *jsonschema.Schema, t reflect.Type) {
	for _, f := range strictyaml.Fields(t) {
		p := &jsonschema.Schema{Description: f.Doc}
		typ := f.Type
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		switch {
		case typ == reflect.TypeFor[time.Duration]():
			p.Description += "; a duration such as 30m, 2h or 7d, with its unit"
		case typ.Kind() == reflect.Bool:
			p.AnyOf = []*jsonschema.Schema{{Type: "boolean"}, {Type: "string"}, {Type: "null"}}
		case typ.Kind() == reflect.Int64, typ.Kind() == reflect.Float64:
			p.AnyOf = []*jsonschema.Schema{{Type: "number"}, {Type: "string"}, {Type: "null"}}
		case typ.Kind() == reflect.Map, typ.Kind() == reflect.Struct:
			p.AnyOf = []*jsonschema.Schema{{Type: "object"}, {Type: "null"}}
		case typ.Kind() == reflect.Slice:
			p.AnyOf = []*jsonschema.Schema{{Type: "array"}, {Type: "null"}}
			if f.List {
				p.AnyOf = append(p.AnyOf, &jsonschema.Schema{Type: "string"})
			}
		case len(f.OneOf) > 0:
			p.Enum = append(anys(f.OneOf), nil)
		default:
			p.AnyOf = []*jsonschema.Schema{{Type: "string"}, {Type: "null"}}
		}
		s.Properties.Set(f.Name, p)
		if f.Required {
			s.Required = append(s.Required, f.Name)
		}
	}
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
