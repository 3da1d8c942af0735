package pool

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/procpool/procpool/internal/blob"
	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/wire"
)

// offer is shared memory that a worker passed on with a result.
type offer struct {
	entry *entry       // of a Blob; nil where err is set
	plain *blob.Memory // of a byte slice: it is copied out, and the pool has no name for it
	err   error
	taken *blob.Handle // the handle that was made of the entry, which takes over the need
}

// offered is what came with one result. Until the result is decoded it holds what nobody else does; where nobody ever decodes it, the garbage collector ends that.
type offered struct {
	list    *[]offer
	bytes   int64
	cleanup runtime.Cleanup
}

func newOffered() *offered {
	o := &offered{list: new([]offer)}
	o.cleanup = runtime.AddCleanup(o, dropOffers, o.list)
	return o
}

func (o *offered) add(x offer) {
	switch {
	case x.entry != nil:
		o.bytes += int64(x.entry.memory.Size())
	case x.plain != nil:
		o.bytes += int64(x.plain.Size())
	}
	*o.list = append(*o.list, x)
}

// drop gives back what was not taken. It is called without core.mu.
func (o *offered) drop() {
	if o != nil {
		o.cleanup.Stop()
		dropOffers(o.list)
		runtime.KeepAlive(o)
	}
}

// discard gives back everything: what was made of the result goes nowhere.
func (o *offered) discard() {
	if o == nil {
		return
	}
	for _, x := range *o.list {
		if x.taken != nil {
			x.taken.Release()
		}
	}
	o.drop()
}

func dropOffers(list *[]offer) {
	for _, x := range *list {
		switch {
		case x.plain != nil:
			x.plain.Close()
		case x.entry != nil && x.taken == nil:
			x.entry.Release()
		}
	}
	*list = nil
}

// size returns how many bytes of shared memory it holds, or held.
func (o *offered) size() int64 {
	if o == nil {
		return 0
	}
	return o.bytes
}

// maxOffers bounds what a worker may have offered with results that it has not sent: far more than a worker does that flushes.
const maxOffers = 8 * blob.MaxOffers

// offerNotice takes memory that belongs to the result of a task.
func (p *proc) offerNotice(f wire.Frame) error {
	body, err := wire.ParseOffer(f)
	if err != nil {
		return err
	}
	b := p.offeredTo(f)
	switch {
	case p.link == nil:
		return illegal(f, "there is no way to get a descriptor from this worker")
	case b == nil:
		return illegal(f, "that task is not to be answered")
	case p.offers >= maxOffers:
		return illegal(f, "too many before a result")
	}
	x, err := p.receiveOffer(body)
	if err != nil {
		return illegal(f, "%v", err)
	}
	if b.offers == nil {
		b.offers = map[int]*offered{}
	}
	o := b.offers[int(f.Arg)]
	if o == nil {
		o = newOffered()
		b.offers[int(f.Arg)] = o
	}
	o.add(x)
	p.offers++
	if len(*o.list) > blob.MaxOffers {
		return illegal(f, "more than %d for one task", blob.MaxOffers)
	}
	return nil
}

// offeredTo returns the batch of the task that an Offer speaks of, nil where no such task is to be answered.
func (p *proc) offeredTo(f wire.Frame) *batch {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	for _, b := range p.inflight {
		if b.id == f.ID && int(f.Arg) >= b.got && int(f.Arg) < b.limit && p.mayOfferLocked(b) {
			return b
		}
	}
	return nil
}

// receiveOffer returns what is offered. An error is the worker's fault; what is the parent's own trouble is found when the result is decoded.
func (p *proc) receiveOffer(body wire.OfferBody) (offer, error) {
	if body.Token != 0 {
		e := p.core.blobs.find(blob.Token(body.Token))
		if e == nil {
			return offer{err: blob.ErrReleased}, nil
		}
		return offer{entry: e}, nil
	}
	status, m, err := p.link.Recv(false)
	switch {
	case errors.Is(err, blob.ErrNoRoom):
		failed := p.core.blobs.scarce(err)
		p.core.blobs.collect() // for the next one: this one is lost, the kernel keeps no message that it cut
		return offer{err: failed}, nil
	case err != nil:
		return offer{}, err
	case status != blob.Here || m == nil:
		return offer{}, errors.New("it comes without memory")
	case body.Bytes:
		return offer{plain: m}, nil
	}
	e, err := p.core.blobs.add(m)
	return offer{entry: e, err: err}, nil
}

