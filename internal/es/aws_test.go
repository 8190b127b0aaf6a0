package es

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestSignedForAWS signs what was signed with Amazon's own Python tools at the same
// moment with the same key, and wants the same signature.
func TestSignedForAWS(t *testing.T) {
	var got *http.Request
	var body []byte
	next := roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r
		body, _ = io.ReadAll(r.Body)
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
	})
	s, err := newSigner(AWS{Region: "eu-central-1", Key: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", Token: "session"},
		next)
	require.NoError(t, err)
	s.now = func() time.Time { return time.Date(2026, 11, 21, 1, 0, 8, 0, time.UTC) }
	req, err := http.NewRequestWithContext(context.Background(), "PUT",
		"https://search-x.eu-central-1.es.amazonaws.com/_snapshot/r/s%20%2B1?wait_for_completion=false&a=b",
		strings.NewReader(`{"x":1}`))
	require.NoError(t, err)
	_, err = s.RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, `{"x":1}`, string(body))
	require.Equal(t, "20261121T010008Z", got.Header.Get("X-Amz-Date"))
	require.Equal(t, "session", got.Header.Get("X-Amz-Security-Token"))
	require.Equal(t, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-central-1/es/aws4_request, "+
		"SignedHeaders=content-length;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, "+
		"Signature=89c77dbe37f29e1be8a4c34b54f946d85ba458f3d01d83b4d7a31e6099508e45", got.Header.Get("Authorization"))
	require.Empty(t, req.Header.Get("Authorization"), "the request itself is left as it was")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAWSWithoutAKey(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "FROMENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	var got string
	c, err := New(Options{
		URLs: []string{"http://es:9200"},
		AWS:  &AWS{Region: "eu-west-1"},
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.Header.Get("Authorization")
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(root2110))}, nil
		}),
	})
	require.NoError(t, err)
	server, err := c.Server(t.Context())
	require.NoError(t, err)
	require.True(t, server.OpenSearch)
	require.Contains(t, got, "AWS4-HMAC-SHA256 Credential=FROMENV/")
	require.Contains(t, got, "/eu-west-1/es/aws4_request")
}

// Without any credentials the error is about those, not about the cluster.
func TestAWSWithoutAnyKey(t *testing.T) {
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": nobody.URL, "AWS_MAX_ATTEMPTS": "1", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
	} {
		t.Setenv(name, value)
	}
	c, err := New(Options{
		URLs: []string{"http://es:9200"},
		AWS:  &AWS{Region: "eu-west-1"},
		Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			t.Error("nothing can be sent")
			return nil, io.EOF
		}),
	})
	require.NoError(t, err)
	_, err = c.Server(t.Context())
	require.ErrorContains(t, err, "no AWS credentials found")
	require.ErrorIs(t, err, cluster.ErrUnauthorized, "waiting for the cluster would not help")
	require.NotErrorIs(t, err, cluster.ErrUnreachable)
}

func TestFingerprint(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, root8197) }))
	defer server.Close()
	cert := server.TLS.Certificates[0].Certificate[0]
	sum := sha256.Sum256(cert)
	right := hex.EncodeToString(sum[:])
	ask := func(fingerprint string) error {
		c, err := New(Options{URLs: []string{server.URL}, InsecureSkipVerify: true, Fingerprint: fingerprint, ConnectTimeout: time.Millisecond})
		if err != nil {
			return err
		}
		_, err = c.Server(t.Context())
		return err
	}
	require.NoError(t, ask(right))
	require.NoError(t, ask(strings.ToUpper(right[:2]+":"+right[2:])))
	require.ErrorIs(t, ask(strings.Repeat("ab", 32)), cluster.ErrUnreachable)
	require.ErrorContains(t, ask(strings.Repeat("ab", 20)), "fingerprint")
	require.ErrorContains(t, ask("abcd"), "SHA-256")
}
