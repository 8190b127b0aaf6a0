package filters_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
)

// BenchmarkKubeSphere is what one of KubeSphere's actions decides over 1,000
// indices: a prefix, then the age in the name.
func BenchmarkKubeSphere(b *testing.B) {
	now := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	var items []cluster.Item
	for d := range 250 {
		for _, f := range []string{"ks-logstash-log", "ks-logstash-events", "ks-logstash-auditing", "logstash"} {
			items = append(items, &cluster.Index{Name: fmt.Sprintf("%s-%s", f, now.AddDate(0, 0, -d).Format("2006.01.02"))})
		}
	}
	prefix := &filters.Pattern{Kind: "prefix", Value: "ks-logstash-log"}
	age := &filters.Age{Source: "name", Direction: "older", Unit: "days", UnitCount: 7, Dated: filters.Dated{Timestring: "%Y.%m.%d"}}
	for _, f := range []filters.Filter{prefix, age} {
		if err := filters.Validate(f, cluster.Indices, nil); err != nil {
			b.Fatal(err)
		}
	}
	chain := filters.Chain{{Kind: "pattern", Filter: prefix}, {Kind: "age", Filter: age}}
	for b.Loop() {
		if _, err := chain.Select(context.Background(), now, items, nil); err != nil {
			b.Fatal(err)
		}
	}
}
