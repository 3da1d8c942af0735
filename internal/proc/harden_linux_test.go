package proc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/boot"
	"github.com/procpool/procpool/internal/harden"
	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/proc"
)

// allRules is all that this kernel can give.
var allRules, _ = harden.Rules{NoNewPrivs: true, Files: true, Network: true, Signals: true}.Supported()

// needs skips the test where the kernel cannot give rules.
func needs(t *testing.T, rules harden.Rules) {
	t.Helper()
	if _, missing := rules.Supported(); len(missing) > 0 {
		t.Skip(missing[0])
	}
}

// hardened is an own child that plays role under rules.
func hardened(role string, rules harden.Rules) proc.Spec {
	spec := own(role)
	spec.Rules = rules
	return spec
}

// hardenedShell is a foreign child with the programs that its script needs.
func hardenedShell(script string) proc.Spec {
	spec := shell(script)
	spec.Rules = allRules
	spec.Rules.ReadOnly = []string{"/bin", "/usr/bin"}
	return spec
}

// targets are what a trespasser tries to reach.
type targets struct {
	Parent, Sibling int
	ReadOnly        string // a directory with the file "f" and the program "program"
	ReadWrite       string // a directory
	Unlisted        string // a directory with the program "program"
	TCP, Abstract   string // addresses where somebody listens
}

// A deed is something that a child tries, and the rules under which it may not.
type deed struct {
	name    string
	do      func(targets) error
	barred  func(harden.Rules) bool
	refusal syscall.Errno
}

func files(r harden.Rules) bool    { return r.Files }
func network(r harden.Rules) bool  { return r.Network }
func signals(r harden.Rules) bool  { return r.Signals }
func landlock(r harden.Rules) bool { return r.Files || r.Signals || r.Network && harden.ABI() >= 4 }

// ring is for what many a container refuses as well.
func ring(r harden.Rules) bool { return r.Network || useRing() != nil }

// unlessRoot is for what only capabilities allow in spite of Landlock.
func unlessRoot(r harden.Rules) bool { return landlock(r) && os.Geteuid() != 0 }
func nothing(harden.Rules) bool      { return false }

var deeds = []deed{
	{"read what is not listed", func(t targets) error { return opens("/etc/passwd") }, files, syscall.EACCES},
	{"list a directory that is not listed", func(targets) error { return second(os.ReadDir("/etc")) }, files, syscall.EACCES},
	{"read what is read-only", func(t targets) error { return opens(t.ReadOnly + "/f") }, nothing, 0},
	{"write what is read-only", func(t targets) error { return os.WriteFile(t.ReadOnly+"/f", nil, 0) }, files, syscall.EACCES},
	{"truncate what is read-only", func(t targets) error { return os.Truncate(t.ReadOnly+"/f", 0) }, files, syscall.EACCES},
	{"remove what is read-only", func(t targets) error { return tryRemove(t.ReadOnly) }, files, syscall.EACCES},
	{"work in a read-write directory", func(t targets) error { return work(t.ReadWrite) }, nothing, 0},
	{"execute what is listed", func(t targets) error { return program(t.ReadOnly + "/program").Run() }, nothing, 0},
	{"execute what is not listed", func(t targets) error { return program(t.Unlisted + "/program").Run() }, files, syscall.EACCES},
	{"execute itself", func(targets) error { return program("/proc/self/exe").Run() }, nothing, 0},
	{"use devices", func(targets) error { return useDevices() }, nothing, 0},
	{"read its own /proc", func(targets) error { return opens("/proc/self/maps") }, nothing, 0},
	{"connect by TCP", func(t targets) error { return dial("tcp", t.TCP) }, network, syscall.EACCES},
	{"listen by TCP", func(targets) error { return listen() }, network, syscall.EACCES}, // by Multipath TCP, where there is some
	{"connect by Multipath TCP", func(t targets) error { return connect(t.TCP, unix.IPPROTO_MPTCP) }, network, syscall.EACCES},
	{"send by UDP", func(targets) error { return dial("udp", "127.0.0.1:9") }, network, syscall.EACCES},
	{"make a pair of sockets", func(targets) error { return second(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)) }, nothing, 0},
	{"list the network's interfaces", func(targets) error { return second(net.Interfaces()) }, nothing, 0},
	{"use io_uring", func(targets) error { return useRing() }, ring, syscall.EPERM},
	{"connect to an abstract socket", func(t targets) error { return dial("unix", t.Abstract) }, signals, syscall.EPERM},
	{"signal the parent", func(t targets) error { return syscall.Kill(t.Parent, 0) }, signals, syscall.EPERM},
	{"signal a sibling", func(t targets) error { return syscall.Kill(t.Sibling, 0) }, signals, syscall.EPERM},
	{"signal its own children", func(targets) error { return killChild() }, nothing, 0},
	{"read the parent's memory", func(t targets) error { return opens(fmt.Sprintf("/proc/%d/mem", t.Parent)) }, landlock, syscall.EACCES},
	{"read the parent's environment", func(t targets) error { return opens(fmt.Sprintf("/proc/%d/environ", t.Parent)) }, unlessRoot, syscall.EACCES},
	{"read a sibling's memory", func(t targets) error { return opens(fmt.Sprintf("/proc/%d/mem", t.Sibling)) }, landlock, syscall.EACCES},
}

