package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"
)

// The indices in which esnap keeps documents of its own. Their names do not begin with a
// dot: Elasticsearch from 7.7 on and OpenSearch reserve such names for hidden and system
// indices and warn of others, and not every server can hide an index. They do not contain
// a date, so that nothing takes them for an index of a day.
const (
	LockIndex    = "esnap-locks"
	HistoryIndex = "esnap-history"
)

// IsOwn reports whether esnap keeps its own documents in an index: no action selects it,
// no snapshot of esnap's contains it, and it is not restored.
func IsOwn(index string) bool { return index == LockIndex || index == HistoryIndex }

// DocumentReader reads the documents that esnap keeps in the cluster.
type DocumentReader interface {
	// Document reads one. ErrNoDocument if it does not exist, or its index does not.
	Document(ctx context.Context, index, id string) (Document, error)
	// Documents lists some, newest first; none if the index does not exist.
	Documents(ctx context.Context, q DocumentQuery) ([]Document, error)
}

// Document is one document of esnap's own.
type Document struct {
	ID      string
	Version DocumentVersion
	Time    time.Time       // by which documents are listed
	Body    json.RawMessage // as PutDocument wrote it, less what the query leaves out
}

// DocumentVersion is one state of a document. Each write makes another one.
type DocumentVersion struct{ SeqNo, PrimaryTerm int64 }

// DocumentQuery asks for the newest documents of an index.
type DocumentQuery struct {
	Index string
	Limit int
	// Before leaves out documents of this time or later; zero: none.
	Before time.Time
	// Without are members of the body that are not read; "*" is all of them.
	Without []string
}

// PutDocument writes one document of an index of esnap's own, which is created if it does
// not exist. Without Replaces it is ErrExists that the document exists; with Replaces it
// is ErrChanged that it has another version, or does not exist.
type PutDocument struct {
	Index, ID string
	Time      time.Time
	Body      any
	Replaces  *DocumentVersion
}

// Intent implements Op.
func (r PutDocument) Intent() Intent {
	return Intent{Verb: VerbUpdate, What: "document", Names: []string{r.Index + "/" + r.ID}}
}

// Assume implements Op. The version is not that of any document of a server.
func (r PutDocument) Assume(o *Overlay) {
	body, _ := json.Marshal(r.Body)
	o.document(r.Index, r.ID, &Document{ID: r.ID, Time: r.Time, Body: body, Version: DocumentVersion{SeqNo: -1}})
}

// DeleteDocument deletes one document if it has this version: ErrChanged if it has
// another. That it does not exist is not an error.
type DeleteDocument struct {
	Index, ID string
	Version   DocumentVersion
}

// Intent implements Op.
func (r DeleteDocument) Intent() Intent {
	return Intent{Verb: VerbDelete, What: "document", Names: []string{r.Index + "/" + r.ID}}
}

// Assume implements Op.
func (r DeleteDocument) Assume(o *Overlay) { o.document(r.Index, r.ID, nil) }

// document notes what a document is assumed to be; nil: deleted.
func (o *Overlay) document(index, id string, d *Document) {
	if o.documents[index] == nil {
		o.documents[index] = map[string]*Document{}
	}
	o.documents[index][id] = d
}

// Document is the real one unless a write is assumed.
func (a assumed) Document(ctx context.Context, index, id string) (Document, error) {
	d, known := a.o.documents[index][id]
	switch {
	case !known:
		return a.Reader.Document(ctx, index, id)
	case d == nil:
		return Document{}, &Error{Op: "read document " + index + "/" + id, Kind: ErrNoDocument}
	}
	return *d, nil
}

// Documents are the real ones with those that are assumed.
func (a assumed) Documents(ctx context.Context, q DocumentQuery) ([]Document, error) {
	list, err := a.Reader.Documents(ctx, q)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(d Document) bool { _, known := a.o.documents[q.Index][d.ID]; return known })
	for _, d := range a.o.documents[q.Index] {
		if d != nil && (q.Before.IsZero() || d.Time.Before(q.Before)) {
			list = append(list, *d)
		}
	}
	Sort(list, func(x, y Document) int { return cmp.Or(y.Time.Compare(x.Time), cmp.Compare(x.ID, y.ID)) })
	return list[:min(len(list), q.Limit)], nil
}
