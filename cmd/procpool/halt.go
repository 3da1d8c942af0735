package main

import "github.com/spf13/pflag"

// haltPart is about ending a run before its inputs end, because of failures.
type haltPart struct {
	failFast bool
}

func (h *haltPart) define(fs *pflag.FlagSet) {
	fs.BoolVar(&h.failFast, "fail-fast", false, "stop at the first item that fails, and end what runs")
}

func (h *haltPart) check(*runFlags, func(string) bool) error { return nil }

func (h *haltPart) join(*job) error { return nil }
