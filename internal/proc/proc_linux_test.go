package proc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/proc"
)

func isErrno(err error, errno syscall.Errno) bool { return errors.Is(err, errno) }

func TestBytesGoThereAndComeBack(t *testing.T) {
	leaktest.Check(t)
	p := start(t, own("echo"))
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<14) // four times what a pipe holds
	go func() {
		p.In().Write(sent)
		p.In().Close()
	}()
	got, err := io.ReadAll(p.Out())
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back, err %v", len(got), len(sent), err)
	}
	awaitExit(t, p)
	if !p.State().Success() {
		t.Errorf("state %v", p.State())
	}
}

func TestAForeignCommandHasTheWireOnItsStandardStreams(t *testing.T) {
	leaktest.Check(t)
	p := start(t, shell("cat; echo to stderr >&2; exit 3"))
	if p.Text() != nil {
		t.Error("a foreign command has a text pipe")
	}
	fmt.Fprintln(p.In(), "hello")
	if got := line(t, p.Out()); got != "hello" {
		t.Errorf("got %q", got)
	}
	p.In().Close()
	if got := line(t, p.Err()); got != "to stderr" {
		t.Errorf("got %q on stderr", got)
	}
	awaitExit(t, p)
	if p.State().ExitCode() != 3 {
		t.Errorf("state %v", p.State())
	}
}

func TestTheStateSaysHowTheChildEnded(t *testing.T) {
	tests := []struct {
		name string
		spec proc.Spec
		want string
	}{
		{"exit 0", own("exit 0"), "exit status 0"},
		{"exit 1", own("exit 1"), "exit status 1"},
		{"exit 70", own("exit 70"), "exit status 70"},
		{"returns from main", own("exit done"), "exit status 0"},
		{"panics", own("exit panic"), "exit status 2"},
		{"foreign exit", shell("exit 255"), "exit status 255"},
		{"kills itself", shell("kill -KILL $$"), "signal: killed"},
		{"terminates itself", shell("kill -TERM $$"), "signal: terminated"},
		{"faults", shell("kill -SEGV $$"), "signal: segmentation fault"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := start(t, test.spec)
			awaitExit(t, p)
			if got := strings.TrimSuffix(p.State().String(), " (core dumped)"); got != test.want {
				t.Errorf("state %q, want %q", got, test.want)
			}
			if p.State().SysUsage().(*syscall.Rusage).Maxrss == 0 {
				t.Error("no resource usage")
			}
		})
	}
}

func TestTheStateIsNilUntilTheEnd(t *testing.T) {
	p := start(t, own("hang"))
	if p.State() != nil {
		t.Errorf("state %v", p.State())
	}
	p.Kill()
	awaitExit(t, p)
	if got := p.State().String(); got != "signal: killed" {
		t.Errorf("state %q", got)
	}
}

func TestSignalReachesTheLeaderAlone(t *testing.T) {
	p := start(t, shell(`trap "echo got it" USR1; sleep 1000 & echo $!; while :; do wait; done`))
	sleep := hold(t, numbers(t, line(t, p.Out()))[0])
	p.Signal(syscall.SIGUSR1)
	if got := line(t, p.Out()); got != "got it" {
		t.Errorf("got %q", got)
	}
	if !leaktest.Alive(sleep.pid) {
		t.Error("the signal reached the leader's child")
	}
	p.Kill()
	if !sleep.gone(time.Second) {
		t.Error("Kill did not reach the leader's child")
	}
}

func TestKillReachesTheWholeGroup(t *testing.T) {
	p := start(t, own("family"))
	var grips []grip
	for _, pid := range numbers(t, line(t, p.Out())) {
		grips = append(grips, hold(t, pid))
	}
	p.Kill()
	for _, g := range grips {
		if !g.gone(time.Second) {
			t.Errorf("process %d is left", g.pid)
		}
	}
}

func TestKillReachesALeaderThatLeftItsGroup(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3 to change the group")
	}
	script := `import os, subprocess
child = subprocess.Popen(["sleep", "1000"])
other = subprocess.Popen(["sleep", "1000"], preexec_fn=lambda: os.setpgid(0, 0))
os.setpgid(0, other.pid)
print(child.pid, other.pid, flush=True)
child.wait()`
	p := start(t, proc.Spec{Path: python, Argv: []string{"python3", "-c", script}, Env: os.Environ()})
	pids := numbers(t, line(t, p.Out()))
	inside, outside := hold(t, pids[0]), hold(t, pids[1])
	p.Kill()
	awaitExit(t, p)
	if !inside.gone(time.Second) {
		t.Error("a member of the group is left")
	}
	must(unix.PidfdSendSignal(outside.fd, unix.SIGKILL, nil, 0))
	outside.gone(time.Second)
}

