//go:build linux

package faults

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// Workers that do with shared memory what no worker does. Each does it in its first task, which is task 0 of batch 1.

// forger is such a worker: it may write anything to the wire and to the socket for descriptors.
type forger struct {
	wire *os.File
	link int
}

func newForger() (*forger, error) {
	out, err := wireOut()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		fd := number(entry.Name())
		if target, _ := os.Readlink("/proc/self/fd/" + entry.Name()); fd >= 10 && strings.HasPrefix(target, "socket:") {
			return &forger{out, fd}, nil
		}
	}
	return nil, errors.New("no socket among the descriptors")
}

func (f *forger) frame(frame []byte) error { _, err := f.wire.Write(frame); return err }

func (f *forger) offer(id uint64, offset uint32) error {
	return f.frame(wire.AppendOffer(nil, id, offset, wire.OfferBody{}))
}

func (f *forger) send(fds ...int) error {
	return unix.Sendmsg(f.link, []byte{1}, unix.UnixRights(fds...), nil, 0)
}

// sealed returns a memfd of so many bytes, of which only the first is there.
func sealed(size int64, seals int) (int, error) {
	fd, err := unix.MemfdCreate("forged", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err == nil {
		_, err = unix.Write(fd, []byte{1})
	}
	if err == nil {
		err = unix.Ftruncate(fd, size)
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	return fd, err
}

const allSeals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL

// sendSealed sends memory that has the wrong seals or size, and offers it.
func (f *forger) sendSealed(size int64, seals int) error {
	fd, err := sealed(size, seals)
	if err == nil {
		err = f.send(fd)
	}
	return errors.Join(err, f.offer(1, 0))
}

var forgeries = map[string]func(*forger) error{
	"an offer without a descriptor": func(f *forger) error { return f.offer(1, 0) },
	"an offer with a status alone": func(f *forger) error {
		return errors.Join(unix.Sendmsg(f.link, []byte{1}, nil, nil, 0), f.offer(1, 0))
	},
	"an offer to another batch": func(f *forger) error { return f.offer(99, 0) },
	"an offer to another task":  func(f *forger) error { return f.offer(1, 7) },
	"an offer of eight bytes": func(f *forger) error {
		return f.frame(wire.AppendControl(nil, wire.Offer, 1, 0, make([]byte, 8)))
	},
	"a fetch of nine bytes": func(f *forger) error {
		return f.frame(wire.AppendControl(nil, wire.Fetch, 0, 0, make([]byte, 9)))
	},
	"memory that can be shortened": func(f *forger) error { return f.sendSealed(1, allSeals&^unix.F_SEAL_SHRINK) },
	"memory that can be written":   func(f *forger) error { return f.sendSealed(1, allSeals&^unix.F_SEAL_WRITE) },
	"memory of holes":              func(f *forger) error { return f.sendSealed(1<<40, allSeals) },
	"a pipe":                       func(f *forger) error { return errors.Join(f.send(int(f.wire.Fd())), f.offer(1, 0)) },
	"two descriptors": func(f *forger) error {
		fd, err := sealed(1, allSeals)
		return errors.Join(err, f.send(fd, fd), f.offer(1, 0))
	},
	"as many descriptors as go into a message": func(f *forger) error {
		fd, err := sealed(1, allSeals)
		all := make([]int, 253)
		for i := range all {
			all[i] = fd
		}
		return errors.Join(err, f.send(all...), f.offer(1, 0))
	},
	"offers without end": func(f *forger) error {
		fd, err := sealed(1, allSeals)
		for err == nil {
			err = errors.Join(f.send(fd), f.offer(1, 0))
		}
		return err
	},
	"questions without end": func(f *forger) error {
		for {
			if err := f.frame(wire.AppendToken(nil, wire.Fetch, 0, 1)); err != nil {
				return err
			}
		}
	},
}

var forge = worker.Register("faults.forge", func(ctx context.Context, what string) (int, error) {
	f, err := newForger()
	if err != nil {
		return 0, err
	}
	if err := forgeries[what](f); err != nil {
		return 0, err
	}
	<-ctx.Done()
	return 0, ctx.Err()
})

func TestRowS20WorkerThatForgesSharedMemoryIsKilledAndLeavesNothing(t *testing.T) {
	for what := range forgeries {
		t.Run(what, func(t *testing.T) {
			f := start(t, 1)
			_, err := call(f, forge, what)
			var exit *pool.ExitError
			require.ErrorAs(t, err, &exit, "%v", err)
			assert.Equal(t, pool.ReasonProtocol, exit.Reason, "%v", err)
			for range 10 {
				f.works()
			}
			assert.Zero(t, f.Stats().Blobs)
			for fd, target := range leaktest.FDs() {
				assert.NotContains(t, target, "forged", "descriptor %d", fd)
			}
		})
	}
}

// refer returns a result that refers to what was never offered, or to something else.
var _ = worker.Register("faults.refer", func(_ context.Context, r reference) (worker.Raw, error) {
	raw := append(make([]byte, 0, 18), 0xd8, r.Ext)
	raw = binary.BigEndian.AppendUint64(raw, r.Name)
	return worker.Raw(binary.BigEndian.AppendUint64(raw, r.Size)), nil
})

type reference struct {
	Ext        byte
	Name, Size uint64
}

func TestReferencesToNothingAreDecodeErrors(t *testing.T) {
	f := start(t, 1)
	b, err := f.Share([]byte("secret"))
	require.NoError(t, err)
	defer b.Release()
	toBlob, toBytes := worker.Named[reference, worker.Blob]("faults.refer"), worker.Named[reference, []byte]("faults.refer")
	toAny := worker.Named[reference, any]("faults.refer")
	for _, r := range []reference{
		{112, 0, 6}, {112, 1, 0}, {112, 1 << 63, 1 << 63}, {112, 0, 1<<64 - 1}, {113, 0, 6}, {113, 5, 1 << 62}, {7, 0, 6},
	} {
		var decode *pool.DecodeError
		_, err := call(f, toBlob, r)
		assert.ErrorAs(t, err, &decode, "%v", r)
		_, err = call(f, toBytes, r)
		assert.ErrorAs(t, err, &decode, "%v", r)
		_, err = call(f, toAny, r)
		assert.ErrorAs(t, err, &decode, "%v", r)
	}
	f.works()
}

// guess asks for memory that it was not told of.
var guess = worker.Register("faults.guess", func(_ context.Context, token uint64) (string, error) {
	f, err := newForger()
	if err != nil {
		return "", err
	}
	if err := f.frame(wire.AppendToken(nil, wire.Fetch, 0, token)); err != nil {
		return "", err
	}
	var b [1]byte
	oob := make([]byte, 64)
	n, oobn, _, _, err := unix.Recvmsg(f.link, b[:], oob, 0)
	return fmt.Sprint(n, oobn, b[0]), err
})

func TestAWorkerSeesNoMemoryThatItWasNotToldOf(t *testing.T) {
	f := start(t, 1)
	b, err := f.Share([]byte("secret"))
	require.NoError(t, err)
	defer b.Release()
	for _, token := range []uint64{0, 1, 2, 1<<64 - 1} {
		got, err := call(f, guess, token)
		require.NoError(t, err)
		assert.Equal(t, "1 0 2", got, "a byte, no descriptor, gone")
	}
	f.works()
}

func TestAForeignWorkerThatSpeaksOfSharedMemoryIsKilled(t *testing.T) {
	for name, frame := range map[string][]byte{
		"Fetch": wire.AppendToken(nil, wire.Fetch, 0, 1), "Offer": wire.AppendOffer(nil, 1, 0, wire.OfferBody{}),
	} {
		t.Run(name, func(t *testing.T) {
			_, opts := puppets(t, func(p *puppet) {
				p.greet()
				if p.nth > 0 {
					p.serve()
				}
				p.write(p.tasks().started(0))
				p.write(frame)
			})
			f := start(t, 1, opts...)
			_, err := call(f, double, 21)
			var exit *pool.ExitError
			require.ErrorAs(t, err, &exit)
			assert.Equal(t, pool.ReasonProtocol, exit.Reason)
		})
	}
}
