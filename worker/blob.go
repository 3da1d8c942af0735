package worker

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/procpool/procpool/internal/blob"
	"github.com/procpool/procpool/internal/boot"
	"github.com/procpool/procpool/internal/codec"
)

// Blob is a small reference to memory that the parent and the workers share. It travels in any argument or result, inside of structs, slices,
// maps and interfaces too, at the cost of some twenty bytes however long the memory is; WithMaxPayload does not count what is in it. Get one from
// Pool.Share, or in a task from NewBlob.
//
// Copies of a Blob are the same Blob: one Release releases all of them. A Blob belongs to one pool; in the arguments of another it is an
// EncodeError. It does not travel in progress reports, in initializers' arguments or through other encodings (gob, JSON). Workers
// in other languages (pool.WithCommand) get the contents, as bytes. The zero Blob holds nothing and travels as nil.
type Blob struct{ h *blob.Handle }

// ErrReleased is returned for a Blob that was released, or whose pool has ended, in the process that asks or in the parent.
var ErrReleased = blob.ErrReleased

var (
	errZeroBlob = errors.New("procpool: the zero Blob; get one from Pool.Share or worker.NewBlob")
	errNoTask   = errors.New("procpool: a Blob travels only in arguments and results of tasks")
	errNoJSON   = errors.New("procpool: a Blob does not travel as JSON; encode what Bytes returns")
)

func init() { blob.Wrap = func(h *blob.Handle) any { return Blob{h} } }

// NewBlob copies data once into shared memory, for a task to return it by reference: the parent, and any other task that it hands the Blob to, read the
// same memory. With the result it passes to the pool, and when the task has returned this Blob is released. One that is never returned is released by
// Release or, some time later, by the garbage collector. It fails where the system has no memory or no
// descriptor left (ENOMEM, EMFILE), above the limit of file sizes (Hardening.FileSize), and on Windows. The memory counts for no WithMemoryLimit but that of a worker's own cgroup.
//
// In the parent the Blob belongs to whoever gets the result, who has to release it as one from Pool.Share.
//
// In the parent use Pool.Share: what NewBlob makes there no pool carries, but for tasks of WithInline that return it.
func NewBlob(data []byte) (Blob, error) {
	_, inWorker := boot.Current()
	h, err := blob.NewOwn(data, inWorker)
	if err != nil {
		return Blob{}, err
	}
	return Blob{h}, nil
}

// Bytes returns the memory itself. It is shared and read-only: writing to it is a fault that ends the process (with WithInline it is not, and changes what
// everybody sees). The first call in a process maps it, which takes microseconds whatever its length; no private memory is used.
//
// In a worker the bytes are valid until the task returns, in the parent until Release, or until the pool ends; reading them after that crashes the parent. Copy what has to last longer. A Blob that was
// released, or that no longer exists in the parent, gives ErrReleased.
func (b Blob) Bytes() ([]byte, error) {
	if b.h == nil {
		return nil, errZeroBlob
	}
	return b.h.Bytes()
}

// Len returns the length in bytes. It costs nothing and is known after Release too.
func (b Blob) Len() int {
	if b.h == nil {
		return 0
	}
	return b.h.Size()
}

// String returns the length in words and never the contents, which may be a gigabyte, or gone: "Blob(10 bytes)".
func (b Blob) String() string {
	if b.Len() == 1 {
		return "Blob(1 byte)"
	}
	return fmt.Sprintf("Blob(%d bytes)", b.Len())
}

// MarshalJSON fails: a reference means nothing outside of the pool, and silence would lose the contents.
func (b Blob) MarshalJSON() ([]byte, error) { return nil, errNoJSON }

// Release gives the memory back. In the parent it takes effect when the tasks that carry the Blob are answered, and then in every worker; what Bytes
// returned in the parent must not be used any more. In a task it ends the use of this Blob there, and of nobody else's. It always returns nil, however often it is called.
//
// A Blob that is never released goes with its pool, or, if Bytes was not called, when the garbage collector finds that nobody holds it. The collector does not see this
// memory and never runs because of it: release every Blob that you get, those in results too.
func (b Blob) Release() error {
	if b.h != nil {
		b.h.Release()
	}
	return nil
}

// EncodeMsgpack writes a reference.
func (b Blob) EncodeMsgpack(enc *msgpack.Encoder) error {
	if b.h == nil {
		return enc.EncodeNil()
	}
	defer runtime.KeepAlive(b.h)
	by, ok := codec.CarrierOf(enc.Writer()).(blob.Carrier)
	if !ok {
		return errNoTask
	}
	ref, contents, err := by.Pack(b.h)
	switch {
	case err != nil:
		return err
	case contents != nil:
		return enc.EncodeBytes(contents)
	}
	if err := enc.EncodeExtHeader(codec.ExtObject, codec.RefSize); err != nil {
		return err
	}
	_, err = enc.Writer().Write(ref[:])
	return err
}

// DecodeMsgpack reads a reference, or bytes.
func (b *Blob) DecodeMsgpack(dec *msgpack.Decoder) (err error) {
	by, ok := codec.CarrierOf(dec.Buffered()).(blob.Carrier)
	if !ok {
		return errNoTask
	}
	code, err := dec.PeekCode()
	switch {
	case err != nil:
		return err
	case code == fixExt16:
		b.h, err = b.unpack(dec, by)
		return err
	}
	contents, err := dec.DecodeBytes()
	if err != nil || contents == nil {
		*b = Blob{}
		return err
	}
	b.h, err = by.Fill(contents)
	return err
}

const fixExt16 = 0xd8 // msgpack's code for an extension of 16 bytes

func (*Blob) unpack(dec *msgpack.Decoder, by blob.Carrier) (*blob.Handle, error) {
	id, _, err := dec.DecodeExtHeader()
	if err != nil {
		return nil, err
	}
	if id != codec.ExtObject {
		return nil, errors.New("an extension that is no Blob")
	}
	var ref codec.Ref
	if err := dec.ReadFull(ref[:]); err != nil {
		return nil, err
	}
	return by.Unpack(ref)
}
