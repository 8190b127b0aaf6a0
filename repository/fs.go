package repository

// fsSettings are the settings of a shared file system.
var fsSettings = withBase(map[string]Setting{
	"location": {
		Type:  Text,
		Place: true,
		Path:  true,
		Doc:   "the folder, below an entry of path.repo on every node; relative to the first entry, or absolute",
	},
	"base_path":      {Type: Text, Place: true, Path: true, Doc: "OpenSearch: a folder below location"},
	"io_buffer_size": {Type: Bytes, Doc: "buffer of reads and writes"},
})
