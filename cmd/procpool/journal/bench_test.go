package journal

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkCommit is what a record costs: a batch has a thousand.
func BenchmarkCommit(b *testing.B) {
	j, err := Open(Config{Path: filepath.Join(b.TempDir(), "journal"), Mode: Create, Function: "echo", Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	r := Record{Key: keyOf("x"), State: Done, Input: "an input of usual length"}
	for i := range b.N {
		j.Add(&r)
		if i%1000 == 999 {
			if err := j.Commit([]byte("text\n"), io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkKeyOf is what a key costs.
func BenchmarkKeyOf(b *testing.B) {
	arg := []byte("an input of usual length")
	for b.Loop() {
		KeyOf("echo", arg, "")
	}
}

// BenchmarkOpen is what it costs to read a record, and to look it up.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "journal")
	lines := appendObject(nil, header{version, "echo", "procpool", "now"})
	keys := make([]Key, b.N)
	for i := range keys {
		keys[i] = keyOf(fmt.Sprint(i))
		r := Record{Key: keys[i], State: Done, Input: "an input of usual length"}
		lines = r.append(lines)
		if i%1000 == 999 {
			lines = appendBatch(appendKept(lines, true), &batch{})
		}
	}
	lines = appendKept(lines, true)
	if err := os.WriteFile(path, lines, 0o600); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	j, err := Open(Config{Path: path, Mode: Resume, Function: "echo", Warn: func(text string) { b.Error(text) }})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	for _, k := range keys {
		if s, _ := j.Take(k); s != Done {
			b.Fatal(s)
		}
	}
}
