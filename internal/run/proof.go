package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/series"
	"github.com/esnap/esnap/repository"
)

// distinct refuses an action that asks for copies in several repositories if two of them are
// one place: one copy would count twice.
func (r *runner) distinct(ctx context.Context, s plan.Step) error {
	copies := s.Copies()
	if copies == nil || copies.Min < 2 {
		return nil
	}
	registered, err := r.lister.Repositories(ctx)
	if errors.Is(err, cluster.ErrForbidden) {
		r.warn("cannot tell whether the repositories of require_snapshot are one place: %s", err)
		return nil
	}
	if err != nil {
		return err
	}
	if first, second := repository.OnePlace(registered, copies.Repositories); second != "" {
		return cluster.WithHint(cluster.Refuse("require_snapshot asks for copies in %d repositories, but %s and %s are one place: "+
			"a copy in one is that in the other", copies.Min, first, second),
			"name only one of them; or set min_copies: 1")
	}
	return nil
}

// warnUnproven warns of what an action keeps because snapshots do not contain it: how old
// the newest good snapshot is, and when the disks are full; and of families that no
// snapshot contains at all.
func (r *runner) warnUnproven(ctx context.Context, s plan.Step, let, spared []cluster.Spared) {
	copies := s.Copies()
	if copies == nil {
		return
	}
	var kept []*cluster.Index
	held, families := map[string]bool{}, []string{}
	look := func(it cluster.Item) {
		i, ok := it.(*cluster.Index)
		if !ok {
			return
		}
		family := series.Family(i.Name)
		if _, known := held[family]; !known {
			families = append(families, family)
		}
		for _, list := range i.Holders {
			held[family] = held[family] || len(list) > 0
		}
		held[family] = held[family] || i.Holders == nil // another guard kept it before
	}
	for _, sp := range let {
		look(sp.Item)
	}
	for _, sp := range spared {
		if i, ok := sp.Item.(*cluster.Index); ok && sp.Kept == cluster.KeptUnproven {
			look(i)
			kept = append(kept, i)
		}
	}
	repositories := copies.Repositories
	for _, f := range families {
		if !held[f] {
			r.warn("no snapshot in %s contains an index of the family %s", strings.Join(repositories, ", "), f)
		}
	}
	if len(kept) == 0 {
		return
	}
	for _, repository := range repositories {
		newest := r.newestGood(ctx, repository)
		switch {
		case newest == nil:
			r.warn("repository %s contains no good snapshot", repository)
		case r.o.Now.Sub(newest.Start) > 36*time.Hour:
			r.warn("the newest good snapshot in %s, %s, is %.0f days old", repository, newest.Name, r.o.Now.Sub(newest.Start).Hours()/24)
		}
	}
	oldest := slices.MinFunc(kept, func(a, b *cluster.Index) int { return a.Created.Compare(b.Created) })
	r.warn("%s kept because no snapshot contains a complete copy%s; to free disk space by hand: esnap index delete %s",
		cluster.CountAre(len(kept), "index"), r.diskFull(ctx, kept), oldest.Name)
}

func (r *runner) newestGood(ctx context.Context, repository string) *cluster.Snapshot {
	list, err := r.lister.Snapshots(ctx, repository, true)
	if err != nil {
		return nil
	}
	for _, s := range slices.Backward(list) {
		if s.Good() && !s.Elsewhere {
			return s
		}
	}
	return nil
}

// growthDays is how many of the last ended days tell how fast the data grows.
const growthDays = 7

// diskFull says when the data disks are full, as the last days' indices of the kept
// families grew; empty if that is not known.
func (r *runner) diskFull(ctx context.Context, kept []*cluster.Index) string {
	families := map[string]bool{}
	for _, i := range kept {
		families[series.Family(i.Name)] = true
	}
	var recent []string
	for _, i := range cluster.Of[*cluster.Index](r.all) {
		_, end, dated := dates.Period(i.Name)
		if dated && families[series.Family(i.Name)] && !i.Closed && !end.After(r.o.Now) && r.o.Now.Sub(end) < growthDays*24*time.Hour {
			recent = append(recent, i.Name)
		}
	}
	if len(recent) == 0 {
		return ""
	}
	capacity, err := r.c.Capacity(ctx)
	if err != nil {
		return ""
	}
	stats, err := r.lister.Stats(ctx, recent)
	if err != nil {
		return ""
	}
	var free, grown int64
	for _, n := range capacity.Nodes {
		free += n.Free
	}
	for _, s := range stats {
		grown += s.Bytes
	}
	if free == 0 || grown == 0 || free*growthDays/grown > 3650 { // nothing that anybody can foresee
		return ""
	}
	return fmt.Sprintf("; the data disks are full in about %d days", free*growthDays/grown)
}
