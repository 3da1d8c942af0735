//go:build !linux

package doctor

import (
	"context"
	"errors"
	"os"
)

// What can be found out only on Linux is not looked at elsewhere.

func kernelRelease() string { return "" }

func (s *system) lookAtExecutable(f *executableFacts) {
	_, err := os.Stat(f.Path)
	f.Deleted, f.Allowed = err != nil, err == nil
}

func (s *system) lookAtProcessors(*processorFacts) {}

func freeSpace(string) int64 { return -1 }

func openDescriptors() int64 { return -1 }

func openSocket() error { return nil }

func reachParent(int) error { return nil }

func takeCensus() census {
	return census{unsure: "processes and descriptors are counted on Linux only"}
}

// unsupported is every probe that is for Linux.
func unsupported[F any](context.Context, *system) (f F, err error) { return f, errors.ErrUnsupported }

var (
	probeContainer   = unsupported[containerFacts]
	probeProc        = unsupported[procFacts]
	probeProcesses   = unsupported[processFacts]
	probeDescriptors = unsupported[descriptorFacts]
	probeLifePipe    = unsupported[lifePipeFacts]
	probePidfd       = unsupported[pidfdFacts]
	probePipes       = unsupported[pipeFacts]
	probeSharing     = unsupported[sharingFacts]
	probeMemory      = unsupported[memoryFacts]
	probeOvercommit  = unsupported[overcommitFacts]
	probeCgroup      = unsupported[cgroupFacts]
	probeHugePages   = unsupported[hugePageFacts]
	probeSeccomp     = unsupported[seccompFacts]
	probeNoNewPrivs  = unsupported[noNewPrivsFacts]
	probePipeCost    = unsupported[wakeFacts]
	probeFutexCost   = unsupported[wakeFacts]
	probeTracing     = unsupported[tracingFacts]
	probeCoreDumps   = unsupported[coreFacts]
	probeOrphans     = unsupported[orphanFacts]
)
