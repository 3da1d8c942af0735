package proc_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/boot"
	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/proc"
)

// roleVariable makes this test binary play a child, or the parent of some, instead of running tests.
const roleVariable = "PROC_TEST_ROLE"

// roles are what the test binary can play. Those that talk do so in lines on descriptor 1.
var roles = map[string]func(args []string){
	"echo":       playEcho,
	"exit":       playExit,
	"hang":       playHang,
	"busy":       playBusy,
	"family":     playFamily,
	"leave":      playLeave,
	"inspect":    playInspect,
	"parent":     playParent,
	"mainthread": playMainThread,
	"shortage":   playShortage,
	"lost":       playLostBinary,
	"sieve":      playSieve,
	"nice":       playNice,
	"trespass":   playTrespass,
	"nest":       playNest,
}

func init() {
	if strings.HasPrefix(os.Getenv(roleVariable), "mainthread") {
		runtime.LockOSThread() // init runs on the main thread, and so will main
	}
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		words := strings.Fields(role)
		os.Unsetenv(roleVariable)
		roles[words[0]](words[1:])
		os.Exit(0)
	}
	// Children built with the race detector would linger for a second at their exit.
	os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
	leaktest.Main(m)
}

const cookie = "0123456789abcdef0123456789abcdef"

// own is a child that plays role and runs package boot as a worker does.
func own(role string) proc.Spec {
	env := boot.Marker{Cookie: cookie, Depth: 1}.Apply(os.Environ())
	return proc.Spec{Argv: []string{os.Args[0], role}, Env: append(env, roleVariable+"="+role), Own: true}
}

// unmarked is an own child that never gets to arm its life pipe.
func unmarked(role string) proc.Spec {
	spec := own(role)
	spec.Env = append(boot.Strip(os.Environ()), roleVariable+"="+role)
	return spec
}

// shell is a foreign child.
func shell(script string) proc.Spec {
	return proc.Spec{Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Env: os.Environ()}
}

// must stops a role or a test that cannot go on.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func start(t testing.TB, spec proc.Spec) *proc.Process {
	t.Helper()
	p, err := proc.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		awaitExit(t, p)
		p.Close()
	})
	return p
}

const patience = 20 * time.Second // for what does happen, on a loaded machine

func awaitExit(t testing.TB, p *proc.Process) {
	t.Helper()
	select {
	case <-p.Exited():
	case <-time.After(patience):
		t.Fatalf("process %d did not end", p.PID())
	}
}

// line reads a line that the child wrote.
func line(t testing.TB, f *os.File) string {
	t.Helper()
	must(f.SetReadDeadline(time.Now().Add(patience)))
	text, err := bufio.NewReaderSize(f, 1<<16).ReadString('\n')
	if err != nil {
		t.Fatalf("no line from the child, but %q: %v", text, err)
	}
	return strings.TrimSuffix(text, "\n")
}

func numbers(t testing.TB, text string) (ns []int) {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		n, err := strconv.Atoi(word)
		if err != nil {
			t.Fatalf("not a list of numbers: %q", text)
		}
		ns = append(ns, n)
	}
	return ns
}

// A grip is a pidfd: it means one process even after the process has ended.
type grip struct{ pid, fd int }

func hold(t testing.TB, pid int) grip {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("process %d: %v", pid, err)
	}
	return grip{pid, fd}
}

// gone waits until the process has ended and reports whether it did so in time.
func (g grip) gone(d time.Duration) bool {
	defer unix.Close(g.fd)
	fds := []unix.PollFd{{Fd: int32(g.fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(d); ; {
		n, err := unix.Poll(fds, int(max(0, time.Until(deadline).Milliseconds())))
		if err != unix.EINTR {
			return n == 1
		}
	}
}

// helper runs a role as an ordinary process, outside of package proc.
func helper(t testing.TB, role string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	r, w, err := os.Pipe()
	must(err)
	cmd.Stdout = w
	must(cmd.Start())
	w.Close()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		r.Close()
	})
	must(r.SetReadDeadline(time.Now().Add(2 * patience)))
	return cmd, bufio.NewReader(r)
}

// ask runs a role to its end and returns what it printed.
func ask(t testing.TB, role string, prepare ...func(*exec.Cmd)) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	for _, f := range prepare {
		f(cmd)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", role, err, out)
	}
	return strings.TrimSpace(string(out))
}

func forever() {
	// Not select{}: without any other goroutine the runtime would call that a deadlock.
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR2)
	<-c
}

