//go:build linux

package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// table prints what came of everything.
func (s *soak) table(first, last *resources) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(w, "%s\t%v\n", name, value) }
	total := 0
	for _, n := range s.faults {
		total += n
	}
	fmt.Fprintf(w, "\nfaults\t%d\n", total)
	rows(w, s.faults)
	fmt.Fprintf(w, "\noutcomes\n")
	rows(w, s.outcomes)
	fmt.Fprintf(w, "\ncalls and pools\n")
	rows(w, s.counts)
	fmt.Fprintln(w)
	row("time", time.Since(s.begun).Round(time.Second))
	row("tasks", s.tasks)
	row("faults", fmt.Sprintf("%d of %d kinds", total, len(s.faults)))
	row("printed by workers", fmt.Sprintf("%.0f MiB", mib(s.printed.bytes.Load())))
	for _, v := range []verdict{lost, duplicated, wrong, leftover, stuck} {
		row(string(v), s.complaints[v])
	}
	if first != nil {
		row("after the warm-up", first)
		row("at the end", last)
	}
	row("seed", s.seed)
	_ = w.Flush()
}

// rows prints a count a line, the largest first.
func rows[K ~string](w *tabwriter.Writer, counts map[K]int) {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for _, name := range names {
		fmt.Fprintf(w, "  %s\t%d\n", name, counts[name])
	}
}
