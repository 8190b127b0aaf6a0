package es

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

const (
	// masterWait is the minimum time-out of a request that servers before 7.9 delay for up to
	// half a minute while another snapshot operation runs.
	masterWait = 90 * time.Second
	// sizesTimeout is the minimum time-out for reading a snapshot shard by shard, and for a
	// verification that waits for slow storage.
	sizesTimeout = 2 * time.Minute
)

type repositoryReply struct {
	Type     string         `json:"type"`
	UUID     string         `json:"uuid"`
	Settings map[string]any `json:"settings"`
}

func (r repositoryReply) repository(name string) cluster.Repository {
	return cluster.Repository{Name: name, Type: r.Type, UUID: r.UUID, Settings: cluster.Flatten(r.Settings)}
}

// repositories decodes a list of repositories; an entry without a type is not a
// repository.
func repositories(to *map[string]repositoryReply) func(*stream) error {
	return func(s *stream) error {
		if err := s.Decode(to); err != nil {
			return err
		}
		for name, r := range *to {
			if r.Type == "" {
				return fmt.Errorf("%q is not a repository", name)
			}
		}
		return nil
	}
}

// Repositories implements cluster.RepositoryReader.
func (c *Client) Repositories(ctx context.Context) ([]cluster.Repository, error) {
	var reply map[string]repositoryReply
	err := c.do(ctx, call{op: "list repositories", decode: repositories(&reply), request: func() request {
		return request{path: "/_snapshot"}
	}})
	var list []cluster.Repository
	for name, r := range reply {
		list = append(list, r.repository(name))
	}
	cluster.Sort(list, func(a, b cluster.Repository) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// Repository implements cluster.RepositoryReader.
func (c *Client) Repository(ctx context.Context, name string) (cluster.Repository, error) {
	op := "read repository " + name
	var reply map[string]repositoryReply
	err := c.do(ctx, call{op: op, decode: repositories(&reply), request: func() request {
		return request{path: "/_snapshot/" + esc(name)}
	}})
	if err != nil {
		return cluster.Repository{}, err
	}
	r, ok := reply[name]
	if !ok { // one that is not registered is a 404
		return cluster.Repository{}, &cluster.Error{Op: op, Kind: cluster.ErrServer, Text: "the reply does not contain the repository"}
	}
	return r.repository(name), nil
}

// RegisterRepository implements cluster.Writer.
func (c *Client) RegisterRepository(ctx context.Context, r cluster.RegisterRepository) error {
	settings := r.Settings
	if settings == nil {
		settings = map[string]any{}
	}
	return c.do(ctx, call{
		op:      "register repository " + r.Name,
		write:   true,
		resend:  harmless,
		private: true,
		least:   sizesTimeout,
		request: func() request {
			return request{method: http.MethodPut, path: "/_snapshot/" + esc(r.Name), query: params{"verify": strconv.FormatBool(r.Verify)},
				body: map[string]any{"type": r.Type, "settings": settings}}
		},
	})
}

// VerifyRepository implements cluster.Writer.
func (c *Client) VerifyRepository(ctx context.Context, r cluster.VerifyRepository) ([]string, error) {
	var reply map[string]struct {
		Name string `json:"name"`
	}
	err := c.do(ctx, call{
		op:     "verify repository " + r.Name,
		write:  true,
		resend: harmless,
		least:  sizesTimeout,
		decode: fields(field{"nodes", &reply}),
		request: func() request {
			return request{method: http.MethodPost, path: "/_snapshot/" + esc(r.Name) + "/_verify"}
		},
	})
	var nodes []string
	for _, n := range reply {
		nodes = append(nodes, n.Name)
	}
	slices.Sort(nodes)
	return nodes, err
}

// integrityTimeout is how long the server may take to look through a repository.
const integrityTimeout = 12 * time.Hour

// Integrity implements cluster.RepositoryReader. An older server would read
// _verify_integrity as the name of a snapshot to create, so it is not asked.
func (c *Client) Integrity(ctx context.Context, name string) (cluster.Integrity, error) {
	var found cluster.Integrity
	op := "verify the integrity of repository " + name
	server, err := c.Server(ctx)
	if err != nil {
		return found, err
	}
	if !server.ChecksIntegrity() {
		return found, &cluster.Error{
			Op:   op,
			Kind: cluster.ErrUnsupported,
			Text: server.String() + " cannot do it; Elasticsearch can from 8.16 on",
		}
	}
	var results struct {
		Status struct {
			Repository struct {
				Generation int64 `json:"generation"`
			} `json:"repository"`
		} `json:"status"`
		Generation int64  `json:"final_repository_generation"`
		Anomalies  int64  `json:"total_anomalies"`
		Result     string `json:"result"`
	}
	err = c.do(ctx, call{
		op: op, resend: never, least: integrityTimeout,
		request: func() request {
			return request{method: http.MethodPost, path: "/_snapshot/" + esc(name) + "/_verify_integrity"}
		},
		decode: func(s *stream) error {
			known := false
			err := s.object(func(key string) error {
				switch key {
				case "log": // one entry for each snapshot, index and anomaly
					return s.array(func() error {
						var entry struct {
							Anomaly string `json:"anomaly"`
						}
						err := s.Decode(&entry)
						if entry.Anomaly != "" {
							found.Anomalies++
						}
						found.First = cmp.Or(found.First, entry.Anomaly)
						return err
					})
				case "results":
					known = true
					return s.Decode(&results)
				}
				return s.skip()
			})
			if err == nil && !known { // the server gave up: what it found so far counts
				err = lacks("results")
			}
			return err
		},
	})
	found.Anomalies, found.Result = max(found.Anomalies, results.Anomalies), results.Result
	found.Changed = results.Status.Repository.Generation != results.Generation || strings.HasPrefix(results.Result, "inconclusive")
	if status(err) == http.StatusMethodNotAllowed || status(err) == http.StatusNotFound && !errors.Is(err, cluster.ErrNoRepository) {
		err = &cluster.Error{Op: op, Kind: cluster.ErrUnsupported, Text: "this server does not have _verify_integrity; it is a part of x-pack"}
	}
	return found, err
}

// CleanupRepository implements cluster.Writer.
func (c *Client) CleanupRepository(ctx context.Context, r cluster.CleanupRepository) (cluster.CleanupResult, error) {
	var result cluster.CleanupResult
	op := "clean up repository " + r.Name
	server, err := c.Server(ctx)
	if err != nil {
		return result, err
	}
	if !server.CleansUp() { // an older server reads _cleanup as the name of a snapshot to create
		return result, cluster.NoCleanup(server, r.Name)
	}
	err = c.do(ctx, call{op: op, write: true, least: sizesTimeout, decode: fields(field{"results", &result}), request: func() request {
		return request{method: http.MethodPost, path: "/_snapshot/" + esc(r.Name) + "/_cleanup"}
	}})
	return result, err
}

// UnregisterRepository implements cluster.Writer.
func (c *Client) UnregisterRepository(ctx context.Context, r cluster.UnregisterRepository) error {
	op := "unregister repository " + r.Name
	if err := concrete(op, r.Name); err != nil {
		return err
	}
	return c.do(ctx, call{op: op, write: true, request: func() request {
		return request{method: http.MethodDelete, path: "/_snapshot/" + esc(r.Name)}
	}})
}
