// Package remote carries an error whole across a process boundary.
//
// An error is more than its text: errors.Is looks for sentinels in the tree that
// Unwrap spans, errors.As for types. Neither survives a string. So the sending
// side walks the tree, notes at every node which registered sentinels it answers
// to and whether its type is a registered one, and sends that along:
//
//	worker                                         parent
//
//	fmt.Errorf("load: %w", err)                    RemoteError "load: open x: no such file"
//	  *fs.PathError{open x ENOENT}      ======>      *fs.PathError{open x ENOENT}     (errors.As)
//	    syscall.ENOENT, Is(ErrNotExist)  Append      syscall.ENOENT                   (errors.As)
//	                                     Parse       fs.ErrNotExist                   (errors.Is)
//
// What arrives is an [Error], a tree of plain data. [Error.Targets] turns it back
// into the errors that errors.Is and errors.As can find.
//
// # The form
//
// An error is one msgpack map with string keys. Every key is optional, an
// unknown key and a value of an unexpected type are ignored, and of a repeated
// key the last one counts. The smallest error of a foreign worker is
// {"msg": "..."}; {} reads as "unknown error".
//
//	key       msgpack type     what it holds
//	"type"    str              Go's name of the dynamic type, "*fs.PathError"
//	"msg"     str              the text of Error()
//	"is"      array of str     names of the registered sentinels this node is,
//	                           by == or by its Is method
//	"as"      str              the name of the registered type this node has
//	"data"    bin              the node's value, one msgpack value in itself, whose
//	                           form belongs to the type that "as" names; str will
//	                           do where an encoder has no bin
//	"causes"  array of map     what this node wraps, each in the same form, in the
//	                           order of Unwrap; empty ones left out
//
// The data of a type that was registered by [RegisterType] is whatever the codec
// makes of it. The types known from the start have these:
//
//	name                data
//	"fs.PathError"      [op str, path str, text str]
//	"os.LinkError"      [op str, old str, new str, text str]
//	"os.SyscallError"   [syscall str, text str]
//	"strconv.NumError"  [func str, num str, text str]
//	"syscall.Errno"     [goos str, number uint]
//
// text is the text of the wrapped error and is used only where no cause with
// this text arrives: otherwise Err is rebuilt from the cause. An errno of another
// operating system is skipped, since its number means something else here; the
// sentinels noted beside it still hold.
//
// # Caps
//
// Both sides apply them, the receiver because it trusts nobody. What is over a
// cap is cut or left out, and the rest arrives: a large error is not a reason to
// lose it.
//
//	depth, nodes             32, 256
//	one text                 64 KiB, cut between runes, ending in " … (cut)"
//	all texts                512 KiB
//	one name (type, is, as)  256 bytes, else left out
//	all names                64 KiB
//	names in one "is"        64
//	all data                 512 KiB; a value that does not fit travels as its text
//
// Room is given level by level, so that what is deep below one cause does not
// take it from the next.
//
// A chain that is longer than the tree may be deep is still searched for
// sentinels; they are noted at the last node that travels.
//
// Texts are valid UTF-8 at both ends. In the parent every control character but
// newline and tab is escaped, as \x1b is, so that a text can be logged and
// printed to a terminal. Data is not touched: what a field of a registered type
// holds is what it held in the worker.
package remote
