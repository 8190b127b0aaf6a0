package cmd

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
)

// signingKeys are a key for attestations and its public half, as files.
func signingKeys(t *testing.T) (secret, open string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	write := func(kind string, der []byte, err error) string {
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "key.pem")
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	secret = write("PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(public)
	return secret, write("PUBLIC KEY", der, err)
}

// TestAttestationsAtTheSameTime: each check has a number of its own, and all can be verified.
func TestAttestationsAtTheSameTime(t *testing.T) {
	const checks = 12
	secret, open := signingKeys(t)
	proof, state := filepath.Join(t.TempDir(), "proof.json"), filepath.Join(t.TempDir(), "state.json")
	k := newConsole(t)
	twentyNights(k, nil)
	outs := make([]string, checks)
	var wg sync.WaitGroup
	for i := range outs {
		wg.Go(func() {
			var out, errs bytes.Buffer
			app := &App{
				In: strings.NewReader(""), Out: &out, Err: &errs, Now: k.clock,
				Env:     func(string) (string, bool) { return "", false },
				Connect: func(es.Options) (cluster.Cluster, error) { return k.c, nil },
			}
			Main(t.Context(), app, []string{"check", "--max-age", "26h", "--attest", proof, "--signing-key-file", secret, "--state", state})
			outs[i] = out.String() + errs.String()
		})
	}
	wg.Wait()
	for n := range checks {
		require.Contains(t, strings.Join(outs, ""), fmt.Sprintf("attestation number %d in ", n+1))
	}
	code, out, errs := k.run("check", "--verify-attestation", proof, "--public-key-file", open)
	require.Equal(t, 0, code, out+errs)
	require.True(t, strings.HasPrefix(out, fmt.Sprintf("ESNAP OK: %d attestations verified, 0 errors\n", checks)), out)
}

// TestAttestationWithoutTheLastOne: a second chain beside the rest of the first one could never be
// verified.
func TestAttestationWithoutTheLastOne(t *testing.T) {
	secret, open := signingKeys(t)
	proof := filepath.Join(t.TempDir(), "proof.json")
	k := newConsole(t)
	twentyNights(k, nil)
	attest := func() (int, string) {
		code, out, _ := k.run("check", k.file(nightFile), "--attest", proof, "--signing-key-file", secret)
		return code, out
	}
	for range 3 {
		code, out := attest()
		require.Equal(t, 0, code, out)
	}
	last, err := os.ReadFile(proof)
	require.NoError(t, err)
	require.NoError(t, os.Remove(proof))
	code, out := attest()
	require.Equal(t, 3, code, out)
	require.Contains(t, out, "ESNAP UNKNOWN: the attestation before, "+proof+": does not exist, but older ones are there, the last is "+
		proof+".000002: bring it back, or begin another file")
	require.NoFileExists(t, proof)
	require.NoError(t, os.WriteFile(proof, last, 0o600))
	code, out = attest()
	require.Equal(t, 0, code, out)
	code, out, _ = k.run("check", "--verify-attestation", proof, "--public-key-file", open)
	require.Equal(t, 0, code, out)
}