func TestWhoEndsTakesTheGroupAlong(t *testing.T) {
	p := start(t, own("leave group"))
	sleep, err := unix.PidfdOpen(numbers(t, line(t, p.Out()))[0], 0)
	awaitExit(t, p)
	if err == nil && !(grip{fd: sleep}).gone(time.Second) {
		t.Error("the grandchild is left")
	}
	if !p.State().Success() {
		t.Errorf("state %v", p.State())
	}
}

func TestAGrandchildThatHoldsStderrDoesNotDelayExited(t *testing.T) {
	p := start(t, own("leave session"))
	sleep := hold(t, numbers(t, line(t, p.Out()))[0])
	awaitExit(t, p)
	if !leaktest.Alive(sleep.pid) {
		t.Error("it does not hold stderr any more: this proves nothing")
	}
	must(unix.PidfdSendSignal(sleep.fd, unix.SIGKILL, nil, 0))
	if !sleep.gone(time.Second) {
		t.Error("the grandchild is left")
	}
}

func TestWaitingCostsNoThread(t *testing.T) {
	leaktest.Check(t)
	const children = 60
	start(t, shell("exec sleep 1000")) // the spawner has its thread
	before := threads(t)
	for range children {
		start(t, shell("exec sleep 1000"))
	}
	if after := threads(t); after > before+8 {
		t.Errorf("%d threads before, %d with %d children", before, after, children)
	}
}

func threads(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	must(err)
	m := regexp.MustCompile(`(?m)^Threads:\s+(\d+)`).FindSubmatch(status)
	n, err := strconv.Atoi(string(m[1]))
	must(err)
	return n
}

func TestManyStartsAndEndsLeaveNothing(t *testing.T) {
	cycle := func(spec proc.Spec) {
		p, err := proc.Start(spec)
		if err != nil {
			t.Fatal(err)
		}
		awaitExit(t, p)
		p.Close()
	}
	for range 20 {
		cycle(shell("exit 0"))
	}
	leaktest.Check(t)
	before, goroutines := threads(t), runtime.NumGoroutine()
	for range 450 {
		cycle(shell("exit 0"))
	}
	for range 50 {
		cycle(own("exit 0"))
	}
	if after := threads(t); after > before+4 {
		t.Errorf("%d threads before, %d after", before, after)
	}
	if after := runtime.NumGoroutine(); after > goroutines+1 { // a waiter may be on its last instruction
		t.Errorf("%d goroutines before, %d after", goroutines, after)
	}
}

func TestAChildOutlivesTheThreadThatAskedForIt(t *testing.T) {
	type result struct {
		p   *proc.Process
		err error
	}
	for range 10 {
		tid := make(chan int)
		c := make(chan result)
		go func() {
			runtime.LockOSThread()
			p, err := proc.Start(shellOwn("cat"))
			tid <- unix.Gettid()
			c <- result{p, err}
		}()
		thread := <-tid
		r := <-c
		must(r.err)
		awaitThreadEnd(t, thread)
		fmt.Fprintln(r.p.In(), "still here")
		if got := line(t, r.p.Out()); got != "still here" {
			t.Errorf("got %q", got)
		}
		r.p.Kill()
		awaitExit(t, r.p)
		r.p.Close()
	}
}

// shellOwn is a child with Pdeathsig that will not clear it.
func shellOwn(script string) proc.Spec {
	spec := shell(script)
	spec.Own = true
	return spec
}

// awaitThreadEnd waits for something that has no event.
func awaitThreadEnd(t *testing.T, tid int) {
	t.Helper()
	if tid == os.Getpid() {
		return // Go keeps the main thread
	}
	eventually(t, func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
		return err != nil
	})
}

func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
	}
}

func TestTheSpawnerLeavesTheMainThread(t *testing.T) {
	if got := ask(t, "mainthread"); got != "false" {
		t.Errorf("on the main thread: %s", got)
	}
}

