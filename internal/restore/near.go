package restore

import "github.com/esnap/esnap/internal/cluster"

// nearest suggests up to three names that are similar to the one that was not found.
func nearest(name string, names []string) string {
	near := cluster.Nearest(name, names)
	if near == "" {
		return ""
	}
	return "; the nearest names are " + near
}
