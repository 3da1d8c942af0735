package harden

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The file rights of Landlock's first version: all bits up to that of LANDLOCK_ACCESS_FS_MAKE_SYM.
const firstRights = 2*unix.LANDLOCK_ACCESS_FS_MAKE_SYM - 1

const (
	readRights    = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	executeRights = readRights | unix.LANDLOCK_ACCESS_FS_EXECUTE
	deviceRights  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE

	// ofFiles are the rights that mean something for what is not a directory; the kernel refuses the others there.
	ofFiles = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
)

// signalErratum is the bit of the correction that lets a restricted thread signal the other threads of its process. Without
// it the Go runtime of the parent could not preempt from there: the request would count as sent, never arrive, and never
// be repeated, so that one busy loop could stop the parent for good at its next garbage collection.
const signalErratum = 1 << (2 - 1)

// ABI is the version of Landlock that the kernel offers to this process; 0 where there is none.
func ABI() int {
	abi, _ := askLandlock(unix.LANDLOCK_CREATE_RULESET_VERSION)
	return abi
}

// Errata are the corrections of Landlock that the kernel has, a bit each; 0 where there are none, or it does not tell.
func Errata() int { return thisKernel().errata }

func askLandlock(question uintptr) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, question)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// A kernel is what decides about the rules.
type kernel struct {
	abi    int
	reason error // why abi is 0
	errata int
}

// thisKernel asks once: each start would ask again.
var thisKernel = sync.OnceValue(func() (k kernel) {
	k.abi, k.reason = askLandlock(unix.LANDLOCK_CREATE_RULESET_VERSION)
	k.errata, _ = askLandlock(unix.LANDLOCK_CREATE_RULESET_ERRATA) // refused where there are none yet
	return k
})

// Supported drops from r what this system cannot give and says what that is and why. Without anything missing, Restrict
// fails only for reasons that lie in the paths.
func (r Rules) Supported() (possible Rules, missing []*UnsupportedError) {
	return r.supported(thisKernel())
}

func (r Rules) supported(k kernel) (Rules, []*UnsupportedError) {
	var missing []*UnsupportedError
	check := func(rule *bool, name string, lacks func() string) {
		if !*rule {
			return
		}
		if reason := lacks(); reason != "" {
			*rule = false
			missing = append(missing, &UnsupportedError{Rule: name, Reason: reason})
		}
	}
	check(&r.NoNewPrivs, "no_new_privs", lacksNoNewPrivs)
	check(&r.Files, "files", func() string { return k.lacks(1, "5.13") })
	check(&r.Network, "network", lacksFilter)
	check(&r.Signals, "signals", func() string { return k.lacks(6, "6.12") })
	check(&r.Signals, "signals", k.lacksErratum)
	return r, missing
}

func lacksNoNewPrivs() string {
	if _, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil {
		return fmt.Sprintf("needs Linux 3.5: %v", err)
	}
	return ""
}

func (k kernel) lacks(abi int, release string) string {
	needs := fmt.Sprintf("needs Linux %s (Landlock ABI %d)", release, abi)
	switch {
	case k.abi >= abi:
		return ""
	case k.abi > 0:
		return fmt.Sprintf("%s, here is ABI %d", needs, k.abi)
	case errors.Is(k.reason, unix.EOPNOTSUPP):
		return needs + ", and Landlock is switched off in this kernel (boot parameter lsm=)"
	case errors.Is(k.reason, unix.ENOSYS):
		return needs + ", and this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK)"
	case errors.Is(k.reason, unix.EPERM), errors.Is(k.reason, unix.EACCES):
		return needs + ", and a sandbox around this process forbids its system calls"
	}
	return fmt.Sprintf("%s: %v", needs, k.reason)
}

func (k kernel) lacksErratum() string {
	if k.errata&signalErratum == 0 {
		return "needs the correction of signals between threads that came with Linux 6.15 (Landlock erratum 2)"
	}
	return ""
}

