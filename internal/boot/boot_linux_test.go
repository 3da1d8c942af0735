package boot_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/boot"
	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/proc"
)

// roleVariable makes this test binary play a worker instead of running tests.
const roleVariable = "BOOT_TEST_ROLE"

var roles = map[string]func(){
	"worker":  playWorker,
	"plain":   playPlain,
	"current": playCurrent,
	"armed":   playArmed,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Unsetenv(roleVariable)
		roles[role]()
		os.Exit(0)
	}
	// Children built with the race detector would linger for a second at their exit.
	os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
	leaktest.Main(m)
}

const cookie = "0123456789abcdef0123456789abcdef"

const patience = 20 * time.Second

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// An account is what a worker tells of itself after Take.
type account struct {
	Marker     boot.Marker
	Depth      int
	Twice      string // the error of a second Take
	Numbers    []uintptr
	Pollable   []bool
	Stdin      string // the result of reading it
	Page       string
	Env        []string
	Grandchild string
	Pdeathsig  int
	Life       string // what the life pipe is armed with
}

func playWorker() {
	var a account
	a.Pdeathsig, a.Life = pdeathsig(), lifeFlags()
	marker, ok := boot.Current()
	if !ok {
		panic("not marked")
	}
	files, err := boot.Take()
	must(err)
	boot.Settle()
	a.Marker, a.Depth = marker, boot.Depth()
	_, err = boot.Take()
	a.Twice = err.Error()
	for _, f := range []*os.File{files.In, files.Out} {
		a.Pollable = append(a.Pollable, f.SetDeadline(time.Time{}) == nil)
	}
	for _, f := range []*os.File{files.In, files.Out, files.Page} {
		if f != nil {
			a.Numbers = append(a.Numbers, number(f))
		}
	}
	if files.Page != nil {
		text := make([]byte, 9)
		_, err := files.Page.ReadAt(text, 0)
		must(err)
		a.Page = string(text)
	}
	_, err = os.Stdin.Read(make([]byte, 1))
	a.Stdin = fmt.Sprint(err)
	a.Env = os.Environ()
	a.Grandchild = grandchild()
	fmt.Println("printed by fmt")
	syscall.Write(1, []byte("written to 1\n"))
	println("printed by println")
	must(syscall.Kill(os.Getpid(), syscall.SIGINT))
	time.Sleep(10 * time.Millisecond) // nothing is to happen
	must(json.NewEncoder(files.Out).Encode(a))
	_, err = io.Copy(files.Out, files.In)
	must(err)
}

// number is f's descriptor; Fd would make it blocking.
func number(f *os.File) (fd uintptr) {
	conn, err := f.SyscallConn()
	must(err)
	must(conn.Control(func(n uintptr) { fd = n }))
	return fd
}

// grandchild is what processes that the worker starts say of themselves: their descriptors (3 is the directory that ls
// reads), then the variables, then the signals.
func grandchild() string {
	var text bytes.Buffer
	for _, args := range [][]string{
		{"ls", "/proc/self/fd"},
		{"sh", "-c", "env | grep -E '^(PROCPOOL_[WCSDG]|GOMAXPROCS)' | sort; grep SigIgn /proc/$$/status; cat"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, &text, os.Stderr
		must(cmd.Run())
	}
	echo := exec.Command("echo", "from the grandchild")
	echo.Stdout = os.Stdout
	must(echo.Run())
	return text.String()
}

func pdeathsig() (sig int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Gettid() != unix.Getpid() {
		return -1
	}
	var n int32
	must(unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&n)), 0, 0, 0))
	return int(n)
}

func lifeFlags() string {
	owner, err := unix.FcntlInt(3, unix.F_GETOWN, 0)
	if errno, ok := err.(syscall.Errno); ok && errno != syscall.EBADF {
		owner = -int(errno) // a group below 4096 looks like an errno
	}
	sig, err := unix.FcntlInt(3, unix.F_GETSIG, 0)
	if err != nil {
		return err.Error()
	}
	flags, err := unix.FcntlInt(3, unix.F_GETFL, 0)
	must(err)
	return fmt.Sprint(owner == -os.Getpid(), sig, flags&unix.O_ASYNC != 0)
}

// playPlain does what a worker does with its marker, and shows the error.
func playPlain() {
	_, err := boot.Take()
	_, marked := boot.Current()
	fmt.Println(marked, boot.Problem() != nil, err)
}

func playCurrent() {
	marker, marked := boot.Current()
	fmt.Println(marked, marker.Slot, boot.Depth(), boot.Elevated(), boot.Problem())
}

func playArmed() {
	fmt.Println(lifeFlags(), pdeathsig())
}

func marked(role string, m boot.Marker, env ...string) proc.Spec {
	env = m.Apply(append(env, os.Environ()...))
	return proc.Spec{Argv: []string{os.Args[0], role}, Env: append(env, roleVariable+"="+role), Own: true}
}

