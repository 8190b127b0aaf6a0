package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"github.com/stretchr/testify/require"
)

// Most commands end before anything is collected; what grows is kept small.
func TestTuneMemory(t *testing.T) {
	before := debug.SetGCPercent(-1) // nothing is collected but by the test
	defer debug.SetGCPercent(before)
	percent := func() uint64 {
		m := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(m)
		return m[0].Value.Uint64()
	}
	tuneMemory()
	require.Equal(t, uint64(200), percent())
	for percent() != 50 { // the cleanup runs beside
		runtime.GC()
		runtime.Gosched()
	}

	debug.SetGCPercent(400) // a command's own
	keepSmall(laterGC)
	require.Equal(t, uint64(400), percent())
}