func playEcho([]string) {
	files, err := boot.Take()
	must(err)
	buf := make([]byte, 1<<16)
	for {
		n, err := files.In.Read(buf)
		if err != nil {
			return
		}
		_, err = files.Out.Write(buf[:n])
		must(err)
	}
}

func playExit(args []string) {
	code, err := strconv.Atoi(args[0])
	if err == nil {
		os.Exit(code)
	}
	if args[0] == "panic" {
		panic("as asked")
	}
	if args[0] == "done" {
		return
	}
	panic(args[0])
}

// playHang ignores the end of its stdin.
func playHang([]string) {
	fmt.Println(os.Getpid())
	forever()
}

func playBusy([]string) {
	runtime.GOMAXPROCS(1)
	fmt.Println(os.Getpid())
	for {
	}
}

// grandchild starts a process that holds stderr open and ends with nobody's help.
func grandchild(attr *syscall.SysProcAttr) int {
	cmd := exec.Command("sleep", "1000")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = attr
	must(cmd.Start())
	return cmd.Process.Pid
}

// playFamily has two children in its group, one of which is stopped.
func playFamily([]string) {
	a, b := grandchild(nil), grandchild(nil)
	must(syscall.Kill(b, syscall.SIGSTOP))
	fmt.Println(os.Getpid(), a, b)
	forever()
}

// playLeave ends and leaves a child behind: in its group, or in a session of its own.
func playLeave(args []string) {
	fmt.Println(grandchild(&syscall.SysProcAttr{Setsid: args[0] == "session"}))
}

// A report is what a child sees of itself.
type report struct {
	FDs      map[int]string // before Take
	High     map[int]string // after Take, what a grandchild would inherit
	Nice     int
	CPUs     []int
	Identity string
	Name     string
	Blocking []bool
}

func playInspect([]string) {
	r := report{FDs: descriptors()}
	for fd := range 3 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		must(err)
		r.Blocking = append(r.Blocking, flags&unix.O_NONBLOCK == 0)
	}
	files, err := boot.Take()
	must(err)
	r.High = inheritable()
	prio, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	must(err)
	r.Nice = 20 - prio
	var set unix.CPUSet
	must(unix.SchedGetaffinity(0, &set))
	for cpu := range 64 {
		if set.IsSet(cpu) {
			r.CPUs = append(r.CPUs, cpu)
		}
	}
	r.Identity, err = proc.SelfIdentity()
	must(err)
	comm, err := os.ReadFile("/proc/self/comm")
	must(err)
	r.Name = strings.TrimSpace(string(comm))
	must(json.NewEncoder(files.Out).Encode(r))
}

// inspect starts spec, which plays "inspect", and returns what it reports.
func inspect(spec proc.Spec) (r report, err error) {
	p, err := proc.Start(spec)
	if err != nil {
		return r, err
	}
	defer p.Close()
	must(p.Out().SetReadDeadline(time.Now().Add(patience)))
	if err := json.NewDecoder(p.Out()).Decode(&r); err != nil {
		p.Kill()
		text, _ := bufio.NewReader(p.Err()).ReadString(0)
		return r, fmt.Errorf("%w; stderr: %s", err, text)
	}
	<-p.Exited()
	return r, nil
}

// descriptors is everything that is open.
func descriptors() map[int]string {
	fds := make(map[int]string)
	entries, err := os.ReadDir("/proc/self/fd")
	must(err)
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			fd, err := strconv.Atoi(e.Name())
			must(err)
			fds[fd] = target
		}
	}
	return fds
}

// inheritable is what is open and not close-on-exec.
func inheritable() map[int]string {
	fds := descriptors()
	for fd := range fds {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			delete(fds, fd)
		}
	}
	return fds
}

