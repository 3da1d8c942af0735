package harden

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// An allowance is a path and what is allowed below it.
type allowance struct {
	path   string
	rights uint64
}

// systemFiles is what programs need of the system in order to run at all: Go's and C's runtimes, static and dynamic, and
// what they use of languages and time zones. Not among it: names and addresses (/etc/passwd, hosts, resolv.conf),
// certificates, temporary directories. What is not there is left out.
//
// Libraries can be read and not executed: a loader maps them, which is reading to Landlock. So the programs that some
// distributions keep below /usr/lib do not run by themselves. Whoever may execute a loader can have it load what is readable.
func systemFiles() []allowance {
	var list []allowance
	add := func(rights uint64, paths ...string) {
		for _, path := range paths {
			list = append(list, allowance{path, rights})
		}
	}
	add(deviceRights, "/dev/null", "/dev/zero", "/dev/full")
	add(readRights, "/dev/random", "/dev/urandom")

	// All of /proc: a process's own directory is not there yet when the rule is made. What it says of other processes is what
	// ps shows; the rest of it takes the right to trace them, which Landlock denies.
	add(readRights, "/proc")
	add(readRights, "/sys/devices/system/cpu", "/sys/kernel/mm/transparent_hugepage", "/sys/fs/cgroup")

	add(readRights, "/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/local/lib",
		"/usr/local/lib64", "/nix/store", "/gnu/store", "/etc/ld.so.cache", "/etc/ld.so.preload")
	musl, _ := filepath.Glob("/etc/ld-musl-*.path") // the pattern is good
	add(readRights, musl...)

	add(readRights, "/etc/localtime", "/etc/timezone", "/etc/zoneinfo", "/usr/share/zoneinfo", "/usr/share/locale")
	return list
}

// maxInterpreters is how many scripts that name scripts the kernel follows, and one more.
const maxInterpreters = 6

// programs is what the kernel opens in order to execute path: the file, and the loader or interpreter that it names.
func programs(path string) []string {
	list := []string{path}
	for range maxInterpreters {
		if path = interpreter(path); path == "" {
			break
		}
		list = append(list, path)
	}
	return list
}

// interpreter is what path names as its loader (PT_INTERP of an ELF file) or interpreter (#! of a script); empty if it
// names none, or cannot be read.
func interpreter(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 256) // what the kernel reads
	n, _ := io.ReadFull(f, head)
	if head = head[:n]; bytes.HasPrefix(head, []byte("#!")) {
		return scriptInterpreter(head)
	}
	return elfInterpreter(f, head)
}

func scriptInterpreter(head []byte) string {
	first, _, _ := strings.Cut(string(head[len("#!"):]), "\n")
	words := strings.Fields(first)
	if len(words) == 0 || !filepath.IsAbs(words[0]) {
		return ""
	}
	return words[0]
}

// An elfLayout is where a class of ELF files keeps what is needed here: offsets in the file's header, then in a program
// header.
type elfLayout struct {
	word                     int // bytes of an address
	phoff, phentsize, phnum  int
	offset, filesz, phLength int
}

var (
	elf32 = elfLayout{word: 4, phoff: 28, phentsize: 42, phnum: 44, offset: 4, filesz: 16, phLength: 32}
	elf64 = elfLayout{word: 8, phoff: 32, phentsize: 54, phnum: 56, offset: 8, filesz: 32, phLength: 56}
)

// elfInterpreter reads by hand what package debug/elf would read, which brings along debug/dwarf and two decompressors.
func elfInterpreter(f io.ReaderAt, head []byte) string {
	const (
		headerLength = 64
		class        = 4 // in the identification: 1 is 32 bits, 2 is 64
		typeInterp   = 3
		maxPath      = 4096
	)
	if len(head) < headerLength || !bytes.HasPrefix(head, []byte("\x7fELF")) {
		return ""
	}
	l := elf64
	if head[class] == 1 {
		l = elf32
	}
	order := binary.NativeEndian // another order is another machine's
	start, size, count := l.address(head[l.phoff:]), order.Uint16(head[l.phentsize:]), order.Uint16(head[l.phnum:])
	for i := range int64(count) {
		ph := make([]byte, l.phLength)
		if _, err := f.ReadAt(ph, start+i*int64(size)); err != nil {
			return ""
		}
		if order.Uint32(ph) != typeInterp {
			continue
		}
		name := make([]byte, min(max(l.address(ph[l.filesz:]), 0), maxPath))
		if _, err := f.ReadAt(name, l.address(ph[l.offset:])); err != nil {
			return ""
		}
		text, _, _ := strings.Cut(string(name), "\x00")
		return text
	}
	return ""
}

func (l elfLayout) address(b []byte) int64 {
	if l.word == 4 {
		return int64(binary.NativeEndian.Uint32(b))
	}
	return int64(binary.NativeEndian.Uint64(b))
}