func TestNobodySurvivesTheParent(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			for range rounds {
				parent, out := helper(t, "parent "+kind)
				text, err := out.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				var grips []grip
				for _, pid := range numbers(t, text) {
					grips = append(grips, hold(t, pid))
				}
				must(parent.Process.Kill())
				parent.Wait()
				died := time.Now()
				for _, g := range grips {
					switch {
					case !g.gone(patience):
						t.Errorf("process %d is left", g.pid)
						must(syscall.Kill(g.pid, syscall.SIGKILL))
					case time.Since(died) > time.Second:
						t.Errorf("process %d was left for %v after its parent", g.pid, time.Since(died))
					}
				}
			}
		})
	}
}

func TestAChildSeesItsOwnDescriptorsOnly(t *testing.T) {
	page, err := os.CreateTemp(t.TempDir(), "page")
	must(err)
	defer page.Close()
	spec := own("inspect")
	spec.Page = page
	withPage, err := inspect(spec)
	if err != nil {
		t.Fatal(err)
	}
	withoutPage, err := inspect(own("inspect"))
	if err != nil {
		t.Fatal(err)
	}
	expectDescriptors(t, withPage.FDs, map[int]string{4: page.Name()})
	expectDescriptors(t, withoutPage.FDs, nil)
	if len(withPage.High) != 3 || withPage.High[0] != "/dev/null" {
		t.Errorf("a grandchild would inherit %v", withPage.High)
	}
	if !slices.Equal(withPage.Blocking, []bool{true, true, true}) {
		t.Errorf("blocking: %v", withPage.Blocking)
	}
}

// expectDescriptors accepts pipes on 0 to 5 and a socket on 6, except where special says otherwise, and the child's own runtime's files.
func expectDescriptors(t *testing.T, got, special map[int]string) {
	t.Helper()
	seen := make(map[string]int)
	for fd, target := range got {
		want := "pipe:["
		if s, ok := special[fd]; ok {
			want = s
		}
		switch {
		case fd == 6 && strings.HasPrefix(target, "socket:["):
		case fd == 4 && special[4] == "" && strings.HasPrefix(target, "pipe:["):
			t.Errorf("descriptor 4 is %s", target)
		case fd <= 5 && (fd != 4 || special[4] != "") && !strings.HasPrefix(target, want):
			t.Errorf("descriptor %d is %s, want %s", fd, target, want)
		case (fd > 5 || fd == 4 && special[4] == "") && !isRuntimes(target):
			t.Errorf("descriptor %d is %s", fd, target)
		}
		if other, ok := seen[target]; ok && strings.HasPrefix(target, "pipe:[") {
			t.Errorf("descriptors %d and %d are both %s", fd, other, target)
		}
		seen[target] = fd
	}
}

func isRuntimes(target string) bool {
	return strings.HasPrefix(target, "anon_inode:[event") || strings.HasPrefix(target, "/sys/fs/cgroup/")
}

