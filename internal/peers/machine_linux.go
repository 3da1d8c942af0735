package main

import (
	"bufio"
	"cmp"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where the figures come from.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"` // that this process may use
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Python string `json:"python,omitempty"`
	GOGC   string `json:"gogc"`
	Load   string `json:"load"` // of all programs before the first row: one, five and fifteen minutes
}

func (b *bench) machine() machine {
	var p python
	defer p.close()
	version, err := p.ask(request{Do: "version"})
	if err != nil {
		version.Version = "none"
	}
	load, _ := os.ReadFile("/proc/loadavg")
	return machine{
		CPU: cpuName(), Cores: runtime.GOMAXPROCS(0), Kernel: kernel(), Go: runtime.Version(), Python: version.Version,
		GOGC: cmp.Or(os.Getenv("GOGC"), "100"), Load: strings.Join(strings.Fields(string(load))[:3], " "),
	}
}

func cpuName() string {
	info, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer info.Close()
	for lines := bufio.NewScanner(info); lines.Scan(); {
		if key, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "Linux"
	}
	return "Linux " + unix.ByteSliceToString(name.Release[:])
}
