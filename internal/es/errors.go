package es

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
)

// maxErrorBody bounds how much of a failed reply is read.
const maxErrorBody = 1 << 20

// maxPage bounds how much of a page that is no JSON is looked at.
const maxPage = 64 << 10

type errorBody struct {
	Type      string          `json:"type"`
	Reason    string          `json:"reason"`
	CausedBy  *errorBody      `json:"caused_by"`
	RootCause []errorBody     `json:"root_cause"`
	Extra     json.RawMessage `json:"-"`
}

// replyError maps a failed reply onto the cluster's errors by the types in its body; the
// status decides only if the body does not contain a type. A text is masked before it is cut:
// half of a secret would not be found any more.
func replyError(k call, status int, body io.Reader, mask func(string) string) error {
	e := &cluster.Error{Op: k.op, Status: status}
	raw, _ := io.ReadAll(io.LimitReader(body, maxErrorBody))
	var reply struct {
		Error   json.RawMessage `json:"error"`
		Tagline string          `json:"tagline"` // of GET /, which Elasticsearch 6 also answers when it is not ready
	}
	var eb errorBody
	switch {
	case json.Unmarshal(raw, &reply) == nil && reply.Tagline != "":
		e.Text = "the cluster does not have a master yet, or has not recovered its state"
	case json.Unmarshal(raw, &reply) != nil || len(reply.Error) == 0:
		e.Text = plainText(mask(string(raw[:min(len(raw), maxPage)])))
	case json.Unmarshal(reply.Error, &e.Text) == nil:
	case json.Unmarshal(reply.Error, &eb) == nil && eb.Type+eb.Reason != "":
		for at := &eb; at != nil && len(e.Causes) < 20; at = at.CausedBy {
			e.Causes = append(e.Causes, cluster.Cause{Type: at.Type, Reason: oneLine(at.Reason)})
		}
	default:
		e.Text = plainText(mask(string(raw[:min(len(raw), maxPage)])))
	}
	e.Kind = kindOf(e, k.write)
	e.Hint = hint(e)
	return e
}

// oneLine puts a reason with line ends into one line.
func oneLine(s string) string {
	return strings.TrimSpace(strings.NewReplacer("\r\n", " ", "\n", " ").Replace(s))
}

// plainText makes a proxy's page or a bare text readable in one line.
func plainText(s string) string {
	s = tag.ReplaceAllString(s, " ")
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

var tag = regexp.MustCompile(`(?s)<(?:script|style).*?</(?:script|style)>|<[^>]*>`)

// kinds maps the type of any error in the chain, outermost first.
var kinds = map[string]error{
	"version_conflict_engine_exception":        cluster.ErrChanged,
	"repository_missing_exception":             cluster.ErrNoRepository,
	"index_not_found_exception":                cluster.ErrNoIndex,
	"index_closed_exception":                   cluster.ErrInvalid,
	"concurrent_snapshot_execution_exception":  cluster.ErrBusy,
	"snapshot_in_progress_exception":           cluster.ErrBusy,
	"snapshot_name_already_in_use_exception":   cluster.ErrExists,
	"resource_already_exists_exception":        cluster.ErrExists,
	"index_already_exists_exception":           cluster.ErrExists,
	"repository_exception":                     cluster.ErrRepository,
	"repository_verification_exception":        cluster.ErrRepository,
	"repository_conflict_exception":            cluster.ErrBusy,
	"blob_store_exception":                     cluster.ErrRepository,
	"access_denied_exception":                  cluster.ErrRepository,
	"no_such_file_exception":                   cluster.ErrRepository,
	"snapshot_exception":                       cluster.ErrRepository,
	"es_rejected_execution_exception":          cluster.ErrRejected,
	"rejected_execution_exception":             cluster.ErrRejected,
	"circuit_breaking_exception":               cluster.ErrRejected,
	"master_not_discovered_exception":          cluster.ErrUnavailable,
	"cluster_manager_not_discovered_exception": cluster.ErrUnavailable,
	"not_master_exception":                     cluster.ErrUnavailable,
	"not_cluster_manager_exception":            cluster.ErrUnavailable,
	"invalid_snapshot_name_exception":          cluster.ErrInvalid,
	"invalid_index_name_exception":             cluster.ErrInvalid,
	"illegal_argument_exception":               cluster.ErrInvalid,
	"validation_exception":                     cluster.ErrInvalid,
	"action_request_validation_exception":      cluster.ErrInvalid,
	"parsing_exception":                        cluster.ErrInvalid,
	"parse_exception":                          cluster.ErrInvalid,
	"x_content_parse_exception":                cluster.ErrInvalid,
	"settings_exception":                       cluster.ErrInvalid,
}

func kindOf(e *cluster.Error, write bool) error {
	text := e.Text
	for _, c := range e.Causes {
		text += "\n" + c.Reason
	}
	has := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case e.Status == http.StatusUnauthorized:
		return cluster.ErrUnauthorized
	case e.Has("security_exception"), e.Status == http.StatusForbidden && has("no permissions for"):
		return cluster.ErrForbidden
	case has("with the same name already exists"), has("is already in-progress"),
		has("an open index with same name already exists"), has("already exists as alias"):
		return cluster.ErrExists
	case e.Has("snapshot_missing_exception") && len(e.Causes) == 1, has("snapshot does not exist"):
		return cluster.ErrNoSnapshot
	case has("match its expected state"), has("concurrent modification of the index-"):
		return cluster.ErrReplaced
	case e.Has("snapshot_missing_exception") && has("indices/"): // the file of a shard is missing
		return cluster.ErrRepository
	case e.Has("snapshot_missing_exception"): // the cluster knows the snapshot, but its file is missing
		return cluster.ErrReplaced
	case has("readonly repository"), has("repository is readonly"):
		return cluster.ErrReadOnly
	case has("is currently used"), has("Cannot delete indices that are being snapshotted"), has("Cannot close indices that are being"):
		return cluster.ErrBusy
	case e.Has("cluster_block_exception"):
		switch {
		case has("SERVICE_UNAVAILABLE"):
			return cluster.ErrUnavailable
		case has("index closed"):
			return cluster.ErrInvalid
		}
		return cluster.ErrForbidden
	case has("not initialized"):
		return cluster.ErrUnavailable
	case has("no handler found for uri"), has("request body is required"): // 6.x reads _freeze as a type of documents
		return cluster.ErrUnsupported
	}
	for _, c := range e.Causes {
		if kind := kinds[c.Type]; kind != nil {
			return kind
		}
	}
	return kindOfStatus(e, write)
}