// takeOffers returns what was offered with n results from offset from on, by offset plus base; nil where that is nothing. Of recv.
func (b *batch) takeOffers(from, n, base int) map[int]*offered {
	if len(b.offers) == 0 {
		return nil
	}
	taken := map[int]*offered{}
	for i := from; i < from+n; i++ {
		if o := b.offers[i]; o != nil {
			taken[base+i] = o
			delete(b.offers, i)
		}
	}
	return taken
}

// countOffers returns how many pieces came with n results from offset from on. Of recv.
func (b *batch) countOffers(from, n int) (count int) {
	if len(b.offers) == 0 {
		return 0
	}
	for i := from; i < from+n; i++ {
		if o := b.offers[i]; o != nil {
			count += len(*o.list)
		}
	}
	return count
}

// dropOffers gives back what was offered with results that never came. Of recv.
func (b *batch) dropOffers() {
	for _, o := range b.offers {
		o.drop()
	}
	b.offers = nil
}

// opening is the Carrier of results.
type opening struct {
	core    *core
	offered *offered // what came with the result; nil for nothing
}

var _ blob.Carrier = (*opening)(nil)

var errOneWay = errors.New("bug: a carrier of one direction is used in the other")

// find returns the offer that a reference means.
func (o *opening) find(ref codec.Ref) (*offer, error) {
	index, size, err := blob.ParseRef(ref)
	if err != nil {
		return nil, err
	}
	if o.offered == nil || uint64(index) >= uint64(len(*o.offered.list)) {
		return nil, fmt.Errorf("a Blob that did not come (%d)", index)
	}
	x := &(*o.offered.list)[index]
	var got int
	switch {
	case x.err != nil:
		return nil, x.err
	case x.plain != nil:
		got = x.plain.Size()
	default:
		got = x.entry.memory.Size()
	}
	if got != size {
		return nil, fmt.Errorf("shared memory of %d bytes, want %d", got, size)
	}
	return x, nil
}

// Take implements codec.Carrier.
func (o *opening) Take(ref codec.Ref) ([]byte, error) {
	x, err := o.find(ref)
	if err != nil {
		return nil, err
	}
	if x.plain == nil {
		return nil, errors.New("a Blob where a byte slice was promised")
	}
	if most := o.core.cfg.maxPayload; x.plain.Size() > most {
		return nil, fmt.Errorf("%w: %d bytes, more than the %d of WithMaxPayload", wire.ErrTooLarge, x.plain.Size(), most)
	}
	return x.plain.Copy()
}

// Unpack implements blob.Carrier.
func (o *opening) Unpack(ref codec.Ref) (*blob.Handle, error) {
	x, err := o.find(ref)
	if err != nil {
		return nil, err
	}
	if x.entry == nil {
		return nil, errors.New("a byte slice where a Blob was promised")
	}
	if x.taken == nil {
		x.taken = x.entry.handle()
	}
	return x.taken, nil
}

// Object implements codec.Carrier.
func (o *opening) Object(ref codec.Ref) (any, error) {
	h, err := o.Unpack(ref)
	if err != nil {
		return nil, err
	}
	return blob.Wrap(h), nil
}

// Fill implements blob.Carrier: a worker that shares no memory sends the contents.
func (o *opening) Fill(contents []byte) (*blob.Handle, error) { return o.core.blobs.share(contents) }

// Put and Pack are for encoding alone.

func (o *opening) Put([]byte) (ref codec.Ref, ok bool, err error) { return ref, false, errOneWay }
func (o *opening) Pack(*blob.Handle) (ref codec.Ref, contents []byte, err error) {
	return ref, nil, errOneWay
}
