package es

import (
	"crypto/sha1" //nolint:gosec // the form of fingerprint that older client files have
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"strings"
)

// pinned refuses servers whose own certificate has another fingerprint.
func pinned(fingerprint string) (func(tls.ConnectionState) error, error) {
	want, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(fingerprint), ":", ""))
	if err != nil || len(want) != sha1.Size && len(want) != sha256.Size {
		return nil, errors.New("the certificate's fingerprint must be SHA-1 or SHA-256 in hexadecimal")
	}
	return func(c tls.ConnectionState) error {
		if len(c.PeerCertificates) == 0 {
			return errors.New("the server does not send a certificate")
		}
		raw := c.PeerCertificates[0].Raw
		long, short := sha256.Sum256(raw), sha1.Sum(raw) //nolint:gosec // see above
		have := long[:]
		if len(want) == sha1.Size {
			have = short[:]
		}
		if subtle.ConstantTimeCompare(have, want) != 1 {
			return errors.New("the server's certificate has the fingerprint " + hex.EncodeToString(have) + ", not the expected one")
		}
		return nil
	}, nil
}
