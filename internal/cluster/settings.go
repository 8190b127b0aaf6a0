package cluster

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Flatten writes nested settings as dotted keys with text values, as servers return them.
// Null values are omitted.
func Flatten(settings map[string]any) map[string]string {
	out := make(map[string]string, len(settings))
	for k, v := range Dotted(settings) {
		switch v := v.(type) {
		case nil, map[string]any: // a remaining map is empty
		case []any:
			parts := make([]string, len(v))
			for i, e := range v {
				parts[i] = fmt.Sprint(e)
			}
			out[k] = strings.Join(parts, ",")
		default:
			out[k] = fmt.Sprint(v)
		}
	}
	return out
}

// Dotted writes nested settings as dotted keys, keeping nulls and types.
func Dotted(settings map[string]any) map[string]any {
	out := make(map[string]any, len(settings))
	dotted("", settings, out)
	return out
}

func dotted(prefix string, in, out map[string]any) {
	for k, v := range in {
		if m, ok := v.(map[string]any); ok && len(m) > 0 {
			dotted(prefix+k+".", m, out)
			continue
		}
		out[prefix+k] = v
	}
}

// knownValues are the values that servers of all versions accept for the usual index
// settings; for other settings the server decides.
var knownValues = map[string]*regexp.Regexp{
	"index.number_of_replicas":   regexp.MustCompile(`^\d+$`),
	"index.number_of_shards":     regexp.MustCompile(`^[1-9]\d*$`),
	"index.auto_expand_replicas": regexp.MustCompile(`^(?:false|\d+-(?:\d+|all))$`),
	"index.refresh_interval":     regexp.MustCompile(`^(?:-1|\d+(?:\.\d+)?(?:nanos|micros|ms|s|m|h|d)|0)$`),
	"index.max_result_window":    regexp.MustCompile(`^[1-9]\d*$`),
	"index.blocks":               regexp.MustCompile(`^(?:true|false)$`),
}

// badSetting returns the first setting that every server would refuse; keys are full
// names. A removed setting, with an empty value, is always accepted.
func badSetting(flat map[string]string) (text string) {
	for _, k := range slices.Sorted(maps.Keys(flat)) {
		name := k
		if strings.HasPrefix(k, "index.blocks.") {
			name = "index.blocks"
		}
		if known := knownValues[name]; known != nil && flat[k] != "" && !known.MatchString(flat[k]) {
			return fmt.Sprintf("%q is not a value of the setting %s", flat[k], k)
		}
	}
	return ""
}

// openSettings are the beginnings of settings that end in a name of the user's: a server
// does not list those.
var openSettings = []string{
	"index.analysis.", "index.similarity.", "index.blocks.", "index.routing.allocation.include.", "index.routing.allocation.exclude.",
	"index.routing.allocation.require.", "index.routing.allocation.initial_recovery.",
}

// refusedSettings is the error of a write with settings of indices that the server would
// refuse: because of a value, or because it does not know the setting. The keys are full
// names.
func refusedSettings(ctx context.Context, c Reader, op string, flat map[string]string, names ...string) error {
	if err := refusedValue(op, flat); err != nil {
		return err
	}
	return unknownSetting(ctx, c, op, flat, names...)
}

func refusedValue(op string, flat map[string]string) error {
	if bad := badSetting(flat); bad != "" {
		return &Error{Op: op, Kind: ErrInvalid, Text: bad}
	}
	return nil
}

// unknownSetting is the error of a setting that the server does not know. It asks about one of
// the named indices, or about any; what it cannot find out is not refused.
func unknownSetting(ctx context.Context, c Reader, op string, flat map[string]string, names ...string) error {
	var ask []string
	for _, k := range slices.Sorted(maps.Keys(flat)) {
		open := slices.ContainsFunc(openSettings, func(prefix string) bool { return strings.HasPrefix(k, prefix) })
		if knownValues[k] == nil && flat[k] != "" && !open {
			ask = append(ask, k)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	list, err := c.Indices(ctx)
	if err != nil {
		return err
	}
	var of string
	for _, i := range list {
		if !i.Assumed && (of == "" || slices.Contains(names, i.Name)) {
			of = i.Name
		}
	}
	if of == "" {
		return nil
	}
	known, err := c.KnownSettings(ctx, of)
	if err != nil || len(known) == 0 {
		return context.Cause(ctx)
	}
	for _, k := range ask {
		if !known[k] {
			return &Error{Op: op, Kind: ErrInvalid, Text: "the server does not know the setting " + k}
		}
	}
	return nil
}

// ShardNumbers are the primaries of an index and the replicas of each, by its settings; 0
// if the settings do not contain them.
func ShardNumbers(settings map[string]string) (primaries, replicas int) {
	primaries, _ = strconv.Atoi(settings["index.number_of_shards"])
	replicas, _ = strconv.Atoi(settings["index.number_of_replicas"])
	return primaries, replicas
}

// IsDotted reports whether a name is a system name by convention.
func IsDotted(name string) bool { return strings.HasPrefix(name, ".") }

func compareNames(a, b string) int { return strings.Compare(a, b) }
