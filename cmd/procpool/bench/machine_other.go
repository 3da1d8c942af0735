//go:build !linux

package bench

func systemFacts() (kernel, cpu string, memory int64) { return "", "", 0 }

// load is not known here.
type load struct{ before float64 }

func newLoad() *load { return &load{before: -1} }

func (*load) after() (average, others, stolen float64) { return -1, -1, -1 }

func privateBytes(int) int64 { return 0 }
