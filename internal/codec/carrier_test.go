package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// parcels is a Carrier that keeps what it takes in a list.
type parcels struct {
	kept   [][]byte
	refuse error
	least  int
}

func (p *parcels) Put(b []byte) (ref Ref, ok bool, err error) {
	if len(b) < p.least {
		return ref, false, nil
	}
	p.kept = append(p.kept, b)
	binary.BigEndian.PutUint64(ref[:], uint64(len(p.kept)))
	return ref, true, p.refuse
}

func (p *parcels) Take(ref Ref) ([]byte, error) {
	n := binary.BigEndian.Uint64(ref[:])
	if n < 1 || n > uint64(len(p.kept)) {
		return nil, errors.New("no such parcel")
	}
	return bytes.Clone(p.kept[n-1]), p.refuse
}

func (p *parcels) Object(ref Ref) (any, error) {
	b, err := p.Take(ref)
	return string(b), err
}

// token is a type that travels as a reference.
type token string

func (v token) EncodeMsgpack(enc *msgpack.Encoder) error {
	by := CarrierOf(enc.Writer())
	if by == nil {
		return errors.New("nobody carries it")
	}
	ref, _, err := by.Put([]byte(v))
	if err != nil {
		return err
	}
	if err := enc.EncodeExtHeader(ExtObject, RefSize); err != nil {
		return err
	}
	_, err = enc.Writer().Write(ref[:])
	return err
}

func (v *token) DecodeMsgpack(dec *msgpack.Decoder) error {
	if _, _, err := dec.DecodeExtHeader(); err != nil {
		return err
	}
	var ref Ref
	if err := dec.ReadFull(ref[:]); err != nil {
		return err
	}
	by := CarrierOf(dec.Buffered())
	if by == nil {
		return errors.New("nobody carries it")
	}
	b, err := by.Take(ref)
	*v = token(b)
	return err
}

type consignment struct {
	Name   string
	Small  []byte
	Large  []byte
	Tokens map[string][]token
	Any    any
}

func TestReferencesStandAnywhereInAValue(t *testing.T) {
	long := bytes.Repeat([]byte("x"), MinCarried)
	in := consignment{
		Name: "n", Small: []byte("small"), Large: long,
		Tokens: map[string][]token{"a": {"one", "two"}}, Any: []any{token("three"), long},
	}
	c := For[consignment]()
	require.True(t, c.Carries())
	by := &parcels{}
	b, err := c.AppendBy(nil, &in, by)
	require.NoError(t, err)
	require.Less(t, len(b), 300)
	require.Len(t, by.kept, 5)
	var out consignment
	require.NoError(t, c.DecodeBy(b, &out, by))
	require.Equal(t, []any{"three", long}, out.Any)
	out.Any = in.Any
	require.Equal(t, in, out)

	require.Error(t, c.Decode(b, &out), "nobody carries it")
	_, err = c.Append(nil, &in)
	require.ErrorContains(t, err, "nobody carries it")
}

func TestAByteSliceAloneIsCarried(t *testing.T) {
	c := For[[]byte]()
	long := bytes.Repeat([]byte("x"), 2*MinCarried)
	by := &parcels{least: 2 * MinCarried}
	b, err := c.AppendBy(nil, &long, by)
	require.NoError(t, err)
	require.Len(t, b, 2+RefSize)
	var out []byte
	require.NoError(t, c.DecodeBy(b, &out, by))
	require.Equal(t, long, out)
	require.ErrorIs(t, c.DecodeBy(append(b, 0), &out, by), ErrTrailing)
	require.Error(t, c.DecodeBy(b[:10], &out, by))
	require.Error(t, c.Decode(b, &out))

	short := long[:2*MinCarried-1]
	b, err = c.AppendBy(nil, &short, by)
	require.NoError(t, err)
	require.NoError(t, c.DecodeBy(b, &out, by))
	require.Equal(t, short, out)
}

func TestARefusalNamesTheTypeAndThePlace(t *testing.T) {
	refusal := errors.New("no room")
	in := map[string][]byte{"k": make([]byte, MinCarried)}
	_, err := For[map[string][]byte]().AppendBy(nil, &in, &parcels{refuse: refusal})
	require.ErrorIs(t, err, refusal)
	require.ErrorContains(t, err, `["k"]`)
	in2 := in["k"]
	dst, err := For[[]byte]().AppendBy([]byte("before"), &in2, &parcels{refuse: refusal})
	require.ErrorIs(t, err, refusal)
	require.Equal(t, "before", string(dst))
}

func TestTypesThatHoldNoReferenceHaveNoUseForACarrier(t *testing.T) {
	type record struct {
		ID   int
		Name string
		Tags []string
		Next *record
	}
	require.False(t, For[int]().Carries())
	require.False(t, For[string]().Carries())
	require.False(t, For[record]().Carries())
	require.True(t, For[[][]byte]().Carries())
	require.True(t, For[any]().Carries())
	require.True(t, For[map[string]token]().Carries())
}