func second[T any](_ T, err error) error { return err }

func opens(path string) error {
	f, err := os.Open(path)
	if err == nil {
		f.Close()
	}
	return err
}

// tryRemove removes a file and puts it back.
func tryRemove(dir string) error {
	if err := os.Remove(dir + "/f"); err != nil {
		return err
	}
	return os.WriteFile(dir+"/f", nil, 0o644)
}

// work does in dir what a program does in a directory of its own.
func work(dir string) error {
	return errors.Join(
		os.MkdirAll(dir+"/a", 0o755),
		os.MkdirAll(dir+"/b", 0o755),
		os.WriteFile(dir+"/a/f", []byte("text"), 0o600),
		os.Truncate(dir+"/a/f", 1),
		os.Rename(dir+"/a/f", dir+"/b/g"),
		opens(dir+"/b/g"),
		os.RemoveAll(dir+"/a"),
		os.RemoveAll(dir+"/b"),
	)
}

// program is this one by some name.
func program(path string) *exec.Cmd {
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), roleVariable+"=exit done")
	return cmd
}

func useDevices() error {
	return errors.Join(os.WriteFile(os.DevNull, []byte("text"), 0), opens("/dev/urandom"), opens("/dev/zero"))
}

func dial(network, address string) error {
	c, err := net.Dial(network, address)
	if err == nil {
		c.Close()
	}
	return err
}

// connect connects a socket of one protocol, where the system has it.
func connect(address string, protocol int) error {
	to := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, protocol)
	if err == unix.EPROTONOSUPPORT || err == unix.ENOPROTOOPT {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())})
}

// useRing asks for an io_uring with parameters that no kernel takes: what is refused is refused before they are looked at.
func useRing() error {
	_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 0, 0, 0)
	if errno == unix.EPERM {
		return errno
	}
	return nil
}

func listen() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		l.Close()
	}
	return err
}

func killChild() error {
	cmd := program("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"=hang")
	if err := cmd.Start(); err != nil {
		return err
	}
	err := cmd.Process.Kill()
	cmd.Wait()
	return err
}

// playTrespass tries every deed and prints what came of each.
func playTrespass(args []string) {
	var t targets
	must(json.Unmarshal([]byte(args[0]), &t))
	fs, err := boot.Take()
	must(err)
	outcomes := make(map[string]syscall.Errno)
	for _, d := range deeds {
		err := d.do(t)
		var errno syscall.Errno
		if err != nil && !errors.As(err, &errno) {
			panic(fmt.Sprint(d.name, ": ", err))
		}
		outcomes[d.name] = errno
	}
	must(json.NewEncoder(fs.Out).Encode(outcomes))
}

func newTargets(t *testing.T) targets {
	t.Helper()
	goal := targets{Parent: os.Getpid(), ReadOnly: t.TempDir(), ReadWrite: t.TempDir(), Unlisted: t.TempDir()}
	must(os.WriteFile(goal.ReadOnly+"/f", nil, 0o644))
	copyFile(t, os.Args[0], goal.ReadOnly+"/program")
	must(os.Link(goal.ReadOnly+"/program", goal.Unlisted+"/program")) // the same file: what counts is the way to it
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": fmt.Sprintf("@procpool-test-%d", os.Getpid())} {
		l, err := net.Listen(network, address)
		must(err)
		t.Cleanup(func() { l.Close() })
		if network == "tcp" {
			goal.TCP = l.Addr().String()
		} else {
			goal.Abstract = address
		}
	}
	return goal
}