// kinds are children whose parent will die.
var kinds = map[string]func() proc.Spec{
	"idle":             func() proc.Spec { return own("hang") },
	"busy":             func() proc.Spec { return own("busy") },
	"stopped":          func() proc.Spec { return own("hang") },
	"family":           func() proc.Spec { return own("family") },
	"unarmed":          func() proc.Spec { return unmarked("hang") },
	"foreign":          func() proc.Spec { return shell("sleep 1000 & echo $$ $!; wait") },
	"newborn":          func() proc.Spec { return own("hang") },
	"niced":            func() proc.Spec { spec := own("family"); spec.Nice, spec.SetNice = 3, true; return spec },
	"hardened-idle":    func() proc.Spec { return hardened("hang", allRules) },
	"hardened-busy":    func() proc.Spec { return hardened("busy", allRules) },
	"hardened-stopped": func() proc.Spec { return hardened("hang", allRules) },
	"hardened-family": func() proc.Spec {
		spec := hardened("family", allRules)
		spec.Rules.ReadOnly = []string{"/bin", "/usr/bin"}
		return spec
	},
	"hardened-foreign": func() proc.Spec { return hardenedShell("sleep 1000 & echo $$ $!; wait") },
	"hardened-newborn": func() proc.Spec { return hardened("hang", allRules) },
	"deafened":         func() proc.Spec { return shell(`trap "" HUP INT TERM USR1; sleep 1000 & echo $$ $!; wait`) },
}

// playParent starts two children of each kind that it is given, prints what processes there are, and waits for its end.
func playParent(args []string) {
	var pids []string
	for _, kind := range args {
		for range 2 {
			p, err := proc.Start(kinds[kind]())
			must(err)
			if strings.HasSuffix(kind, "newborn") { // as young as a child can be
				pids = append(pids, strconv.Itoa(p.PID()))
				continue
			}
			text, err := bufio.NewReader(p.Out()).ReadString('\n')
			must(err)
			pids = append(pids, strings.TrimSpace(text))
			if strings.HasSuffix(kind, "stopped") {
				p.Signal(syscall.SIGSTOP)
			}
		}
	}
	fmt.Println(strings.Join(pids, " "))
	forever()
}

func playMainThread([]string) {
	if unix.Gettid() != unix.Getpid() {
		panic("not on the main thread")
	}
	fmt.Println(proc.SpawnerThread() == unix.Getpid())
}

// playShortage starts a child again and again, with room for one descriptor more each time.
func playShortage([]string) {
	var limit syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	first, err := proc.Start(shell("exit 0")) // whatever is opened once is open now
	must(err)
	<-first.Exited()
	first.Close()
	before := leaktest.FDs()
	failed := 0
	for room := 0; ; room++ {
		must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(lowestFree() + room), Max: limit.Max}))
		p, err := proc.Start(own("exit done"))
		must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
		if err == nil {
			<-p.Exited()
			p.Close()
			fmt.Println("failed", failed, "left", difference(leaktest.FDs(), before))
			return
		}
		failed++
		if !isErrno(err, syscall.EMFILE) {
			panic(err)
		}
		if more := difference(leaktest.FDs(), before); more != "" {
			panic(fmt.Sprintf("after %v: %s", err, more))
		}
	}
}

// lowestFree is the number that the next descriptor gets.
func lowestFree() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(err)
	unix.Close(fd)
	return fd
}

func difference(after, before map[int]string) string {
	var more []string
	for fd, target := range after {
		if before[fd] != target {
			more = append(more, fmt.Sprint(fd, " ", target))
		}
	}
	return strings.Join(more, ", ")
}

// playLostBinary removes its own file, then puts another program in its place.
func playLostBinary(args []string) {
	child := own("inspect")
	if len(args) > 0 {
		child.Rules = allRules
	}
	path, err := os.Executable()
	must(err)
	if filepath.Base(path) != "lost" {
		panic("this would remove " + path)
	}
	mine, err := proc.SelfIdentity()
	must(err)
	must(os.Remove(path))
	removed, err := inspect(child)
	must(err)
	must(os.WriteFile(path, []byte("#!/bin/sh\nexit 66\n"), 0o755))
	replaced, err := inspect(child)
	must(err)
	fmt.Println(removed.Identity == mine, replaced.Identity == mine, removed.Name)
}

// playSieve has inherited descriptors that are not close-on-exec and shows what reaches its child.
func playSieve([]string) {
	r, err := inspect(own("inspect"))
	must(err)
	must(json.NewEncoder(os.Stdout).Encode(r.FDs))
}

// playNice is run without privileges.
func playNice([]string) {
	ask := func(set bool, nice int) string {
		spec := own("inspect")
		spec.SetNice, spec.Nice = set, nice
		r, err := inspect(spec)
		if err != nil {
			if isErrno(err, syscall.EACCES) {
				return "EACCES"
			}
			return err.Error()
		}
		return strconv.Itoa(r.Nice)
	}
	fmt.Println(os.Getuid(), ask(false, 0), ask(true, 5), ask(false, 0), ask(true, -5), ask(true, 5), ask(true, 7))
}
