package es

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/esnap/esnap/internal/cluster"
)

// AWS are the settings for signing. Without a key the credentials are found as Amazon's
// own tools find them: finder.
type AWS struct {
	Region string
	Key    string
	Secret string
	Token  string
}

// signer signs requests with Signature Version 4 before they go out.
type signer struct {
	next        http.RoundTripper
	region      string
	credentials aws.CredentialsProvider
	sign        *v4.Signer
	now         func() time.Time
}

var errNoCredentials = errors.New("no AWS credentials found")

const (
	hintCredentials = "set aws_key and aws_secret_key, or give the machine or the pod a role"
	expiryWindow    = 5 * time.Minute // how long before they expire the credentials are renewed
)

// newSigner finds the source of the credentials, without requesting any.
func newSigner(a AWS, next http.RoundTripper) (*signer, error) {
	s := &signer{next: next, region: a.Region, sign: v4.NewSigner(), now: time.Now}
	if a.Key != "" {
		s.credentials = credentials.NewStaticCredentialsProvider(a.Key, a.Secret, a.Token)
		return s, nil
	}
	found, err := newFinder(a.Region).find()
	if err != nil {
		return nil, &cluster.Error{
			Op:   "connect",
			Kind: cluster.ErrUnauthorized,
			Text: fmt.Sprintf("%s: %s", errNoCredentials, err),
			Hint: hintCredentials,
		}
	}
	s.credentials = aws.NewCredentialsCache(found, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = expiryWindow })
	return s, nil
}

// RoundTrip implements http.RoundTripper.
func (s *signer) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	creds, err := s.credentials.Retrieve(r.Context())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoCredentials, cmp.Or(errors.Unwrap(err), err)) // without what the cache puts before it
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	if err := s.sign.SignHTTP(r.Context(), creds, r, hash, "es", s.region, s.now()); err != nil {
		return nil, fmt.Errorf("cannot sign the request: %w", err)
	}
	return s.next.RoundTrip(r)
}
