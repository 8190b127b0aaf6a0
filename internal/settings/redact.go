package settings

import (
	"net/url"
	"strings"
)

// Redact removes the secrets of the connection from a text that does not go through
// esnap's own streams. Very short secrets are not removed: they occur in any text.
func (s *Settings) Redact(text string) string {
	var secrets []string
	for _, raw := range s.URLs {
		if u, err := url.Parse(raw); err == nil {
			password, _ := u.User.Password()
			secrets = append(secrets, u.User.String(), password)
			for _, values := range u.Query() { // of ?token=…
				secrets = append(secrets, values...)
			}
		}
	}
	if s.AWS != nil {
		secrets = append(secrets, s.AWS.Secret, s.AWS.Token)
	}
	secrets = append(secrets, s.Password, s.APIKey, s.BearerToken, s.Header.Get(curator5Key), s.Listen.Password, s.Listen.Token)
	for _, secret := range secrets {
		if len(secret) > 3 {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}