func TestEachRuleForbidsWhatItSaysAndNothingElse(t *testing.T) {
	goal := newTargets(t)
	for name, rules := range map[string]harden.Rules{
		"none":         {},
		"no new privs": {NoNewPrivs: true},
		"files":        {Files: true},
		"network":      {Network: true},
		"signals":      {Signals: true},
		"all":          {NoNewPrivs: true, Files: true, Network: true, Signals: true},
	} {
		t.Run(name, func(t *testing.T) {
			needs(t, rules)
			leaktest.Check(t)
			rules.ReadOnly, rules.ReadWrite = []string{goal.ReadOnly}, []string{goal.ReadWrite}
			sibling := start(t, hardened("hang", rules))
			line(t, sibling.Out())
			goal.Sibling = sibling.PID()
			text, err := json.Marshal(goal)
			must(err)
			p := start(t, hardened("trespass "+string(text), rules))
			var outcomes map[string]syscall.Errno
			must(json.Unmarshal([]byte(line(t, p.Out())), &outcomes))
			for _, d := range deeds {
				want := syscall.Errno(0)
				if d.barred(rules) {
					want = d.refusal
				}
				if got := outcomes[d.name]; got != want {
					t.Errorf("%s: %q, want %q", d.name, nameOf(got), nameOf(want))
				}
			}
			awaitExit(t, p)
		})
	}
}

func nameOf(errno syscall.Errno) string {
	if errno == 0 {
		return "allowed"
	}
	return unix.ErrnoName(errno)
}

func TestNoNewPrivilegesAreVisibleInTheChildAlone(t *testing.T) {
	for _, rules := range []harden.Rules{{NoNewPrivs: true}, {Signals: true}, allRules} {
		needs(t, rules)
		p := start(t, hardened("hang", rules))
		line(t, p.Out())
		if got := privileges(t, fmt.Sprintf("/proc/%d", p.PID())); got != "1" {
			t.Errorf("NoNewPrivs of a child with %+v: %s", rules, got)
		}
	}
	p := start(t, own("hang"))
	line(t, p.Out())
	if got := privileges(t, fmt.Sprintf("/proc/%d", p.PID())); got != "0" {
		t.Errorf("NoNewPrivs of a child without rules: %s", got)
	}
}

// privileges is whether the thread or process of a directory in /proc has no_new_privs.
func privileges(t *testing.T, dir string) string {
	t.Helper()
	status, err := os.ReadFile(dir + "/status")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return "" // the thread is over
	}
	must(err)
	return string(regexp.MustCompile(`(?m)^NoNewPrivs:\s+(\d)`).FindSubmatch(status)[1])
}

func TestTheParentStaysUnrestricted(t *testing.T) {
	needs(t, allRules)
	leaktest.Check(t)
	start(t, own("hang")) // the spawner has its thread
	before := threads(t)
	restricted := func() (dirs []string) {
		for _, dir := range tasks(t) {
			if privileges(t, dir) == "1" {
				dirs = append(dirs, dir)
			}
		}
		return dirs
	}
	spawners := restricted() // those that only set no_new_privs stay, and are confined by nothing
	for range 20 {
		p := start(t, hardened("exit 0", allRules))
		awaitExit(t, p)
	}
	// The threads that started the children end a moment after Start has returned.
	eventually(t, func() bool {
		return slices.Equal(restricted(), spawners)
	})
	if after := threads(t); after > before+4 {
		t.Errorf("%d threads before, %d after", before, after)
	}
	if err := opens("/etc/passwd"); err != nil {
		t.Error(err)
	}
	if err := listen(); err != nil {
		t.Error(err)
	}
}

