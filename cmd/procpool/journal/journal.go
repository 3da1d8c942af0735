package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Mode says what Open does with a file that is there, and with one that is not.
type Mode uint8

// The modes of Open.
const (
	Create Mode = iota // begin a journal; one that is there already is an error
	Resume             // go on with a journal, or begin one
	Retry              // go on with a journal; that there is none is an error
)

// Config is what Open wants to know.
type Config struct {
	Path     string
	Mode     Mode
	Function string // its name; a journal of another function is an error
	Program  string // what began the journal, for people
	Stdout   any    // where the output goes; positions are kept if it is an *os.File
	Stderr   any
	ReadOnly bool          // look only: neither mend nor write, and begin nothing
	Sync     time.Duration // how often output and journal are written to the disk; zero leaves that to the system
	Warn     func(text string)
}

// Journal is an open journal, locked against other processes. Take is for one goroutine, and Add, Pending and Commit are for one,
// which may be another.
type Journal struct {
	path    string
	file    *os.File
	out     output
	history *history

	records []byte // of the batch that Commit writes, as lines
	frame   []byte // what is written at once

	stop   chan struct{} // ends syncLoop
	synced sync.WaitGroup
}

// Open opens or begins a journal, and resolves what a kill left in doubt. What it mends and what it cannot count it tells by Warn.
// The journal must be closed.
func Open(c Config) (*Journal, error) {
	j := &Journal{path: c.Path, out: outputTo(c.Stdout, c.Stderr), stop: make(chan struct{})}
	if err := j.open(c); err != nil {
		if j.file != nil {
			_ = j.file.Close()
		}
		return nil, fmt.Errorf("journal %s: %w", strconv.Quote(c.Path), err)
	}
	if c.Sync > 0 {
		j.synced.Go(func() { j.syncLoop(c.Sync) })
	}
	return j, nil
}

func (j *Journal) open(c Config) error {
	if c.ReadOnly {
		return j.look(c)
	}
	if info, err := os.Stat(c.Path); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	flags := os.O_RDWR | os.O_APPEND
	if c.Mode != Retry {
		flags |= os.O_CREATE
	}
	var err error
	if j.file, err = os.OpenFile(c.Path, flags, 0o666); err != nil { //nolint:gosec // the umask decides, as for the output
		if errors.Is(err, os.ErrNotExist) && c.Mode == Retry {
			return errors.New("there is none: --retry-failed alone runs what failed according to a journal; add --resume, or leave --retry-failed out, to begin one")
		}
		return errors.Unwrap(err) // the path is told already
	}
	if err := j.lock(); err != nil {
		return err
	}
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if out, ok := c.Stdout.(*os.File); ok && sameFile(out, info) {
		return errors.New("it is standard output too")
	}
	if err := j.load(c); err != nil {
		return err
	}
	return j.begin(c)
}

func sameFile(f *os.File, info os.FileInfo) bool {
	other, err := f.Stat()
	return err == nil && os.SameFile(info, other)
}

// lockPatience is for a run that was killed a moment ago: a process that it was about to start may have the descriptor still.
const lockPatience = 500 * time.Millisecond

func (j *Journal) lock() error {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(10 * time.Millisecond) {
		locked, err := tryLock(j.file)
		if locked || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it is in use by another run%s: wait for that, or name another file", j.holder())
		}
	}
}

