package es

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// texts are names of which one copy is kept.
type texts map[string]string

// nameList is a JSON list of names. The snapshots of a repository contain the same names
// again and again: lists that are decoded with the same texts share them, and a list that
// is equal to the one before is that one.
type nameList struct {
	list  []string // sorted
	known texts    // nil: shares nothing
	last  []string
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *nameList) UnmarshalJSON(data []byte) error {
	if n.known == nil || bytes.IndexByte(data, '\\') >= 0 || !utf8.Valid(data) || len(data) == 0 || data[0] != '[' {
		var list []string
		if err := json.Unmarshal(data, &list); err != nil {
			return err
		}
		n.list = list
		slices.Sort(n.list)
		return nil
	}
	list := make([]string, 0, bytes.Count(data, []byte(`"`))/2)
	for rest := data; ; {
		start := bytes.IndexByte(rest, '"')
		if start < 0 {
			break
		}
		rest = rest[start+1:]
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			break
		}
		name, seen := n.known[string(rest[:end])]
		if !seen {
			name = string(rest[:end])
			n.known[name] = name
		}
		list = append(list, name)
		rest = rest[end+1:]
	}
	if !slices.IsSorted(list) {
		slices.Sort(list)
	}
	if len(list) > 0 && slices.Equal(list, n.last) {
		list = n.last
	}
	n.list = list
	return nil
}
