package cluster

import (
	"fmt"
	"strings"
)

// Flatten writes nested settings as dotted keys with text values, the form in
// which servers return them. Null values are left out.
func Flatten(settings map[string]any) map[string]string {
	out := make(map[string]string, len(settings))
	flatten("", settings, out)
	return out
}

// Prefix writes nested settings as dotted keys, keeping nulls and types.
func Prefix(prefix string, settings map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range settings {
		if m, ok := v.(map[string]any); ok && len(m) > 0 {
			for inner, x := range Prefix(prefix+k+".", m) {
				out[inner] = x
			}
			continue
		}
		out[prefix+k] = v
	}
	return out
}

func flatten(prefix string, in map[string]any, out map[string]string) {
	for k, v := range in {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			flatten(prefix+k+".", v, out)
		case []any:
			parts := make([]string, len(v))
			for i, e := range v {
				parts[i] = fmt.Sprint(e)
			}
			out[prefix+k] = strings.Join(parts, ",")
		default:
			out[prefix+k] = fmt.Sprint(v)
		}
	}
}

// IsDotted says whether a name is a system name by convention.
func IsDotted(name string) bool { return strings.HasPrefix(name, ".") }

func compareNames(a, b string) int { return strings.Compare(a, b) }
