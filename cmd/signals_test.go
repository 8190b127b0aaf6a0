package cmd

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/job"
)

func TestSignals(t *testing.T) {
	for s, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		ctx, stop := WithSignals(context.Background())
		require.NoError(t, syscall.Kill(os.Getpid(), s))
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
			t.Fatal(s, "does not end the context")
		}
		require.Equal(t, code, job.ExitCode(context.Cause(ctx), true))
		// A terminal that is closed, and timeout(1), send two: the second one would end the process here.
		require.NoError(t, syscall.Kill(os.Getpid(), s))
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
		time.Sleep(20 * time.Millisecond)
		stop()
	}
	signal.Ignore(syscall.SIGHUP) // as nohup does
	defer signal.Reset(syscall.SIGHUP)
	ctx, stop := WithSignals(context.Background())
	defer stop()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	select {
	case <-ctx.Done():
		t.Fatal("an ignored signal stays ignored")
	case <-time.After(50 * time.Millisecond):
	}
}
