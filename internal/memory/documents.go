package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Document implements cluster.DocumentReader.
func (m *Memory) Document(ctx context.Context, index, id string) (d cluster.Document, err error) {
	c := read("Document", "read document "+index+"/"+id, index, id)
	err = m.do(ctx, c, func() error {
		found, ok := m.documents[index][id]
		if !ok {
			return &cluster.Error{Op: c.op, Kind: cluster.ErrNoDocument}
		}
		d = found
		return nil
	})
	return d, err
}

// Documents implements cluster.DocumentReader.
func (m *Memory) Documents(ctx context.Context, q cluster.DocumentQuery) (list []cluster.Document, err error) {
	err = m.do(ctx, read("Documents", "list the documents of "+q.Index, q.Index), func() error {
		for _, d := range m.documents[q.Index] {
			if q.Before.IsZero() || d.Time.Before(q.Before) {
				d.Body = without(d.Body, q.Without)
				list = append(list, d)
			}
		}
		cluster.Sort(list, func(x, y cluster.Document) int { return cmp.Or(y.Time.Compare(x.Time), cmp.Compare(x.ID, y.ID)) })
		list = list[:min(len(list), q.Limit)]
		return nil
	})
	return list, err
}

// without leaves members out of a body.
func without(body json.RawMessage, members []string) json.RawMessage {
	var all map[string]json.RawMessage
	if len(members) == 0 || json.Unmarshal(body, &all) != nil {
		return body
	}
	for _, n := range members {
		if n == "*" {
			clear(all)
		}
		delete(all, n)
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return text
}

// PutDocument implements cluster.Writer.
func (m *Memory) PutDocument(ctx context.Context, r cluster.PutDocument) (v cluster.DocumentVersion, err error) {
	c := write("PutDocument", "write document "+r.Index+"/"+r.ID, r, r.Index, r.ID)
	err = m.do(ctx, c, func() error {
		old, exists := m.documents[r.Index][r.ID]
		switch {
		case r.Replaces == nil && exists:
			return c.fail(cluster.ErrExists, 409, "version_conflict_engine_exception", "document already exists")
		case r.Replaces != nil && (!exists || old.Version != *r.Replaces):
			return c.fail(cluster.ErrChanged, 409, "version_conflict_engine_exception", "version conflict")
		}
		body, err := json.Marshal(r.Body)
		if err != nil {
			return err
		}
		if m.indices[r.Index] == nil {
			m.indices[r.Index] = &index{Index: m.completed(cluster.Index{Name: r.Index, Hidden: m.since(8)})}
			m.documents[r.Index] = map[string]cluster.Document{}
		}
		m.serial++
		v = cluster.DocumentVersion{SeqNo: int64(m.serial), PrimaryTerm: 1}
		m.documents[r.Index][r.ID] = cluster.Document{ID: r.ID, Version: v, Time: r.Time.UTC().Truncate(time.Millisecond), Body: body}
		return nil
	})
	return v, err
}

// DeleteDocument implements cluster.Writer.
func (m *Memory) DeleteDocument(ctx context.Context, r cluster.DeleteDocument) error {
	c := write("DeleteDocument", "delete document "+r.Index+"/"+r.ID, r, r.Index, r.ID)
	return m.do(ctx, c, func() error {
		old, exists := m.documents[r.Index][r.ID]
		if exists && old.Version != r.Version {
			return c.fail(cluster.ErrChanged, 409, "version_conflict_engine_exception", "version conflict")
		}
		delete(m.documents[r.Index], r.ID)
		return nil
	})
}

// DocumentIDs lists the documents of an index, sorted.
func (m *Memory) DocumentIDs(index string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.documents[index]))
}
