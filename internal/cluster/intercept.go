package cluster

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
)

// Intercept passes every write to around, which carries it out by calling do, or
// does not. Reads go through untouched. The runner uses it to keep its listings
// honest, DryRun to send nothing. What is only safe if every index and every running
// operation is known is refused to a user who may not see them all.
func Intercept(r Reader, w Writer, around func(ctx context.Context, op Op, do func() error) error) Cluster {
	return intercept{r, w, func(ctx context.Context, op Op, do func() error) error {
		if needsSight(op) {
			if err := cmp.Or(r.Sight().Indices, r.Sight().Operations); err != nil {
				return &Refused{Err: err}
			}
		}
		return around(ctx, op, do)
	}}
}

// needsSight reports whether a write is only safe if all indices and operations are known. A
// restore replaces a closed index of the same name, a mounted index needs its snapshot, and
// whether a deletion or a restore has ended is seen among the operations. Other writes change
// no more than the items that they name, and the server refuses names that are taken.
func needsSight(op Op) bool {
	switch op.(type) {
	case RestoreSnapshot, MountSnapshot, DeleteSnapshots, UnregisterRepository:
		return true
	}
	return false
}

// Only lets through the writes that have the type of one of ops. It refuses every other
// one before it is sent. The runner hands an action no more than its kind sends.
func Only(c Cluster, action string, ops ...Op) Cluster {
	allowed := map[reflect.Type]bool{}
	for _, op := range ops {
		allowed[reflect.TypeOf(op)] = true
	}
	return Intercept(c, c, func(_ context.Context, op Op, do func() error) error {
		if !allowed[reflect.TypeOf(op)] {
			return notAllowed(action, op.Intent())
		}
		return do()
	})
}

func notAllowed(action string, i Intent) error {
	what := i.What
	if len(i.Names) > 0 {
		what += " " + i.Names[0]
	}
	return &Error{
		Op: fmt.Sprintf("%s %s", i.Verb, what), Kind: ErrForbidden,
		Text: "the action " + action + " must not send this request, and esnap did not send it",
		Hint: "this is a fault of esnap: please report it",
	}
}

type intercept struct {
	Reader // not Cluster: a new write method has to be spelt out here to compile
	w      Writer
	around func(ctx context.Context, op Op, do func() error) error
}

func (i intercept) RegisterRepository(ctx context.Context, r RegisterRepository) error {
	return i.around(ctx, r, func() error { return i.w.RegisterRepository(ctx, r) })
}

func (i intercept) VerifyRepository(ctx context.Context, r VerifyRepository) (nodes []string, err error) {
	err = i.around(ctx, r, func() error { nodes, err = i.w.VerifyRepository(ctx, r); return err })
	return nodes, err
}

func (i intercept) CleanupRepository(ctx context.Context, r CleanupRepository) (result CleanupResult, err error) {
	err = i.around(ctx, r, func() error { result, err = i.w.CleanupRepository(ctx, r); return err })
	return result, err
}

func (i intercept) UnregisterRepository(ctx context.Context, r UnregisterRepository) error {
	return i.around(ctx, r, func() error { return i.w.UnregisterRepository(ctx, r) })
}

func (i intercept) CreateSnapshot(ctx context.Context, r CreateSnapshot) error {
	return i.around(ctx, r, func() error { return i.w.CreateSnapshot(ctx, r) })
}

func (i intercept) DeleteSnapshots(ctx context.Context, r DeleteSnapshots) error {
	return i.around(ctx, r, func() error { return i.w.DeleteSnapshots(ctx, r) })
}

func (i intercept) RestoreSnapshot(ctx context.Context, r RestoreSnapshot) error {
	return i.around(ctx, r, func() error { return i.w.RestoreSnapshot(ctx, r) })
}

func (i intercept) DeleteIndices(ctx context.Context, r DeleteIndices) error {
	return i.around(ctx, r, func() error { return i.w.DeleteIndices(ctx, r) })
}

func (i intercept) UpdateAliases(ctx context.Context, r UpdateAliases) error {
	return i.around(ctx, r, func() error { return i.w.UpdateAliases(ctx, r) })
}

func (i intercept) PutDocument(ctx context.Context, r PutDocument) (v DocumentVersion, err error) {
	err = i.around(ctx, r, func() error { v, err = i.w.PutDocument(ctx, r); return err })
	return v, err
}

func (i intercept) DeleteDocument(ctx context.Context, r DeleteDocument) error {
	return i.around(ctx, r, func() error { return i.w.DeleteDocument(ctx, r) })
}

func (i intercept) ShrinkIndex(ctx context.Context, r ShrinkIndex) error {
	return i.around(ctx, r, func() error { return i.w.ShrinkIndex(ctx, r) })
}

func (i intercept) Reindex(ctx context.Context, r Reindex) (task string, err error) {
	err = i.around(ctx, r, func() error { task, err = i.w.Reindex(ctx, r); return err })
	return task, err
}

func (i intercept) MountSnapshot(ctx context.Context, r MountSnapshot) error {
	return i.around(ctx, r, func() error { return i.w.MountSnapshot(ctx, r) })
}

func (i intercept) PutIndexSettings(ctx context.Context, r PutIndexSettings) error {
	return i.around(ctx, r, func() error { return i.w.PutIndexSettings(ctx, r) })
}

func (i intercept) OpenIndices(ctx context.Context, r OpenIndices) error {
	return i.around(ctx, r, func() error { return i.w.OpenIndices(ctx, r) })
}

func (i intercept) FlushIndices(ctx context.Context, r FlushIndices) error {
	return i.around(ctx, r, func() error { return i.w.FlushIndices(ctx, r) })
}

func (i intercept) FreezeIndices(ctx context.Context, r FreezeIndices) error {
	return i.around(ctx, r, func() error { return i.w.FreezeIndices(ctx, r) })
}

func (i intercept) ForcemergeIndex(ctx context.Context, r ForcemergeIndex) error {
	return i.around(ctx, r, func() error { return i.w.ForcemergeIndex(ctx, r) })
}

func (i intercept) CreateIndex(ctx context.Context, r CreateIndex) error {
	return i.around(ctx, r, func() error { return i.w.CreateIndex(ctx, r) })
}

func (i intercept) PutClusterSettings(ctx context.Context, r PutClusterSettings) error {
	return i.around(ctx, r, func() error { return i.w.PutClusterSettings(ctx, r) })
}

func (i intercept) Rollover(ctx context.Context, r Rollover) (res RolloverResult, err error) {
	err = i.around(ctx, r, func() error { res, err = i.w.Rollover(ctx, r); return err })
	return res, err
}
