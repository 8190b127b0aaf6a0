package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// dataStreamWriteIndex keeps the write index of a data stream.
type dataStreamWriteIndex struct{}

func newDataStreamWriteIndex(Options) Guard { return dataStreamWriteIndex{} }

func (dataStreamWriteIndex) Name() string { return "data_stream_write_index" }
func (dataStreamWriteIndex) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, cluster.KeptOther, func(i *cluster.Index) string {
		if i.DataStreamWriteIndex {
			return "it is the write index of the data stream " + i.DataStream
		}
		return ""
	})
}
