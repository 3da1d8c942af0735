package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the command as a program, in a process of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:             "testdata/script",
		ContinueOnError: true,
		Deadline:        time.Now().Add(8 * time.Minute),
		Setup: func(env *testscript.Env) error {
			// Scripts have an environment of their own. This variable is one of the race
			// detector's; without it each process under it sleeps a second at its end.
			env.Setenv("GORACE", os.Getenv("GORACE"))
			testdata, err := filepath.Abs("../../testdata")
			env.Setenv("TESTDATA", testdata)
			return err
		},
	})
}
