//go:build integration

// Package integration runs esnap on real servers.
package integration

import (
	"os"
	"testing"

	"github.com/esnap/esnap/internal/testserver"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testserver.StopShared()
	os.Exit(code)
}
