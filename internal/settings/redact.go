package settings

import (
	"net/url"
	"strings"
)

// Redact takes the secrets of the connection out of a text that leaves esnap by
// another way than its streams. Very short ones stay: they are part of any text.
func (s *Settings) Redact(text string) string {
	var secrets []string
	for _, raw := range s.URLs {
		if u, err := url.Parse(raw); err == nil && u.User != nil {
			password, _ := u.User.Password()
			secrets = append(secrets, u.User.String(), password)
		}
	}
	if s.AWS != nil {
		secrets = append(secrets, s.AWS.Secret, s.AWS.Token)
	}
	secrets = append(secrets, s.Password, s.APIKey, s.BearerToken, s.Header.Get(curator5Key))
	for _, secret := range secrets {
		if len(secret) > 3 {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}
