package tell

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// ping is a check in the protocol of healthchecks.io.
type ping struct {
	endpoint
	run string
}

func (p *ping) post(ctx context.Context, path, body string) error {
	_, err := p.do(ctx, request{
		method: http.MethodPost, path: path, query: url.Values{"rid": {uuid(p.run)}}, kind: "text/plain; charset=utf-8", body: []byte(body),
	})
	return err
}

// start tells that a run begins.
func (p *ping) start(ctx context.Context) error { return p.post(ctx, "/start", "") }

func (p *ping) send(ctx context.Context, s *Summary, _ Change) error {
	return p.post(ctx, "/"+strconv.Itoa(s.ExitStatus()), cut(s.Report, maxReport))
}

// uuid writes 32 hexadecimal digits in the form of a UUID, which the protocol wants.
func uuid(id string) string {
	if len(id) != 32 {
		return id
	}
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}