// Restrict applies the rules to the calling thread for the rest of its life. The goroutine must be locked to it
// (runtime.LockOSThread) and must not unlock it again, so that the thread ends with the goroutine. After an error, which is
// an *Error, some of the rules may be in force.
func (r Rules) Restrict() error { return r.restrict(thisKernel()) }

func (r Rules) restrict(k kernel) error {
	if !r.Any() {
		return nil
	}
	if _, missing := r.supported(k); len(missing) > 0 {
		return refused(missing[0])
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return &Error{Step: "no_new_privs", Err: err}
	}
	if attr := r.handled(k.abi); attr != (unix.LandlockRulesetAttr{}) {
		if err := r.enterDomain(attr); err != nil {
			return &Error{Step: "landlock", Err: err}
		}
	}
	if !r.Network {
		return nil
	}
	if err := filterSockets(); err != nil {
		return &Error{Step: "seccomp", Err: err}
	}
	return nil
}

func (r Rules) enterDomain(attr unix.LandlockRulesetAttr) error {
	set, err := newRuleset(attr)
	if err != nil {
		return err
	}
	defer set.close()
	if r.Files {
		if err := r.allowFiles(set); err != nil {
			return err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(set.fd), 0, 0); errno != 0 {
		return fmt.Errorf("restrict_self: %w", errno)
	}
	return nil
}

// handled is what is denied as long as no rule allows it.
func (r Rules) handled(abi int) (attr unix.LandlockRulesetAttr) {
	if r.Files {
		attr.Handled_access_fs = fileRights(abi)
	}
	if r.Network && abi >= 4 { // for sockets that are handed over, which no filter of socket(2) sees
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if r.Signals {
		attr.Scoped = unix.LANDLOCK_SCOPE_SIGNAL | unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	return attr
}

// fileRights are those that the version knows; naming another is an error to it.
func fileRights(abi int) uint64 {
	rights := uint64(firstRights)
	if abi >= 2 {
		rights |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		rights |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 5 {
		rights |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return rights
}

func (r Rules) allowFiles(set ruleset) error {
	for _, f := range systemFiles() {
		if err := set.allow(f.path, f.rights); err != nil && !harmless(err) {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	for _, path := range r.programs() {
		if err := set.allow(path, executeRights); err != nil {
			return fmt.Errorf("program %s: %w", path, err)
		}
	}
	if err := set.allowEach(r.ReadOnly, executeRights); err != nil {
		return fmt.Errorf("read-only %w", err)
	}
	if err := set.allowEach(r.ReadWrite, ^uint64(0)); err != nil {
		return fmt.Errorf("read-write %w", err)
	}
	return nil
}

// programs are the image, and the loader of the programs that are listed, which is not the image's if that is static: the
// system's, which /bin/sh names.
func (r Rules) programs() []string {
	image := r.Image
	if image == "" {
		image = "/proc/self/exe" // the file that runs, also when another has its name by now
	}
	list := programs(image)
	if len(r.ReadOnly)+len(r.ReadWrite) > 0 {
		if loader := interpreter("/bin/sh"); loader != "" {
			list = append(list, loader)
		}
	}
	return list
}

// harmless is an error about a file of the system that is not there, or that the child could not reach either.
func harmless(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOTDIR)
}

// A ruleset is a descriptor to which what is allowed is added.
type ruleset struct {
	fd     int
	rights uint64
}

func newRuleset(attr unix.LandlockRulesetAttr) (ruleset, error) {
	// Older kernels know a shorter attr, and take a longer one if the rest is zero.
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return ruleset{}, fmt.Errorf("create_ruleset: %w", errno)
	}
	return ruleset{fd: int(fd), rights: attr.Handled_access_fs}, nil
}

func (s ruleset) close() { unix.Close(s.fd) }

var errRelative = errors.New("is not an absolute path")

func (s ruleset) allowEach(paths []string, rights uint64) error {
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("%q %w", path, errRelative)
		}
		if err := s.allow(path, rights); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// allow gives the rights to path and all below it, as far as they apply.
func (s ruleset) allow(path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	rights &= s.rights
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= ofFiles
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(s.fd), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("add_rule: %w", errno)
	}
	return nil
}