func kindOfStatus(e *cluster.Error, write bool) error {
	switch {
	case e.Status == http.StatusTooManyRequests:
		return cluster.ErrRejected
	case e.Status == http.StatusForbidden:
		return cluster.ErrForbidden
	case e.Status == http.StatusMethodNotAllowed:
		return cluster.ErrUnsupported
	case e.Has("process_cluster_event_timeout_exception") && write, e.Status == http.StatusBadGateway && write,
		e.Status == http.StatusGatewayTimeout && write,
		e.Status == http.StatusServiceUnavailable && write:
		return cluster.ErrLost // it may have been carried out behind the gateway
	case e.Status == http.StatusBadGateway, e.Status == http.StatusServiceUnavailable,
		e.Status == http.StatusGatewayTimeout, e.Has("process_cluster_event_timeout_exception"):
		return cluster.ErrUnavailable
	case e.Status == http.StatusBadRequest:
		return cluster.ErrInvalid
	}
	return cluster.ErrServer
}

var (
	action    = regexp.MustCompile(`\[((?:cluster|indices):[^\]]+)\]`)
	privilege = regexp.MustCompile(`granted by the (?:cluster|index) privileges \[([^\]]+)\]`)
)

// hint is advice on a failed reply, or nothing.
func hint(e *cluster.Error) string {
	text := e.Text
	for _, c := range e.Causes {
		text += "\n" + c.Reason
	}
	switch {
	case errors.Is(e.Kind, cluster.ErrUnauthorized):
		return "check the user name, password, API key or token"
	case errors.Is(e.Kind, cluster.ErrForbidden):
		if m := privilege.FindStringSubmatch(text); m != nil {
			return fmt.Sprintf("give the user one of the privileges %s", m[1])
		}
		if m := action.FindStringSubmatch(text); m != nil {
			return fmt.Sprintf("give the user the privilege for %s%s", m[1], privilegeFor(m[1]))
		}
		for of, block := range blocks {
			if strings.Contains(text, of) {
				return "set index.blocks." + block + " to false first"
			}
		}
		if strings.Contains(text, "read-only-allow-delete") || strings.Contains(text, "read-only / allow delete") {
			return "a node's disk is over the flood-stage watermark: free space, then remove index.blocks.read_only_allow_delete"
		}
	case errors.Is(e.Kind, cluster.ErrInvalid):
		if strings.Contains(text, "index closed") {
			return "this server cannot take snapshots of closed indices; exclude them with a filter {filtertype: closed}"
		}
	}
	return ""
}

// blocks are the settings behind a server's message that an index is blocked.
var blocks = map[string]string{
	"[FORBIDDEN/5/": "read_only", "[FORBIDDEN/7/": "read", "[FORBIDDEN/8/": "write", "[FORBIDDEN/9/": "metadata",
}

// privilegeFor names the usual role privilege for an action.
func privilegeFor(action string) string {
	for prefix, name := range map[string]string{
		"cluster:admin/snapshot":   "create_snapshot or manage",
		"cluster:admin/repository": "manage",
		"cluster:monitor":          "monitor",
		"indices:admin/delete":     "delete_index on the indices",
		"indices:admin/aliases":    "manage on the indices",
		"indices:monitor":          "monitor on the indices",
	} {
		if strings.HasPrefix(action, prefix) {
			return " (" + name + ")"
		}
	}
	return ""
}
