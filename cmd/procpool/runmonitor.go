package main

import (
	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/monitor"
)

// monitorPart lets "procpool top" watch the run.
type monitorPart struct{ wanted bool }

func (m *monitorPart) define(fs *pflag.FlagSet) {
	fs.BoolVar(&m.wanted, "monitor", false, "let \"procpool top\" watch the run")
}

func (m *monitorPart) check(*runFlags, func(string) bool) error { return nil }

func (m *monitorPart) join(j *job) error {
	if m.wanted {
		j.options = append(j.options, monitor.Socket(), pool.WithInsights())
	}
	return nil
}
