package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// Flatten writes nested settings as dotted keys with text values, the form in
// which servers return them. Null values are left out.
func Flatten(settings map[string]any) map[string]string {
	out := make(map[string]string, len(settings))
	for k, v := range Dotted(settings) {
		switch v := v.(type) {
		case nil, map[string]any: // a map that is left is empty
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

// ShardNumbers are the primaries of an index and the replicas of each, by its
// settings; 0 where they do not say.
func ShardNumbers(settings map[string]string) (primaries, replicas int) {
	primaries, _ = strconv.Atoi(settings["index.number_of_shards"])
	replicas, _ = strconv.Atoi(settings["index.number_of_replicas"])
	return primaries, replicas
}

// IsDotted says whether a name is a system name by convention.
func IsDotted(name string) bool { return strings.HasPrefix(name, ".") }

func compareNames(a, b string) int { return strings.Compare(a, b) }
