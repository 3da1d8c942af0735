package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
)

// resultsPart is about a directory with a result for each item, laid out as GNU parallel does.
type resultsPart struct {
	dir string
}

func (r *resultsPart) define(fs *pflag.FlagSet) {
	fs.StringVar(&r.dir, "results", "", "keep what comes of each item in `DIR`/1/INPUT: the files seq, stdout and stderr, as GNU parallel does")
}

func (r *resultsPart) check(_ *runFlags, changed func(string) bool) error {
	if changed("results") && r.dir == "" {
		return errors.New("--results: no directory is named")
	}
	return nil
}

func (r *resultsPart) join(j *job) error {
	if r.dir == "" || j.dry {
		return nil
	}
	root := filepath.Join(r.dir, "1")
	if err := os.MkdirAll(root, 0o777); err != nil {
		return fmt.Errorf("--results: %w", err)
	}
	j.recorders = append(j.recorders, &results{root: root, render: j.render})
	return nil
}

// results writes the files. An item has a directory with its name. Where an item of another number has it already,
// since inputs repeat, "#" and the number are added.
type results struct {
	root   string
	render renderer
}

func (r *results) record(o outcome) error {
	if err := r.write(o); err != nil {
		return fmt.Errorf("--results: %w", err)
	}
	return nil
}

func (r *results) close(bool) error { return nil }

func (r *results) write(o outcome) error {
	seq := strconv.Itoa(o.item.index + 1)
	dir, err := r.place(o.item.name, seq)
	if err != nil {
		return err
	}
	text, err := r.render.bytes(o)
	if err != nil {
		return err
	}
	if len(text) > 0 {
		text = append(text, '\n')
	}
	for name, content := range map[string][]byte{"stdout": text, "stderr": resultStderr(o)} {
		if err := keepFile(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	return nil
}

func keepFile(name string, content []byte) error {
	return os.WriteFile(name, content, 0o666) //nolint:gosec // who may read it is for the umask to say, as with any output
}

// place makes the directory of an item, with its seq file, or finds that of an earlier run.
func (r *results) place(input, seq string) (string, error) {
	for name := resultName(input, len(seq)+1); ; name += "#" + seq {
		dir := filepath.Join(r.root, name)
		err := os.Mkdir(dir, 0o777)
		switch {
		case err == nil:
			return dir, keepFile(filepath.Join(dir, "seq"), []byte(seq))
		case !errors.Is(err, fs.ErrExist):
			return "", err
		}
		if owner, err := os.ReadFile(filepath.Join(dir, "seq")); err == nil && string(owner) == seq {
			return dir, nil
		}
	}
}

// maxName is the longest name of a file on the file systems that are common.
const maxName = 255

// resultEscaper is that of GNU parallel, and escapes line ends as well.
var resultEscaper = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "/", `\_`, "\x00", `\0`, "\n", `\n`, "\r", `\r`)

// resultName is an input as the name of a directory: safe, never empty, and short enough that so many bytes can be added.
func resultName(input string, room int) string {
	name := resultEscaper.Replace(input)
	switch name {
	case "", ".", "..":
		return `\` + name // no escape looks like this
	}
	if most := maxName - 2*room; len(name) > most {
		name = strings.ToValidUTF8(name[:most], "")
	}
	return name
}

// resultStderr is why an item failed, and what its worker said when it died.
func resultStderr(o outcome) []byte {
	if o.err == nil {
		return nil
	}
	text := []byte(plainFailure(o.err) + "\n")
	if stack := o.stack(); stack != "" {
		text = append(text, stack...)
	}
	if exit, ok := errors.AsType[*pool.ExitError](o.err); ok {
		text = append(text, exit.Stderr...)
	}
	return text
}
