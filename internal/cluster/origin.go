package cluster

import "strings"

// Origin is what esnap writes into the metadata of its snapshots, under MetadataKey: who
// took the snapshot. It contains no secrets.
type Origin struct {
	Cluster     string `json:"cluster_uuid,omitempty"`
	Version     string `json:"version,omitempty"` // of esnap
	Run         string `json:"run_id,omitempty"`
	Host        string `json:"host,omitempty"`
	Description string `json:"description,omitempty"` // of the action
}

// MetadataKey is esnap's key in the metadata of a snapshot.
const MetadataKey = "esnap"

// longest is the longest value of the metadata, in bytes: servers refuse metadata of more
// than 1024 bytes.
const longest = 160

// Metadata is the metadata of a snapshot that esnap takes. Long values are cut.
func (o Origin) Metadata() map[string]any {
	own := map[string]any{}
	for key, value := range map[string]string{
		"cluster_uuid": o.Cluster, "version": o.Version, "run_id": o.Run, "host": o.Host, "description": o.Description,
	} {
		if len(value) > longest {
			value = strings.ToValidUTF8(value[:longest-3], "") + "…"
		}
		if value != "" {
			own[key] = value
		}
	}
	return map[string]any{MetadataKey: own}
}

// SetOrigin notes what the metadata of the snapshot says.
func (s *Snapshot) SetOrigin(o Origin) {
	s.Cluster, s.Origin = o.Cluster, nil
	if o != (Origin{Cluster: o.Cluster}) {
		s.Origin = &o
	}
}
