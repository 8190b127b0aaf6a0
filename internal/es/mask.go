package es

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
)

// masked is the body of a failed reply without the credentials: a proxy may repeat the
// request in its page.
func (c *Client) masked(body io.Reader) io.Reader {
	raw, _ := io.ReadAll(io.LimitReader(body, maxErrorBody))
	for _, secret := range c.o.secrets() {
		quoted, _ := json.Marshal(secret)
		for _, form := range []string{secret, string(quoted[1 : len(quoted)-1])} {
			if len(secret) > 3 {
				raw = bytes.ReplaceAll(raw, []byte(form), []byte("***"))
			}
		}
	}
	return bytes.NewReader(raw)
}

// secrets are the credentials, as they are given and as they are sent.
func (o *Options) secrets() []string {
	basic := func(user, password string) string {
		return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	}
	list := append([]string{o.APIKey, o.BearerToken}, o.Header.Values("Authorization")...)
	if o.Password != "" {
		list = append(list, basic(o.Username, o.Password), o.Password)
	}
	for _, raw := range o.URLs {
		if u, err := url.Parse(raw); err == nil && u.User != nil {
			if password, set := u.User.Password(); set {
				list = append(list, u.User.String(), basic(u.User.Username(), password), password)
			}
		}
	}
	return list
}
