package main

import (
	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
)

// insightsPart is about where the time of a run went.
type insightsPart struct{ wanted bool }

func (i *insightsPart) define(fs *pflag.FlagSet) {
	fs.BoolVar(&i.wanted, "insights", false, "show at the end where the time went, and what to do about it")
}

func (i *insightsPart) check(*runFlags, func(string) bool) error { return nil }

func (i *insightsPart) join(j *job) error {
	if i.wanted {
		j.options = append(j.options, pool.WithInsights())
		j.appendices = append(j.appendices, func(p *pool.Pool) string { return insightsText(p.Insights()) })
	}
	return nil
}
