package doctor

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

// faked is a system with these files.
func faked(t *testing.T, files map[string]string) *system {
	t.Helper()
	s := twoWorkers()
	s.root = t.TempDir()
	for name, text := range files {
		path := filepath.Join(s.root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return s
}

func TestReleasesAreRead(t *testing.T) {
	for release, want := range map[string][2]int{"6.18.44-fc": {6, 18}, "5.4": {5, 4}, "6.1-rc3": {6, 1}, "": {0, 0}, "x.y": {0, 0}, "4": {4, 0}} {
		major, minor := parseRelease(release)
		assert.Equal(t, want, [2]int{major, minor}, release)
	}
}

func TestQuotasOfBothGenerationsAreFound(t *testing.T) {
	second := map[string]string{
		"proc/self/cgroup":                  "0::/a/b\n",
		"proc/self/mountinfo":               "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		"sys/fs/cgroup/a/cpu.max":           "150000 100000\n",
		"sys/fs/cgroup/a/b/cpu.max":         "max 100000\n",
		"sys/fs/cgroup/a/b/pids.max":        "max\n",
		"sys/fs/cgroup/a/pids.max":          "100\n",
		"sys/fs/cgroup/a/pids.current":      "40\n",
		"sys/fs/cgroup/a/b/memory.max":      "1048576\n",
		"sys/fs/cgroup/a/b/memory.current":  "4096\n",
		"proc/meminfo":                      "MemTotal:       2048 kB\nMemAvailable:   1024 kB\n",
		"sys/devices/system/cpu/online":     "0-3,8\n",
		"sys/devices/system/cpu/smt/active": "1\n",
	}
	s := faked(t, second)
	var p processorFacts
	s.lookAtProcessors(&p)
	assert.Equal(t, processorFacts{Online: 5, Quota: 1.5, SMT: "on"}, p)
	limit, count := s.groupPIDs()
	assert.Equal(t, [2]int64{100, 40}, [2]int64{limit, count})
	m, err := probeMemory(t.Context(), s)
	require.NoError(t, err)
	assert.Equal(t, memoryFacts{Total: 2 << 20, Available: 1 << 20, GroupLimit: 1 << 20, GroupUsed: 4096, GroupDir: "/sys/fs/cgroup/a/b"}, m)

	s = faked(t, map[string]string{
		"proc/self/cgroup":                           "4:memory:/m\n3:cpuacct,cpu:/c\n0::/\n",
		"proc/self/mountinfo":                        "30 20 0:26 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n31 20 0:27 / /cg/memory rw - cgroup none rw,memory\n",
		"cg/cpu/c/cpu.cfs_quota_us":                  "50000\n",
		"cg/cpu/c/cpu.cfs_period_us":                 "100000\n",
		"cg/cpu/cpu.cfs_quota_us":                    "-1\n",
		"cg/memory/m/memory.limit_in_bytes":          "1048576\n",
		"cg/memory/m/memory.usage_in_bytes":          "8192\n",
		"cg/memory/memory.limit_in_bytes":            "9223372036854771712\n",
		"proc/meminfo":                               "MemTotal:       2048 kB\n",
		"proc/self/stat":                             "7 (x) R\n",
		"sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
	})
	p = processorFacts{}
	s.lookAtProcessors(&p)
	assert.InDelta(t, 0.5, p.Quota, 0)
	m, err = probeMemory(t.Context(), s)
	require.NoError(t, err)
	assert.Equal(t, "/cg/memory/m", m.GroupDir)
	h, err := probeHugePages(t.Context(), s)
	require.NoError(t, err)
	assert.Equal(t, hugePageFacts{Anonymous: "madvise"}, h)
}

func TestASystemWithoutFilesIsNotKnownAndNoError(t *testing.T) {
	s := faked(t, nil)
	for _, c := range allChecks() {
		if c.group != groupLive {
			f := c.bounded(t.Context(), s)
			assert.NotContains(t, f.Found, "bug:", c.name)
		}
	}
	f, err := probeProc(t.Context(), s)
	require.NoError(t, err)
	assert.Equal(t, Problem, judgeProc(s, f).state)
}

func TestThreadsAreCountedByUser(t *testing.T) {
	s := faked(t, map[string]string{
		"proc/self/status": "Name:\tx\n",
		"proc/1/status":    "Uid:\t4242424\t0\t0\t0\nThreads:\t5\n",
		"proc/2/status":    "Uid:\t" + uidText() + "\t0\t0\t0\nThreads:\t3\n",
	})
	user, all := s.threads(t.Context())
	assert.Equal(t, [2]int64{3, 8}, [2]int64{user, all})
}

func uidText() string { return strconv.Itoa(os.Getuid()) }

func TestMountOptionsOfProcAreRead(t *testing.T) {
	for mounts, want := range map[string]string{
		"22 1 0:5 / /proc rw,nosuid - proc proc rw,hidepid=2\n":         "2",
		"22 1 0:5 / /proc rw,nosuid - proc proc rw,hidepid=invisible\n": "invisible",
		"22 1 0:5 / /proc rw,nosuid - proc proc rw\n":                   "",
		"22 1 0:5 / /proc rw - proc proc rw,hidepid=0\n":                "",
		"22 1 0:5 / /else rw - proc proc rw,hidepid=2\n":                "",
	} {
		assert.Equal(t, want, hidePID(mounts), mounts)
	}
}

func TestContainersAndMachinesAreRecognised(t *testing.T) {
	assert.Equal(t, "docker", faked(t, map[string]string{".dockerenv": ""}).container())
	assert.Equal(t, "podman", faked(t, map[string]string{"run/.containerenv": ""}).container())
	assert.Equal(t, "kubepods", faked(t, map[string]string{"proc/self/cgroup": "0::/kubepods/x\n"}).container())
	assert.Equal(t, "Acme Box", faked(t, map[string]string{"proc/cpuinfo": "flags\t\t: fpu hypervisor\n", "sys/class/dmi/id/sys_vendor": "Acme\n", "sys/class/dmi/id/product_name": "Box\n"}).machine())
	assert.Empty(t, faked(t, map[string]string{"proc/cpuinfo": "flags\t\t: fpu\n", "sys/class/dmi/id/sys_vendor": "Acme\n"}).machine())
}

// What a worker costs is said by constants, so that it can be judged before any is started.
func TestAWorkerTakesAsManyDescriptorsAsIsSaid(t *testing.T) {
	const workers = 4
	wakePoller()
	before := openDescriptors()
	p, err := pool.New(t.Context(), pool.WithWorkers(workers))
	require.NoError(t, err)
	defer p.Close()
	took := openDescriptors() - before
	assert.LessOrEqual(t, took, int64(workers*descriptorsEach+3)) // the pool has one or two of its own
	assert.Greater(t, took, int64(workers*(descriptorsEach-3)))
	for _, w := range p.Workers() {
		threads, private := (&system{root: "/"}).weigh(w.PID)
		assert.LessOrEqual(t, threads, int64(threadsEach)+2)
		assert.Positive(t, private)
	}
}

func TestLeftoversAreSeen(t *testing.T) {
	before := takeCensus()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	left := takeCensus().since(before)
	require.Len(t, left, 2)
	assert.Contains(t, left[0], "pipe:[")
	r.Close()
	w.Close()
	assert.Empty(t, takeCensus().since(before))

	after := census{children: []int{7, 9}}
	assert.Equal(t, []string{"process 9"}, after.since(census{children: []int{7}}))
}