// tasks are the directories of this process's threads.
func tasks(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/self/task/*")
	must(err)
	return dirs
}

func TestAHardenedProgramThatWasRemovedOrReplacedStartsItself(t *testing.T) {
	needs(t, allRules)
	path := filepath.Join(t.TempDir(), "lost")
	copyFile(t, os.Args[0], path)
	got := ask(t, "lost hardened", func(cmd *exec.Cmd) { cmd.Path, cmd.Args = path, []string{path} })
	if got != "true true lost" {
		t.Errorf("same image after removal, after replacement, name: %s", got)
	}
}

func TestAHardenedForeignCommandRuns(t *testing.T) {
	needs(t, allRules)
	p := start(t, hardenedShell("cat /etc/passwd || echo refused; exit 4"))
	if got := line(t, p.Out()); got != "refused" {
		t.Errorf("got %q", got)
	}
	awaitExit(t, p)
	if p.State().ExitCode() != 4 {
		t.Errorf("state %v", p.State())
	}
}

func TestARelativeImageIsLookedForInTheChildsDirectory(t *testing.T) {
	needs(t, allRules)
	dir := t.TempDir()
	copyFile(t, os.Args[0], dir+"/program")
	spec := hardened("exit 0", allRules)
	spec.Path, spec.Dir = "./program", dir
	p := start(t, spec)
	awaitExit(t, p)
	if !p.State().Success() {
		t.Errorf("state %v", p.State())
	}
}

func TestAHardenedChildHasItsNicenessAndProcessors(t *testing.T) {
	needs(t, allRules)
	all, err := inspect(own("inspect"))
	must(err)
	spec := hardened("inspect", allRules)
	spec.Nice, spec.SetNice = 4, true
	spec.CPUs = all.CPUs[len(all.CPUs)-1:]
	r, err := inspect(spec)
	must(err)
	if r.Nice != 4 || !slices.Equal(r.CPUs, spec.CPUs) {
		t.Errorf("niceness %d, processors %v", r.Nice, r.CPUs)
	}
}

func TestRulesThatCannotBeAppliedFailTheStart(t *testing.T) {
	needs(t, allRules)
	leaktest.Check(t)
	spec := hardened("hang", allRules)
	spec.Rules.ReadOnly = []string{"/no/such/directory"}
	_, err := proc.Start(spec)
	var e *proc.Error
	if !errors.As(err, &e) || e.Step != "landlock" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err %v", err)
	}
	spec.Rules.ReadOnly = nil
	awaitExit(t, start(t, hardened("exit 0", spec.Rules))) // nothing is spoilt
}

func TestAWorkerWithRulesOfItsOwnWorkersIsTheirParent(t *testing.T) {
	needs(t, allRules)
	rules := allRules
	p := start(t, hardened("nest", rules))
	pids := numbers(t, line(t, p.Out()))
	nested := hold(t, pids[0])
	p.Signal(syscall.SIGKILL)
	if !nested.gone(time.Second) {
		t.Error("the worker's worker is left")
	}
}

// playNest starts a worker with rules from under rules.
func playNest([]string) {
	p, err := proc.Start(hardened("hang", allRules))
	must(err)
	buf := make([]byte, 64)
	n, err := p.Out().Read(buf)
	must(err)
	fmt.Print(string(buf[:n]))
	forever()
}

func TestLimitsAreInForceWhenStartReturns(t *testing.T) {
	leaktest.Check(t)
	spec := own("hang")
	spec.Limits = harden.Limits{CPU: time.Minute, FileSize: 1 << 30, OpenFiles: 100, Processes: 1 << 20, NoCore: true, Data: 1 << 40}
	spec.OOMScore = 300
	p := start(t, spec)
	want := map[string]string{
		"Max cpu time": "60", "Max file size": "1073741824", "Max core file size": "0", "Max data size": "1099511627776",
	}
	expectLimits(t, p.PID(), want)
	line(t, p.Out())
	must(p.Limit(spec.Limits)) // as root, the child's runtime may have raised what it found before
	want["Max open files"] = "100"
	expectLimits(t, p.PID(), want)
	if got, own := score(t, p.PID()), score(t, os.Getpid()); got != min(own+300, 1000) {
		t.Errorf("score %d, of the parent %d", got, own)
	}
	p.Kill()
	awaitExit(t, p)
	if err := p.Limit(spec.Limits); err != nil {
		t.Errorf("limits after the end: %v", err)
	}
}

func expectLimits(t *testing.T, pid int, want map[string]string) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	must(err)
	for name, value := range want {
		if !regexp.MustCompile(`(?m)^` + name + `\s+` + value + `\s+` + value + `\s`).Match(text) {
			t.Errorf("%s is not %s:\n%s", name, value, text)
		}
	}
}

func score(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
	must(err)
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(err)
	return n
}

func TestALimitThatCannotBeSetLeavesNoChild(t *testing.T) {
	leaktest.Check(t)
	spec := own("hang")
	spec.Limits.FileSize = -1
	_, err := proc.Start(spec)
	var e *proc.Error
	if !errors.As(err, &e) || e.Step != "limit" {
		t.Fatalf("err %v", err)
	}
	if want := "limit: file size -1 is negative"; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("err %v, want ... %s", err, want)
	}
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("child %d is left, err %v", pid, err)
	}
}

func TestTheProcessorTimeLimitKills(t *testing.T) {
	if testing.Short() {
		t.Skip("uses a second of processor time")
	}
	spec := own("busy")
	spec.Limits.CPU = time.Millisecond // rounded up to a second
	p := start(t, spec)
	awaitExit(t, p)
	if got := p.State().String(); got != "signal: killed" {
		t.Errorf("state %q", got)
	}
}

// BenchmarkHardenedStartAndExit is BenchmarkStartAndExit with all rules.
func BenchmarkHardenedStartAndExit(b *testing.B) {
	for b.Loop() {
		p, err := proc.Start(hardenedShell("exit 0"))
		if err != nil {
			b.Fatal(err)
		}
		<-p.Exited()
		p.Close()
	}
}
