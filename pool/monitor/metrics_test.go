package monitor

import (
	"go/doc"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestMetricsAreAsPrometheusWantsThem(t *testing.T) {
	f := newFake()
	problems, err := testutil.CollectAndLint(collect(f))
	require.NoError(t, err)
	require.Empty(t, problems)
	families, err := func() (map[string]bool, error) {
		r := prometheus.NewPedanticRegistry()
		r.MustRegister(collect(f))
		all, err := r.Gather()
		names := map[string]bool{}
		for _, family := range all {
			names[family.GetName()] = true
		}
		return names, err
	}()
	require.NoError(t, err)
	for _, m := range known {
		require.True(t, families[m.name], m.name)
	}
}

func TestMetricsTellWhatThePoolTells(t *testing.T) {
	f := newFake()
	f.drop()
	require.Zero(t, testutil.CollectAndCount(collect(f)), "of a pool that is gone nothing is told")

	f = newFake()
	require.NoError(t, testutil.CollectAndCompare(renamed{collect(f), f}, strings.NewReader(`
# HELP procpool_workers Slots by state: starting, idle, busy, stopping, backoff or broken.
# TYPE procpool_workers gauge
procpool_workers{pool="p",state="backoff"} 0
procpool_workers{pool="p",state="broken"} 0
procpool_workers{pool="p",state="busy"} 3
procpool_workers{pool="p",state="idle"} 1
procpool_workers{pool="p",state="starting"} 0
procpool_workers{pool="p",state="stopping"} 0
# HELP procpool_worker_resident_memory_bytes Resident memory of the process of a slot.
# TYPE procpool_worker_resident_memory_bytes gauge
procpool_worker_resident_memory_bytes{pool="p",slot="0"} 2.097152e+07
procpool_worker_resident_memory_bytes{pool="p",slot="1"} 3.145728e+07
procpool_worker_resident_memory_bytes{pool="p",slot="2"} 4.194304e+07
procpool_worker_resident_memory_bytes{pool="p",slot="3"} 5.24288e+07
# HELP procpool_worker_restarts_total Processes started in the place of one that had died or was renewed.
# TYPE procpool_worker_restarts_total counter
procpool_worker_restarts_total{pool="p",reason="died"} 3
procpool_worker_restarts_total{pool="p",reason="renewed"} 1
`), "procpool_workers", "procpool_worker_resident_memory_bytes", "procpool_worker_restarts_total"))
}

// renamed is a collector for a pool with a plain name.
type renamed struct {
	*promCollector
	f *fake
}

func (r renamed) Collect(to chan<- prometheus.Metric) {
	(&promCollector{src: r.f, metrics: newMetrics("p")}).Collect(to)
}

func (r renamed) Describe(to chan<- *prometheus.Desc) {
	(&promCollector{src: r.f, metrics: newMetrics("p")}).Describe(to)
}

func TestHistogramsHaveTheirBounds(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collect(newFake()))
	all, err := r.Gather()
	require.NoError(t, err)
	for _, family := range all {
		if family.GetName() != "procpool_task_run_seconds" {
			continue
		}
		h := family.GetMetric()[0].GetHistogram()
		require.Len(t, h.GetBucket(), len(bounds))
		last := uint64(0)
		for _, b := range h.GetBucket() {
			require.GreaterOrEqual(t, b.GetCumulativeCount(), last)
			last = b.GetCumulativeCount()
		}
		require.Equal(t, h.GetSampleCount(), last)
		require.InDelta(t, 0.003*float64(last), h.GetSampleSum(), 1)
		return
	}
	t.Fatal("there is no such metric")
}

func TestTheTableOfMetricsIsComplete(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	text := string(new(doc.Package).Text(parsed.Doc.Text()))
	for _, m := range known {
		require.Contains(t, strings.Join(strings.Fields(text), " "), m.row())
	}
	require.Len(t, regexp.MustCompile(`(?m)^\s+procpool_`).FindAllString(text, -1), len(known))
}

// row is how the table in the package's comment tells of a metric.
func (m *metric) row() string {
	name := m.name
	if len(m.labels) > 0 {
		name += "{" + strings.Join(m.labels, ",") + "}"
	}
	return strings.Join([]string{name, m.kind, m.help}, " ")
}