func TestChildrenThatStartAtTheSameTimeShareNothing(t *testing.T) {
	leaktest.Check(t)
	const n = 8
	reports := make([]report, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var err error
			if reports[i], err = inspect(own("inspect")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	pipes := make(map[string]int)
	for i, r := range reports {
		expectDescriptors(t, r.FDs, nil)
		for _, target := range r.FDs {
			if other, ok := pipes[target]; ok && other != i && strings.HasPrefix(target, "pipe:[") {
				t.Errorf("children %d and %d share %s", i, other, target)
			}
			pipes[target] = i
		}
	}
}

func TestWhatTheParentInheritedDoesNotReachItsChildren(t *testing.T) {
	text := ask(t, "sieve", func(cmd *exec.Cmd) {
		for range 12 { // some collide with the child's own numbers
			f, err := os.Open("/dev/zero")
			must(err)
			t.Cleanup(func() { f.Close() })
			cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		}
	})
	var fds map[int]string
	must(json.Unmarshal([]byte(text), &fds))
	expectDescriptors(t, fds, nil)
}

func TestAChildHasTheNameOfItsProgram(t *testing.T) {
	r, err := inspect(own("inspect"))
	must(err)
	if want := filepath.Base(os.Args[0]); !strings.HasPrefix(want, r.Name) || r.Name == "" {
		t.Errorf("name %q, want %q", r.Name, want)
	}
}

func TestParentAndChildAgreeOnTheirIdentity(t *testing.T) {
	mine, err := proc.SelfIdentity()
	must(err)
	r, err := inspect(own("inspect"))
	must(err)
	if mine != r.Identity || strings.Count(mine, ":") != 3 {
		t.Errorf("parent %s, child %s", mine, r.Identity)
	}
}

func TestAProgramThatWasRemovedOrReplacedStartsItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lost")
	copyFile(t, os.Args[0], path)
	got := ask(t, "lost", func(cmd *exec.Cmd) { cmd.Path, cmd.Args = path, []string{path} })
	if got != "true true lost" {
		t.Errorf("same image after removal, after replacement, name: %s", got)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	must(err)
	must(os.WriteFile(to, data, 0o755))
}

func TestAShortageOfDescriptorsIsReportedAndLeavesNone(t *testing.T) {
	got := ask(t, "shortage")
	var failed int
	if n, _ := fmt.Sscanf(got, "failed %d left", &failed); n != 1 || failed < 10 || !strings.HasSuffix(got, "left") {
		t.Error(got)
	}
}

func TestAFailedStartNamesTheStepAndTheFileAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	must(os.WriteFile(plain, []byte("no program"), 0o644))
	junk := filepath.Join(dir, "junk")
	must(os.WriteFile(junk, []byte("\x7fELF but not really"), 0o755))
	script := filepath.Join(dir, "script")
	must(os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755))
	foreign := func(path string) proc.Spec { return proc.Spec{Path: path, Argv: []string{path}} }
	in := func(dir string) proc.Spec { spec := shell("exit 0"); spec.Dir = dir; return spec }
	pinned := func(cpus ...int) proc.Spec { spec := shell("exit 0"); spec.CPUs = cpus; return spec }
	tests := []struct {
		name string
		spec proc.Spec
		is   error
		text string
	}{
		{"no such file", foreign(dir + "/none"), fs.ErrNotExist, dir + "/none: fork/exec: no such file"},
		{"no such interpreter", foreign(script), syscall.ENOENT, "interpreter"},
		{"not executable", foreign(plain), fs.ErrPermission, plain + ": fork/exec: permission denied"},
		{"a directory", foreign(dir), syscall.EACCES, "fork/exec"},
		{"no program", foreign(junk), syscall.ENOEXEC, "fork/exec: exec format error"},
		{"no such working directory", in(dir + "/none"), syscall.ENOENT, dir + "/none: chdir: no such file"},
		{"a file as working directory", in(plain), syscall.ENOTDIR, plain + ": chdir: not a directory"},
		{"nothing to start", proc.Spec{}, nil, "image"},
		{"a zero byte in an argument", shell("exit \x00 1"), syscall.EINVAL, "fork/exec"},
		{"too long an argument", shell(strings.Repeat("x", 1<<20)), syscall.E2BIG, "argument list too long"},
		{"a negative processor", pinned(-1), nil, "affinity: no such processor"},
		{"an absurd processor", pinned(1 << 20), nil, "affinity: no such processor"},
		{"a processor that this machine lacks", pinned(1023), syscall.EINVAL, "affinity: invalid argument"},
	}
	start(t, shell("exit 0")) // whatever is opened once is open now
	leaktest.Check(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := proc.Start(test.spec)
			if err == nil {
				p.Kill()
				t.Fatal("it started")
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("%q does not say %q", err, test.text)
			}
		})
	}
}

func TestTheHookFailsAStart(t *testing.T) {
	leaktest.Check(t)
	defer func() { proc.StartHook = nil }()
	proc.StartHook = func(spec proc.Spec) error {
		if !spec.Own {
			return nil
		}
		return syscall.EAGAIN
	}
	if _, err := proc.Start(own("exit 0")); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("err %v", err)
	}
	awaitExit(t, start(t, shell("exit 0")))
}

func TestNicenessIsForOneChildAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to become somebody without privileges")
	}
	got := ask(t, "nice", func(cmd *exec.Cmd) {
		// By a descriptor, since the way to the file is barred to others.
		self, err := os.Open("/proc/self/exe")
		must(err)
		t.Cleanup(func() { self.Close() })
		cmd.ExtraFiles = []*os.File{self}
		cmd.Path = "/proc/self/fd/3"
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	})
	got, _, _ = strings.Cut(got, "\n") // a test binary with coverage complains that it may not write
	if want := "65534 0 5 0 EACCES 5 7"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAffinityIsForOneChildAlone(t *testing.T) {
	all, err := inspect(own("inspect"))
	must(err)
	spec := own("inspect")
	spec.CPUs = all.CPUs[len(all.CPUs)-1:]
	pinned, err := inspect(spec)
	must(err)
	after, err := inspect(own("inspect"))
	must(err)
	if !slices.Equal(pinned.CPUs, spec.CPUs) || !slices.Equal(after.CPUs, all.CPUs) {
		t.Errorf("all %v, pinned %v, after %v", all.CPUs, pinned.CPUs, after.CPUs)
	}
}

