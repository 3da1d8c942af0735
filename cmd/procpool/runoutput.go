package main

import (
	"errors"

	"github.com/spf13/pflag"
)

// outputPart is about standard output: in which order and form results are printed.
type outputPart struct {
	unordered bool
	json      bool
	details   bool
	tag       bool
}

func (o *outputPart) define(fs *pflag.FlagSet) {
	fs.BoolVarP(&o.unordered, "unordered", "u", false, "print results as they come instead of in the order of the inputs")
	fs.BoolVarP(&o.json, "json", "j", false, "JSON Lines in and out")
	fs.BoolVar(&o.details, "details", false, "with --json: add worker and times to each object")
	fs.BoolVar(&o.tag, "tag", false, "begin each line of a result with the input and a tab")
}

func (o *outputPart) check(*runFlags, func(string) bool) error {
	if o.details && !o.json {
		return errors.New("--details is for --json")
	}
	if o.tag && o.json {
		return errors.New("--tag is for text: with --json each object has its input")
	}
	return nil
}

func (o *outputPart) join(j *job) error {
	if o.json {
		j.render = &jsonRenderer{task: j.task, out: j.out, details: o.details}
	} else {
		j.render = &textRenderer{task: j.task, out: j.out, tag: o.tag}
	}
	return nil
}
