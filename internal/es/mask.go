package es

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/esnap/esnap/internal/cluster"
)

// masked is an error without the credentials in its texts: a server or a proxy may repeat the
// request. Every error of a call passes here after its texts were decoded.
func (c *Client) masked(err error) error {
	var e *cluster.Error
	if errors.As(err, &e) {
		e.Text, e.Hint = c.mask(e.Text), c.mask(e.Hint)
		for i, cause := range e.Causes {
			if e.Causes[i].Reason = c.mask(cause.Reason); !exception.MatchString(cause.Type) { // it decides what is done next
				e.Causes[i].Type = c.mask(cause.Type)
			}
		}
	}
	return err
}

// exception is the usual form of a type of errors.
var exception = regexp.MustCompile(`^[a-z_]+_exception$`)

// mask is a text without the credentials.
func (c *Client) mask(text string) string {
	if c.secret() == nil || text == "" {
		return text
	}
	return c.secret().ReplaceAllLiteralString(text, "***")
}

// anyOf matches the secrets in all their forms; nil if there are none. Very short ones occur
// in any text. The longest are tried first: one may contain another.
func anyOf(secrets []string) *regexp.Regexp {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) <= 3 })
	if len(secrets) == 0 {
		return nil
	}
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var forms []string
	for _, secret := range secrets {
		form := ""
		for _, r := range secret {
			form += escaped(r)
		}
		forms = append(forms, form)
	}
	return regexp.MustCompile(strings.Join(forms, "|"))
}

// escaped matches a character as it is, and as JSON, an address and HTML escape it, once or
// several times. Nothing escapes letters and digits of ASCII.
func escaped(r rune) string {
	if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
		return string(r)
	}
	percent, units := "", ""
	for _, b := range []byte(string(r)) {
		percent += fmt.Sprintf("%%(?:25)*(?i:%02x)", b)
	}
	for _, u := range utf16.AppendRune(nil, r) {
		units += fmt.Sprintf(`\\+u(?i:%04x)`, u)
	}
	const ampersand = `(?:&|\\+u0026)(?:amp;)*`
	forms := []string{percent, units, ampersand + fmt.Sprintf(`#0*%d;`, r), ampersand + fmt.Sprintf(`#(?i:x0*%x);`, r)}
	if name := map[rune]string{'"': "quot", '&': "amp", '<': "lt", '>': "gt", '\'': "apos"}[r]; name != "" {
		forms = append(forms, ampersand+name+";")
	}
	if r == ' ' {
		forms = append(forms, `\+`)
	}
	one := "(?:" + strings.Join(append(forms, regexp.QuoteMeta(string(r))), "|") + ")"
	if strings.ContainsRune(`"\/`, r) { // JSON escapes them with a backslash
		return `\\*` + one
	}
	return one
}

// secrets are the credentials, as they are given and as they are sent.
func (o *Options) secrets() []string {
	list := []string{o.APIKey, o.BearerToken}
	if id, key, found := strings.Cut(decoded(o.APIKey), ":"); found {
		list = append(list, id+":"+key, key)
	}
	for _, name := range []string{"Authorization", "X-Api-Key"} {
		for _, value := range o.Header.Values(name) {
			_, credentials, _ := strings.Cut(value, " ")
			list = append(list, value, credentials)
		}
	}
	withPassword := func(user, password string) {
		if password != "" {
			list = append(list, base64.StdEncoding.EncodeToString([]byte(user+":"+password)), password,
				base64.RawStdEncoding.EncodeToString([]byte(password)), base64.RawURLEncoding.EncodeToString([]byte(password)))
		}
	}
	withPassword(o.Username, o.Password)
	for _, raw := range o.URLs {
		if u, err := url.Parse(raw); err == nil && u.User != nil {
			if password, set := u.User.Password(); set {
				list = append(list, u.User.String())
				withPassword(u.User.Username(), password)
			}
		}
	}
	if o.AWS != nil {
		list = append(list, o.AWS.Secret, o.AWS.Token)
	}
	return list
}

// decoded is a text that was encoded as base64; empty if it was not.
func decoded(text string) string {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return ""
	}
	return string(raw)
}