func TestSignalsRaceWithTheEnd(t *testing.T) {
	leaktest.Check(t)
	for range 20 {
		p := start(t, shell("exit 0"))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 50 {
					p.Signal(syscall.SIGCONT)
					p.Kill()
					p.State()
				}
			})
		}
		wg.Wait()
		awaitExit(t, p)
		p.Kill()
		p.Signal(syscall.SIGTERM)
	}
}

func TestCloseEndsReadsAndWritesAndMayBeRepeated(t *testing.T) {
	leaktest.Check(t)
	p := start(t, own("hang"))
	line(t, p.Out())
	errs := make(chan error)
	go func() {
		_, err := p.Err().Read(make([]byte, 1))
		errs <- err
	}()
	go func() {
		_, err := p.In().Write(make([]byte, 1<<20))
		errs <- err
	}()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(p.Close)
	}
	wg.Wait()
	for range 2 {
		if err := <-errs; !errors.Is(err, os.ErrClosed) {
			t.Errorf("err %v", err)
		}
	}
	if !leaktest.Alive(p.PID()) {
		t.Error("Close ended the child")
	}
}

func TestDeadlinesWorkOnTheParentsEnds(t *testing.T) {
	p := start(t, own("hang"))
	line(t, p.Out())
	for name, f := range map[string]*os.File{"in": p.In(), "out": p.Out(), "text": p.Text(), "err": p.Err()} {
		must(f.SetDeadline(time.Now().Add(10 * time.Millisecond)))
		var err error
		if name == "in" {
			_, err = f.Write(make([]byte, 1<<20))
		} else {
			_, err = f.Read(make([]byte, 1))
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: err %v", name, err)
		}
	}
}

func TestAChildThatSomebodyElseReapedHasExited(t *testing.T) {
	leaktest.Check(t)
	for range 20 {
		p := start(t, shell("exit 5"))
		var status syscall.WaitStatus
		syscall.Wait4(p.PID(), &status, 0, nil) // either of the two may win
		awaitExit(t, p)
		if state := p.State(); state != nil && state.ExitCode() != 5 {
			t.Errorf("state %v", state)
		}
	}
}

func TestAForeignChildOfUserCodeIsLeftAlone(t *testing.T) {
	leaktest.Check(t)
	cmd := exec.Command("sh", "-c", "exit 9")
	must(cmd.Start())
	for range 10 {
		awaitExit(t, start(t, shell("exit 0")))
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 9 {
		t.Errorf("err %v", err)
	}
}

func TestWithoutPidfdTheEndIsNoticedAllTheSame(t *testing.T) {
	leaktest.Check(t)
	p, err := proc.StartWithoutPidfd(own("leave group"))
	must(err)
	defer p.Close()
	sleep, err := unix.PidfdOpen(numbers(t, line(t, p.Out()))[0], 0)
	awaitExit(t, p)
	if err == nil && !(grip{fd: sleep}).gone(time.Second) {
		t.Error("the grandchild is left")
	}
	if !p.State().Success() {
		t.Errorf("state %v", p.State())
	}
}

func TestTheGroupEndsWhenTheLifePipeIsClosed(t *testing.T) {
	for _, spec := range []proc.Spec{own("family"), shell("sleep 1000 & echo $$ $!; wait")} {
		p := start(t, spec)
		var grips []grip
		for _, pid := range numbers(t, line(t, p.Out())) {
			grips = append(grips, hold(t, pid))
		}
		p.Life().Close()
		for _, g := range grips {
			if !g.gone(time.Second) {
				t.Errorf("process %d is left", g.pid)
			}
		}
		awaitExit(t, p)
	}
}

func BenchmarkStartAndExit(b *testing.B) {
	for b.Loop() {
		p, err := proc.Start(shell("exit 0"))
		if err != nil {
			b.Fatal(err)
		}
		<-p.Exited()
		p.Close()
	}
}
