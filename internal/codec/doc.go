// Package codec turns values of one static Go type into MessagePack bytes and
// back, for arguments and results that cross a process boundary.
//
//	c := codec.For[Order]()
//	buf, err = c.Append(buf, &order)   // exactly one value, appended
//	err = c.Decode(bytes, &order)      // exactly one value, from anybody
//
// The format is the one of github.com/vmihailenco/msgpack/v5: structs are maps
// by field name, `msgpack` tags are obeyed, types with methods of their own
// (CustomEncoder, Marshaler, BinaryMarshaler, TextMarshaler and their decoding
// halves) are encoded by that library. Everything else is done here, from a
// plan that is compiled once per type, because the library's own decoder must
// not see bytes that nobody has vouched for: it allocates what a header
// declares, recurses as deep as the input nests, and truncates integers.
//
// [Codec.Positional] is for two processes of one program: its structs are arrays of their fields, in order, wherever the
// static type tells the decoder what they are. Under an interface, in the hands of a method, and where a field may be
// missing because an embedded pointer is nil, they stay maps. A struct decodes from either.
//
// # What Decode promises
//
// Any bytes are welcome. Decode never panics, never overflows the stack and
// runs in linear time. It accepts exactly one value and no trailing bytes.
//
//   - A declared length is believed only if the bytes for it are there: one per
//     element and two per pair, summed over all containers that are still open,
//     so a header alone allocates nothing.
//   - Containers nest up to [MaxDepth].
//   - What decoded elements occupy is bounded: 256 times the encoded bytes, or
//     64 MiB if that is more (see [ErrTooLarge]). Without this bound an array of
//     one-byte empty maps would become an array of whole structs.
//   - A number that does not fit its Go type is an error and never truncated:
//     narrow integers, negative numbers into unsigned types, fractions into
//     integers, integers that a float cannot hold exactly, a float64 beyond
//     float32's range. An integral float is accepted as an integer, for workers
//     in languages that have no other number. float64 into float32 rounds.
//   - nil decodes as the zero value of any type.
//   - Nothing of the source is retained: strings and byte slices are copies. Strings of up to 32 bytes
//     share pieces of memory of 128, so whoever keeps one keeps that much.
//
// # What Append promises
//
//   - Integers take their shortest form.
//   - nil and empty slices and maps stay different.
//   - Channels, functions (nil ones too), complex numbers, unsafe pointers,
//     cycles and data nested deeper than [MaxDepth] are errors that name the Go
//     type and the path. So is a panic in a method of the value, and a custom
//     encoder that writes anything but one value.
//   - A value ends at 4 GiB, so that shared parts do not unfold without end.
//   - The order of a map's pairs is not defined.
//
// # Untyped values
//
// Under an empty interface, wherever it stands, these types come out: nil,
// bool, int64 (uint64 above its range), float64, string, []byte, []any,
// map[string]any if all keys are strings, else map[any]any, and time.Time.
//
// # References
//
// AppendBy and DecodeBy take a [Carrier], by which a value can refer to memory that both sides see: types with methods of
// their own ask [CarrierOf] for it, and byte slices of [MinCarried] bytes or more are offered to it. A reference is an
// extension ([ExtObject], [ExtBytes]) of 16 bytes. Without a Carrier it is an error like any unknown extension.
//
// # Where it differs from msgpack/v5
//
//   - A nil embedded pointer to a struct is left out and stays nil; the library
//     writes nil for each of its fields and allocates the struct on decoding.
//   - The "intern" option is accepted, but strings are written in full.
//   - uintptr is encoded as an unsigned integer, where the library panics.
//   - Values that are not addressable are copied for methods on the pointer,
//     where the library fails.
//   - A type registered with msgpack.Register or RegisterExt is honoured only if
//     it has encoding methods; extension types other than time are not decoded
//     under an empty interface.
//   - What a custom decoder leaves unread of its value is an error.
//
// What no format without references can keep: a pointer to a nil pointer, slice
// or map comes back as a nil pointer, shared pointers come back as copies, and a
// time.Time keeps its instant but not its zone or monotonic reading.
package codec
