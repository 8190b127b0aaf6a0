package job

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/strictyaml"
)

// coded is an error that carries its exit code.
type coded int

func (coded) Error() string   { return "x" }
func (c coded) ExitCode() int { return int(c) }

func TestExitCodes(t *testing.T) {
	kind := func(k error) error { return &cluster.Error{Op: "x", Kind: k} }
	for _, c := range []struct {
		err   error
		wrote bool
		want  int
	}{
		{nil, false, 0},
		{errors.New("anything"), false, 1},
		{fmt.Errorf("w: %w", cluster.ErrEmpty), false, 1},
		{kind(cluster.ErrNoSnapshot), false, 1},
		{kind(cluster.ErrForbidden), false, 1},
		{Deadline{time.Hour}, true, 1},
		{&FileError{"f", errors.New("x")}, false, 2},
		{&run.UsageError{Text: "x"}, false, 2},
		{&settings.Error{Text: "x"}, false, 2},
		{&strictyaml.Error{}, false, 2},
		{kind(cluster.ErrUnreachable), false, 3},
		{kind(cluster.ErrUnauthorized), false, 3},
		{kind(cluster.ErrUnavailable), false, 3},
		{kind(cluster.ErrUnreachable), true, 1},
		{fmt.Errorf("%w (%w)", Deadline{time.Hour},
			&cluster.Error{Op: "x", Kind: cluster.ErrUnreachable, Text: Deadline{time.Hour}.Error()}), false, 1},
		{fmt.Errorf("%w (%w)", Deadline{time.Hour},
			&cluster.Error{Op: "x", Kind: cluster.ErrUnreachable, Text: "connection refused"}), false, 3},
		{cluster.Refuse("x"), false, 4},
		{fmt.Errorf("w: %w", cluster.WithHint(cluster.Refuse("x"), "h")), false, 4},
		{&Signal{syscall.SIGINT}, true, 130},
		{&Signal{syscall.SIGTERM}, true, 143},
		{&Signal{syscall.SIGHUP}, true, 129},
		{coded(5), true, 5},
	} {
		require.Equal(t, c.want, ExitCode(c.err, c.wrote), "%v", c.err)
	}
}

func TestSeveralCodesAtOnce(t *testing.T) {
	failed := run.ActionResult{Err: errors.New("x")}
	refused := run.ActionResult{Err: cluster.Refuse("x")}
	less := run.ActionResult{Partial: true}
	spared := run.ActionResult{Guarded: 1}
	for _, c := range []struct {
		r    run.Result
		fail bool
		want int
	}{
		{run.Result{}, true, 0},
		{run.Result{Actions: []run.ActionResult{spared}}, false, 0},
		{run.Result{Actions: []run.ActionResult{spared}}, true, 5},
		{run.Result{Actions: []run.ActionResult{less}}, false, 5},
		{run.Result{Actions: []run.ActionResult{less, refused}}, false, 4},
		{run.Result{Actions: []run.ActionResult{less, refused, failed}}, false, 1},
		{run.Result{Actions: []run.ActionResult{failed}, Err: &cluster.Error{Kind: cluster.ErrUnreachable}}, false, 3},
		{run.Result{Actions: []run.ActionResult{failed}, Err: &cluster.Error{Kind: cluster.ErrUnreachable}, Wrote: true}, false, 1},
		{run.Result{Actions: []run.ActionResult{failed}, Err: &Signal{syscall.SIGTERM}}, false, 143},
	} {
		require.Equal(t, c.want, ResultCode(c.r, c.fail), "%+v", c.r)
	}
}
