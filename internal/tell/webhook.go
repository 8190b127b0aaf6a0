package tell

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/notice"
)

// webhook is a request with a message.
type webhook struct {
	c notice.Webhook
	endpoint
}

const kindJSON = "application/json; charset=utf-8"

func (w webhook) send(ctx context.Context, s *Summary, c Change) error {
	r := request{method: http.MethodPost, kind: kindJSON, header: http.Header{}, query: url.Values{}}
	for _, name := range slices.Sorted(maps.Keys(w.c.Headers)) {
		r.header.Set(name, fmt.Sprint(w.c.Headers[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(w.c.HeaderFiles)) {
		value, err := w.read(fmt.Sprint(w.c.HeaderFiles[name]))
		if err != nil {
			return err
		}
		r.header.Set(name, value)
	}
	secret := ""
	if w.c.SecretFile != "" {
		var err error
		if secret, err = w.read(w.c.SecretFile); err != nil {
			return err
		}
	}
	if w.c.Preset != "" {
		presets[w.c.Preset].fill(&r, s, c, secret, s.Began.Add(s.Duration))
	} else {
		r.body = []byte(notice.Fill(w.body(), func(name string) string { return s.Field(name, c) }))
	}
	reply, err := w.do(ctx, r)
	if err != nil {
		return err
	}
	if code := presets[w.c.Preset].code; code != nil {
		if n, ok := code(reply); !ok || n != 0 {
			return fmt.Errorf("%s did not accept the message%s", w.place(), map[bool]string{true: fmt.Sprintf(" (code %d)", n)}[ok])
		}
	}
	return nil
}

func (w webhook) place() string {
	o, err := w.open()
	if err != nil {
		return "the server"
	}
	return o.url.Scheme + "://" + o.url.Host
}

// body is that of the configuration; without one, a JSON object with all fields.
func (w webhook) body() string {
	if w.c.Body != "" {
		return w.c.Body
	}
	fields := make([]string, len(notice.Fields))
	for i, f := range notice.Fields {
		quote := `"`
		if f.Number {
			quote = ""
		}
		fields[i] = `"` + f.Name + `":` + quote + "${" + f.Name + "}" + quote
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// preset is the form of a message that a service expects.
type preset struct {
	fill func(r *request, s *Summary, c Change, secret string, now time.Time)
	// code reads whether a reply with status 200 accepts the message: 0 does. nil: the
	// status says it.
	code func(reply []byte) (int, bool)
}

type object = map[string]any

// encode makes JSON; what it gets never fails.
func encode(v any) []byte {
	data, _ := json.Marshal(v)
	return data
}

var presets = map[string]preset{
	"slack": {fill: func(r *request, s *Summary, c Change, _ string, _ time.Time) {
		// A text from a server must not mention anybody.
		text := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s.Text(c))
		r.body = encode(object{"text": text})
	}},
	"teams": {fill: func(r *request, s *Summary, c Change, _ string, _ time.Time) {
		var lines []object
		for i, line := range strings.Split(s.Text(c), "\n") { // a RichTextBlock has no Markdown: no links from servers
			lines = append(lines, object{"type": "RichTextBlock", "inlines": []object{
				{"type": "TextRun", "text": line, "weight": map[bool]string{true: "Bolder", false: "Default"}[i == 0]},
			}})
		}
		r.body = encode(object{"type": "message", "attachments": []object{{
			"contentType": "application/vnd.microsoft.card.adaptive",
			"content": object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard",
				"version": "1.4", "body": lines},
		}}})
	}},
	"ntfy": {fill: func(r *request, s *Summary, c Change, _ string, _ time.Time) {
		title, rest, _ := strings.Cut(s.Text(c), "\n")
		r.kind, r.body = "text/plain; charset=utf-8", []byte(rest)
		r.header.Set("Title", mime.BEncoding.Encode("utf-8", title))
		r.header.Set("Priority", [...]string{"default", "high", "urgent"}[s.State])
		r.header.Set("Tags", [...]string{"white_check_mark", "warning", "rotating_light"}[s.State])
	}},
	"dingtalk": {fill: func(r *request, s *Summary, c Change, secret string, now time.Time) {
		if secret != "" {
			at := strconv.FormatInt(now.UnixMilli(), 10)
			r.query.Set("timestamp", at)
			r.query.Set("sign", sign(secret, at+"\n"+secret))
		}
		r.body = encode(object{"msgtype": "text", "text": object{"content": s.Text(c)}})
	}, code: codeIn("errcode")},
	"wecom": {fill: func(r *request, s *Summary, c Change, _ string, _ time.Time) {
		r.body = encode(object{"msgtype": "text", "text": object{"content": withoutTags(s.Text(c))}})
	}, code: codeIn("errcode")},
	"feishu": {fill: func(r *request, s *Summary, c Change, secret string, now time.Time) {
		body := object{"msg_type": "text", "content": object{"text": withoutTags(s.Text(c))}}
		if secret != "" {
			at := strconv.FormatInt(now.Unix(), 10)
			body["timestamp"], body["sign"] = at, sign(at+"\n"+secret, "")
		}
		r.body = encode(body)
	}, code: codeIn("code", "StatusCode")},
}

// withoutTags keeps a text from a server from mentioning everybody: <at user_id="all">.
func withoutTags(text string) string { return strings.ReplaceAll(text, "<", "‹") }

func sign(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	_, _ = h.Write([]byte(text)) // a hash takes everything
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// codeIn reads a code under the first of these keys.
func codeIn(names ...string) func([]byte) (int, bool) {
	return func(reply []byte) (int, bool) {
		var all map[string]json.RawMessage
		if json.Unmarshal(reply, &all) != nil {
			return 0, false
		}
		for _, name := range names {
			var code int
			if raw, is := all[name]; is && json.Unmarshal(raw, &code) == nil {
				return code, true
			}
		}
		return 0, false
	}
}
