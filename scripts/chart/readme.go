package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	begin = "<!-- made from values.yaml: scripts/chart.sh readme -->\n"
	end   = "<!-- end -->\n"
)

// readme is a README with the table of values between the two marks.
func readme(old string, values []byte) (string, error) {
	before, rest, found := strings.Cut(old, begin)
	_, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		return "", fmt.Errorf("README.md does not have the marks %q and %q", begin, end)
	}
	var file yaml.Node
	if err := yaml.Unmarshal(values, &file); err != nil {
		return "", err
	}
	table := new(strings.Builder)
	table.WriteString("| key | default | meaning |\n|---|---|---|\n")
	if err := rows(table, "", file.Content[0]); err != nil {
		return "", err
	}
	return before + begin + table.String() + end + after, nil
}

// rows writes a row for each key that has a comment, and goes into those without one.
func rows(table *strings.Builder, prefix string, mapping *yaml.Node) error {
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		_, comment, described := strings.Cut("\n"+key.HeadComment, "\n# -- ")
		if !described {
			if value.Kind != yaml.MappingNode || len(value.Content) == 0 {
				return fmt.Errorf("values.yaml:%d: %s has no comment that begins with \"# -- \"", key.Line, name)
			}
			if err := rows(table, name+".", value); err != nil {
				return err
			}
			continue
		}
		var v any
		if err := value.Decode(&v); err != nil {
			return err
		}
		text := new(bytes.Buffer)
		enc := json.NewEncoder(text)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return err
		}
		comment = strings.Join(strings.Fields(strings.ReplaceAll(comment, "\n# ", " ")), " ")
		fmt.Fprintf(table, "| `%s` | `%s` | %s |\n", name, strings.TrimSpace(text.String()), strings.ReplaceAll(comment, "|", `\|`))
	}
	return nil
}