func start(t *testing.T, spec proc.Spec) *proc.Process {
	t.Helper()
	p, err := proc.Start(spec)
	must(err)
	t.Cleanup(func() {
		p.Kill()
		<-p.Exited()
		p.Close()
	})
	for _, f := range []*os.File{p.Out(), p.Err(), p.Text()} {
		must(f.SetDeadline(time.Now().Add(patience)))
	}
	return p
}

func readAll(t *testing.T, f *os.File) string {
	t.Helper()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Errorf("%q, then %v", text, err)
	}
	return string(text)
}

// live takes the account of a worker and lets it end.
func live(t *testing.T, spec proc.Spec) (a account, text, errText string) {
	t.Helper()
	p := start(t, spec)
	dec := json.NewDecoder(p.Out())
	if err := dec.Decode(&a); err != nil {
		t.Fatalf("%v; stderr: %s", err, readAll(t, p.Err()))
	}
	io.WriteString(p.In(), "over the wire")
	p.In().Close()
	rest, err := io.ReadAll(io.MultiReader(dec.Buffered(), p.Out()))
	if got := strings.TrimSpace(string(rest)); err != nil || got != "over the wire" {
		t.Errorf("on the wire: %q, %v", got, err)
	}
	text, errText = readAll(t, p.Text()), readAll(t, p.Err())
	<-p.Exited()
	if !p.State().Success() {
		t.Errorf("state %v, stderr %s", p.State(), errText)
	}
	return a, text, errText
}

func TestAWorkersDescriptorsAreOutOfItsTasksWay(t *testing.T) {
	page, err := os.CreateTemp(t.TempDir(), "page")
	must(err)
	defer page.Close()
	page.WriteString("page text")
	m := boot.Marker{Cookie: cookie, Slot: 7, Depth: 2, Page: true}
	spec := marked("worker", m)
	spec.Page = page
	a, text, errText := live(t, spec)
	if a.Marker != m || a.Depth != 2 {
		t.Errorf("marker %+v, depth %d", a.Marker, a.Depth)
	}
	if want := "from the grandchild\nprinted by fmt\nwritten to 1\n"; text != want {
		t.Errorf("text %q, want %q", text, want)
	}
	if errText != "printed by println\n" {
		t.Errorf("stderr %q", errText)
	}
	if a.Stdin != "EOF" {
		t.Errorf("stdin: %s", a.Stdin)
	}
	if a.Page != "page text" {
		t.Errorf("page: %q", a.Page)
	}
	if !slices.Equal(a.Pollable, []bool{false, false}) {
		t.Errorf("pollable: %v", a.Pollable)
	}
	if len(a.Numbers) != 3 || slices.Min(a.Numbers) < 10 {
		t.Errorf("descriptors %v", a.Numbers)
	}
	if !strings.Contains(a.Twice, "taken already") {
		t.Errorf("a second Take: %s", a.Twice)
	}
}

func TestAWorkerIsArmedBeforeMain(t *testing.T) {
	a, _, _ := live(t, marked("worker", boot.Marker{Cookie: cookie, Depth: 1}))
	if want := fmt.Sprint(true, 9, true); a.Life != want {
		t.Errorf("life pipe: %s, want %s", a.Life, want)
	}
	if a.Pdeathsig > 0 {
		t.Errorf("Pdeathsig is still %d", a.Pdeathsig)
	}
}

func TestAGrandchildIsAnOrdinaryProcess(t *testing.T) {
	tests := []struct {
		name  string
		procs int
		env   string
		want  string // GOMAXPROCS lines
	}{
		{"as it was", 0, "GOMAXPROCS=3", "GOMAXPROCS=3\n"},
		{"set for the worker", 1, "GOMAXPROCS=3", "GOMAXPROCS=3\n"},
		{"set for the worker, not set before", 1, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("GOMAXPROCS", "")
			os.Unsetenv("GOMAXPROCS")
			var env []string
			if test.env != "" {
				env = append(env, test.env)
			}
			a, _, _ := live(t, marked("worker", boot.Marker{Cookie: cookie, Depth: 1, Procs: test.procs}, env...))
			want := "0\n1\n2\n3\n" + test.want
			got, signals, _ := strings.Cut(a.Grandchild, "SigIgn:")
			if got != want {
				t.Errorf("descriptors and variables %q, want %q", got, want)
			}
			ignored, err := strconv.ParseUint(strings.TrimSpace(signals), 16, 64)
			if err != nil || ignored&(1<<(uint(syscall.SIGINT)-1)) != 0 {
				t.Errorf("ignored signals %q", signals)
			}
			for _, kv := range a.Env {
				if strings.HasPrefix(kv, "PROCPOOL_") && !strings.HasPrefix(kv, "PROCPOOL_LEAKTEST=") {
					t.Errorf("left in the environment: %s", kv)
				}
			}
		})
	}
}

func TestWithoutATextPipeStdoutIsStderr(t *testing.T) {
	// A worker that was started by somebody else, who knows of the wire only.
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(boot.Marker{Cookie: cookie, Depth: 1}.Apply(os.Environ()), roleVariable+"=worker")
	stdin, err := cmd.StdinPipe()
	must(err)
	var out, errText bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errText
	must(cmd.Start())
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, &errText)
	}
	if !strings.Contains(errText.String(), "printed by fmt\n") || strings.Contains(out.String(), "printed") {
		t.Errorf("stdout %q, stderr %q", &out, &errText)
	}
	var a account
	must(json.Unmarshal(out.Bytes(), &a))
	if strings.Contains(a.Life, "true") {
		t.Errorf("armed without a life pipe: %s", a.Life)
	}
}