// holder is the process that wrote the last line "run".
func (j *Journal) holder() string {
	l, pid := newLines(j.file), 0
	for {
		line, whole, err := l.next()
		if err != nil {
			break
		}
		if !whole || len(line) > 4096 {
			continue
		}
		var e entry
		if object, ok := unseal(line); ok && string(object[:min(len(object), 6)]) == `{"run"` && json.Unmarshal(closed(object), &e) == nil && e.Run != nil {
			pid = e.Run.PID
		}
	}
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// look reads a journal that another run may be writing to. That there is none is no error, except in mode Retry.
func (j *Journal) look(c Config) error {
	var err error
	j.file, err = os.Open(c.Path)
	if errors.Is(err, os.ErrNotExist) && c.Mode != Retry {
		j.file, err = os.Open(os.DevNull)
	}
	if err != nil {
		return errors.Unwrap(err) // the path is told already
	}
	j.history, err = j.read(c)
	return err
}

// load reads what the file has, and mends it.
func (j *Journal) load(c Config) error {
	var err error
	j.history, err = j.read(c)
	if err != nil {
		return err
	}
	return j.mend(c)
}

// read reads the file, if it is the journal that is wanted. Where it has nothing that counts its history is empty.
func (j *Journal) read(c Config) (*history, error) {
	size, err := j.size()
	if err != nil || size == 0 {
		return &history{}, err
	}
	h, err := read(j.file, j.out)
	switch {
	case errors.Is(err, errNoHeader) && c.Mode != Create:
		return &history{}, nil
	case err != nil && !errors.Is(err, errNoHeader):
		return nil, err
	case c.Mode == Create && err == nil && h.isEmpty() && h.end == size:
		return &history{}, nil // a run that came to nothing began it
	case c.Mode == Create:
		return nil, errors.New("it exists: add --resume to go on with it, or name another file to begin anew")
	case h.header.Function != c.Function:
		return nil, fmt.Errorf("it is of the function %s, and this run is of %s: name another file", h.header.Function, c.Function)
	}
	return h, nil
}

func (j *Journal) size() (int64, error) {
	info, err := j.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// mend cuts off a damaged end, tells of what is damaged elsewhere, and closes the batch in doubt.
func (j *Journal) mend(c Config) error {
	h := j.history
	name := "journal " + strconv.Quote(c.Path)
	size, err := j.size()
	if err != nil {
		return err
	}
	if h.end < size {
		if err := j.file.Truncate(h.end); err != nil {
			return err
		}
	}
	if h.end < size && c.Mode != Create {
		c.Warn(fmt.Sprintf("%s: its end was damaged, as by a kill or a full disk; %d bytes were cut off", name, size-h.end))
	}
	if len(h.damaged) > 0 {
		c.Warn(fmt.Sprintf("%s: %s damaged and %s not count; what %s stood for may run again", name, numbers(h.damaged), words(len(h.damaged), "does", "do"), words(len(h.damaged), "it", "they")))
	}
	if err := j.missing(c, name); err != nil {
		return err
	}
	return j.resolve(c, name)
}

// numbers names the first lines of many.
func numbers(lines []int) string {
	const most = 5
	var named []string
	for _, n := range lines[:min(len(lines), most)] {
		named = append(named, strconv.Itoa(n))
	}
	text := words(len(lines), "line ", "lines ") + strings.Join(named, ", ")
	if more := len(lines) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + words(len(lines), " is", " are")
}

func words(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// missing judges a file of standard output that lacks what it once had.
func (j *Journal) missing(c Config, name string) error {
	lost := j.history.lost
	if lost == 0 {
		return nil
	}
	if j.history.size == 0 {
		return fmt.Errorf("the file of standard output had the results of %d items that are done, and is empty now, perhaps by > in place of >>. "+
			"To run them again, remove the journal; to go on without them, write to another file", lost)
	}
	c.Warn(fmt.Sprintf("%s: the file of standard output is shorter than it was; the %d items whose results it lacks run again", name, lost))
	return nil
}

// resolve closes the batch that a kill left open.
func (j *Journal) resolve(c Config, name string) error {
	h := j.history
	if h.open == nil && len(h.pending) == 0 {
		return nil
	}
	v := verdict{}
	if h.open != nil {
		var err error
		if v, err = j.out.judge(h.open); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
	}
	if v.cut > 0 {
		c.Warn(fmt.Sprintf("%s: the last %d bytes of standard output were a result that was not written whole, and were cut off; its items run again", name, v.cut))
	}
	b := appendKept(nil, v.written)
	h.closeBatch(v.written)
	_, err := j.file.Write(b)
	return err
}

func appendKept(b []byte, kept bool) []byte {
	start := len(b)
	b = append(b, `{"kept":`...)
	return seal(strconv.AppendBool(b, kept), start)
}

// begin writes the header, if the file has none, and the line of this run.
func (j *Journal) begin(c Config) error {
	now := time.Now().Format(time.RFC3339)
	var b []byte
	if j.history.header.Journal == 0 {
		b = appendObject(b, header{version, c.Function, c.Program, now})
	}
	dir, _ := os.Getwd()
	b = appendObject(b, entryRun{Run{os.Getpid(), dir, now}})
	_, err := j.file.Write(b)
	return err
}

type entryRun struct {
	Run Run `json:"run"`
}

type entryBatch struct {
	Batch batch `json:"batch"`
}

// appendObject appends v, which must be a struct with fields, as a line.
func appendObject(b []byte, v any) []byte {
	object, err := json.Marshal(v)
	if err != nil {
		panic("bug: " + err.Error())
	}
	start := len(b)
	return seal(append(b, object[:len(object)-1]...), start)
}

// Done and Failed are how many tasks were done and had failed when the journal was opened.
func (j *Journal) Done() int { return j.history.nDone }

// Failed is documented at Done.
func (j *Journal) Failed() int { return j.history.nFailed }

// Take returns what the journal knew of a task when it was opened, with the value of one that is held or has a part in totals,
// and forgets it: the same input a second time is another task.
func (j *Journal) Take(k Key) (State, []byte) { return j.history.take(k) }

// Add adds a record to the batch of the next Commit.
func (j *Journal) Add(r *Record) { j.records = r.append(j.records) }

// Pending reports whether there is something to commit.
func (j *Journal) Pending() bool { return len(j.records) > 0 }

// Commit writes text, which is the output of all that has been added since the last Commit, to w, and the records to the
// journal, so that a kill at any moment leaves no more than this batch in doubt. After an error, w's or the file's, the batch stays in
// doubt, and there must be no other Commit.
func (j *Journal) Commit(text []byte, w io.Writer) error {
	b, err := j.out.next(text)
	if err != nil {
		return err
	}
	frame := appendBatch(j.frame[:0], &b)
	frame = append(frame, j.records...)
	j.records = j.records[:0]
	if len(text) == 0 {
		frame = appendKept(frame, true)
	}
	j.frame = frame[:0]
	if err := j.write(frame); err != nil || len(text) == 0 {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return j.write(appendKept(j.frame[:0], true))
}

func appendBatch(b []byte, of *batch) []byte { return appendObject(b, entryBatch{*of}) }

func (j *Journal) write(b []byte) error {
	if _, err := j.file.Write(b); err != nil {
		return fmt.Errorf("journal %s: %w", strconv.Quote(j.path), errors.Unwrap(err))
	}
	return nil
}

// syncLoop syncs now and then, beside the writing, until stop.
func (j *Journal) syncLoop(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			j.sync()
		case <-j.stop:
			j.sync()
			return
		}
	}
}

// sync writes the output to the disk and then the journal, so that what the journal has as done is rarely ahead. If it is
// nevertheless, the file of standard output is shorter than the journal says, which Open finds. That a disk
// refuses is no reason to end a run whose every write has succeeded.
func (j *Journal) sync() {
	if j.out.file != nil {
		_ = j.out.file.Sync()
	}
	_ = j.file.Sync()
}

// Close closes the journal, and so unlocks it.
func (j *Journal) Close() error {
	close(j.stop)
	j.synced.Wait()
	return j.file.Close()
}