// byHand runs a role as somebody would who has variables of procpool in the environment.
func byHand(t *testing.T, role string, env []string, prepare ...func(*exec.Cmd)) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = slices.Concat(env, []string{roleVariable + "=" + role})
	for _, f := range prepare {
		f(cmd)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestAMarkedProgramThatIsRunByHandIsToldSo(t *testing.T) {
	good := boot.Marker{Cookie: cookie, Depth: 1}.Apply(os.Environ())
	tests := []struct {
		name string
		env  []string
		want string
	}{
		{"all variables", good, "true false procpool: this process is marked as a worker"},
		{"just one", append(os.Environ(), "PROCPOOL_WORKER=1"), "true true procpool: this process is marked as a worker"},
		{"none", os.Environ(), "false false procpool: this process is not marked"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := byHand(t, "plain", test.env); !strings.HasPrefix(got, test.want) {
				t.Errorf("got %s", got)
			}
		})
	}
	got := byHand(t, "plain", good)
	if !strings.Contains(got, "standard input is neither a pipe nor a socket") || !strings.Contains(got, "unset PROCPOOL_WORKER") {
		t.Errorf("no help: %s", got)
	}
}

func TestASocketWillDoForTheWire(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(err)
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(boot.Marker{Cookie: cookie, Depth: 1}.Apply(os.Environ()), roleVariable+"=worker")
	cmd.Stdin, cmd.Stdout = theirs, theirs
	must(cmd.Start())
	theirs.Close()
	var a account
	if err := json.NewDecoder(ours).Decode(&a); err != nil || a.Depth != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	unix.Shutdown(pair[0], unix.SHUT_WR)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestALifePipeIsNotArmedForSomebodyElsesGroup(t *testing.T) {
	r, w, err := os.Pipe()
	must(err)
	defer r.Close()
	defer w.Close()
	env := boot.Marker{Cookie: cookie, Depth: 1}.Apply(os.Environ())
	for _, test := range []struct {
		name string
		attr *syscall.SysProcAttr
		fd3  *os.File
		want string
	}{
		{"in the group of the tests", nil, r, "false 0 false"},
		{"with the write end", &syscall.SysProcAttr{Setpgid: true}, w, "false 0 false"},
		{"as it should be", &syscall.SysProcAttr{Setpgid: true}, r, "true 9 true"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := byHand(t, "armed", env, func(cmd *exec.Cmd) {
				cmd.SysProcAttr, cmd.ExtraFiles = test.attr, []*os.File{test.fd3}
			})
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAWorkerWhoseParentIsGoneAlreadyEndsBeforeMain(t *testing.T) {
	r, w, err := os.Pipe()
	must(err)
	w.Close()
	defer r.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(boot.Marker{Cookie: cookie, Depth: 1}.Apply(os.Environ()), roleVariable+"=armed")
	cmd.SysProcAttr, cmd.ExtraFiles = &syscall.SysProcAttr{Setpgid: true}, []*os.File{r}
	out, err := cmd.CombinedOutput()
	if fmt.Sprint(err) != "signal: killed" || len(out) > 0 {
		t.Errorf("err %v, output %s", err, out)
	}
}

func TestASetuidProgramIgnoresTheMarker(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to make a set-user-ID program")
	}
	path := filepath.Join(t.TempDir(), "setuid")
	program, err := os.ReadFile(os.Args[0])
	must(err)
	must(os.WriteFile(path, program, 0o755))
	must(os.Chmod(path, 0o755|os.ModeSetuid))
	file, err := os.Open(path)
	must(err)
	defer file.Close()
	got := byHand(t, "current", boot.Marker{Cookie: cookie, Slot: 3, Depth: 1}.Apply(os.Environ()), func(cmd *exec.Cmd) {
		// By a descriptor, since the way to the file is barred to others.
		cmd.Path, cmd.ExtraFiles, cmd.Dir = "/proc/self/fd/3", []*os.File{file}, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	})
	got, _, _ = strings.Cut(got, "\n") // a test binary with coverage complains that it may not write
	if got == "true 3 1 false <nil>" {
		t.Skip("the file system ignores set-user-ID")
	}
	if want := "false 0 0 true <nil>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnOrdinaryProcessHasNoMarker(t *testing.T) {
	if m, ok := boot.Current(); ok || m != (boot.Marker{}) || boot.Depth() != 0 || boot.Problem() != nil {
		t.Errorf("%+v, %v, %d, %v", m, ok, boot.Depth(), boot.Problem())
	}
}

func TestMainIsCalledWhenItIsCalled(t *testing.T) {
	if boot.MainCalled() {
		t.Skip("it has been, in an earlier round")
	}
	boot.SetMainCalled()
	if !boot.MainCalled() {
		t.Error("not noticed")
	}
}
